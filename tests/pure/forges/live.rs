//! A real forge, where somebody names one: `cargo test --test pure live -- --ignored` with
//! `DEVENV_LIVE_FORGE` (`gitlab`, `gitea`, `forgejo`, `github`), `DEVENV_LIVE_URL` (what git clones, a
//! repository to play with) and `DEVENV_LIVE_TOKEN` (may write to it).

use std::fs;
use std::process::Command;

use devenv::model::forge::ForgeKind;
use devenv::model::secret::Secret;
use devenv::proposals::forge::{self, Api, Place, State, Token, Topics};

use super::requests::{client, draft};

fn variable(name: &str) -> String {
    let found = std::env::vars().find(|(key, _)| key == name);
    found
        .unwrap_or_else(|| panic!("set {name}: no real forge is known without it"))
        .1
}

/// Runs git with the token as its password, which is in no argument.
fn git(folder: &std::path::Path, arguments: &[&str]) -> String {
    let helper = "!f() { echo username=oauth2; echo \"password=$DEVENV_LIVE_TOKEN\"; }; f";
    let output = Command::new("git")
        .args([
            "-c",
            "credential.helper=",
            "-c",
            &format!("credential.helper={helper}"),
        ])
        .args([
            "-c",
            "user.name=devenv",
            "-c",
            "user.email=devenv@localhost",
        ])
        .args(arguments)
        .current_dir(folder)
        .env("GIT_TERMINAL_PROMPT", "0")
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "git {arguments:?}: {errors}");
    errors.into_owned() + &String::from_utf8_lossy(&output.stdout)
}

/// Makes a request, changes and closes it, and removes its branch; nothing is left but a closed request.
#[tokio::test]
#[ignore = "needs a real forge: DEVENV_LIVE_FORGE, DEVENV_LIVE_URL and DEVENV_LIVE_TOKEN"]
async fn a_real_forge_takes_a_request() {
    let kind: ForgeKind = variable("DEVENV_LIVE_FORGE").parse().unwrap();
    let url = variable("DEVENV_LIVE_URL");
    let folder = tempfile::tempdir().unwrap();
    git(folder.path(), &["clone", "--quiet", "--depth=1", &url, "."]);
    let target = git(folder.path(), &["branch", "--show-current"])
        .trim()
        .to_owned();
    let source = format!("devenv/live/try-{}x", std::process::id());
    fs::write(folder.path().join("devenv-live.txt"), &source).unwrap();
    git(folder.path(), &["add", "--all"]);
    git(
        folder.path(),
        &["commit", "--quiet", "--message", "devenv tries this forge"],
    );
    let said = git(
        folder.path(),
        &["push", "origin", &format!("HEAD:refs/heads/{source}")],
    );

    let place = Place::new(&url, None, None).unwrap();
    let token = Token {
        secret: Secret::new(variable("DEVENV_LIVE_TOKEN")),
        user: None,
        origin: "DEVENV_LIVE_TOKEN".to_owned(),
    };
    let api = Api::new(client(), forge::root(kind, &place).unwrap(), token).unwrap();
    let forge = forge::of(kind, place, Some(api), Topics::new()).unwrap();
    let lines: Vec<String> = said
        .lines()
        .filter_map(|line| line.strip_prefix("remote:"))
        .map(|line| line.trim().to_owned())
        .collect();
    let heard = forge.heard(&lines);
    let mut draft = draft(&source);
    draft.target = target;
    let requests = forge.requests().unwrap();
    let made = requests.create(&draft).await;
    let closed = match &made {
        Ok(made) => Some(requests.close(made.request.number.unwrap()).await),
        Err(_) => None,
    };
    git(
        folder.path(),
        &[
            "push",
            "--quiet",
            "origin",
            &format!(":refs/heads/{source}"),
        ],
    );
    assert_eq!(made.unwrap().request.state, State::Open);
    assert_eq!(closed.unwrap().unwrap().state, State::Closed);
    assert!(
        heard.offered.is_some(),
        "what it says after a push is understood: {lines:?}"
    );
}
