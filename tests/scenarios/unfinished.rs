//! The engine goes on with what a killed command told it.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, free_port};
use crate::{app, service};

/// How long a container takes to end that does not hear its signal.
const GRACE: Duration = Duration::from_secs(2);

/// The engine's events of this kind, ended when it is dropped.
struct Events(Child, mpsc::Receiver<String>);

impl Events {
    fn of(workstation: &Workstation, event: &str) -> Self {
        Self::about(workstation, event, None)
    }

    /// Those of one container.
    fn about(workstation: &Workstation, event: &str, container: Option<&str>) -> Self {
        let label = format!("label=devenv.instance={}", workstation.instance);
        let container = container.map(|it| format!("label=devenv.container={it}"));
        let event = format!("event={event}");
        let mut command = Command::new("docker");
        command.args([
            "events", "--since", "0s", "--filter", &label, "--filter", &event,
        ]);
        if let Some(label) = container {
            command.args(["--filter", &label]);
        }
        let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let (heard, events) = mpsc::channel();
        std::thread::spawn(move || {
            lines
                .map_while(Result::ok)
                .try_for_each(|it| heard.send(it))
        });
        Self(child, events)
    }

    fn wait(&self) {
        self.1.recv_timeout(Duration::from_secs(60)).unwrap();
    }
}

impl Drop for Events {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// `kill -9` while the engine starts what publishes a port, and the same port asked for at once: it is
/// the instance's own.
#[tokio::test(flavor = "multi_thread")]
async fn a_start_that_a_killed_command_began_holds_its_own_port() {
    let text = app("routes: [{ path: /billing }]\n");
    let platform = Synthetic::released(&[("billing", &text)]).await;
    let workstation = Workstation::initialised(&platform.url());
    let port = format!("80={}", free_port());
    let up = ["up", "billing", "--port", &port];
    for wait in [0, 30, 60, 100, 150, 250] {
        let events = Events::about(&workstation, "create", Some("front"));
        let mut command = workstation.command();
        let command = command.args(up).stderr(Stdio::null());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        events.wait();
        tokio::time::sleep(Duration::from_millis(wait)).await;
        child.kill().unwrap();
        child.wait().unwrap();
        workstation.run(&up).ok();
        let running = ["billing running", "front running"];
        assert_eq!(workstation.containers(), running, "{wait} ms");
        workstation.run(&["down"]).ok();
    }
}

/// `kill -9` once the engine stops containers, and `up` at once: what it brings stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_a_killed_command_told_the_engine_ends_before_up_looks() {
    let deaf = service("stop_signal: SIGHUP\nstop_grace: 2s\n");
    let platform = Synthetic::released(&[("audit", &deaf), ("billing", &deaf)]).await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "audit", "billing", "--no-proxy"];
    workstation.run(&up).ok();
    for arguments in [&["down"][..], &["restart"], &["down", "billing"]] {
        let events = Events::of(&workstation, "kill");
        let mut command = workstation.command();
        let command = command.args(arguments).stderr(Stdio::null());
        let mut child = command.stdout(Stdio::null()).spawn().unwrap();
        events.wait();
        child.kill().unwrap();
        child.wait().unwrap();
        let killed = Instant::now();
        workstation.run(&up).ok();
        let ends = GRACE + Duration::from_secs(1);
        tokio::time::sleep(ends.saturating_sub(killed.elapsed())).await;
        assert_eq!(
            workstation.containers(),
            ["audit running", "billing running"],
            "{arguments:?}"
        );
        let plan = workstation.run(&["up", "--dry-run"]).ok();
        assert!(plan.stdout.contains("nothing to do"), "{}", plan.stdout);
    }
}
