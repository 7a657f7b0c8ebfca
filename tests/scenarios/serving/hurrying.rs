//! A rollback waits for nobody.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use crate::support::server::clients::Clients;
use crate::support::server::world::World;
use crate::support::workstation::docker;

/// From the command to the first answer of the old version: a second, and what else this machine does takes its time.
/// An apply would go on for minutes.
const LIMIT: Duration = Duration::from_secs(10);

fn begun(world: &World) -> Child {
    let mut apply = world.server.command();
    apply.args(["server", "apply"]).stderr(Stdio::piped());
    apply.spawn().unwrap()
}

/// Waits until the journal has a generation at this stage.
async fn reach(world: &World, stage: &str) {
    let begun = Instant::now();
    while !world
        .server
        .journal()
        .contains(&format!("\"stage\": \"{stage}\""))
    {
        assert!(begun.elapsed() < Duration::from_secs(60), "never {stage}");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}

/// Goes back while an apply is at work, which ends by that; gives how long the old page took to come.
fn back(world: &World, net: &Clients, page: &str, apply: Child) -> Duration {
    let begun = Instant::now();
    let mut back = world.server.command();
    let mut back = back.args(["server", "rollback", "--yes"]).spawn().unwrap();
    while net.get(world.server.port, "/billing") != page {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {page}");
    }
    let took = begun.elapsed();
    let ended = apply.wait_with_output().unwrap();
    let said = String::from_utf8_lossy(&ended.stderr).into_owned();
    assert!(said.contains("a rollback came in between"), "{said}");
    assert!(ended.status.success(), "{said}");
    assert!(back.wait().unwrap().success());
    took
}

/// While an apply waits for old connections to end, a rollback leads requests back at once, and a request that is on its way
/// on one of them is answered.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_does_not_wait_for_connections() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.change("drain: 10s", "drain: 2m");
    world.server.apply().ok();
    let net = Clients::new();
    assert_eq!(net.get(world.server.port, "/billing"), "v1");
    let mut connection = TcpStream::connect((net.address.as_str(), world.server.port)).unwrap();
    connection.write_all(b"GET /billing HTTP/1.1\r\n").unwrap();
    world.release(0).await;
    let load = net.load(world.server.port, 3);
    let apply = begun(&world);
    reach(&world, "draining").await;
    assert_eq!(net.get(world.server.port, "/billing"), "v2");
    let took = back(&world, &net, "v1", apply);
    eprintln!("back while connections end: {took:?}");
    assert!(took < LIMIT, "{took:?}");
    assert_eq!(world.server.reference(), 1);
    connection
        .write_all(b"Host: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 200") && answer.contains("v1"),
        "{answer}"
    );
    let counts = load.stop();
    assert_eq!((counts.failed, counts.mixed), (0, 0), "{counts:?}");
    world.server.apply().ok().says("rolled back by anna");
}

/// Nor for a container that does not get ready. Nothing of what was begun is left, and a database that was to change runs
/// alone all the time.
#[tokio::test(flavor = "multi_thread")]
async fn a_rollback_does_not_wait_for_what_starts() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.change("ready: 20s", "ready: 3m");
    world
        .server
        .change("allow_stop: []", "allow_stop: [ledger-db]");
    world.server.apply().ok();
    world.release(0).await;
    world.server.apply().ok();
    let net = Clients::new();
    assert_eq!(net.get(world.server.port, "/billing"), "v2");
    let never = "port: 8080\ncommand: [/probe, sleep]\nroutes: [{ path: /billing }]\nneeds: [ledger-db]\n\
                 health: { command: [/probe, check, /nowhere], interval: 1s, timeout: 2s, start_period: 10m }\n";
    world.platform.write_container("billing", never);
    world.platform.release("billing", "1.9").await;
    world.reference().await;
    let apply = begun(&world);
    while !world
        .server
        .containers()
        .contains(&"3 billing running".to_owned())
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let took = back(&world, &net, "v1", apply);
    eprintln!("back while something starts: {took:?}");
    assert!(took < LIMIT, "{took:?}");
    let left = |world: &World| {
        let all = world.server.containers().into_iter();
        all.filter(|it| it.starts_with('3')).collect::<Vec<_>>()
    };
    assert_eq!(left(&world), Vec::<String>::new());
    let database = world.server.object(1, "ledger-db");
    let format = ["inspect", "--format", "{{.State.StartedAt}}", &database];
    let since = docker(&format);

    // A database that changes as well, while the new one runs already.
    world.database("2");
    world.platform.release("ledger-db", "1.1").await;
    world.reference().await;
    let apply = begun(&world);
    while !world
        .server
        .containers()
        .contains(&"4 billing running".to_owned())
    {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let running = world.server.containers();
    let up = running
        .iter()
        .filter(|it| it.ends_with("ledger-db running"));
    assert_eq!(up.count(), 1, "{running:?}");
    back(&world, &net, "v2", apply);
    let running = world.server.containers();
    let up = running.iter().filter(|it| it.contains("ledger-db running"));
    assert_eq!(
        up.collect::<Vec<_>>(),
        ["1 ledger-db running"],
        "{running:?}"
    );
    assert_ne!(docker(&format), since, "it was stopped");
}
