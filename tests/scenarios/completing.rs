//! Names while a command is typed.

use std::process::Command;

use crate::app;
use crate::support::synthetic::{self, Synthetic};
use crate::support::workstation::{Workstation, ran};

/// What bash would offer for the last of these words, by the script that users source.
fn offered(workstation: &Workstation, words: &[&str]) -> Vec<String> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/completions/devenv.bash");
    let program = std::path::Path::new(env!("CARGO_BIN_EXE_devenv"));
    let ask = format!(
        "PATH={}:$PATH; source {script}; COMP_TYPE=9; COMP_WORDS=({}); COMP_CWORD={}; \
         _clap_complete_devenv devenv '{}'; printf '%s\\n' \"${{COMPREPLY[@]}}\"",
        program.parent().unwrap().display(),
        words
            .iter()
            .map(|word| format!("'{word}'"))
            .collect::<Vec<_>>()
            .join(" "),
        words.len() - 1,
        words.last().unwrap(),
    );
    let output = Command::new("bash")
        .args(["--norc", "-c", &ask])
        .env("DEVENV_HOME", workstation.home.path())
        // Whoever is asked must not reach for either.
        .env("DOCKER_HOST", "tcp://127.0.0.1:1")
        .output()
        .unwrap();
    let ran = ran(&output).ok();
    assert_eq!(ran.stderr, "");
    let lines = ran.stdout.lines().filter(|line| !line.starts_with('-'));
    lines
        .map(|line| line.trim_end().to_owned())
        .filter(|line| !line.is_empty())
        .collect()
}

/// Completion while typing.
#[tokio::test(flavor = "multi_thread")]
async fn containers_bundles_environments_and_references_are_offered() {
    let mut platform = Synthetic::define(&[
        ("billing", &app("")),
        ("audit", &app("")),
        ("tomcat", "kind: base\n"),
    ]);
    let file = platform.work().join("platform.yaml");
    let text = std::fs::read_to_string(&file).unwrap();
    std::fs::write(&file, text.replace("everything: []", "books: [billing]")).unwrap();
    platform.push("A bundle");
    for name in ["billing", "audit"] {
        platform.release(name, "1.0").await;
    }
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    let offer = |words: &[&str]| offered(&workstation, words);
    assert_eq!(offer(&["devenv", "up", "b"]), ["billing", "books"]);
    assert_eq!(
        offer(&["devenv", "up", ""]),
        ["audit", "billing", "front", "books"]
    );
    assert_eq!(offer(&["devenv", "release", "build", "t"]), ["tomcat"]);
    assert_eq!(
        offer(&["devenv", "up", "--environment", "p"]),
        ["production"]
    );
    assert_eq!(
        offer(&["devenv", "up", "--configuration", "w"]),
        ["workstation"]
    );
    assert_eq!(offer(&["devenv", "history", ""]), ["recette", "production"]);
    assert_eq!(offer(&["devenv", "list", "--platform", ""]), ["acme"]);
    workstation.write("data/snapshots/acme/manifests/base.json", "{}");
    workstation.write("data/snapshots/acme/manifests/other.json", "{}");
    assert_eq!(offer(&["devenv", "snapshot", "restore", "b"]), ["base"]);
    assert_eq!(
        offer(&["devenv", "bisect", "--snapshot", ""]),
        ["base", "other"]
    );
    assert_eq!(
        offer(&["devenv", "--platform", "other", "up", ""]),
        Vec::<String>::new()
    );
    assert_eq!(
        offer(&["devenv", "up", "--reference", ""]),
        Vec::<String>::new(),
        "no ledger was looked at yet"
    );
    workstation.run(&["history"]).ok();
    assert_eq!(offer(&["devenv", "up", "--reference", ""]), ["1"]);
}

/// After the name of a container and `:` its versions follow.
#[tokio::test(flavor = "multi_thread")]
async fn versions_of_a_container_are_offered() {
    let platform = Synthetic::define(&[("billing", &app("")), ("audit", &app(""))]);
    for (name, second) in [("billing/1.9", 1), ("billing/1.10", 2), ("audit/3", 3)] {
        let date = format!("2026-01-01T00:00:0{second}Z");
        let tag = format!("release/{name}");
        let tag = [
            "-c",
            "user.name=x",
            "-c",
            "user.email=x",
            "tag",
            "-m",
            "x",
            &tag,
        ];
        let mut git = Command::new("git");
        git.args(tag).current_dir(platform.work());
        assert!(
            git.env("GIT_COMMITTER_DATE", date)
                .status()
                .unwrap()
                .success()
        );
    }
    let url = platform.url();
    synthetic::git(&platform.work(), &["push", "--quiet", "--tags", &url]);
    let workstation = Workstation::initialised(&url);
    let offered = offered(&workstation, &["devenv", "up", "billing:"]);
    assert_eq!(
        offered,
        ["billing:1.10", "billing:1.9", "billing:reference"]
    );
}

/// Completion without a platform.
#[test]
fn without_a_platform_commands_are_completed_still() {
    let workstation = Workstation::empty();
    assert_eq!(offered(&workstation, &["devenv", "hist"]), ["history"]);
    assert_eq!(
        offered(&workstation, &["devenv", "up", "b"]),
        Vec::<String>::new()
    );
}

/// Completion with a damaged clone.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_clone_gives_no_names_and_no_noise() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::initialised(&platform.url());
    let clone = workstation
        .home
        .path()
        .join("data/platforms/acme/definitions.git/refs");
    std::fs::remove_dir_all(clone).unwrap();
    assert_eq!(
        offered(&workstation, &["devenv", "up", "b"]),
        Vec::<String>::new()
    );
}
