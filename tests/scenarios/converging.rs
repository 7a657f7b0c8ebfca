//! How an instance is brought to what was asked, and stays there.

use std::process::Stdio;
use std::time::{Duration, Instant};

use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker, free_port, ran};
use crate::{app, service};

fn identity(workstation: &Workstation, name: &str) -> String {
    docker(&[
        "inspect",
        "--format",
        "{{.Id}} {{.State.StartedAt}}",
        &workstation.object(name),
    ])
}

fn port() -> String {
    format!("80={}", free_port())
}

/// A subset, its needs and the proxy; nothing to do; one more leaves the others alone; `down NAME`.
#[tokio::test(flavor = "multi_thread")]
async fn a_subset_starts_with_its_needs_and_a_second_up_does_nothing() {
    let platform = Synthetic::released(&[
        ("audit", &app("routes: [{ path: /audit }]\n")),
        ("billing", &app("needs: [customers]\nuses: [audit]\nroutes: [{ path: /billing }]\nvolumes: { logs: /logs }\n")),
        ("customers", &app("routes: [{ path: /customers }]\n")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    let up = workstation.run(&["up", "billing", "--port", &port()]).ok();
    assert!(up.stdout.contains("healthy"), "{}", up.stdout);
    up.says("not part of this subset (they answer 503): /audit");
    assert_eq!(
        workstation.containers(),
        ["billing running", "customers running", "front running"]
    );
    let before = identity(&workstation, "billing") + &identity(&workstation, "front");

    workstation.run(&["up"]).ok().says("nothing to do");
    let plan = workstation.run(&["up", "--dry-run"]).ok();
    assert!(plan.stdout.contains("nothing to do"), "{}", plan.stdout);

    workstation.run(&["up", "audit"]).ok();
    let all = [
        "audit running",
        "billing running",
        "customers running",
        "front running",
    ];
    assert_eq!(workstation.containers(), all);
    let after = identity(&workstation, "billing") + &identity(&workstation, "front");
    assert_eq!(
        before, after,
        "adding one left the others alone, the proxy too"
    );

    workstation.run(&["down", "audit"]).ok();
    assert_eq!(
        workstation.containers(),
        ["billing running", "customers running", "front running"]
    );
    workstation.run(&["down", "--volumes", "--yes"]).ok();
    assert_eq!(workstation.containers(), Vec::<String>::new());
}

/// Only what changed is recreated.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_reference_replaces_only_what_changed() {
    let mut platform = Synthetic::released(&[
        (
            "billing",
            &app("needs: [customers]\nroutes: [{ path: /billing }]\n"),
        ),
        ("customers", &app("routes: [{ path: /customers }]\n")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--port", &port()]).ok();
    let customers = identity(&workstation, "customers");
    let billing = identity(&workstation, "billing");

    platform.release("billing", "1.1").await;
    platform.reference().await;
    platform.promote("production").await;
    let plan = workstation.run(&["up", "--dry-run"]).ok();
    assert!(plan.stdout.contains("1.0 → 1.1"), "{}", plan.stdout);
    workstation.run(&["up"]).ok();
    assert_eq!(identity(&workstation, "customers"), customers);
    assert_ne!(identity(&workstation, "billing"), billing);
    assert_eq!(workstation.container("billing")["version"], "1.1");
    assert_eq!(workstation.containers().len(), 3, "the old one is gone");
}

/// Two `up` at once take turns.
#[tokio::test(flavor = "multi_thread")]
async fn two_ups_at_once_take_turns() {
    let platform = Synthetic::released(&[("billing", &app("")), ("customers", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let start = |name: &str| {
        let mut command = workstation.command();
        command
            .args(["up", name, "--no-proxy"])
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command.spawn().unwrap()
    };
    let (first, second) = (start("billing"), start("customers"));
    ran(&first.wait_with_output().unwrap()).ok();
    ran(&second.wait_with_output().unwrap()).ok();
    assert_eq!(
        workstation.containers(),
        ["billing running", "customers running"]
    );
}

/// Kill -9, then `up` completes.
#[tokio::test(flavor = "multi_thread")]
async fn killed_at_any_moment_the_next_up_completes() {
    let platform = Synthetic::released(&[
        ("a", &app("volumes: { logs: /logs }\n")),
        ("b", &app("needs: [a]\n")),
        ("c", &app("needs: [b]\n")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    for milliseconds in [30, 120, 250, 400, 700, 1100, 1600] {
        let mut child = workstation
            .command()
            .args(["up", "c", "--port", &port()])
            .stderr(Stdio::null())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        tokio::time::sleep(Duration::from_millis(milliseconds)).await;
        let _ = child.kill();
        let _ = child.wait();
        workstation.run(&["up", "c"]).ok();
        assert_eq!(
            workstation.containers(),
            ["a running", "b running", "c running", "front running"]
        );
        workstation.run(&["down", "--volumes", "--yes"]).ok();
    }
}

/// Ctrl-C ends with 130 and is completed.
#[tokio::test(flavor = "multi_thread")]
async fn an_interrupt_ends_with_130_and_is_completed() {
    let slow = "health: { command: [/probe, check, /never], interval: 200ms, start_period: 60s }\n";
    let platform = Synthetic::released(&[("billing", &service(slow))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let child = workstation
        .command()
        .args(["up", "billing", "--no-proxy"])
        .stderr(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    tokio::time::sleep(Duration::from_secs(2)).await;
    let id = child.id().to_string();
    assert!(
        std::process::Command::new("kill")
            .args(["-INT", &id])
            .status()
            .unwrap()
            .success()
    );
    ran(&child.wait_with_output().unwrap())
        .code(130)
        .says("run the same command again to complete it");
    workstation.run(&["up", "--no-wait"]).ok();
    assert_eq!(workstation.containers(), ["billing running"]);
}

/// A container removed, stopped, frozen or detached by hand.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_changed_by_hand_is_mended() {
    // A paused container is `unhealthy` until the engine's next probe.
    let seldom = "health: { command: [/probe, check, /probe], interval: 4s }\n";
    let platform = Synthetic::released(&[
        ("a", &app("")),
        ("b", &app("")),
        ("c", &service(seldom)),
        ("d", &app("")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "a", "b", "c", "d", "--no-proxy"])
        .ok();
    let network = format!("devenv-acme-{}", workstation.instance);
    docker(&["rm", "--force", &workstation.object("a")]);
    docker(&["stop", "--time", "0", &workstation.object("b")]);
    docker(&["pause", &workstation.object("c")]);
    docker(&["network", "disconnect", &network, &workstation.object("d")]);
    workstation.run(&["up"]).ok();
    assert_eq!(
        workstation.containers(),
        ["a running", "b running", "c running", "d running"]
    );
    let attached = docker(&[
        "inspect",
        "--format",
        "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}",
        &workstation.object("d"),
    ]);
    assert_eq!(attached.trim(), network);
}

/// One-shots exit 0 and are no failures.
#[tokio::test(flavor = "multi_thread")]
async fn one_shots_must_exit_0_and_run_once() {
    let platform = Synthetic::released(&[
        ("billing", &app("needs: [migration]\n")),
        (
            "migration",
            "kind: service\nonce: true\ncommand: [/probe, exit, \"0\"]\n",
        ),
        (
            "broken",
            "kind: service\nonce: true\ncommand: [/probe, say, \"2\", \"3\"]\n",
        ),
        ("invoices", &app("needs: [broken]\n")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    let up = workstation.run(&["up", "billing", "--no-proxy"]).ok();
    assert!(up.stdout.contains("completed"), "{}", up.stdout);
    assert_eq!(
        workstation.containers(),
        ["billing running", "migration exited"]
    );
    workstation.run(&["up"]).ok().says("nothing to do");
    workstation
        .run(&["up", "invoices", "--no-proxy"])
        .code(7)
        .says("broken exited with code 3")
        .says("out 2");
    assert!(
        !workstation
            .containers()
            .contains(&"invoices running".to_owned())
    );
}

/// What ends right after its start was not started.
#[tokio::test(flavor = "multi_thread")]
async fn what_ends_right_after_its_start_was_not_started() {
    let fails = "kind: service\ncommand: [/probe, exit, \"3\", \"50\"]\n";
    let platform = Synthetic::released(&[("queue", fails)]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "queue", "--no-proxy"])
        .code(7)
        .says("queue exited with code 3");
}

/// Each container starts as soon as what it needs is ready.
#[tokio::test(flavor = "multi_thread")]
async fn dependencies_are_started_as_soon_as_what_they_need_is_ready() {
    let slow = "health: { command: [/probe, check, /probe], interval: 1s, start_period: 10s }\n";
    let platform = Synthetic::released(&[
        ("slow", &service(slow)),
        ("quick", &app("")),
        ("after-quick", &app("needs: [quick]\n")),
        ("after-slow", &app("needs: [slow]\n")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    let begun = Instant::now();
    workstation
        .run(&["up", "after-quick", "after-slow", "--no-proxy"])
        .ok();
    assert!(begun.elapsed() < Duration::from_secs(60));
    let started = |name: &str| {
        docker(&[
            "inspect",
            "--format",
            "{{.State.StartedAt}}",
            &workstation.object(name),
        ])
    };
    assert!(
        started("after-quick") < started("after-slow"),
        "one branch did not wait for the other"
    );
    assert!(started("slow") < started("after-slow"));
}

/// Another owner's objects are refused.
#[tokio::test(flavor = "multi_thread")]
async fn another_owners_objects_are_refused() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let mine = Workstation::initialised(&platform.url());
    mine.run(&["up", "billing", "--no-proxy"]).ok();
    let mut theirs = Workstation::initialised(&platform.url());
    theirs.instance.clone_from(&mine.instance);
    theirs
        .run(&["up", "billing", "--no-proxy"])
        .code(4)
        .says("was made by somebody else");
    theirs.run(&["down"]).code(4);
    assert_eq!(mine.containers(), ["billing running"]);
}

/// After `down` no network stays in another owner's way, his data stays his; an empty network that a
/// removal left is used.
#[tokio::test(flavor = "multi_thread")]
async fn after_down_another_owner_may_have_the_instance() {
    let data = service("volumes: { data: /data }\n");
    let platform = Synthetic::released(&[("billing", &app("")), ("ledger", &data)]).await;
    let mine = Workstation::initialised(&platform.url());
    let mut theirs = Workstation::initialised(&platform.url());
    theirs.instance.clone_from(&mine.instance);
    mine.run(&["up", "billing", "--no-proxy"]).ok();
    mine.run(&["down"]).ok();
    let label = format!("label=devenv.instance={}", mine.instance);
    let networks = || docker(&["network", "ls", "--quiet", "--filter", &label]);
    assert_eq!(networks(), "");
    theirs.run(&["up", "billing", "--no-proxy"]).ok();
    let refused = mine.run(&["up", "billing"]).code(4);
    refused.says("made by somebody else");
    docker(&["rm", "--force", &theirs.object("billing")]);
    assert_ne!(networks(), "", "his network is left, and empty");
    mine.run(&["up", "billing"]).ok();
    assert_eq!(mine.containers(), ["billing running"]);
    mine.run(&["up", "ledger"]).ok();
    mine.run(&["down"]).ok();
    let refused = theirs.run(&["up", "ledger", "--no-proxy"]).code(4);
    refused
        .says("made by somebody else")
        .says("docker volume rm");
    theirs.run(&["down"]).ok();
    mine.run(&["down", "--volumes", "--yes"]).ok();
}

/// An `up` that cannot have its port leaves what ran.
#[tokio::test(flavor = "multi_thread")]
async fn an_up_that_cannot_bind_leaves_what_ran() {
    let platform =
        Synthetic::released(&[("billing", &app("routes: [{ path: /billing }]\n"))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let number = free_port();
    let port = format!("80={number}");
    workstation.run(&["up", "billing", "--port", &port]).ok();
    let before = identity(&workstation, "front");
    // At another address: what runs publishes the port itself, so that it seems to be its own.
    let _holder = std::net::TcpListener::bind(("127.0.0.2", number)).unwrap();
    workstation.write(
        "config/settings.yaml",
        "profile: linux\npublish_address: 0.0.0.0\n",
    );
    let refused = workstation.run(&["up", "--port", &port]);
    assert_ne!(refused.code, 0, "{refused:?}");
    refused.says(&number.to_string()).says("runs again: front");
    assert_eq!(
        workstation.containers(),
        ["billing running", "front running"]
    );
    let id = |text: &str| text.split(' ').next().unwrap().to_owned();
    assert_eq!(id(&identity(&workstation, "front")), id(&before));
    assert!(std::net::TcpStream::connect(("127.0.0.1", number)).is_ok());
}
