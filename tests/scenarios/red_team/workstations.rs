//! Definitions that want workstations to run something else than the user knows of: git is not signed.

use std::fs;

use devenv::model::platform::Platform;

use super::released;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::Workstation;

const UP: [&str; 3] = ["up", "billing", "--no-proxy"];

/// Whoever owns the definitions pushes another `platform.yaml`.
fn pushes(platform: &mut Synthetic, change: impl Fn(&str) -> String) {
    let file = platform.work().join("platform.yaml");
    let text = fs::read_to_string(&file).unwrap();
    let changed = change(&text);
    assert_ne!(text, changed, "something is changed in\n{text}");
    fs::write(file, changed).unwrap();
    platform.push("Harmless");
}

fn production_by_default(text: &str) -> String {
    text.replace("configuration: recette", "configuration: production")
        .replace("[recette, production]", "[production, recette]")
}

/// The definitions turn production's configuration into the default, and its place in the order of
/// environments around, so that it looks like the first one: it is asked about; what was pinned at
/// `init` goes on without a question.
#[tokio::test(flavor = "multi_thread")]
async fn productions_configuration_never_comes_by_git_alone() {
    let mut platform = released().await;
    let before = Workstation::initialised(&platform.url());
    pushes(&mut platform, production_by_default);
    before.run(&["sync"]).ok();
    let asked = before.run(&UP).code(2);
    asked
        .says("configuration recette → versions of production, configuration production")
        .says("--yes")
        .says("--configuration NAME");
    let plan = before.run(&[&UP[..], &["--dry-run"]].concat()).ok();
    plan.says("this plan does not");
    let chosen = ["--environment", "production", "--configuration", "recette"];
    before.run(&[&UP[..], &chosen].concat()).ok();

    // One who comes later is asked all the same: which one is production's is signed.
    let later = Workstation::initialised(&platform.url());
    later
        .run(&UP)
        .code(2)
        .says("which may reach what customers use");

    let honest = Workstation::initialised(&released().await.url());
    honest.run(&UP).ok();
}

/// Commands that only look take the pinned environment too, and not the one that git names now.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_looked_at_by_default_is_pinned() {
    let mut platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    pushes(&mut platform, |text| {
        text.replace("{ environment: production", "{ environment: recette")
    });
    workstation.run(&["sync"]).ok();
    let history = workstation.run(&["--json", "history"]).ok();
    assert!(history.stdout.contains(r#""environment":"production""#));
    let verified = workstation.run(&["trust", "verify"]).ok();
    assert!(
        verified.stdout.contains("production"),
        "{}",
        verified.stdout
    );
    assert!(!verified.stdout.contains("recette"), "{}", verified.stdout);
}

/// Whatever else `platform.yaml` says changes nothing of what runs.
#[tokio::test(flavor = "multi_thread")]
async fn nothing_else_of_platform_yaml_reaches_what_runs() {
    let mut platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    pushes(&mut platform, |text| {
        let mut changed: String = text
            .lines()
            .filter(|line| !line.starts_with("configuration_variable"))
            .map(|line| format!("{line}\n"))
            .collect();
        changed = changed.replace("everything: [", "other: [");
        changed += "configuration_variable: OTHER\n";
        if !changed.contains("\ndefaults:") {
            changed += "defaults: { port: 9999, memory: 8MiB, volumes: { stolen: /etc } }\n";
        }
        changed
    });
    workstation.run(&["sync"]).ok();
    let again = workstation.run(&["up", "--no-proxy", "--dry-run"]).ok();
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
}

/// Where each key of `platform.yaml` is tried, in this order; a new key does not get past this.
const KEYS: [&str; 13] = {
    let _ = |it: Platform| {
        let Platform {
            schema: _,
            platform: _,
            minimum_devenv: _,
            registry: _,
            proxy: _,
            environments: _,
            configuration_variable: _,
            workstation: _,
            defaults: _,
            bundles: _,
            containers: _,
            forge: _,
            devenv_download: _,
        } = it;
    };
    [
        "schema",
        "platform",
        "minimum_devenv",
        "registry",
        "proxy",
        "environments",
        "configuration_variable",
        "workstation",
        "defaults",
        "bundles",
        "containers",
        "forge",
        "devenv_download",
    ]
};

/// `platform.yaml` without one key.
fn without(text: &str, key: &str) -> String {
    let mut is_inside = false;
    let mut left = String::new();
    for line in text.lines() {
        is_inside = line.starts_with(&format!("{key}:")) || is_inside && line.starts_with(' ');
        if !is_inside {
            left += line;
            left += "\n";
        }
    }
    left
}

/// Each other key of `platform.yaml`, changed by itself and all together: the instance that runs and
/// a new machine have the plan that they had, or are refused.
#[tokio::test(flavor = "multi_thread")]
async fn no_key_of_platform_yaml_reaches_what_runs() {
    let mut platform = released().await;
    let file = platform.work().join("platform.yaml");
    let honest = fs::read_to_string(&file).unwrap();
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    let plan = |platform: &Synthetic| {
        let new = Workstation {
            home: tempfile::tempdir().unwrap(),
            instance: format!("{}new", workstation.instance),
        };
        new.run(&["init", &platform.url(), "--accept-keys"]).ok();
        new.run(&[&UP[..], &["--dry-run", "--verbose"]].concat())
    };
    let before = plan(&platform).ok().stdout;
    let mut tried = Vec::new();
    let mut all = honest.clone();
    let harmless = [
        ("minimum_devenv", "0.0.1"),
        ("configuration_variable", "OTHER"),
        ("environments", "[production, staging, recette]"),
        (
            "defaults",
            "{ port: 9999, memory: 8MiB, stop_grace: 1s, volumes: { stolen: /etc } }",
        ),
        (
            "bundles",
            "{ billing-and-more: [billing, audit], everything: [audit] }",
        ),
        ("containers", "{ billing: \"9.9\", audit: \"0.1\" }"),
        (
            "forge",
            "{ kind: gitlab, target_branch: other, api: \"https://forge.invalid\" }",
        ),
        ("devenv_download", "https://evil.invalid/devenv"),
    ];
    for (key, value) in harmless {
        tried.push(key);
        all = format!("{}{key}: {value}\n", without(&all, key));
    }
    pushes(&mut platform, |_| all.clone());
    workstation.run(&["sync"]).ok();
    let again = workstation.run(&["up", "--no-proxy", "--dry-run"]).ok();
    assert!(again.stdout.contains("nothing to do"), "{}", again.stdout);
    assert_eq!(plan(&platform).ok().stdout, before);
    // What stands for several containers is signed as well.
    let bundle = ["up", "billing-and-more", "--no-proxy", "--dry-run"];
    workstation.run(&bundle).code(2).says("billing-and-more");

    let elsewhere = format!("{}x", platform.prefix);
    let refused = [
        ("schema", "2", 3, "needs devenv newer"),
        ("platform", "other", 3, "now call themselves `other`"),
        ("minimum_devenv", "99.0.0", 3, "needs devenv 99.0.0"),
        (
            "registry",
            &elsewhere,
            5,
            "has no ledger of production any more",
        ),
        ("proxy", "audit", 5, "reference 1 (sha256:"),
        (
            "environments",
            "[recette, live]",
            3,
            "is none of: recette, live",
        ),
    ];
    for (key, value, code, words) in refused {
        tried.push(key);
        let changed = format!("{}{key}: {value}\n", without(&honest, key));
        pushes(&mut platform, |_| changed.clone());
        workstation.run(&["sync"]).ok();
        workstation.run(&UP).code(code).says(words);
        let new = Workstation::empty();
        new.run(&["init", &platform.url(), "--accept-keys"]);
        assert_ne!(new.run(&UP).code, 0, "{key}");
        assert_eq!(new.containers(), Vec::<String>::new(), "{key}");
    }
    assert_eq!(workstation.containers(), ["billing running"]);
    // Asked about: the scenario before.
    tried.push("workstation");
    for key in KEYS {
        assert!(tried.contains(&key), "{key} is not tried");
    }
}
