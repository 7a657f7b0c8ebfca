//! `init`: from a URL to pinned keys.

use crate::app;
use crate::support::synthetic::{Synthetic, git, noise};
use crate::support::workstation::Workstation;

/// `init` shows keys and never takes them silently; nothing is kept without consent.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_shown_and_never_taken_silently() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let fingerprint = platform.trust.keys[0].fingerprint().to_string();
    let workstation = Workstation::empty();
    let asked = workstation.run(&["init", &platform.url()]).code(2);
    asked.says(&fingerprint).says("--accept-keys");
    workstation
        .run(&["status"])
        .code(2)
        .says("no platform is initialised here");
    workstation
        .run(&["init", &platform.url(), "--accept-keys"])
        .ok();
    workstation
        .run(&["init", &platform.url(), "--accept-keys"])
        .code(2)
        .says("is initialised already");
}

/// A second URL cannot take a platform's name.
#[tokio::test(flavor = "multi_thread")]
async fn another_repository_cannot_take_a_platforms_name() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let impostor = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["init", &impostor.url(), "--accept-keys"])
        .code(5)
        .says("a second repository must not use its name");
}

/// `--trust FILE`.
#[tokio::test(flavor = "multi_thread")]
async fn a_trust_file_got_by_another_way_counts_instead_of_gits() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let other = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::empty();
    workstation.write("mine.yaml", &other.trust.to_yaml().unwrap());
    let file = workstation.home.path().join("mine.yaml");
    let init = workstation
        .run(&["init", &platform.url(), "--trust", file.to_str().unwrap()])
        .ok();
    init.says(&other.trust.keys[0].fingerprint().to_string());
}

/// Files and folders below a folder.
fn below(folder: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    entries
        .flat_map(|entry| {
            let path = entry.path();
            let inside = below(&path);
            std::iter::once(path).chain(inside)
        })
        .collect()
}

/// An `init` that fails leaves nothing, whatever it failed at: no empty folder either.
#[test]
fn what_fails_leaves_nothing_behind() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let other = platform.folder.path().join("other.git");
    let other_url = format!("file://{}", other.display());
    git(
        platform.folder.path(),
        &["init", "--quiet", "--bare", "other.git"],
    );
    let empty = other_url.as_str();
    let url = platform.url();
    let nowhere = ["init", "--trust", "/nowhere", &url];
    for (arguments, code) in [
        (
            &["init", "file:///nowhere/at/all.git", "--accept-keys"][..],
            6,
        ),
        (&["init", empty, "--accept-keys"], 6),
        (&["init", &url, "--accept-keys", "--branch", "nothing"], 6),
        (&["init", &url], 2),
        (&nowhere, 2),
        (&["init", "https://h/x?token=1"], 2),
    ] {
        let workstation = Workstation::empty();
        workstation.run(arguments).code(code);
        assert_eq!(
            below(workstation.home.path()),
            [""; 0].map(std::path::PathBuf::from),
            "{arguments:?}"
        );
    }
    git(&platform.work(), &["rm", "--quiet", "platform.yaml"]);
    git(
        &platform.work(),
        &["commit", "--quiet", "--message", "None"],
    );
    git(
        &platform.work(),
        &["push", "--quiet", empty, "HEAD:refs/heads/main"],
    );
    let workstation = Workstation::empty();
    let none = workstation.run(&["init", empty, "--branch", "main", "--accept-keys"]);
    none.code(3).says("no platform.yaml");
    assert!(below(workstation.home.path()).is_empty());
}

/// A server whose HEAD names a branch that is not there: the only branch is taken, several are named.
#[test]
fn a_head_that_names_no_branch_is_no_obstacle() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let bare = platform.folder.path().join("definitions.git");
    git(&bare, &["symbolic-ref", "HEAD", "refs/heads/master"]);
    Workstation::initialised(&platform.url());
    git(&bare, &["branch", "old", "main"]);
    let workstation = Workstation::empty();
    let init = ["init", &platform.url(), "--accept-keys"];
    let refused = workstation.run(&init).code(6);
    refused.says("main, old").says("--branch");
    workstation
        .run(&[&init[..], &["--branch", "main"]].concat())
        .ok();
    workstation.run(&["sync"]).ok();
}

/// A password in an address is shown nowhere, and warned of.
#[test]
fn a_password_in_an_address_is_not_shown() {
    let workstation = Workstation::empty();
    for url in [
        "http://anna:hunter'2\"`<x@127.0.0.1:9/p.git",
        "http://anna:hunter%272@127.0.0.1:9/p.git",
        "http://anna:hunter/2@127.0.0.1:9/p.git",
        "http://127.0.0.1:9/p.git?private_token=hunter2",
    ] {
        for verbose in [&[][..], &["--verbose"], &["--json"]] {
            let ran = workstation.run(&[&["init", url, "--accept-keys"][..], verbose].concat());
            let said = format!("{}{}", ran.stdout, ran.stderr);
            assert!([2, 6].contains(&ran.code), "{said}");
            assert!(!said.contains("hunter"), "{said}");
            assert!(
                ran.code == 2 || said.contains("carries a password"),
                "{said}"
            );
        }
    }
}

/// A platform whose repository moved is followed with `--move`: its keys stay pinned, and a history
/// that lacks the accepted commit is asked about.
#[test]
fn a_platform_is_followed_to_another_address() {
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::initialised(&platform.url());
    let pinned = || std::fs::read(workstation.home.path().join("config/trust/acme.yaml")).unwrap();
    let before = pinned();
    let first = workstation.run(&["edit", "billing", "--print"]).ok();
    platform.push("Another commit");
    let folder = platform.folder.path();
    let moved = format!("file://{}", folder.join("moved.git").display());
    git(
        folder,
        &["clone", "--quiet", "--bare", "definitions.git", "moved.git"],
    );
    std::fs::rename(folder.join("definitions.git"), folder.join("gone.git")).unwrap();
    workstation
        .run(&["init", &moved, "--accept-keys"])
        .code(5)
        .says("--move")
        .says("devenv forget acme");
    workstation.run(&["sync"]).code(6);
    workstation
        .run(&["init", &moved, "--move"])
        .ok()
        .says("moved from");
    workstation.run(&["sync"]).ok();
    assert_eq!(pinned(), before, "the keys stay");
    let again = workstation.run(&["edit", "billing", "--print"]).ok();
    assert_eq!(first.stdout, again.stdout, "proposals stay");

    // Another history: asked, and with a no everything is as it was.
    let other = Synthetic::define(&[("billing", &app(""))]);
    let follow = ["init", &other.url(), "--move"];
    workstation.run(&follow).code(2).says("--yes");
    workstation.run(&["sync"]).ok();
    workstation.run(&[&follow[..], &["--yes"]].concat()).ok();
    assert_eq!(pinned(), before);
    workstation.run(&["sync"]).ok();
    Workstation::empty()
        .run(&["init", &moved, "--move"])
        .code(2)
        .says("is not initialised here");
}

/// `forget` shows and asks, refuses while something of the platform runs, and leaves no trace but
/// volumes.
#[tokio::test(flavor = "multi_thread")]
async fn a_platform_is_forgotten() {
    let text = app("volumes: { data: /srv/data }\n");
    let platform = Synthetic::released(&[("billing", &text)]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["forget", "nothing"])
        .code(2)
        .says("initialised here: acme");
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    workstation.run(&["edit", "billing", "--print"]).ok();
    let down = format!(
        "devenv down --platform acme --instance {}",
        workstation.instance
    );
    workstation
        .run(&["forget", "acme", "--yes"])
        .code(2)
        .says(&down);
    workstation.run(&["down"]).ok();
    workstation
        .run(&["forget", "acme"])
        .code(2)
        .says("pinned keys")
        .says("--yes");
    let would = workstation
        .run(&["forget", "acme", "--dry-run", "--json"])
        .ok()
        .json();
    assert_eq!(
        would["would_forget"]["volumes"].as_array().unwrap().len(),
        1,
        "{would}"
    );
    workstation.run(&["list"]).ok();
    let forgot = workstation
        .run(&["forget", "acme", "--yes", "--json"])
        .ok()
        .json();
    for trace in forgot["forgotten"]["files"].as_array().unwrap() {
        let path = std::path::Path::new(trace["path"].as_str().unwrap());
        assert!(!path.exists(), "{trace}");
    }
    let named = |it: &std::path::PathBuf| {
        let path = it.display().to_string();
        path.contains("acme") && !path.contains("/cache/")
    };
    let left: Vec<_> = below(workstation.home.path())
        .into_iter()
        .filter(named)
        .collect();
    assert_eq!(left, [""; 0].map(std::path::PathBuf::from));
    workstation
        .run(&["list"])
        .code(2)
        .says("no platform is initialised here");
    let clean = workstation
        .run(&["clean", "--volumes", "--dry-run", "--json"])
        .ok()
        .json();
    let volumes = clean["would_remove"].as_array().unwrap().iter();
    assert_eq!(
        volumes.filter(|it| it["kind"] == "volume").count(),
        1,
        "{clean}"
    );
    workstation
        .run(&["init", &platform.url()])
        .code(2)
        .says("--accept-keys");
}

/// A clone is no larger than the settings allow: refused, nothing is left, and the hint is right.
#[test]
fn a_clone_is_as_large_as_the_settings_allow() {
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    std::fs::write(platform.work().join("large"), noise(3 << 20)).unwrap();
    platform.push("Something large");
    let workstation = Workstation::empty();
    let init = ["init", &platform.url(), "--accept-keys"];
    workstation.write("config/settings.yaml", "definitions_limit: 1MiB\n");
    workstation
        .run(&init)
        .code(6)
        .says("`definitions_limit` in settings.yaml raises the limit");
    assert!(!workstation.home.path().join("data").exists());
    workstation.write("config/settings.yaml", "definitions_limit: 8MiB\n");
    workstation.run(&init).ok();
}
