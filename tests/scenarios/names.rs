//! What names mean inside an instance.

use std::time::{Duration, Instant};

use crate::app;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker, free_port};

/// How the way from billing to a port of a name ends; it must end at once.
fn reach(workstation: &Workstation, name: &str, port: &str) -> String {
    let begun = Instant::now();
    let words = ["exec", "billing", "-T", "--", "/probe", "reach", name, port];
    let ran = workstation.run(&words).ok();
    assert!(
        begun.elapsed() < Duration::from_secs(3),
        "{name}: {:?}",
        begun.elapsed()
    );
    ran.stdout.trim().to_owned()
}

/// A route's host leads to the proxy, absent names refuse, whether a container declares that it uses
/// them or not.
#[tokio::test(flavor = "multi_thread")]
async fn hosts_lead_to_the_proxy_and_absent_names_refuse_for_every_container() {
    let platform = Synthetic::released(&[
        ("audit", &app("routes: [{ host: audit.acme.example }]\n")),
        ("billing", &app("routes: [{ path: /billing }]\n")),
        ("customers", &app("")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    let port = format!("80={}", free_port());
    workstation.run(&["up", "billing", "--port", &port]).ok();
    let network = format!("devenv-acme-{}", workstation.instance);
    let format = format!("{{{{(index .NetworkSettings.Networks \"{network}\").IPAddress}}}}");
    let front = docker(&["inspect", "--format", &format, &workstation.object("front")]);
    for host in ["audit.acme.example", "audit.acme.example.localhost"] {
        assert_eq!(reach(&workstation, host, "80"), format!("reached {front}"));
    }
    for name in ["audit", "customers"] {
        let end = reach(&workstation, name, "8080");
        assert!(end.starts_with("refused at "), "{name}: {end}");
    }
    let before = docker(&[
        "inspect",
        "--format",
        "{{.Id}}",
        &workstation.object("billing"),
    ]);
    workstation.run(&["up", "customers"]).ok();
    assert!(reach(&workstation, "customers", "8080").starts_with("reached "));
    assert!(reach(&workstation, "audit", "8080").starts_with("refused at "));
    workstation.run(&["up", "audit"]).ok();
    assert!(reach(&workstation, "audit", "8080").starts_with("reached "));
    let after = docker(&[
        "inspect",
        "--format",
        "{{.Id}}",
        &workstation.object("billing"),
    ]);
    assert_eq!(before, after);
    assert!(
        workstation
            .run(&["up"])
            .ok()
            .stderr
            .contains("nothing to do")
    );

    // Without a proxy, nothing is where it would be.
    workstation.run(&["down"]).ok();
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let end = reach(&workstation, "audit.acme.example", "80");
    assert_eq!(end, "refused at 255.255.255.255");
}
