//! Clone, fetch, push, and what goes wrong with them.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use devenv::definitions::transport::silent;
use devenv::definitions::{
    Activity, Cause, Change, Definitions, GitChoice, History, Pushed, RemoteUrl,
};
use devenv::error::{Error, Kind};

use super::over_both;
use super::server::Mood;
use super::world::{Recorder, World, author};

over_both!(
    clone_fetch_and_read,
    a_folder_can_be_cloned,
    rewritten_history_is_refused_until_allowed,
    the_default_branch_may_be_renamed,
    what_is_gone_there_goes_here,
    an_overtaken_push_is_told,
    a_hook_s_refusal_is_told,
    not_found,
    wrong_password,
    right_password,
    a_foreign_git_environment_changes_nothing,
);

fn change(path: &str, text: &str) -> Change {
    Change::Write {
        path: path.to_owned(),
        bytes: text.into(),
        executable: false,
    }
}

pub(super) fn cause(error: &Error) -> Cause {
    assert_eq!(error.kind(), Kind::Git, "{:?}", error.chain());
    Cause::of(error).unwrap_or_else(|| panic!("no cause: {:?}", error.chain()))
}

async fn clone_fetch_and_read(world: World) {
    let mut definitions = world.clone("a").await;
    assert_eq!(definitions.base_branch().unwrap(), "main");
    assert_eq!(definitions.url().unwrap().to_string(), world.url());
    let first = definitions.head().unwrap();
    assert_eq!(
        (first.subject.as_str(), first.author.as_str()),
        ("first", "Anna <anna@acme.example>")
    );
    let text = definitions
        .read(first.id, "platform.yaml")
        .unwrap()
        .unwrap();
    assert!(text.starts_with(b"schema: 1"));
    let containers = definitions.containers(first.id).unwrap();
    assert_eq!(
        containers.iter().map(AsRef::as_ref).collect::<Vec<&str>>(),
        ["billing"]
    );

    let second = world.somebody_commits("second");
    world.somebody_commits("third\u{1b}[31m");
    let recorder = Recorder::new();
    let fetched = definitions
        .fetch(History::Forward, recorder.clone())
        .await
        .unwrap();
    assert_eq!(fetched.before, first.id);
    assert_eq!(definitions.head().unwrap().id, fetched.after);
    let log = definitions
        .log_between(fetched.before, fetched.after, 10)
        .unwrap();
    let subjects: Vec<_> = log.iter().map(|commit| commit.subject.as_str()).collect();
    assert_eq!(subjects, ["third\\u{1b}[31m", "second"]);
    assert_eq!(log[1].id.to_string(), second);
    assert!(definitions.is_ancestor(first.id, fetched.after).unwrap());
    assert!(!definitions.is_ancestor(fetched.after, first.id).unwrap());
    let activities = recorder.0.lock().unwrap();
    assert!(
        activities
            .iter()
            .any(|activity| matches!(activity, Activity::Step { .. }))
    );
    let again = Definitions::open(
        definitions.path(),
        &world.devenv_git(Duration::from_secs(9)),
    );
    assert_eq!(again.unwrap().head_id().unwrap(), fetched.after);
}

async fn a_folder_can_be_cloned(world: World) {
    let url = format!("file://{}", world.bare().display());
    let mut definitions = world
        .try_clone("a", &url, Duration::from_secs(30))
        .await
        .unwrap();
    let head = definitions.head_id().unwrap();
    let commit = definitions
        .commit_files(
            head,
            &[change("platform.yaml", "schema: 2\n")],
            "two",
            &author("Anna"),
        )
        .unwrap();
    let pushed = definitions
        .push_branch(commit, "main", silent())
        .await
        .unwrap();
    assert!(matches!(pushed, Pushed::Accepted(_)), "{pushed:?}");
    assert_eq!(
        world.git(&world.bare(), &["rev-parse", "main"]),
        commit.to_string()
    );
}

async fn rewritten_history_is_refused_until_allowed(world: World) {
    let mut definitions = world.clone("a").await;
    let first = definitions.head_id().unwrap();
    world.git(&world.work(), &["commit", "-q", "--amend", "-m", "other"]);
    world.git(&world.work(), &["push", "-qf", "origin", "HEAD:main"]);
    for _ in 0..2 {
        let error = definitions
            .fetch(History::Forward, silent())
            .await
            .unwrap_err();
        assert!(error.to_string().contains("rewritten"), "{error}");
        assert_eq!(definitions.head_id().unwrap(), first);
    }
    let fetched = definitions
        .fetch(History::Rewritten, silent())
        .await
        .unwrap();
    assert_eq!(fetched.before, first);
    assert_eq!(definitions.head().unwrap().subject, "other");
}

async fn the_default_branch_may_be_renamed(world: World) {
    let mut definitions = world.clone("a").await;
    world.git(&world.bare(), &["branch", "-m", "main", "trunk"]);
    definitions.fetch(History::Forward, silent()).await.unwrap();
    assert_eq!(definitions.base_branch().unwrap(), "trunk");
    let error = definitions.use_branch("main").unwrap_err();
    assert!(error.to_string().contains("no branch `main`"), "{error}");
}

async fn what_is_gone_there_goes_here(world: World) {
    world.git(&world.bare(), &["branch", "side", "main"]);
    world.git(&world.bare(), &["tag", "old", "main"]);
    let mut definitions = world.clone("a").await;
    assert!(definitions.branch_commit("side").unwrap().is_some());
    let tags = || world.git(&world.place("a"), &["tag"]);
    assert_eq!(tags(), "old");
    world.git(&world.bare(), &["branch", "-D", "side"]);
    world.git(&world.bare(), &["tag", "-d", "old"]);
    definitions.fetch(History::Forward, silent()).await.unwrap();
    assert!(definitions.branch_commit("side").unwrap().is_none());
    assert_eq!(tags(), "");
}

async fn an_overtaken_push_is_told(world: World) {
    let mut definitions = world.clone("a").await;
    let changes = [change("platform.yaml", "schema: 2\n")];
    let commit = |definitions: &Definitions| {
        let head = definitions.head_id().unwrap();
        definitions
            .commit_files(head, &changes, "mine", &author("Anna"))
            .unwrap()
    };
    let mine = commit(&definitions);
    let theirs = world.somebody_commits("theirs");
    let pushed = definitions
        .push_branch(mine, "main", silent())
        .await
        .unwrap();
    assert_eq!(pushed, Pushed::Overtaken);
    assert_eq!(world.git(&world.bare(), &["rev-parse", "main"]), theirs);
    definitions.fetch(History::Forward, silent()).await.unwrap();
    let mine = commit(&definitions);
    let pushed = definitions
        .push_branch(mine, "main", silent())
        .await
        .unwrap();
    assert!(matches!(pushed, Pushed::Accepted(_)), "{pushed:?}");
    assert_eq!(definitions.head_id().unwrap(), mine);
    assert_eq!(
        world.git(&world.bare(), &["log", "--format=%s", "main"]),
        "mine\ntheirs\nfirst"
    );
    let pushed = definitions
        .push_branch(mine, "release/billing-2", silent())
        .await
        .unwrap();
    assert!(matches!(pushed, Pushed::Accepted(_)), "{pushed:?}");
}

async fn a_hook_s_refusal_is_told(world: World) {
    world.hook(
        "pre-receive",
        "printf 'branch is \\033[31mprotected\\n' >&2; exit 1",
    );
    let mut definitions = world.clone("a").await;
    let head = definitions.head_id().unwrap();
    let commit = definitions
        .commit_files(head, &[change("x", "y")], "mine", &author("Anna"))
        .unwrap();
    match definitions
        .push_branch(commit, "main", silent())
        .await
        .unwrap()
    {
        Pushed::Refused(text) => {
            assert!(text.contains("branch is \\u{1b}[31mprotected"), "{text:?}");
            assert!(text.contains("hook declined"), "{text:?}");
        }
        other => panic!("{other:?}"),
    }
    assert_eq!(definitions.head_id().unwrap(), head);
}

async fn not_found(world: World) {
    let url = world.url().replace("p.git", "nothing.git");
    let error = world
        .try_clone("a", &url, Duration::from_secs(20))
        .await
        .unwrap_err();
    assert_eq!(cause(&error), Cause::NotFound, "{:?}", error.chain());
    assert!(!world.place("a").exists());
    let missing = world.folder.path().join("nothing").display().to_string();
    let error = world
        .try_clone("a", &missing, Duration::from_secs(20))
        .await
        .unwrap_err();
    assert_eq!(cause(&error), Cause::NotFound, "{:?}", error.chain());
}

async fn wrong_password(world: World) {
    world.server.mood(Mood::Password("anna:right".into()));
    for url in [world.url(), world.url().replace("://", "://anna:wr0ng@")] {
        let error = world
            .try_clone("a", &url, Duration::from_secs(20))
            .await
            .unwrap_err();
        assert_eq!(cause(&error), Cause::Authentication, "{:?}", error.chain());
        let shown = format!("{error:?} {:?} {:?}", error.chain(), error.details());
        assert!(!shown.contains("wr0ng"), "{shown}");
    }
    assert!(
        world.server.requests.load(Ordering::Relaxed) < 20,
        "asked for ever"
    );
}

async fn right_password(world: World) {
    world.server.mood(Mood::Password("anna:r1ght".into()));
    let url = world.url().replace("://", "://anna:r1ght@");
    let mut definitions = world
        .try_clone("a", &url, Duration::from_secs(20))
        .await
        .unwrap();
    definitions.fetch(History::Forward, silent()).await.unwrap();
    assert_eq!(definitions.url().unwrap().to_string(), world.url());
    // By a helper of the user's own configuration, found from the environment that was given.
    let helper = "!f() { echo username=anna; echo password=r1ght; }; f";
    let mut world = world;
    let config = world.folder.path().join("home/gitconfig");
    world
        .environment
        .insert("GIT_CONFIG_GLOBAL".into(), config.display().to_string());
    let file = config.display().to_string();
    world.git(
        world.folder.path(),
        &["config", "-f", &file, "credential.helper", helper],
    );
    world.clone("b").await;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let mode = fs::metadata(world.place("a").join("devenv-login"))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o777, 0o600, "the password is in there");
    }
}

async fn a_foreign_git_environment_changes_nothing(mut world: World) {
    let elsewhere = world.folder.path().join("elsewhere").display().to_string();
    for name in [
        "GIT_DIR",
        "GIT_WORK_TREE",
        "GIT_INDEX_FILE",
        "GIT_OBJECT_DIRECTORY",
        "GIT_NAMESPACE",
    ] {
        world.environment.insert(name.into(), elsewhere.clone());
    }
    // A template's hooks and the user's own must not run.
    let hooks = world.folder.path().join("hooks");
    fs::create_dir_all(&hooks).unwrap();
    world
        .environment
        .insert("GIT_TEMPLATE_DIR".into(), hooks.display().to_string());
    let definitions = world.clone("a").await;
    assert_eq!(definitions.head().unwrap().subject, "first");
    assert!(!world.folder.path().join("elsewhere").exists());
}

#[tokio::test]
async fn without_the_program_the_built_in_one_is_used() {
    let mut world = World::new(GitChoice::Auto);
    let patience = Duration::from_secs(20);
    let name = world.devenv_git(patience).transport().await.unwrap().name();
    assert!(name.starts_with("git 2."), "{name}");
    let empty = world.folder.path().join("home").display().to_string();
    world.environment.insert("PATH".into(), empty);
    let name = world.devenv_git(patience).transport().await.unwrap().name();
    assert!(name.contains("built in"), "{name}");
    world.choice = GitChoice::Program;
    let error = world.devenv_git(patience).transport().await.err().unwrap();
    assert!(error.to_string().contains("not in PATH"), "{error}");
}

#[test]
fn futures_may_move_between_threads() {
    fn is_send<T: Send>(_: &T) {}
    let world = World::new(GitChoice::BuiltIn);
    let git = world.devenv_git(Duration::from_secs(1));
    let (url, place) = (RemoteUrl::parse(&world.url()).unwrap(), world.place("a"));
    is_send(&Definitions::init_clone(
        &url,
        None,
        &place,
        &git,
        Arc::new(()),
    ));
}
