//! A server's change of proxy and application under load, beside the usual way: `docker compose up -d` with the same
//! images, health checks and clients.

use std::fmt::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::compose::Compose;
use crate::measure::Times;
use crate::report::Report;
use crate::support::server::clients::{Clients, Counts, Load};
use crate::support::server::port;
use crate::support::server::world::World;
use crate::support::workstation::docker;

/// Clients that keep their connection, and as many that do not.
const CLIENTS: u32 = 20;

/// What one way came to.
#[derive(Default)]
struct Way {
    requests: u64,
    failed: u64,
    /// From the command to the first answer of the new version.
    seconds: Times,
    /// The longest time without an answer.
    silence: Times,
}

/// Changes a server so often, each way in turn.
pub async fn usual(rounds: usize, program: &Path, report: &mut Report) {
    let Some(mut world) = World::new().await else {
        report.note("usual: this machine cannot be a server");
        return;
    };
    let (mut ours, mut theirs) = (Way::default(), Way::default());
    let (net, compose, port) = (Clients::new(), Compose::new(program), port());
    world.server.apply().ok();
    compose.write(&project(&world, port));
    pull(&world);
    let up = ["up", "--detach", "--wait"];
    crate::program::run(compose.command().args(up));
    for _ in 0..rounds {
        world.release(0).await;
        let version = format!("v{}", world.version());
        let mut apply = world.server.command();
        apply.args(["server", "apply"]);
        ours.change(&net, world.server.port, apply, &version).await;
        compose.write(&project(&world, port));
        pull(&world);
        let mut up = compose.command();
        up.args(["up", "--detach"]);
        theirs.change(&net, port, up, &version).await;
    }
    compose.down();
    for (who, way) in [
        ("devenv server apply", &ours),
        ("docker compose up -d", &theirs),
    ] {
        report.note(&format!(
            "{who}: {} of {} requests failed over {rounds} changes; new version after {}, longest without an answer {}",
            way.failed, way.requests, way.seconds, way.silence
        ));
    }
    let details = format!(
        "devenv {} of {}, compose {} of {}; new version after {} and {}",
        ours.failed, ours.requests, theirs.failed, theirs.requests, ours.seconds, theirs.seconds
    );
    #[expect(clippy::cast_precision_loss, reason = "a few requests")]
    let failed = ours.failed as f64;
    let what = "proxy and application of a server changed under load: failed requests";
    report.at_most(what, failed, 0.0, "", &details);
}

/// The images of the newest version, present before the clock starts.
fn pull(world: &World) {
    for image in images(world) {
        docker(&["pull", "--quiet", &image]);
    }
}

/// Of proxy, application and database.
fn images(world: &World) -> [String; 3] {
    let version = world.version();
    let named = |name: &str, tag: String| format!("{}:{tag}", world.platform.repository(name));
    [
        named("front", world.number().to_string()),
        named("billing", format!("1.{version}")),
        named("ledger-db", "1.0".to_owned()),
    ]
}

/// What `container.yaml` says of the three, in compose's words.
fn project(world: &World, port: u16) -> String {
    let [front, billing, database] = images(world);
    let version = world.version();
    let healthy = "healthcheck: { test: [CMD, /probe, check, /probe], interval: 200ms, timeout: 2s, start_period: 1s, retries: 9 }";
    let mut text = "services:\n".to_owned();
    for (name, image, rest) in [
        (
            "front",
            front,
            format!(
                "command: [/usr/sbin/apache2, -DFOREGROUND, -f, /etc/apache.conf]\n    environment: {{ LC_ALL: C }}\n    \
                 ports: [\"{port}:80\"]\n    depends_on: {{ billing: {{ condition: service_healthy }} }}"
            ),
        ),
        (
            "billing",
            billing,
            format!(
                "command: [/probe, serve, \"8080\", v{version}, \"0\"]\n    \
                 depends_on: {{ ledger-db: {{ condition: service_healthy }} }}"
            ),
        ),
        (
            "ledger-db",
            database,
            "command: [/probe, sleep, \"1\"]\n    volumes: [\"data:/data\"]".to_owned(),
        ),
    ] {
        let _ = writeln!(
            text,
            "  {name}:\n    image: {image}\n    {healthy}\n    {rest}"
        );
    }
    text + "volumes:\n  data: {}\n"
}

impl Way {
    /// One change under load, until the new version has answered and the command has ended.
    async fn change(&mut self, net: &Clients, port: u16, mut command: Command, version: &str) {
        let load = net.load(port, CLIENTS);
        load.reach(500).await;
        let begun = Instant::now();
        let piped = command.stdout(Stdio::null()).stderr(Stdio::piped());
        let child = piped.spawn().unwrap();
        let (mut heard, mut silence) = (Instant::now(), Duration::ZERO);
        loop {
            let answer = net.get(port, "/billing");
            if answer.starts_with('v') {
                silence = silence.max(heard.elapsed());
                heard = Instant::now();
            }
            if answer == version {
                break;
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "no {version}");
        }
        self.seconds.0.push(begun.elapsed());
        self.silence.0.push(silence);
        let ended = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&ended.stderr).into_owned();
        assert!(ended.status.success(), "{said}");
        self.count(load).await;
    }

    async fn count(&mut self, load: Load) {
        let more = load.requests() + 500;
        load.reach(more).await;
        let Counts {
            requests, failed, ..
        } = load.stop();
        self.requests += requests;
        self.failed += failed;
    }
}
