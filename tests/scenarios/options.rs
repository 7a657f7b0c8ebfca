//! The options of `up` and `down`.

use std::net::TcpListener;

use jiff::Timestamp;

use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker, free_port};
use crate::{app, service};

fn variable(workstation: &Workstation, name: &str, variable: &str) -> String {
    let env = docker(&[
        "inspect",
        "--format",
        "{{range .Config.Env}}{{println .}}{{end}}",
        &workstation.object(name),
    ]);
    let prefix = format!("{variable}=");
    env.lines()
        .find_map(|line| line.strip_prefix(&prefix))
        .unwrap_or_default()
        .to_owned()
}

/// `--all --without --no-proxy`.
#[tokio::test(flavor = "multi_thread")]
async fn all_without_and_no_proxy_choose_the_subset() {
    let platform = Synthetic::released(&[
        ("a", &app("needs: [b]\n")),
        ("b", &app("")),
        ("c", &app("")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "--all", "--without", "b", "--no-proxy"])
        .ok()
        .says("b is needed, but left out as you asked");
    assert_eq!(workstation.containers(), ["a running", "c running"]);

    // From then on it is asked for by the others' names.
    workstation.run(&["down", "a"]).ok();
    assert_eq!(workstation.containers(), ["c running"]);
    let again = workstation.run(&["up", "--no-proxy"]).ok();
    again.says("nothing to do");
    assert_eq!(workstation.containers(), ["c running"]);
}

/// `--environment --reference --as-of`.
#[tokio::test(flavor = "multi_thread")]
async fn environment_reference_and_as_of_choose_the_versions() {
    let mut platform = Synthetic::released(&[("billing", &app(""))]).await;
    let between = Timestamp::now();
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    platform.release("billing", "2.0").await;
    platform.reference().await;
    platform.promote("recette").await;
    let workstation = Workstation::initialised(&platform.url());
    let version = || {
        workstation.container("billing")["version"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    };

    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    assert_eq!(version(), "1.0", "production's by default");
    workstation
        .run(&["up", "--no-proxy", "--environment", "recette"])
        .ok();
    assert_eq!(version(), "2.0");
    workstation
        .run(&["up", "--no-proxy", "--as-of", &between.to_string()])
        .ok();
    assert_eq!(version(), "1.0", "what recette ran then");
    workstation
        .run(&["up", "--no-proxy"])
        .ok()
        .says("nothing to do");
    workstation
        .run(&["up", "--no-proxy", "--reference", "2"])
        .ok();
    assert_eq!(version(), "2.0");
    workstation
        .run(&["up", "--no-proxy"])
        .ok()
        .says("nothing to do");
    workstation
        .run(&["up", "--no-proxy", "--environment", "production"])
        .ok();
    assert_eq!(version(), "1.0", "another environment ends the pin");
    workstation
        .run(&["up", "--no-proxy", "--reference", "9"])
        .code(2)
        .says("there is no reference 9");
    workstation
        .run(&["up", "--as-of", "2001-01-01T00:00:00Z"])
        .code(2)
        .says("ran nothing at");
}

/// `--configuration`; production's asks first.
#[tokio::test(flavor = "multi_thread")]
async fn the_configuration_is_a_separate_choice_and_productions_asks_first() {
    let billing = app(
        "environment: { TRACE: \"0\" }\nconfigurations: { recette: { environment: { TRACE: \"1\" } } }\n",
    );
    let platform = Synthetic::released(&[("billing", &billing)]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    assert_eq!(
        variable(&workstation, "billing", "PLATFORM_ENVIRONMENT"),
        "recette"
    );
    assert_eq!(variable(&workstation, "billing", "TRACE"), "1");
    workstation
        .run(&["up", "--no-proxy", "--configuration", "productoin"])
        .code(2)
        .says("did you mean `production`?");
    let asked = workstation
        .run(&["up", "--no-proxy", "--configuration", "production"])
        .code(2);
    asked
        .says("which may reach what customers use")
        .says("--yes");
    workstation
        .run(&["up", "--no-proxy", "--configuration", "production", "--yes"])
        .ok();
    assert_eq!(
        variable(&workstation, "billing", "PLATFORM_ENVIRONMENT"),
        "production"
    );
    assert_eq!(variable(&workstation, "billing", "TRACE"), "0");
}

/// A taken port names its holder and falls; `--port`.
#[tokio::test(flavor = "multi_thread")]
async fn a_taken_port_names_its_holder_and_falls() {
    let platform = Synthetic::released(&[(
        "store",
        &service("publish: [{ host: 45871, container: 80 }]\n"),
    )])
    .await;
    let holder = TcpListener::bind(("127.0.0.1", 45_871));
    let workstation = Workstation::initialised(&platform.url());
    let up = workstation.run(&["up", "store", "--no-proxy"]).ok();
    drop(holder);
    up.says("port 45871 is taken by")
        .says("store is published on 53871 instead");
    let ports = workstation.container("store")["ports"].clone();
    assert_eq!(ports[0]["host"], 53_871);
    assert_eq!(ports[0]["address"], "127.0.0.1");
    workstation
        .run(&["up", "--no-proxy"])
        .ok()
        .says("nothing to do");
    let chosen = free_port();
    workstation
        .run(&["up", "--no-proxy", "--port", &format!("45871={chosen}")])
        .ok();
    assert_eq!(workstation.container("store")["ports"][0]["host"], chosen);
}

/// `--dry-run` shows evidence and plan.
#[tokio::test(flavor = "multi_thread")]
async fn a_plan_shows_evidence_and_does_nothing() {
    let platform = Synthetic::released(&[
        ("billing", &app("needs: [customers]\n")),
        ("customers", &app("")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    let plan = workstation.run(&["up", "billing", "--dry-run"]).ok().stdout;
    for wanted in [
        "production",
        "needed by billing",
        "create billing",
        "pull customers",
        "wait for customers healthy",
    ] {
        assert!(plan.contains(wanted), "{wanted}: {plan}");
    }
    assert_eq!(workstation.containers(), Vec::<String>::new());
}

/// `--offline`.
#[tokio::test(flavor = "multi_thread")]
async fn offline_runs_what_was_verified_before_and_refuses_the_rest() {
    let platform = Synthetic::released(&[("billing", &app("")), ("customers", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    workstation.run(&["down"]).ok();
    workstation
        .run(&["up", "billing", "--no-proxy", "--offline"])
        .ok()
        .says("offline: the ledger of production");
    workstation
        .run(&["up", "customers", "--no-proxy", "--offline"])
        .code(5)
        .says("not in the cache");
    let elsewhere = Workstation::initialised(&platform.url());
    elsewhere
        .run(&["up", "billing", "--no-proxy", "--offline"])
        .code(5)
        .says("was never fetched on this machine");
}

/// A chosen port that nothing publishes is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_nothing_publishes_is_refused() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--port", "81=8085"])
        .code(2)
        .says("nothing that is to run publishes port 81")
        .says("one of these, `=` and another: 80");
}

/// `--instance`.
#[tokio::test(flavor = "multi_thread")]
async fn instances_run_side_by_side() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let second = format!("{}b", workstation.instance);
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    workstation
        .run(&["up", "billing", "--no-proxy", "--instance", &second])
        .ok();
    let status = workstation
        .run(&["status", "--instance", &second, "--json"])
        .ok()
        .json();
    assert_eq!(status["containers"][0]["state"], "running");
    workstation
        .run(&["down", "--volumes", "--yes", "--instance", &second])
        .ok();
    assert_eq!(workstation.containers(), ["billing running"]);
}

/// `down --volumes` asks.
#[tokio::test(flavor = "multi_thread")]
async fn volumes_go_only_after_a_question() {
    let platform = Synthetic::released(&[("store", &service("volumes: { data: /data }\n"))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "store", "--no-proxy"]).ok();
    workstation
        .run(&["down", "--volumes"])
        .code(2)
        .says("--yes");
    assert_eq!(workstation.containers(), ["store running"]);
    workstation.run(&["down"]).ok();
    let volume = format!("devenv-acme-{}-store.data", workstation.instance);
    assert!(
        docker(&["volume", "ls", "--quiet"])
            .lines()
            .any(|name| name == volume)
    );
    workstation.run(&["down", "--volumes", "--yes"]).ok();
    assert!(
        !docker(&["volume", "ls", "--quiet"])
            .lines()
            .any(|name| name == volume)
    );
}

/// Secrets and overrides.
#[tokio::test(flavor = "multi_thread")]
async fn secrets_and_overrides_are_the_users_own() {
    let platform = Synthetic::released(&[("billing", &app("secrets: [DB_PASSWORD]\n"))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let missing = workstation.run(&["up", "billing", "--no-proxy"]).code(2);
    missing.says("no value for the secret DB_PASSWORD of configuration `recette`");
    workstation.write(
        "config/secrets/acme.yaml",
        "recette: { DB_PASSWORD: hunter2 }\n",
    );
    let up = workstation
        .run(&["up", "billing", "--no-proxy", "--verbose"])
        .ok();
    assert!(!format!("{}{}", up.stdout, up.stderr).contains("hunter2"));
    assert_eq!(variable(&workstation, "billing", "DB_PASSWORD"), "hunter2");
    let labels = docker(&[
        "inspect",
        "--format",
        "{{json .Config.Labels}}",
        &workstation.object("billing"),
    ]);
    assert!(!labels.contains("hunter2"));

    workstation.write(
        "config/secrets/acme.yaml",
        "recette: { DB_PASSWORD: other }\n",
    );
    workstation.write(
        "config/overrides/acme.yaml",
        "containers: { billing: { environment: { EXTRA: mine }, memory: 64MiB } }\n",
    );
    let told = workstation.run(&["up", "--json"]).ok();
    told.says("billing runs with your overrides: environment, memory");
    let keys = serde_json::json!(["environment", "memory"]);
    assert_eq!(workstation.container("billing")["overrides"], keys);
    let listed = workstation.run(&["list", "--json"]).ok().json();
    let mut listed = listed["containers"].as_array().unwrap().iter();
    let listed = listed.find(|it| it["name"] == "billing").unwrap();
    assert_eq!(listed["running"]["overrides"], keys);
    for command in [&["status"][..], &["list"]] {
        let shown = workstation.run(command).ok().stdout;
        let line = "billing runs with your overrides: environment, memory";
        assert!(shown.contains(line), "{shown}");
    }
    assert_eq!(variable(&workstation, "billing", "DB_PASSWORD"), "other");
    assert_eq!(variable(&workstation, "billing", "EXTRA"), "mine");
    let memory = docker(&[
        "inspect",
        "--format",
        "{{.HostConfig.Memory}}",
        &workstation.object("billing"),
    ]);
    assert_eq!(memory, (64 << 20).to_string());
}

/// `--json`.
#[tokio::test(flavor = "multi_thread")]
async fn json_is_one_object_a_line() {
    let platform =
        Synthetic::released(&[("billing", &app("routes: [{ path: /billing }]\n"))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let port = free_port();
    let up = workstation
        .run(&["up", "billing", "--json", "--port", &format!("80={port}")])
        .ok();
    let events: Vec<serde_json::Value> = up
        .stdout
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert!(
        events
            .iter()
            .any(|event| event["event"] == "done" && event["step"] == "start billing")
    );
    let result = events.last().unwrap();
    assert_eq!(result["event"], "result");
    assert_eq!(
        result["containers"][0]["urls"][0],
        format!("http://localhost:{port}/billing")
    );
}

/// `down NAME` where nothing else was asked for ends the instance; a name that nothing has is refused,
/// and what others need stays, which is said.
#[tokio::test(flavor = "multi_thread")]
async fn down_by_name_ends_what_was_asked_for() {
    let platform = Synthetic::released(&[
        ("billing", &app("needs: [customers]\n")),
        ("customers", &app("")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let typed_wrong = workstation.run(&["down", "biling"]).code(2);
    typed_wrong.says("biling");
    let needed = workstation.run(&["down", "customers"]).ok();
    needed.says("customers stays: billing needs it");
    let plan = workstation.run(&["down", "billing", "--dry-run"]).ok();
    assert!(plan.stdout.contains("remove customers"), "{}", plan.stdout);
    let ended = workstation.run(&["down", "billing", "--json"]).ok();
    let result: serde_json::Value =
        serde_json::from_str(ended.stdout.lines().last().unwrap()).unwrap();
    assert_eq!(
        result["removed"],
        serde_json::json!(["billing", "customers"])
    );
    workstation.run(&["up"]).code(2).says("nothing to start");
}

/// A dry run asks for no secret, answers no question and saves nothing but the highest ledger seen,
/// which nobody can hide any more.
#[tokio::test(flavor = "multi_thread")]
async fn a_dry_run_asks_nothing() {
    let platform = Synthetic::released(&[("billing", &app("secrets: [DB_PASSWORD]\n"))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let arguments = ["up", "billing", "--no-proxy", "--dry-run"];
    let plan = workstation.run(&arguments).ok();
    assert!(plan.stdout.contains("create billing"), "{}", plan.stdout);
    plan.says("DB_PASSWORD of configuration recette has no value yet");
    let production = [&arguments[..], &["--configuration", "production"]].concat();
    let plan = workstation.run(&production).ok();
    plan.says("`up` asks before it runs with the configuration `production`");
    let home = workstation.home.path();
    assert!(!home.join("config/secrets/acme.yaml").exists());
    assert!(!home.join("state/instances").exists());
    assert!(!home.join("state/owner.json").exists());
}
