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
}
