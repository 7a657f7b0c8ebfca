//! What there is, what ran, what changed: `sync`, `list`, `history`, `open`, `config`.

use std::fs;

use crate::support::synthetic::{Synthetic, git};
use crate::support::workstation::{Workstation, free_port};
use crate::{app, service};

fn entry(listing: &serde_json::Value, name: &str) -> serde_json::Value {
    let containers = listing["containers"].as_array().unwrap();
    let found = containers.iter().find(|it| it["name"] == name);
    found.cloned().unwrap_or_default()
}

/// `list` before anything was promoted.
#[tokio::test(flavor = "multi_thread")]
async fn list_works_before_anything_was_promoted() {
    let platform = Synthetic::define(&[
        (
            "billing",
            &app("description: Invoices\nneeds: [db]\nroutes: [{ path: /billing }]\n"),
        ),
        ("db", &service("")),
    ]);
    let workstation = Workstation::initialised(&platform.url());
    let listed = workstation.run(&["list"]).ok();
    assert!(
        !listed.stderr.contains("cannot tell what runs"),
        "{}",
        listed.stderr
    );
    assert!(listed.stdout.contains("Invoices"), "{}", listed.stdout);
    let json = workstation.run(&["list", "--json"]).ok().json();
    assert_eq!(entry(&json, "billing")["versions"], serde_json::json!({}));
    workstation
        .run(&["history", "production"])
        .code(8)
        .says("nothing was ever promoted to production");
    let one = workstation.run(&["list", "billing"]).ok();
    assert!(one.stdout.contains("db (until started)"), "{}", one.stdout);
    workstation
        .run(&["list", "biling"])
        .code(2)
        .says("did you mean `billing`?");
}

/// `list`: versions per environment, what runs.
#[tokio::test(flavor = "multi_thread")]
async fn list_shows_versions_per_environment_and_what_runs() {
    let mut platform = Synthetic::released(&[("billing", &app("")), ("audit", &app(""))]).await;
    platform.release("billing", "2.0").await;
    platform.reference().await;
    platform.promote("recette").await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let json = workstation.run(&["list", "--json"]).ok().json();
    let billing = entry(&json, "billing");
    assert_eq!(
        billing["versions"],
        serde_json::json!({ "production": "1.0", "recette": "2.0" })
    );
    assert_eq!(billing["running"]["version"], "1.0");
    assert_eq!(billing["running"]["state"], "running");
    assert!(entry(&json, "audit")["running"].is_null());
    assert_eq!(entry(&json, "front")["versions"]["recette"], "2");
}

/// `list` warns of an environment that does not verify.
#[tokio::test(flavor = "multi_thread")]
async fn list_warns_of_an_environment_that_does_not_verify() {
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    platform.release("billing", "1.0").await;
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    let random = ring::rand::SystemRandom::new();
    platform.key = devenv::verify::trust::keys::SigningKey::generate(&random).unwrap();
    platform.promote("recette").await;
    let listed = workstation.run(&["list", "--json"]).ok();
    let json = listed.json();
    assert_eq!(
        entry(&json, "billing")["versions"],
        serde_json::json!({ "production": "1.0" })
    );
    assert!(json["environments"][0]["error"].is_string(), "{json}");
    listed.says("warning: cannot tell what runs in recette");
    assert!(workstation.run(&["list"]).ok().stdout.contains('?'));
}

/// `history`.
#[tokio::test(flavor = "multi_thread")]
async fn history_tells_who_when_why_and_which_versions() {
    let mut platform = Synthetic::released(&[("billing", &app(""))]).await;
    platform.release("billing", "2.0").await;
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--no-proxy", "--reference", "1"])
        .ok();
    let shown = workstation.run(&["history"]).ok();
    assert!(
        shown.stdout.contains("billing 1.0 → 2.0"),
        "{}",
        shown.stdout
    );
    let json = workstation
        .run(&["history", "production", "--json"])
        .ok()
        .json();
    assert_eq!(json["sequence"], 2);
    let promotions = json["promotions"].as_array().unwrap();
    let told: Vec<_> = promotions
        .iter()
        .map(|it| {
            (
                it["number"].as_u64().unwrap(),
                it["current"] == true,
                it["here"] == true,
            )
        })
        .collect();
    assert_eq!(told, [(2, true, false), (1, false, true)]);
    assert_eq!(promotions[0]["by"], "a test");
    assert_eq!(
        promotions[0]["changes"],
        serde_json::json!([{ "container": "billing", "from": "1.0", "to": "2.0" }])
    );
    let one = workstation
        .run(&["history", "--limit", "1", "--json"])
        .ok()
        .json();
    assert_eq!(one["promotions"].as_array().unwrap().len(), 1);
    assert_eq!(one["promotions"][0]["changes"][0]["from"], "1.0");
    // Offline: the record is here, and so are the references that were looked at.
    let offline = workstation.run(&["--offline", "history"]).ok();
    assert!(
        offline.stdout.contains("billing 1.0 → 2.0"),
        "{}",
        offline.stdout
    );
    workstation
        .run(&["history", "productoin"])
        .code(2)
        .says("it is one of: recette, production");
}

/// `sync`.
#[tokio::test(flavor = "multi_thread")]
async fn sync_says_what_changed_and_refuses_a_rewritten_history() {
    let mut platform = Synthetic::define(&[("billing", &app("")), ("audit", &app(""))]);
    let workstation = Workstation::initialised(&platform.url());
    assert!(
        workstation
            .run(&["sync"])
            .ok()
            .stdout
            .contains("up to date")
    );

    let file = platform.work().join("platform.yaml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(
        &file,
        text.replace("containers: {}", "containers: { billing: 1.4.2 }"),
    )
    .unwrap();
    platform.write_container("stock", &app(""));
    fs::remove_dir_all(platform.work().join("containers/audit")).unwrap();
    platform.write_container("billing", &app("memory: 1GiB\n"));
    platform.push("Stock instead of audit");
    let json = workstation.run(&["sync", "--json"]).ok().json();
    let changes = &json["changes"];
    assert_eq!(changes["commits"][0]["subject"], "Stock instead of audit");
    let containers: Vec<_> = changes["containers"].as_array().unwrap().iter().collect();
    let told: Vec<_> = containers
        .iter()
        .map(|it| {
            format!(
                "{} {}",
                it["name"].as_str().unwrap(),
                it["change"].as_str().unwrap()
            )
        })
        .collect();
    assert_eq!(told, ["audit removed", "billing modified", "stock added"]);
    assert_eq!(
        changes["versions"],
        serde_json::json!([{ "container": "billing", "from": null, "to": "1.4.2" }])
    );

    let work = platform.work();
    git(
        &work,
        &["commit", "--quiet", "--amend", "--message", "Another"],
    );
    git(
        &work,
        &[
            "push",
            "--quiet",
            "--force",
            &platform.url(),
            "HEAD:refs/heads/main",
        ],
    );
    workstation
        .run(&["sync"])
        .code(6)
        .says("was rewritten")
        .says("--accept-rewritten");
    let taken = workstation.run(&["sync", "--accept-rewritten"]).ok();
    assert!(taken.stdout.contains("Another"), "{}", taken.stdout);
    workstation
        .run(&["--offline", "sync"])
        .code(2)
        .says("`sync` needs the network");
}

/// `sync` gets out of broken definitions.
#[tokio::test(flavor = "multi_thread")]
async fn sync_gets_out_of_definitions_that_do_not_parse() {
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::initialised(&platform.url());
    let file = platform.work().join("platform.yaml");
    let good = fs::read_to_string(&file).unwrap();
    fs::write(&file, good.replace("proxy: front", "proxy: [")).unwrap();
    platform.push("A slip");
    workstation
        .run(&["sync"])
        .ok()
        .says("are not valid: platform.yaml:");
    workstation.run(&["list"]).code(3).says("platform.yaml:");
    fs::write(&file, good).unwrap();
    platform.push("Put right");
    let synced = workstation.run(&["sync"]).ok();
    assert!(!synced.stderr.contains("fault"), "{}", synced.stderr);
    workstation.run(&["list"]).ok();
}

/// `open`.
#[tokio::test(flavor = "multi_thread")]
async fn open_finds_the_page_or_says_why_there_is_none() {
    let platform = Synthetic::released(&[
        ("billing", &app("routes: [{ path: /billing }]\n")),
        ("db", &service("")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["open", "--print", "billing"])
        .code(2)
        .says("`devenv up billing` starts it");
    let port = free_port();
    let published = format!("80={port}");
    workstation
        .run(&["up", "billing", "db", "--no-wait", "--port", &published])
        .ok();
    let page = workstation.run(&["open", "--print", "billing"]).ok();
    assert_eq!(
        page.stdout.trim(),
        format!("http://localhost:{port}/billing")
    );
    let root = workstation.run(&["open", "--print"]).ok();
    assert_eq!(root.stdout.trim(), format!("http://localhost:{port}/"));
    workstation
        .run(&["open", "db"])
        .code(2)
        .says("has no route");

    let opened = workstation.home.path().join("opened");
    let script = workstation.home.path().join("browser");
    fs::write(
        &script,
        format!("#!/bin/sh\necho \"$1\" > {}\n", opened.display()),
    )
    .unwrap();
    let mut command = workstation.command();
    command.env("BROWSER", format!("false:sh {}", script.display()));
    let output = command.args(["open", "billing"]).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let told = fs::read_to_string(&opened).unwrap();
    assert_eq!(told.trim(), format!("http://localhost:{port}/billing"));
}

/// `pull`.
#[tokio::test(flavor = "multi_thread")]
async fn pull_makes_the_next_up_independent_of_the_network() {
    let platform = Synthetic::released(&[
        ("billing", &app("needs: [db]\n")),
        ("db", &service("")),
        ("audit", &app("")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["pull"])
        .code(2)
        .says("`devenv pull NAME` fetches");
    let json = workstation.run(&["pull", "billing", "--json"]).ok().json();
    assert_eq!(json["reference"], 1);
    let told: Vec<_> = json["containers"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| format!("{} {}", it["name"].as_str().unwrap(), it["pulled"]))
        .collect();
    assert_eq!(told, ["billing true", "db true", "front true"]);
    assert!(workstation.containers().is_empty(), "nothing is started");
    let again = workstation.run(&["pull", "billing", "--json"]).ok().json();
    assert_eq!(again["containers"][0]["pulled"], false);
    workstation
        .run(&["--offline", "up", "billing", "--no-proxy"])
        .ok();
    workstation
        .run(&["--offline", "up", "audit", "--no-proxy"])
        .code(5)
        .says("`devenv pull` fetches everything while there is a network");
    workstation.run(&["--offline", "pull", "audit"]).code(2);
}

/// `config`.
#[test]
fn config_says_where_each_value_is_from_and_no_secret() {
    let workstation = Workstation::empty();
    workstation.write(
        "config/settings.yaml",
        "concurrency: 3\nsecrets: { acme: { recette: { DB_PASSWORD: { command: [echo, hush] } } } }\n",
    );
    let mut command = workstation.command();
    command
        .env("DOCKER_HOST", "tcp://engine.acme.example:2375")
        .env("HTTPS_PROXY", "http://user:hush@proxy");
    let output = command.args(["config", "--json"]).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(!text.contains("hush"), "{text}");
    let json: serde_json::Value = serde_json::from_str(&text).unwrap();
    let settings = json["settings"].as_array().unwrap();
    let concurrency = settings
        .iter()
        .find(|it| it["name"] == "concurrency")
        .unwrap();
    assert_eq!(concurrency["value"], "3");
    let origin = concurrency["origin"].as_str().unwrap();
    assert!(origin.ends_with("settings.yaml"), "{origin}");
    assert_eq!(json["engine"]["chosen_by"], "DOCKER_HOST");
}
