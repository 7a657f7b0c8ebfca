//! Ports of an instance over its life.

use std::net::TcpListener;

use crate::service;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, free_port};

/// What had to go elsewhere stays there while the instance runs, which is said, and is back where it
/// is wanted once nothing runs; a port that was chosen stays chosen.
#[tokio::test(flavor = "multi_thread")]
async fn after_down_the_usual_port_is_back() {
    let wanted = free_port();
    let publish = format!("publish: [{{ host: {wanted}, container: 80 }}]\n");
    let platform = Synthetic::released(&[("store", &service(&publish))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let port = || {
        let port = workstation.container("store")["ports"][0]["host"].as_u64();
        u16::try_from(port.unwrap()).unwrap()
    };
    let up = ["up", "store", "--no-proxy"];
    let holder = TcpListener::bind(("127.0.0.1", wanted)).unwrap();
    let told = workstation.run(&up).ok();
    told.says(&format!("port {wanted} is taken by"));
    let given = port();
    assert_ne!(given, wanted);
    drop(holder);
    let told = workstation.run(&up).ok();
    told.says(&format!("published on {given} as before, not on {wanted}"));
    workstation.run(&["restart", "store"]).ok();
    assert_eq!(port(), given);

    workstation.run(&["down"]).ok();
    let told = workstation.run(&up).ok();
    assert!(!told.stderr.contains("as before"), "{told:?}");
    assert_eq!(port(), wanted);

    let chosen = free_port();
    let choice = format!("{wanted}={chosen}");
    workstation
        .run(&[&up[..], &["--port", &choice]].concat())
        .ok();
    assert_eq!(port(), chosen);
    workstation.run(&["down"]).ok();
    workstation.run(&up).ok();
    assert_eq!(port(), chosen, "as the user said");
}
