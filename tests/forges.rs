//! The stand-ins for forges, asked by git itself: they say what the vendors' say. And clone, fetch and
//! push over http and ssh, by the `git` program and by the git that is built in.

#![cfg(unix)]
#![allow(clippy::unwrap_used, reason = "a test that cannot go on may stop")]

#[path = "support/mod.rs"]
mod support;

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use devenv::definitions::transport::silent;
use devenv::definitions::{
    Author, Cause, Change, Definitions, Git, GitChoice, History, Pushed, RemoteUrl,
};
use devenv::error::Error;
use serde_json::{Value, json};

use support::forge::{DEVELOPER, Mood, OPERATOR, READER, Server, Vendor, token};
use support::synthetic::git;

/// A server whose `main` has one file, and somebody's clone of it.
fn company(vendor: Vendor) -> (Server, tempfile::TempDir) {
    let server = Server::start(vendor);
    let clone = tempfile::tempdir().unwrap();
    git(clone.path(), &["init", "--quiet", "--initial-branch=main"]);
    commit(clone.path(), "first");
    let main = push_as(
        clone.path(),
        &server.url_as(OPERATOR),
        "HEAD:refs/heads/main",
        &[],
    );
    assert!(main.0, "{}", main.1);
    (server, clone)
}

fn commit(folder: &Path, text: &str) {
    fs::write(folder.join("file"), format!("{text}\n")).unwrap();
    git(folder, &["add", "--all"]);
    git(folder, &["commit", "--quiet", "--message", text]);
}

/// Pushes with options: whether it went well, and what was said.
fn push_as(folder: &Path, url: &str, what: &str, options: &[&str]) -> (bool, String) {
    let mut command = Command::new("git");
    command.current_dir(folder).arg("push");
    for option in options {
        command.args(["-o", option]);
    }
    let Output { status, stderr, .. } = command
        .args([url, what])
        .env("GIT_CONFIG_GLOBAL", "/dev/null")
        .env("GIT_TERMINAL_PROMPT", "0")
        .env("LC_ALL", "C")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&stderr).into_owned();
    // git fills lines of the other side up with spaces.
    let lines: Vec<&str> = said.lines().map(str::trim_end).collect();
    (status.success(), lines.join("\n"))
}

fn has(said: &str, text: &str) {
    assert!(said.contains(text), "wanted {text:?} in:\n{said}");
}

#[test]
fn gitlab_s_hook_makes_and_changes_a_merge_request() {
    let (server, clone) = company(Vendor::GitLab);
    let url = server.url_as(DEVELOPER);
    commit(clone.path(), "second");
    let to = "HEAD:refs/heads/devenv/dev/billing";
    let (_, said) = push_as(clone.path(), &url, to, &[]);
    let origin = server.origin();
    has(
        &said,
        &format!(
            "remote:\nremote: To create a merge request for devenv/dev/billing, visit:\nremote:   \
             {origin}/acme/platform/-/merge_requests/new?merge_request%5Bsource_branch%5D=devenv%2Fdev%2Fbilling\n"
        ),
    );
    assert!(server.requests().is_empty());

    commit(clone.path(), "third");
    let title = "merge_request.title=Mend the health path";
    let options = [
        "merge_request.create",
        title,
        "merge_request.description=one\\ntwo",
        "merge_request.draft",
        "merge_request.unheard_of=1",
        "nonsense",
    ];
    let (ok, said) = push_as(clone.path(), &url, to, &options);
    assert!(ok, "{said}");
    has(
        &said,
        &format!(
            "remote: View merge request for devenv/dev/billing:\nremote:   \
             {origin}/acme/platform/-/merge_requests/1\n"
        ),
    );
    let made = server.requests();
    assert_eq!(made.len(), 1);
    assert_eq!(made[0].title, "Mend the health path");
    assert_eq!(made[0].description, "one\ntwo");
    assert!(made[0].draft);

    commit(clone.path(), "fourth");
    push_as(clone.path(), &url, to, &["mr.title=Another"]);
    assert_eq!(server.requests()[0].title, "Another");
    assert_eq!(server.requests().len(), 1);
}

#[test]
fn gitlab_s_hook_warns_of_what_it_did_not_do() {
    let (server, clone) = company(Vendor::GitLab);
    let url = server.url_as(DEVELOPER);
    commit(clone.path(), "second");
    let to = "HEAD:refs/heads/topic";
    let long = format!("merge_request.title={}", "x".repeat(256));
    for (options, warning) in [
        (
            ["merge_request.create", "merge_request.target=nowhere"],
            "Target branch acme/platform:nowhere does not exist",
        ),
        (
            ["merge_request.create", long.as_str()],
            "Title is too long (maximum is 255 characters)",
        ),
        (
            ["merge_request.title=x", "ci.skip"],
            "A merge_request.create push option is required",
        ),
    ] {
        commit(clone.path(), warning);
        let (ok, said) = push_as(clone.path(), &url, to, &options);
        assert!(ok, "{said}");
        let words = said
            .replace("remote:", "")
            .split_whitespace()
            .collect::<Vec<_>>()
            .join(" ");
        has(
            &words,
            &format!(
                "WARNINGS: Error encountered with push options '{}'",
                options[0]
            ),
        );
        has(&words, warning);
        has(&said, &format!("remote: {}", "=".repeat(72)));
    }
    assert!(server.requests().is_empty());
}

#[test]
fn gitlab_tells_who_may_not() {
    let (server, clone) = company(Vendor::GitLab);
    commit(clone.path(), "second");
    let to = "HEAD:refs/heads/topic";
    let (ok, said) = push_as(
        clone.path(),
        &server.url_as((DEVELOPER.0, "wrong")),
        to,
        &[],
    );
    assert!(!ok);
    has(&said, "remote: HTTP Basic: Access denied");
    has(&said, "fatal: Authentication failed for");
    let (ok, said) = push_as(clone.path(), &server.url_as(READER), to, &[]);
    assert!(!ok);
    has(
        &said,
        "remote: You are not allowed to push code to this project.",
    );
    has(&said, "The requested URL returned error: 403");
    let (ok, said) = push_as(
        clone.path(),
        &server.url_as(DEVELOPER),
        "HEAD:refs/heads/main",
        &[],
    );
    assert!(!ok);
    has(
        &said,
        "remote: GitLab: You are not allowed to push code to protected branches on this project.",
    );
    has(&said, "(pre-receive hook declined)");
    server.mood(Mood::Refusing("\u{1b}[31mno\u{1b}[0m".to_owned()));
    let (ok, said) = push_as(clone.path(), &server.url_as(DEVELOPER), to, &[]);
    assert!(!ok);
    has(&said, "\u{1b}[31mno");
    assert!(server.branches().is_empty());
}

#[test]
fn gitlab_s_api_has_its_shapes_and_merges_by_a_squash() {
    let (server, clone) = company(Vendor::GitLab);
    commit(clone.path(), "second");
    commit(clone.path(), "third");
    let proposed = git(clone.path(), &["rev-parse", "HEAD"]);
    push_as(
        clone.path(),
        &server.url_as(DEVELOPER),
        "HEAD:refs/heads/a/b",
        &[],
    );
    let place = "/api/v4/projects/acme%2Fplatform/merge_requests";
    let new = json!({ "title": "T", "source_branch": "a/b", "target_branch": "main" });
    let developer = token(DEVELOPER.0);
    for (who, target, status, said) in [
        (None, place, "401", r#"{"message":"401 Unauthorized"}"#),
        (
            Some("wrong"),
            place,
            "401",
            r#"{"message":"401 Unauthorized"}"#,
        ),
        (
            Some(&*token(READER.0)),
            place,
            "403",
            r#"{"message":"403 Forbidden"}"#,
        ),
        (
            Some(&*developer),
            "/api/v4/projects/acme%2Fother/merge_requests",
            "404",
            r#"{"message":"404 Project Not Found"}"#,
        ),
    ] {
        let (answer, body) = server.ask_as(who, "POST", target, &new);
        assert!(answer.starts_with(status), "{answer} {body}");
        assert_eq!(body, said);
    }
    let (status, body) = server.ask_as(Some(&developer), "POST", place, &new);
    assert!(status.starts_with("201"), "{status} {body}");
    let made: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (made["iid"].as_u64(), made["state"].as_str()),
        (Some(1), Some("opened"))
    );
    let (status, body) = server.ask_as(Some(&developer), "POST", place, &new);
    assert!(status.starts_with("409"), "{status}");
    assert_eq!(
        body,
        r#"{"message":["Another open merge request already exists for this source branch: !1"]}"#
    );
    let list = format!("{place}?state=opened&source_branch=a%2Fb");
    let (_, body) = server.ask_as(Some(&developer), "GET", &list, &Value::Null);
    assert_eq!(serde_json::from_str::<Value>(&body).unwrap()[0]["iid"], 1);

    let merge = format!("{place}/1/merge");
    let (status, _) = server.ask_as(Some(&developer), "PUT", &merge, &Value::Null);
    assert!(status.starts_with("401"), "{status}");
    server.merge(1);
    assert_eq!(server.requests()[0].state, "merged");
    assert_eq!(server.git(&["show", "main:file"]), "third");
    let ancestor = server
        .git_command(&["merge-base", "--is-ancestor", &proposed, "main"])
        .status();
    assert!(!ancestor.unwrap().success(), "a squash is no ancestor");
    assert!(server.branches().is_empty());
}

#[test]
fn gitea_takes_pull_requests_by_agit() {
    let (server, clone) = company(Vendor::Gitea);
    let url = server.url_as(DEVELOPER);
    commit(clone.path(), "second");
    let to = "HEAD:refs/for/main";
    let (ok, said) = push_as(clone.path(), &url, to, &[]);
    assert!(!ok);
    has(&said, "topic-branch is not set");
    let options = ["topic=billing", "title=Mend", "description=why"];
    let (ok, said) = push_as(clone.path(), &url, to, &options);
    assert!(ok, "{said}");
    let origin = server.origin();
    has(
        &said,
        &format!(
            "remote: Visit the existing pull request:\nremote:   {origin}/acme/platform/pulls/1\n"
        ),
    );
    let made = server.requests();
    assert_eq!(
        (made[0].title.as_str(), made[0].source.as_str()),
        ("Mend", "dev/billing")
    );
    assert!(server.branches().is_empty(), "AGit makes no branch");
    let (_, said) = push_as(clone.path(), &url, to, &options);
    has(&said, "new commit is same with old commit");
    git(
        clone.path(),
        &["commit", "--quiet", "--amend", "--message", "other"],
    );
    let (_, said) = push_as(clone.path(), &url, to, &options);
    has(&said, "request `force-push` push option");
    let forced = ["topic=billing", "force-push=true"];
    let (ok, said) = push_as(clone.path(), &url, to, &forced);
    assert!(ok, "{said}");
    assert_eq!(server.requests().len(), 1);
    server.merge(1);
    assert_eq!(server.git(&["show", "main:file"]), "second");
}

#[test]
fn github_s_api_has_its_shapes() {
    let (server, clone) = company(Vendor::GitHub);
    commit(clone.path(), "second");
    let (_, said) = push_as(
        clone.path(),
        &server.url_as(DEVELOPER),
        "HEAD:refs/heads/topic",
        &[],
    );
    has(
        &said,
        "remote: Create a pull request for 'topic' on GitHub by visiting:",
    );
    let place = "/api/v3/repos/acme/platform/pulls";
    let new = json!({ "title": "T", "head": "topic", "base": "main", "body": "b", "draft": true });
    let developer = token(DEVELOPER.0);
    let (status, body) = server.ask_as(Some(&developer), "POST", place, &new);
    assert!(status.starts_with("201"), "{status} {body}");
    let (status, body) = server.ask_as(Some(&developer), "POST", place, &new);
    assert!(status.starts_with("422"), "{status}");
    has(&body, "A pull request already exists for acme:topic.");
    let (status, body) = server.ask_as(Some("wrong"), "POST", place, &new);
    assert!(status.starts_with("401"), "{status}");
    has(&body, "Bad credentials");
    server.merge(1);
    assert_eq!(server.git(&["show", "main:file"]), "second");
}

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
    Git::new(choice, environment, Duration::from_secs(30), None)
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
    let mut definitions = Definitions::init_clone(&url, &place, &git_of, silent())
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
        .args(["--exact", test, "--nocapture"])
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
    let cloned = Definitions::init_clone(&url, &place, &devenv_git(choice, server), silent()).await;
    cloned.err().unwrap()
}

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
