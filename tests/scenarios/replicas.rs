//! Copies of a container on a workstation: one, under the names that production's proxy knows, or as many as asked for.

use crate::app;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker, free_port};

/// Nothing changes on a workstation: one copy, which the proxy reaches by its own name too, while the other refuses
/// at once. `--replicas` runs both, until it says one again.
#[tokio::test(flavor = "multi_thread")]
async fn one_copy_runs_unless_more_are_asked_for() {
    let billing = app("routes: [{ path: /billing }]\nreplicas: { production: 2 }\n");
    let audit = app("needs: [billing]\n");
    let platform = Synthetic::released(&[("billing", &billing), ("audit", &audit)]).await;
    let workstation = Workstation::initialised(&platform.url());
    let port = format!("80={}", free_port());
    let up = |words: &[&str]| workstation.run(&[&["up"], words].concat());
    let reached = |name: &str| {
        let front = workstation.object("front");
        docker(&["exec", &front, "/probe", "reach", name, "8080"])
    };
    up(&["audit", "--port", &port]).ok();
    let alone = ["audit running", "billing running", "front running"];
    assert_eq!(workstation.containers(), alone);
    assert!(reached("billing-1").starts_with("reached "));
    assert_eq!(reached("billing-1"), reached("billing"));
    assert!(reached("billing-2").starts_with("refused at "));
    up(&[]).ok().says("nothing to do");

    let plan = up(&["--replicas", "billing=2", "--dry-run"]).ok();
    assert!(plan.stdout.contains("billing-2"), "{}", plan.stdout);
    up(&["--replicas", "billing=2"]).ok();
    let both = [
        "audit running",
        "billing-1 running",
        "billing-2 running",
        "front running",
    ];
    assert_eq!(workstation.containers(), both);
    assert!(reached("billing-2").starts_with("reached "));
    up(&[]).ok().says("nothing to do");
    let status = workstation.run(&["--json", "status"]).ok();
    assert!(
        status.stdout.contains(r#""name":"billing-2","kind":"app""#),
        "{}",
        status.stdout
    );
    workstation.run(&["logs", "billing"]).ok();
    assert_ne!(workstation.run(&["doctor"]).code, 70);

    let page = workstation.run(&["open", "billing", "--print"]).ok();
    assert!(page.stdout.contains("/billing"), "{}", page.stdout);
    // What is said of a container goes for each of its copies.
    let text = "containers: { billing: { environment: { OWN: mine } } }\n";
    workstation.write("config/overrides/acme.yaml", text);
    let warned = up(&[]).ok();
    assert!(!warned.stderr.contains("no container"), "{}", warned.stderr);
    for name in ["billing-1", "billing-2"] {
        let object = workstation.object(name);
        let own = docker(&["exec", &object, "/probe", "env", "OWN"]);
        assert_eq!(own.trim(), "mine", "{name}");
    }
    for words in [["up", "billing-2"], ["down", "billing-2"]] {
        let refused = workstation.run(&words).code(2);
        refused.says("`billing-2` is a copy of billing");
    }

    up(&["--replicas", "billing=3"])
        .code(2)
        .says("billing cannot run 3 times: the proxy of reference 1 knows 2 of it");
    up(&["--replicas", "audit=2"]).code(2).says("knows 1 of it");
    up(&["--replicas", "billing"])
        .code(2)
        .says("is not NAME=COUNT");
    up(&["--replicas", "billing=1"]).ok();
    assert_eq!(workstation.containers(), alone);
    workstation.run(&["down", "audit"]).ok();
    assert_eq!(
        workstation.containers(),
        ["billing running", "front running"]
    );
    // What ended is not remembered.
    up(&["--replicas", "billing=2"]).ok();
    workstation.run(&["down"]).ok();
    up(&["audit"]).ok();
    assert_eq!(workstation.containers(), alone);
}
