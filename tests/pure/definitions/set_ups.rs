//! Repositories, servers and set-ups of git as people really have them.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use devenv::definitions::transport::silent;
use devenv::definitions::{Activity, Cause, Definitions, GitChoice, Options, RemoteUrl};
use devenv::error::Error;

use super::over_both;
use super::server::Mood;
use super::world::{Recorder, World};

over_both!(
    a_head_that_names_no_branch,
    an_empty_server,
    a_repository_of_another_owner,
    too_much_is_not_fetched,
    a_login_in_the_address_goes_nowhere_else,
);

const PATIENCE: Duration = Duration::from_secs(20);

fn hints(error: &Error) -> String {
    error.hints().join("\n")
}

async fn a_head_that_names_no_branch(world: World) {
    let bare = world.bare();
    for head in ["refs/heads/nothing", "detached"] {
        match head {
            "detached" => {
                let commit = world.git(&bare, &["rev-parse", "main"]);
                fs::write(bare.join("HEAD"), format!("{commit}\n")).unwrap();
            }
            head => drop(world.git(&bare, &["symbolic-ref", "HEAD", head])),
        }
        let name = head.replace('/', "-");
        let definitions = world.clone(&name).await;
        assert_eq!(definitions.base_branch().unwrap(), "main", "{head}");
    }
    world.git(&bare, &["branch", "side", "main"]);
    world.git(&bare, &["symbolic-ref", "HEAD", "refs/heads/nothing"]);
    let error = world
        .try_clone("c", &world.url(), PATIENCE)
        .await
        .unwrap_err();
    let said = error.chain().join(": ");
    assert!(said.contains("main, side"), "{said}");
    assert!(hints(&error).contains("--branch"), "{}", hints(&error));
    let url = RemoteUrl::parse(&world.url()).unwrap();
    let git = world.devenv_git(PATIENCE);
    let clone = |branch| {
        let place = world.place("d");
        let (url, git) = (&url, &git);
        async move { Definitions::init_clone(url, Some(branch), &place, git, silent()).await }
    };
    let error = clone("nothing").await.unwrap_err();
    let said = error.chain().join(": ");
    assert!(said.contains("no branch `nothing`"), "{said}");
    assert_eq!(clone("side").await.unwrap().base_branch().unwrap(), "side");
}

async fn an_empty_server(world: World) {
    let empty = world.folder.path().join("srv/empty.git");
    fs::create_dir_all(&empty).unwrap();
    world.git(&empty, &["init", "-q", "--bare"]);
    let url = world.url().replace("p.git", "empty.git");
    let error = world.try_clone("a", &url, PATIENCE).await.unwrap_err();
    let said = error.chain().join(": ");
    assert!(said.contains("no commits yet"), "{said}");
}

/// As root only: nobody else can give files away.
fn given_away(folder: &Path) -> bool {
    let done = Command::new("chown")
        .arg("-R")
        .arg("12345")
        .arg(folder)
        .status();
    done.is_ok_and(|it| it.success())
}

async fn a_repository_of_another_owner(world: World) {
    let definitions = world.clone("own").await;
    if !given_away(&world.bare()) {
        return;
    }
    let url = format!("file://{}", world.bare().display());
    let error = world.try_clone("a", &url, PATIENCE).await.unwrap_err();
    assert_eq!(
        Cause::of(&error),
        Some(Cause::Foreign),
        "{:?}",
        error.chain()
    );
    assert!(
        hints(&error).contains("safe.directory"),
        "{}",
        hints(&error)
    );
    // devenv's own folder.
    given_away(definitions.path());
    let error = Definitions::open(definitions.path(), &world.devenv_git(PATIENCE)).unwrap_err();
    assert!(error.to_string().contains("another user"), "{error}");
    assert!(hints(&error).contains("chown -R"), "{}", hints(&error));
}

/// Text that does not become smaller.
fn noise(bytes: u32) -> Vec<u8> {
    let mut state = 1u32;
    let step = |_| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (state >> 24) as u8
    };
    (0..bytes).map(step).collect()
}

async fn too_much_is_not_fetched(world: World) {
    fs::write(world.work().join("large"), noise(3 << 20)).unwrap();
    world.somebody_commits("large");
    let clone = |largest| {
        let git = world.git_as(Options {
            patience: PATIENCE,
            largest,
            ..Options::default()
        });
        let (url, place) = (RemoteUrl::parse(&world.url()).unwrap(), world.place("a"));
        async move { Definitions::init_clone(&url, None, &place, &git, silent()).await }
    };
    let error = clone(1 << 20).await.unwrap_err();
    assert_eq!(
        Cause::of(&error),
        Some(Cause::TooLarge),
        "{:?}",
        error.chain()
    );
    assert!(hints(&error).contains("definitions_limit"));
    assert!(
        !world.folder.path().join("data").exists(),
        "nothing is left"
    );
    clone(1 << 23).await.unwrap();
}

async fn a_login_in_the_address_goes_nowhere_else(world: World) {
    let password = "p'w\"r`1<ght";
    world
        .server
        .mood(Mood::Password(format!("anna:{password}")));
    let url = world.url().replace("://", &format!("://anna:{password}@"));
    let definitions = world.try_clone("a", &url, PATIENCE).await.unwrap();
    let config = fs::read_to_string(definitions.path().join("config")).unwrap();
    assert!(!config.contains("ght"), "{config}");
    // Whoever lists processes sees no login.
    world.server.mood(Mood::Silent);
    let (remote, git) = (RemoteUrl::parse(&url).unwrap(), world.devenv_git(PATIENCE));
    let place = world.place("b");
    let clone = Definitions::init_clone(&remote, None, &place, &git, silent());
    let looked = async {
        let host = format!("127.0.0.1:{}", world.server.port);
        let at_work = || {
            let processes = fs::read_dir("/proc").unwrap().flatten();
            let lines = processes.filter_map(|it| fs::read(it.path().join("cmdline")).ok());
            let lines = lines.map(|it| String::from_utf8_lossy(&it).replace('\0', " "));
            lines.filter(|it| it.contains(&host)).collect::<Vec<_>>()
        };
        let is_program = world.choice == GitChoice::Program;
        tokio::time::sleep(Duration::from_millis(700)).await;
        let mut ours = at_work();
        while is_program && ours.is_empty() {
            tokio::time::sleep(Duration::from_millis(50)).await;
            ours = at_work();
        }
        assert_eq!(!ours.is_empty(), is_program, "git is at work");
        assert!(ours.iter().all(|it| !it.contains("1<ght")), "{ours:?}");
    };
    tokio::select! {
        _ = clone => panic!("the server is silent"),
        () = looked => {}
    }
    // Another server of the same machine gets no login of this one.
    let other = World::new(world.choice);
    other
        .server
        .mood(Mood::Password(format!("anna:{password}")));
    let mut moved = definitions;
    let url = RemoteUrl::parse(&other.url()).unwrap();
    let error = moved
        .move_to(&url, "main", devenv::definitions::History::Rewritten)
        .await
        .unwrap_err();
    assert_eq!(
        Cause::of(&error),
        Some(Cause::Authentication),
        "{:?}",
        error.chain()
    );
    assert_eq!(moved.url().unwrap().to_string(), world.url(), "as before");
    world
        .server
        .mood(Mood::Password(format!("anna:{password}")));
    let fetched = moved.fetch(devenv::definitions::History::Forward, silent());
    fetched.await.unwrap();
}

/// A commit on `main` whose author line is as some tool once wrote it.
fn malformed(world: &World) {
    let work = world.work();
    let tree = world.git(&work, &["rev-parse", "HEAD^{tree}"]);
    let parent = world.git(&work, &["rev-parse", "HEAD"]);
    let text = format!(
        "tree {tree}\nparent {parent}\nauthor Anna <a@b> 1000000000 +051800\n\
         committer Anna <a@b> 1000000000 +0000\n\nold\n"
    );
    fs::write(work.join("../old"), text).unwrap();
    let hash = ["hash-object", "-t", "commit", "-w", "--literally", "../old"];
    let id = world.git(&work, &hash);
    world.git(&work, &["push", "-q", "origin", &format!("{id}:main")]);
}

#[tokio::test]
async fn what_git_itself_warns_of_is_let_pass_with_a_warning() {
    let mut world = World::new(GitChoice::Program);
    malformed(&world);
    let recorder = Recorder::new();
    let url = RemoteUrl::parse(&world.url()).unwrap();
    let git = world.devenv_git(PATIENCE);
    let place = world.place("a");
    let clone = Definitions::init_clone(&url, None, &place, &git, recorder.clone());
    assert_eq!(clone.await.unwrap().head().unwrap().subject, "old");
    let said = std::mem::take(&mut *recorder.0.lock().unwrap());
    let warned = |it: &Activity| matches!(it, Activity::Warning(it) if it.contains("badTimezone"));
    assert!(said.iter().any(warned), "{said:?}");

    // What could do harm stays refused, with the setting that lets it pass.
    let modules = "[submodule \"x\"]\npath = x\nurl = --upload-pack=evil\n";
    fs::write(world.work().join(".gitmodules"), modules).unwrap();
    world.git(&world.work(), &["fetch", "-q"]);
    world.git(&world.work(), &["reset", "-q", "--soft", "origin/main"]);
    world.git(&world.work(), &["add", "-A"]);
    world.git(&world.work(), &["commit", "-qm", "modules"]);
    world.git(&world.work(), &["push", "-q", "origin", "HEAD:main"]);
    let error = world
        .try_clone("b", &world.url(), PATIENCE)
        .await
        .unwrap_err();
    assert_eq!(
        Cause::of(&error),
        Some(Cause::Malformed),
        "{:?}",
        error.chain()
    );
    let name = "fetch.fsck.gitmodulesUrl";
    assert!(hints(&error).contains(name), "{}", hints(&error));
    configure(&mut world, &[(name, "ignore")]);
    world.clone("c").await;
}

/// Sets the user's own configuration of git.
fn configure(world: &mut World, settings: &[(&str, &str)]) {
    let file = world.folder.path().join("home/gitconfig");
    let path = file.display().to_string();
    for (name, value) in settings {
        let folder = world.folder.path();
        world.git(folder, &["config", "-f", &path, "--add", name, value]);
    }
    world.environment.insert("GIT_CONFIG_GLOBAL".into(), path);
}

#[tokio::test]
async fn a_helper_that_asks_somebody_is_waited_for_where_somebody_is() {
    let mut world = World::new(GitChoice::Program);
    world.server.mood(Mood::Password("anna:r1ght".into()));
    let helper = "!f() { sleep 4; echo username=anna; echo password=r1ght; }; f";
    configure(&mut world, &[("credential.helper", helper)]);
    let patience = Duration::from_secs(2);
    let error = world
        .try_clone("a", &world.url(), patience)
        .await
        .unwrap_err();
    assert_eq!(
        Cause::of(&error),
        Some(Cause::TimedOut),
        "{:?}",
        error.chain()
    );
    let told: Arc<Mutex<Vec<String>>> = Arc::default();
    let lines = Arc::clone(&told);
    let git = world.git_as(Options {
        patience,
        waiting: Some(Arc::new(move |line: &str| {
            lines.lock().unwrap().push(line.to_owned());
        })),
        ..Options::default()
    });
    let (url, place) = (RemoteUrl::parse(&world.url()).unwrap(), world.place("b"));
    let clone = Definitions::init_clone(&url, None, &place, &git, silent());
    clone.await.unwrap();
    let told = told.lock().unwrap().join("\n");
    assert!(told.contains("helper that asks you"), "{told}");
}

#[tokio::test]
async fn helpers_get_no_secret_of_ours_but_what_is_passed_on_purpose() {
    let mut world = World::new(GitChoice::Program);
    world.server.mood(Mood::Password("anna:r1ght".into()));
    let seen = world.folder.path().join("seen");
    let helper = format!(
        "!f() {{ env >> '{}'; echo username=anna; echo password=$GITLAB_TOKEN; }}; f",
        seen.display()
    );
    configure(&mut world, &[("credential.helper", &helper)]);
    for (name, value) in [
        ("DEVENV_KEY_PASSPHRASE", "horse"),
        ("GITLAB_TOKEN", "r1ght"),
    ] {
        world.environment.insert(name.into(), value.into());
    }
    let error = world
        .try_clone("a", &world.url(), PATIENCE)
        .await
        .unwrap_err();
    assert!(hints(&error).contains("git_variables"), "{}", hints(&error));
    let text = fs::read_to_string(&seen).unwrap();
    assert!(text.contains("HOME="), "{text}");
    assert!(!text.contains("horse") && !text.contains("r1ght"), "{text}");
    let git = world.git_as(Options {
        passed: vec!["GITLAB_TOKEN".to_owned()],
        ..Options::default()
    });
    let (url, place) = (RemoteUrl::parse(&world.url()).unwrap(), world.place("b"));
    let clone = Definitions::init_clone(&url, None, &place, &git, silent());
    clone.await.unwrap();
    assert!(!fs::read_to_string(&seen).unwrap().contains("horse"));
}

#[tokio::test]
async fn addresses_are_what_git_and_ssh_make_of_them() {
    let mut world = World::new(GitChoice::Program);
    let ssh = world.folder.path().join("ssh_config");
    let text =
        "Host work\n  HostName gitlab.acme.example\nHost number.example\n  HostName 10.0.0.7\n";
    fs::write(&ssh, text).unwrap();
    let command = format!("ssh -F {}", ssh.display());
    world.environment.insert("GIT_SSH_COMMAND".into(), command);
    configure(
        &mut world,
        &[
            ("url.git@work:.insteadOf", "corp:"),
            ("url.https://u:pw@h.example/.insteadOf", "web:"),
        ],
    );
    let definitions = world.clone("a").await;
    let path = definitions.path().to_owned();
    let resolved = |url: &str| {
        world.git(&path, &["config", "remote.origin.url", url]);
        let opened = Definitions::open(&path, &world.devenv_git(PATIENCE)).unwrap();
        opened.resolved_url().unwrap().to_string()
    };
    for (written, meant) in [
        (
            "git@work:team/work.git",
            "git@gitlab.acme.example:team/work.git",
        ),
        ("corp:team/p.git", "git@gitlab.acme.example:team/p.git"),
        (
            "ssh://git@work:2222/p.git",
            "ssh://git@gitlab.acme.example:2222/p.git",
        ),
        ("web:p.git", "https://h.example/p.git"),
        ("git@other.example:p.git", "git@other.example:p.git"),
        ("git@number.example:p.git", "git@number.example:p.git"),
        (
            "ssh://git@ssh.github.com:443/a/b",
            "ssh://git@github.com:443/a/b",
        ),
        ("https://work/p.git", "https://work/p.git"),
    ] {
        assert_eq!(resolved(written), meant);
    }
}
