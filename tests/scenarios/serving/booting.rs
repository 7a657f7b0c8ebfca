//! A server comes back by itself.

use std::process::Child;
use std::time::{Duration, Instant};

use crate::support::server::node::Node;
use crate::support::server::possible;
use crate::support::server::world::World;

/// From the engine's first answer to the first page.
const LIMIT: Duration = Duration::from_secs(3);

/// How often it is tried: what else this machine does may hit one of them.
const TRIES: usize = 3;

/// How long it took from the engine's first answer to the page, where `first` is what systemd does then.
fn back(node: &Node, port: u16, page: &str, first: impl FnOnce() -> Option<Child>) -> Duration {
    let begun = Instant::now();
    let patience = || assert!(begun.elapsed() < Duration::from_secs(60), "no {page}");
    while !node.answers() {
        patience();
    }
    let answered = Instant::now();
    let child = first();
    while node.get(port, "/billing").as_deref() != Some(page) {
        patience();
    }
    let took = answered.elapsed();
    if let Some(child) = child {
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{said}");
    }
    took
}

/// The engine is restarted: pages are back without any command. The machine is: its network knows nothing any
/// more, and what systemd runs at boot brings the pages back. Both within 3 s of the engine's first
/// answer, the generation that is kept stays, and nothing is wrong afterwards.
#[tokio::test(flavor = "multi_thread")]
async fn pages_are_back_three_seconds_after_the_engine() {
    if !possible() {
        return;
    }
    let node = Node::start();
    let mut world = World::on(&node).await;
    let port = world.server.port;
    world.server.apply().ok();
    world.release(0).await;
    world.server.apply().ok();
    assert_eq!(node.get(port, "/billing").as_deref(), Some("v2"));

    let restarts = (0..TRIES).map(|_| {
        node.halt();
        assert_eq!(node.get(port, "/billing"), None);
        node.boot();
        back(&node, port, "v2", || None)
    });
    let restarts: Vec<Duration> = restarts.collect();
    world.server.apply().ok();

    let reboots = (0..TRIES).map(|_| {
        node.off();
        assert_eq!(world.server.table(), "");
        node.boot();
        back(&node, port, "v2", || {
            let mut apply = world.server.command();
            let apply = apply.args(["server", "apply"]);
            Some(apply.stderr(std::process::Stdio::piped()).spawn().unwrap())
        })
    });
    let reboots: Vec<Duration> = reboots.collect();
    eprintln!(
        "first page after the engine's first answer: restarts {restarts:?}, reboots {reboots:?}"
    );
    for times in [restarts, reboots] {
        assert!(times.iter().any(|it| *it <= LIMIT), "{times:?}");
    }
    let check = world.server.run(&["server", "check"]).ok().stdout;
    assert!(check.starts_with("OK - reference 2 serves"), "{check}");
    world.server.run(&["server", "rollback", "--yes"]).ok();
    assert_eq!(node.get(port, "/billing").as_deref(), Some("v1"));
}
