//! Production's side: what is released, by whom, and what is not.

use std::fs;
use std::time::Duration;

use crate::support::company::{Company, PASSPHRASE, mode};
use crate::support::synthetic::git;
use crate::support::workstation::{Workstation, finished};

/// Key, build, reference, promote: a release reaches a developer; `verify`; nothing changed, no
/// reference.
#[test]
fn a_release_reaches_a_developer() {
    let company = Company::new().with_reference();
    assert!(
        company
            .on_main("platform.yaml")
            .starts_with("# What exists"),
        "comments stay"
    );
    for environment in ["recette", "production"] {
        company
            .run(&["release", "promote", "1", "--to", environment, "--yes"])
            .ok();
    }
    let developer = Workstation::initialised(&company.url());
    developer.run(&["up", "billing", "--no-proxy"]).ok();
    assert_eq!(developer.container("billing")["version"], "1.0");

    for (subject, fact) in [
        ("billing:1.0", "signed by      ops"),
        ("1", "signed by      ops"),
        ("production", "signed by      ops"),
    ] {
        let said = company.run(&["release", "verify", subject]).ok();
        assert!(said.stdout.contains(fact), "{}", said.stdout);
    }
    company.run(&["release", "verify", "billing:9.9"]).code(2);
    company.run(&["release", "verify", "9"]).code(2);

    let again = company.run(&["release", "reference", "--yes"]).ok();
    assert_eq!(again.stdout, "nothing changed since reference 1\n");
}

/// A key is encrypted, its passphrase never an argument, and it is never replaced.
#[test]
fn a_key_is_encrypted_and_never_replaced() {
    let company = Company::new();
    let private = company.keys().join("ops.key");
    let text = fs::read_to_string(&private).unwrap();
    assert!(text.starts_with("-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----"));
    assert_eq!(mode(&private), 0o600);
    let directory = company.keys();
    let key = [
        "release",
        "key",
        "--name",
        "ops",
        "--directory",
        directory.to_str().unwrap(),
    ];
    company.run(&key).code(2).says("exists");
    assert_eq!(fs::read_to_string(&private).unwrap(), text);

    let mut short = company.command(&[
        "release",
        "key",
        "--name",
        "other",
        "--directory",
        directory.to_str().unwrap(),
    ]);
    short.env("DEVENV_KEY_PASSPHRASE", "short");
    finished(short, "").code(2);
    let mut nobody = company.command(&["release", "key", "--name", "other"]);
    nobody.env_remove("DEVENV_KEY_PASSPHRASE");
    finished(nobody, "").code(2).says("--passphrase-file");
    let file = company.keys().join("passphrase");
    fs::write(&file, format!("{PASSPHRASE}\n")).unwrap();
    let mut from_file = company.command(&[
        "release",
        "key",
        "--name",
        "filed",
        "--directory",
        directory.to_str().unwrap(),
        "--passphrase-file",
        file.to_str().unwrap(),
    ]);
    from_file.env_remove("DEVENV_KEY_PASSPHRASE");
    finished(from_file, "").ok();
}

/// Only a trusted key with its passphrase releases.
#[test]
fn only_a_trusted_key_with_its_passphrase_releases() {
    let company = Company::new().with_base();
    let build = ["release", "build", "billing", "--version", "1.0"];
    let mut wrong = company.command(&build);
    wrong.env("DEVENV_KEY_PASSPHRASE", "another passphrase");
    finished(wrong, "").code(2).says("passphrase");

    let directory = company.keys();
    company
        .run(&[
            "release",
            "key",
            "--name",
            "stranger",
            "--directory",
            directory.to_str().unwrap(),
        ])
        .ok();
    let mut stranger = company.command(&build);
    stranger.env("DEVENV_KEY", directory.join("stranger.key"));
    finished(stranger, "")
        .code(5)
        .says("is not one that the platform trusts");
    let mut none = company.command(&build);
    none.env_remove("DEVENV_KEY");
    finished(none, "").code(2).says("--key");
    company.run(&build).ok();
}

/// A version is built once, from what is on the server's branch; bases first, artifacts named; the
/// proxy is refused.
#[test]
fn a_version_is_built_once() {
    let company = Company::new();
    company
        .run(&["release", "build", "billing", "--version", "1.0"])
        .code(3)
        .says("is built from base, of which no version is released");
    let artifact = company.artifact();
    company
        .run(&["release", "build", "base", "--version", "1"])
        .code(2)
        .says("needs the artifact `probe.tar`");
    let company = company.with_base();
    company
        .run(&["release", "build", "billing", "--version", "1.0"])
        .ok();
    company
        .run(&["release", "build", "billing", "--version", "1.0"])
        .code(2)
        .says("billing 1.0 is released already");
    company
        .run(&["release", "build", "biling", "--version", "1.1"])
        .code(2)
        .says("did you mean `billing`?");
    company
        .run(&["release", "build", "front", "--version", "1.1"])
        .code(2)
        .says("its version is a reference's number");
    company
        .run(&[
            "release",
            "build",
            "billing",
            "--version",
            "1.1",
            "--artifact",
            artifact.to_str().unwrap(),
        ])
        .code(2);
    // What is not on the server's branch is not built.
    company.write("containers/billing/Dockerfile", "FROM nothing\n");
    company
        .run(&["release", "build", "billing", "--version", "1.1"])
        .ok();
    let platform = company.on_main("platform.yaml");
    assert!(
        platform.contains("billing: 1.1") || platform.contains("billing: \"1.1\""),
        "{platform}"
    );
}

/// A failed build shows its last lines and publishes nothing.
#[test]
fn a_failed_build_publishes_nothing() {
    let company = Company::new().with_base();
    let good = fs::read_to_string(company.work().join("containers/billing/Dockerfile")).unwrap();
    let bad = format!("{good}RUN [\"/probe\", \"say\", \"3\", \"9\"]\n");
    company.write("containers/billing/Dockerfile", &bad);
    company.push("It fails");
    company
        .run(&["release", "build", "billing", "--version", "1.0"])
        .code(4)
        .says("out 3");
    assert!(!company.on_main("platform.yaml").contains("billing"));
    company.run(&["release", "verify", "billing:1.0"]).code(2);
    company.write("containers/billing/Dockerfile", &good);
    company.push("It works");
    company
        .run(&["release", "build", "billing", "--version", "1.0"])
        .ok();
}

/// Suspicious configuration is warned of.
#[test]
fn suspicious_configuration_is_warned_of() {
    let company = Company::new().with_base();
    company.write(
        "containers/billing/configuration/production/application.properties",
        "database.password=hunter2hunter2\n",
    );
    company.push("A secret");
    let built = company
        .run(&["release", "build", "billing", "--version", "1.0"])
        .ok();
    assert!(
        built.stderr.contains("application.properties"),
        "{}",
        built.stderr
    );
    assert!(!built.stderr.contains("hunter2"), "{}", built.stderr);
}

/// Promotions in order, `--skip`, `rollback`, `renew`.
#[test]
fn promotions_follow_the_order_and_can_be_undone() {
    let company = Company::new().with_reference();
    let promote = |rest: &[&str]| company.run(&[&["release", "promote"], rest].concat());
    promote(&["1", "--to", "production", "--yes"])
        .code(2)
        .says("reference 1 was never promoted to recette");
    promote(&["1", "--to", "production", "--yes", "--skip"])
        .code(2)
        .says("`--skip` needs `--reason WHY`");
    promote(&["1", "--to", "recette"])
        .code(2)
        .says("`--yes` answers yes");
    promote(&["7", "--to", "recette", "--yes"])
        .code(2)
        .says("there is no reference 7");
    promote(&["1", "--to", "nowhere", "--yes"])
        .code(2)
        .says("recette, production");
    promote(&["1", "--to", "recette", "--yes"]).ok();
    let again = promote(&["1", "--to", "recette", "--yes", "--json"]).ok();
    assert_eq!(again.json()["outcome"], "already", "{}", again.stdout);
    promote(&["1", "--to", "production", "--yes", "--reason", "first"]).ok();

    company
        .run(&["release", "build", "billing", "--version", "1.1"])
        .ok();
    let made = company.run(&["release", "reference", "--yes"]).ok();
    assert!(
        made.stderr
            .contains("containers.billing.version: 1.0 → 1.1"),
        "{}",
        made.stderr
    );
    promote(&[
        "2",
        "--to",
        "production",
        "--yes",
        "--skip",
        "--reason",
        "an outage",
    ])
    .ok();
    company
        .run(&["release", "rollback", "--in", "production"])
        .code(2)
        .says("--to 1");
    company
        .run(&[
            "release",
            "rollback",
            "--in",
            "production",
            "--to",
            "1",
            "--yes",
        ])
        .ok();
    company
        .run(&["release", "renew", "production", "--days", "120", "--yes"])
        .ok();
    let history = company
        .run(&["history", "production", "--json"])
        .ok()
        .json();
    let numbers: Vec<u64> = history["promotions"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|it| it["number"].as_u64())
        .collect();
    let mut oldest_first = numbers.clone();
    oldest_first.sort_unstable();
    assert_eq!(oldest_first, [1, 1, 2], "{history}");
}

/// Two operators at once.
#[test]
fn of_two_operators_exactly_one_gets_the_version() {
    let company = Company::new().with_base();
    let other = Workstation::initialised(&company.url());
    let build = ["release", "build", "billing", "--version", "1.0"];
    let second = company.command_at(&other, &build);
    let second = std::thread::spawn(move || finished(second, ""));
    let first = company.run(&build);
    let second = second.join().unwrap();
    let mut codes = [first.code, second.code];
    codes.sort_unstable();
    assert_eq!(codes[0], 0, "{}\n{}", first.stderr, second.stderr);
    assert!(
        [2, 6].contains(&codes[1]),
        "{}\n{}",
        first.stderr,
        second.stderr
    );
    company.run(&["release", "verify", "billing:1.0"]).ok();
}

/// Killed at any moment, the same command completes it.
#[test]
#[expect(clippy::disallowed_methods, reason = "the moment of a kill")]
fn killed_at_any_moment_a_release_is_completed() {
    let company = Company::new().with_base();
    for (round, after) in [150, 400, 700, 1100, 1600].into_iter().enumerate() {
        let version = format!("1.{round}");
        let build = ["release", "build", "billing", "--version", &version];
        let mut child = company
            .command(&build)
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .spawn()
            .unwrap();
        std::thread::sleep(Duration::from_millis(after));
        let _ = child.kill();
        child.wait().unwrap();
        let again = company.run(&build);
        // It may have been done before it was killed.
        let done = again.code == 2 && again.stderr.contains("is released already");
        assert!(
            again.code == 0 || done,
            "after {after} ms: {}",
            again.stderr
        );
        company
            .run(&["release", "verify", &format!("billing:{version}")])
            .ok();
        let recorded = company.on_main("platform.yaml");
        assert!(recorded.contains(&version), "after {after} ms: {recorded}");
    }
}

/// A protected branch.
#[test]
fn a_protected_branch_gets_a_branch_to_merge() {
    let company = Company::new().with_base();
    let hook = company.bare().join("hooks/update");
    fs::create_dir_all(hook.parent().unwrap()).unwrap();
    fs::write(
        &hook,
        "#!/bin/sh\n[ \"$1\" != refs/heads/main ] || { echo 'main is protected' >&2; exit 1; }\n",
    )
    .unwrap();
    git(&company.bare(), &["config", "core.hooksPath", "hooks"]);
    assert!(
        std::process::Command::new("chmod")
            .arg("755")
            .arg(&hook)
            .status()
            .unwrap()
            .success()
    );
    company
        .run(&["release", "build", "billing", "--version", "1.0"])
        .ok()
        .says("release/billing-1.0");
    let branch = git(
        &company.bare(),
        &["show", "release/billing-1.0:platform.yaml"],
    );
    assert!(branch.contains("billing"), "{branch}");
    assert!(!company.on_main("platform.yaml").contains("billing"));
}
