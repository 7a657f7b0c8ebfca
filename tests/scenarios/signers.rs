//! Several signers: of releases, of trust files, and of the definitions' commits.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::company::Company;
use crate::support::registry_behaviour::{Immovable, Rule};
use crate::support::registry_proxy;
use crate::support::synthetic::git;
use crate::support::workstation::{Ran, Workstation, finished};

/// Runs a command of the operator's with another key of the company's.
fn with_key(company: &Company, name: &str, arguments: &[&str]) -> Ran {
    let mut command = company.command(arguments);
    command.env("DEVENV_KEY", company.keys().join(format!("{name}.key")));
    finished(command, "")
}

/// Several signers: nothing counts before the threshold, `release sign` and `release trust`, `trust
/// update`.
#[test]
fn of_two_signers_nothing_counts_before_the_second() {
    two_signers(&Company::new().with_reference());
}

/// A second signature reaches its document where no tag can move.
#[tokio::test(flavor = "multi_thread")]
async fn two_signers_where_tags_never_move() {
    let registry = registry_proxy::behaving(Rule::ImmovableTags(Immovable::Ecr)).await;
    let work = move || two_signers(&Company::behind(&registry).with_reference());
    tokio::task::spawn_blocking(work).await.unwrap();
}

fn two_signers(company: &Company) {
    for environment in ["recette", "production"] {
        company
            .run(&["release", "promote", "1", "--to", environment, "--yes"])
            .ok();
    }
    let developer = Workstation::initialised(&company.url());
    let up = ["up", "billing", "--no-proxy", "--dry-run"];
    developer.run(&up).ok();

    let keys = company.keys();
    let keys = keys.to_str().unwrap();
    company
        .run(&["release", "key", "--name", "anna", "--directory", keys])
        .ok();
    let anna = format!("{keys}/anna.pub");
    let written = format!("{keys}/next.yaml");
    let trust = [
        "release",
        "trust",
        "--add",
        &anna,
        "--threshold",
        "2",
        "--write",
        &written,
        "--yes",
    ];
    company.run(&trust).ok();
    company.run(&trust).code(2).says("was published meanwhile");
    for machine in [&company.operator, &developer] {
        let pinned = machine.run(&["trust", "update"]).ok();
        assert_eq!(pinned.stdout, "pinned root version 2\n");
    }
    let shown = developer.run(&["trust", "show"]).ok();
    assert!(shown.stdout.contains("signed by 2 of these keys"));
    assert!(
        fs::read_to_string(&written)
            .unwrap()
            .contains("threshold: 2")
    );

    // One of two: nothing of what was released counts any more.
    developer.run(&up).code(5).says("1 of 2 wanted signatures");
    let build = ["release", "build", "billing", "--version", "1.1"];
    company.run(&build).code(5).says("1 is missing");
    for subject in ["base:1", "billing:1.0", "1", "recette", "production"] {
        let sign = ["release", "sign", subject, "--yes"];
        let again = company.run(&sign).ok();
        assert!(again.stdout.contains("signed already"), "{again:?}");
        let signed = with_key(company, "anna", &sign).ok();
        assert_eq!(signed.stdout, "signed; it counts\n", "{subject}");
    }
    developer.run(&up).ok();

    // What comes next waits for the second signature as well.
    company.run(&build).ok().says("1 more signature");
    let reference = ["release", "reference", "--yes"];
    company.run(&reference).code(5).says("1 of 2 wanted");
    let sign = |subject: &str| with_key(company, "anna", &["release", "sign", subject, "--yes"]);
    sign("billing:1.1").ok().says("billing 1.1:");
    company.run(&reference).ok();
    sign("2").ok().says("what changes since reference 1");
    let promote = ["release", "promote", "2", "--to", "recette", "--yes"];
    company.run(&promote).ok().says("1 more signature");
    let unsigned = developer
        .run(&[&up[..], &["--environment", "recette", "--json"]].concat())
        .ok();
    assert_eq!(unsigned.json()["reference"], 1, "not before it counts");
    sign("recette").ok();
    let signed = developer
        .run(&[&up[..], &["--environment", "recette", "--json"]].concat())
        .ok();
    assert_eq!(signed.json()["reference"], 2);
    // A stranger's signature is no signature.
    company
        .run(&["release", "key", "--name", "eve", "--directory", keys])
        .ok();
    with_key(company, "eve", &["release", "sign", "production", "--yes"])
        .code(5)
        .says("not one that the platform trusts");
}

/// An ssh key pair; gives the line for a list of allowed signers.
fn ssh_key(folder: &Path, name: &str) -> String {
    let path = folder.join(name);
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", name, "-f"])
        .arg(&path)
        .status()
        .unwrap();
    assert!(made.success());
    let public = fs::read_to_string(path.with_extension("pub")).unwrap();
    format!("{name}@acme.example {public}")
}

/// Signed definitions: only from allowed keys; `release` signs its commits as git is set up to.
#[test]
fn definitions_are_taken_only_from_allowed_signers_where_the_user_says_so() {
    let company = Company::new().with_base();
    let folder = company.keys();
    let allowed = folder.join("allowed");
    fs::write(&allowed, ssh_key(&folder, "anna")).unwrap();
    ssh_key(&folder, "eve");
    let settings = format!("definitions_signers: {}\n", allowed.display());
    let developer = Workstation::empty();
    developer.write("config/settings.yaml", &settings);
    let init = ["init", &company.url(), "--accept-keys"];
    developer.run(&init).code(5).says("is not signed");

    let work = company.work();
    let commit = |key: &str, message: &str| {
        let key = format!("user.signingkey={}", folder.join(key).display());
        git(
            &work,
            &["pull", "--quiet", "--rebase", &company.url(), "main"],
        );
        let signed = ["-c", "gpg.format=ssh", "-c", &key, "commit", "--quiet"];
        let message = ["--allow-empty", "-S", "--message", message];
        git(&work, &[&signed[..], &message].concat());
        git(
            &work,
            &["push", "--quiet", &company.url(), "HEAD:refs/heads/main"],
        );
    };
    commit("anna", "Signed");
    developer.run(&init).ok();

    // What git is set up to sign, `release` signs as well.
    let configuration = folder.join("gitconfig");
    let text = format!(
        "[commit]\n gpgsign = true\n[gpg]\n format = ssh\n[user]\n signingkey = {}\n",
        folder.join("anna").display()
    );
    fs::write(&configuration, text).unwrap();
    let mut build = company.command(&["release", "build", "billing", "--version", "1.0"]);
    build.env("GIT_CONFIG_GLOBAL", &configuration);
    finished(build, "").ok();
    let synced = developer.run(&["sync"]).ok();
    assert!(format!("{synced:?}").contains("billing"), "{synced:?}");

    commit("eve", "Evil");
    developer
        .run(&["sync"])
        .code(5)
        .says("is signed by a key that is not allowed to");
    let listed = developer.run(&["list"]).ok();
    assert!(
        listed.stdout.contains("billing"),
        "what was taken before stays"
    );
}
