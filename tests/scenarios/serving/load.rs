//! Changes under load: no request fails.

use std::time::{Duration, Instant};

use crate::support::server::clients::Clients;
use crate::support::server::variable;
use crate::support::server::world::World;

/// How much load there is: little in CI, `DEVENV_LOAD_REQUESTS=100000` by hand, which takes minutes.
struct Size {
    /// How many requests at least.
    requests: u64,
    /// Over how many changes.
    changes: u32,
    /// Clients that keep their connection, and as many that do not.
    clients: u32,
    /// How many milliseconds a slow application takes.
    slow: u32,
}

impl Size {
    fn wanted() -> Self {
        let (changes, clients, slow) = (10, 20, 5000);
        let wanted = variable("DEVENV_LOAD_REQUESTS");
        wanted.map_or(
            Self {
                requests: 2000,
                changes: 4,
                clients: 4,
                slow: 1000,
            },
            |requests| Self {
                requests: requests.parse().unwrap(),
                changes,
                clients,
                slow,
            },
        )
    }
}

/// Forward and back under load over kept and new connections, GET and POST: no request fails, and none is
/// answered by an application of another generation than its proxy.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_references_change() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let Size {
        requests,
        changes,
        clients,
        ..
    } = Size::wanted();
    world.server.apply().ok();
    let net = Clients::new();
    assert_eq!(net.get(world.server.port, "/billing"), "v1");
    let load = net.load(world.server.port, clients);
    for change in 0..changes {
        load.reach(requests * u64::from(change) / u64::from(changes))
            .await;
        let (before, begun) = (world.server.reference(), Instant::now());
        match change % 4 {
            // Proxy and application.
            0 => {
                world.release(0).await;
                world.server.apply().ok();
            }
            // The proxy alone.
            1 => {
                world.reference().await;
                world.server.apply().ok();
            }
            2 => {
                world.server.run(&["server", "rollback", "--yes"]).ok();
            }
            // To what is kept.
            _ => {
                world.server.run(&["server", "apply", "--again"]).ok();
            }
        }
        let after = world.server.reference();
        eprintln!("from {before} to {after}: {:?}", begun.elapsed());
        assert_ne!(before, after);
        // Nothing to do.
        world.server.apply().ok();
    }
    load.reach(requests).await;
    let counts = load.stop();
    assert_eq!((counts.failed, counts.mixed), (0, 0), "{counts:?}");
}

/// Four more while the application takes seconds to answer: what the old proxy got is answered.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_answers_take_long() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let Size { clients, slow, .. } = Size::wanted();
    world.server.apply().ok();
    world.release(slow).await;
    world.server.apply().ok();
    let net = Clients::new();
    let load = net.load(world.server.port, clients);
    for change in 0..4 {
        let asked = load.requests();
        load.reach(asked + u64::from(clients)).await;
        if change % 2 == 0 {
            world.release(slow).await;
            world.server.apply().ok();
        } else {
            world.server.run(&["server", "rollback", "--yes"]).ok();
        }
    }
    let counts = load.stop();
    assert_eq!((counts.failed, counts.mixed), (0, 0), "{counts:?}");
    assert!(counts.requests > u64::from(8 * clients), "{counts:?}");
}

/// The same without the line that a proxy is drained by: kept connections are cut at the deadline, which
/// is said, and requests fail.
#[tokio::test(flavor = "multi_thread")]
async fn without_its_line_a_proxy_loses_requests_and_that_is_said() {
    let Some(mut world) = World::with("").await else {
        return;
    };
    world.server.change("drain: 10s", "drain: 1s");
    let lacks = "front does not close kept connections when it is told to";
    world.server.apply().ok().says(lacks);
    let check = world.server.run(&["server", "check"]).ok().stdout;
    let said = "OK - reference 1 serves; front has no drain line | ";
    assert!(check.starts_with(said), "{check}");
    let net = Clients::new();
    let load = net.load(world.server.port, 5);
    tokio::time::sleep(Duration::from_millis(500)).await;
    world.reference().await;
    let said = "had not ended after 1s and were cut";
    world.server.apply().ok().says(said);
    let counts = load.stop();
    assert!(counts.failed > 0, "{counts:?}");
}

/// Where an apply has come to when it is killed.
#[derive(Debug, Clone, Copy)]
enum Moment {
    /// The new proxy is there, and not proven yet.
    Proxy,
    /// The kernel leads requests to it.
    Led,
    /// Connections to the old one are ending.
    Draining,
}

impl Moment {
    /// Whether it has come to a generation of this number, which the kernel does not lead to in `before`.
    fn has_come(self, world: &World, number: u64, before: &str) -> bool {
        match self {
            Self::Proxy => {
                let front = format!("{number} front ");
                let all = world.server.containers();
                all.iter().any(|it| it.starts_with(&front))
            }
            Self::Led => world.server.table() != before,
            Self::Draining => world.server.journal().contains("\"stage\": \"draining\""),
        }
    }

    /// Where the journal may be then: a moment passes while it is looked for.
    fn stages(self) -> &'static [&'static str] {
        match self {
            Self::Proxy => &["starting"],
            Self::Led => &["switching", "draining"],
            Self::Draining => &["draining"],
        }
    }
}

/// Kills an apply when it has come this far.
async fn kill_at(world: &World, number: u64, moment: Moment) {
    let before = world.server.table();
    let mut apply = world.server.command();
    let mut child = apply.args(["server", "apply"]).spawn().unwrap();
    let begun = Instant::now();
    while !moment.has_come(world, number, &before) {
        assert!(
            begun.elapsed() < Duration::from_secs(120),
            "never {moment:?}"
        );
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    child.kill().unwrap();
    let ended = child.wait().unwrap();
    assert_eq!(
        ended.code(),
        None,
        "{moment:?}: it ended before it was killed"
    );
    let journal = world.server.journal();
    let mut stages = moment.stages().iter();
    let is_there = stages.any(|it| journal.contains(&format!("\"stage\": \"{it}\"")));
    assert!(is_there, "{moment:?}: {journal}");
}

/// `server apply` is killed at three moments under load; each time the next one makes it whole, and no
/// request fails. Then it goes back, timed from the command to the first answer of the old version.
#[tokio::test(flavor = "multi_thread")]
async fn no_request_fails_while_applying_is_killed() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.apply().ok();
    let net = Clients::new();
    let load = net.load(world.server.port, 5);
    // What is undone is begun once more under the next number.
    let moments = [(2, Moment::Proxy), (4, Moment::Led), (5, Moment::Draining)];
    for (number, moment) in moments {
        world.release(0).await;
        kill_at(&world, number, moment).await;
        world.server.apply().ok();
        assert_eq!(world.server.reference(), world.number());
    }
    assert_eq!(world.server.reference(), 4);
    let counts = load.stop();
    assert_eq!((counts.failed, counts.mixed), (0, 0), "{counts:?}");
    let begun = Instant::now();
    let mut back = world.server.command();
    let mut child = back.args(["server", "rollback", "--yes"]).spawn().unwrap();
    while net.get(world.server.port, "/billing") != "v3" {
        assert!(begun.elapsed() < Duration::from_secs(10));
    }
    eprintln!("back after {:?}", begun.elapsed());
    assert!(child.wait().unwrap().success());
    let begun = Instant::now();
    world.server.apply().ok();
    eprintln!("nothing to do: {:?}", begun.elapsed());
    let units = world.server.home.path().join("config/systemd");
    let verify = std::process::Command::new("systemd-analyze")
        .args(["verify", "--man=no"])
        .arg(units.join("devenv-server.service"))
        .arg(units.join("devenv-server.timer"))
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&verify.stderr);
    let is_fine = verify.status.success() && !said.contains("devenv-server");
    assert!(is_fine, "systemd-analyze: {} {said}", verify.status);
}
