//! Clone, fetch and push over http and ssh, by the `git` program and by the git that is built in.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use devenv::definitions::transport::silent;
use devenv::definitions::{
    Author, Cause, Change, Definitions, Git, GitChoice, History, Options, Pushed, RemoteUrl,
};
use devenv::error::Error;

use super::{commit, company, push_as};
use crate::support::forge::{DEVELOPER, OPERATOR, Server, Vendor};

/// How the server is reached.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    Http,
    Ssh,
}

fn devenv_git(choice: GitChoice, server: &Server) -> Git {
    let path = std::env::vars_os()
        .find(|(name, _)| name == "PATH")
        .unwrap()
        .1;
    let mut environment: Vec<(OsString, OsString)> = vec![
        ("PATH".into(), path),
        ("GIT_CONFIG_GLOBAL".into(), "/dev/null".into()),
        ("GIT_CONFIG_NOSYSTEM".into(), "1".into()),
    ];
    let ssh = server.ssh().environment();
    environment.extend(ssh.map(|(name, value)| (name.into(), value.into())));
    let patience = Duration::from_secs(30);
    Git::new(
        environment,
        Options {
            choice,
            patience,
            ..Options::default()
        },
    )
}

async fn clone_fetch_and_push(choice: GitChoice, way: Way, home: &Path) {
    let (server, other) = company(Vendor::GitLab);
    let server = server.with_ssh_for(home);
    let url = match way {
        Way::Http => server.url_as(DEVELOPER),
        Way::Ssh => server.ssh().url(),
    };
    let git_of = devenv_git(choice, &server);
    let data = tempfile::tempdir().unwrap();
    let place = data.path().join("definitions.git");
    let url = RemoteUrl::parse(&url).unwrap();
    let mut definitions = Definitions::init_clone(&url, None, &place, &git_of, silent())
        .await
        .unwrap();
    let first = definitions.head_id().unwrap();
    commit(other.path(), "by somebody else");
    push_as(
        other.path(),
        &server.url_as(OPERATOR),
        "HEAD:refs/heads/main",
        &[],
    );
    let fetched = definitions.fetch(History::Forward, silent()).await.unwrap();
    assert_ne!(fetched.after, first);
    let change = Change::Write {
        path: "file".to_owned(),
        bytes: b"mine\n".to_vec(),
        executable: false,
    };
    let author = Author {
        name: "Anna".to_owned(),
        email: "anna@acme.example".to_owned(),
        at: jiff::Timestamp::UNIX_EPOCH,
    };
    let commit = definitions
        .commit_files(fetched.after, &[change], "mine", &author)
        .unwrap();
    let pushed = definitions
        .push_branch(commit, "topic", silent())
        .await
        .unwrap();
    let Pushed::Accepted(said) = pushed else {
        panic!("{pushed:?}");
    };
    assert!(
        said.iter()
            .any(|it| it.contains("To create a merge request for topic")),
        "{said:?}"
    );
    assert_eq!(server.git(&["show", "topic:file"]), "mine");
    let refused = definitions
        .push_branch(commit, "main", silent())
        .await
        .unwrap();
    assert!(matches!(refused, Pushed::Refused(_)), "{refused:?}");
}

/// The built-in git looks for known hosts in the process's own home: the test runs once more, in a process
/// that has another one. Gives that home to the inner run.
fn at_home(test: &str) -> Option<PathBuf> {
    const INSIDE: &str = "DEVENV_TESTS_HOME";
    if let Some((_, home)) = std::env::vars_os().find(|(name, _)| name == INSIDE) {
        return Some(home.into());
    }
    let home = tempfile::tempdir().unwrap();
    let output = Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("{}::{test}", module_path!().split_once("::").unwrap().1),
            "--nocapture",
        ])
        .env("HOME", home.path())
        .env(INSIDE, home.path())
        .env_remove("SSH_AUTH_SOCK")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(
        output.status.success() && text.contains("1 passed"),
        "{text}\n{errors}"
    );
    None
}

/// Makes a test of each way.
macro_rules! ways {
    ($($name:ident: $choice:ident, $way:ident;)*) => {
        $(#[tokio::test]
        async fn $name() {
            if let Some(home) = at_home(stringify!($name)) {
                clone_fetch_and_push(GitChoice::$choice, Way::$way, &home).await;
            }
        })*
    };
}

ways! {
    http_by_the_program: Program, Http;
    http_by_what_is_built_in: BuiltIn, Http;
    ssh_by_the_program: Program, Ssh;
    ssh_by_what_is_built_in: BuiltIn, Ssh;
}

async fn failed(server: &Server, choice: GitChoice, url: &str) -> Error {
    let data = tempfile::tempdir().unwrap();
    let place = data.path().join("definitions.git");
    let url = RemoteUrl::parse(url).unwrap();
    let cloned =
        Definitions::init_clone(&url, None, &place, &devenv_git(choice, server), silent()).await;
    cloned.err().unwrap()
}

/// A wrong password, an unknown repository, an unknown host key: told apart by both transports,
/// http and ssh.
#[tokio::test]
async fn strangers_and_unknown_hosts_are_told_apart_by_both() {
    let Some(home) = at_home("strangers_and_unknown_hosts_are_told_apart_by_both") else {
        return;
    };
    let server = Server::start(Vendor::GitLab).with_ssh_for(&home);
    for choice in [GitChoice::Program, GitChoice::BuiltIn] {
        let error = failed(&server, choice, &server.url_as((DEVELOPER.0, "wrong"))).await;
        assert_eq!(
            Cause::of(&error),
            Some(Cause::Authentication),
            "{:?}",
            error.chain()
        );
        let elsewhere = server.ssh().url().replace("acme/platform", "acme/nothing");
        let error = failed(&server, choice, &elsewhere).await;
        assert_eq!(
            Cause::of(&error),
            Some(Cause::NotFound),
            "{:?}",
            error.chain()
        );
    }
    server.ssh().forget_host();
    for choice in [GitChoice::Program, GitChoice::BuiltIn] {
        let error = failed(&server, choice, &server.ssh().url()).await;
        assert_eq!(
            Cause::of(&error),
            Some(Cause::Untrusted),
            "{:?}",
            error.chain()
        );
    }
}

/// A key with a passphrase and no agent: the hint says what to type.
#[tokio::test]
async fn a_key_with_a_passphrase_asks_for_ssh_add() {
    let Some(home) = at_home("a_key_with_a_passphrase_asks_for_ssh_add") else {
        return;
    };
    let server = Server::start(Vendor::GitLab).with_ssh_for(&home);
    let key = home.join(".ssh/id_ed25519");
    let locked = Command::new("ssh-keygen")
        .args(["-q", "-p", "-P", "", "-N", "a passphrase", "-f"])
        .arg(&key)
        .status();
    assert!(locked.unwrap().success());
    let error = failed(&server, GitChoice::Program, &server.ssh().url()).await;
    assert_eq!(Cause::of(&error), Some(Cause::Key), "{:?}", error.chain());
    assert!(
        error.hints().join(" ").contains("`ssh-add`"),
        "{:?}",
        error.hints()
    );
}
