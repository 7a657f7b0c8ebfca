//! What counts as ready, and how its absence is explained.

use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, free_port};
use crate::{app, service};

#[tokio::test(flavor = "multi_thread")]
async fn the_table_says_how_readiness_is_known() {
    let platform = Synthetic::released(&[
        ("checked", &app("routes: [{ path: /checked }]\n")),
        (
            "routed",
            "port: 8080\ncommand: [/probe, listen, \"8080\"]\nroutes: [{ path: /routed }]\n",
        ),
        ("silent", &service("")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    let up = workstation
        .run(&[
            "up",
            "checked",
            "routed",
            "silent",
            "--port",
            &format!("80={}", free_port()),
        ])
        .ok();
    let line = |name: &str| {
        up.stdout
            .lines()
            .find(|line| line.starts_with(name))
            .unwrap_or_default()
            .to_owned()
    };
    assert!(line("checked").contains("healthy"), "{}", up.stdout);
    assert!(line("routed").contains("answers"), "{}", up.stdout);
    assert!(line("silent").contains("started"), "{}", up.stdout);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_exits_is_explained() {
    let platform = Synthetic::released(&[(
        "billing",
        "port: 8080\ncommand: [/probe, say, \"3\", \"9\"]\nroutes: [{ path: /billing }]\nhealth: { command: [/probe, check, /probe], interval: 1s }\n",
    )])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--no-proxy"])
        .code(7)
        .says("billing exited with code 9")
        .says("err 3")
        .says("devenv logs billing");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_killed_for_memory_says_its_limit() {
    let platform = Synthetic::released(&[(
        "billing",
        "kind: service\ncommand: [/probe, eat]\nmemory: 8MiB\nhealth: { command: [/probe, check, /never], interval: 1s, start_period: 60s }\n",
    )])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--no-proxy"])
        .code(7)
        .says("killed")
        .says("exit code 137")
        .says("8MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_never_gets_healthy_shows_its_probes() {
    let platform = Synthetic::released(&[
        ("sick", &service("health: { command: [/probe, check, /never], interval: 200ms, timeout: 1s, start_period: 0s, retries: 2 }\n")),
        ("slow", &service("health: { command: [/probe, check, /never], interval: 300ms, start_period: 60s }\n")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "sick", "--no-proxy"])
        .code(7)
        .says("sick is unhealthy")
        .says("its last health probes")
        .says("exit 1");
    workstation.run(&["down"]).ok();
    let late = workstation
        .run(&["up", "slow", "--no-proxy", "--timeout", "2s"])
        .code(7);
    late.says("slow was not healthy after 2 s")
        .says("its last health probes");
}
