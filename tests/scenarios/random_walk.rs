//! A random walk of operations and faults: after each `up` that ends well, what runs is what was
//! asked for. `DEVENV_WALK_SEED` repeats a walk, `DEVENV_WALK_OPERATIONS` makes it longer.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::synthetic::{PLATFORM, Synthetic};
use crate::support::workstation::{Ran, Workstation, docker, free_port, ran};
use crate::{app, service};

const APPS: [&str; 3] = ["audit", "billing", "customers"];

/// What each container needs.
fn needs(name: &str) -> &'static [&'static str] {
    match name {
        "billing" => &["customers"],
        "customers" => &["ledger"],
        _ => &[],
    }
}

/// Xorshift, so that a seed says all.
struct Random(u64);

impl Random {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }

    fn of<T: Copy>(&mut self, all: &[T]) -> T {
        let index = self.below(all.len() as u64);
        all[usize::try_from(index).unwrap()]
    }
}

struct Walk {
    workstation: Workstation,
    random: Random,
    ports: [u16; 2],
    /// Whether one of them was chosen.
    is_chosen: bool,
    /// What was done, for whoever has to find out why.
    story: String,
    compared: usize,
}

impl Walk {
    fn start(&self, arguments: &[&str]) -> Child {
        let mut command = self.workstation.command();
        command.args(arguments);
        let pipes = command.stdout(Stdio::piped()).stderr(Stdio::piped());
        pipes.spawn().unwrap()
    }

    fn end(&mut self, child: Child, what: &str) -> Ran {
        let ran = ran(&child.wait_with_output().unwrap());
        let _ = writeln!(self.story, "{what}: {}", ran.code);
        assert!(
            ![70, 101, -1].contains(&ran.code),
            "{what}\n{}\n{}",
            self.story,
            ran.stderr
        );
        ran
    }

    fn run(&mut self, arguments: &[&str]) -> Ran {
        let child = self.start(arguments);
        self.end(child, &arguments.join(" "))
    }

    /// What devenv remembers that it was asked for.
    fn asked(&self) -> BTreeSet<String> {
        let name = format!(
            "state/instances/{PLATFORM}/{}.json",
            self.workstation.instance
        );
        let text = std::fs::read(self.workstation.home.path().join(name)).unwrap_or_default();
        let record: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let asked = record["asked"].as_array().into_iter().flatten();
        asked.map(|it| it.as_str().unwrap().to_owned()).collect()
    }

    /// `up`, with one more name or without, mostly at one of two ports; compared with the model.
    fn up(&mut self, name: Option<&str>) {
        let mut expected = self.asked();
        expected.extend(name.map(ToOwned::to_owned));
        if expected.is_empty() {
            return;
        }
        let port = self.random.of(&self.ports);
        let choice = format!("80={port}");
        let mut arguments = vec!["up"];
        arguments.extend(name);
        let is_chosen = self.random.below(3) > 0;
        if is_chosen {
            arguments.extend(["--port", &choice]);
        }
        let ran = self.run(&arguments);
        assert_eq!(ran.code, 0, "{}\n{}", self.story, ran.stderr);
        assert_eq!(self.asked(), expected, "{}", self.story);
        self.compare(&expected);
        let published = docker(&["port", &self.workstation.object("front"), "80"]);
        let is_there = |port: &u16| published.ends_with(&format!(":{port}"));
        self.is_chosen |= is_chosen;
        // What was chosen stays; a killed `up` may have chosen the other.
        let mut wanted = if is_chosen {
            vec![port]
        } else {
            self.ports.to_vec()
        };
        wanted.retain(|_| self.is_chosen);
        let fits = wanted.is_empty() || wanted.iter().any(is_there);
        assert!(fits, "{published} {wanted:?}\n{}", self.story);
    }

    /// What runs is what the model says: these, what they need, and the proxy; each once, healthy and
    /// on the instance's network.
    fn compare(&mut self, asked: &BTreeSet<String>) {
        let mut expected: BTreeSet<&str> = asked.iter().map(String::as_str).collect();
        for _ in 0..3 {
            let more: Vec<_> = expected.iter().flat_map(|it| needs(it)).copied().collect();
            expected.extend(more);
        }
        expected.insert("front");
        let expected: Vec<String> = expected.iter().map(|it| format!("{it} running")).collect();
        assert_eq!(self.workstation.containers(), expected, "{}", self.story);
        let network = format!("devenv-{PLATFORM}-{}", self.workstation.instance);
        let format = "{{range $name, $_ := .NetworkSettings.Networks}}{{$name}} {{end}}{{with .State.Health}}{{.Status}}{{end}}";
        for name in expected.iter().filter_map(|it| it.split(' ').next()) {
            let object = self.workstation.object(name);
            let look = || docker(&["inspect", "--format", format, &object]);
            let mut found = look();
            // `up` asks a container itself that was frozen: the engine says so at its next probe.
            let begun = Instant::now();
            while found.ends_with("unhealthy") && begun.elapsed() < Duration::from_secs(5) {
                std::thread::park_timeout(Duration::from_millis(100));
                found = look();
            }
            let mut words = found.split(' ');
            assert!(
                words.any(|it| it == network),
                "{object}: {found}\n{}",
                self.story
            );
            if APPS.contains(&name) {
                assert!(
                    found.ends_with("healthy"),
                    "{object}: {found}\n{}",
                    self.story
                );
                assert!(
                    !found.ends_with("unhealthy"),
                    "{object}: {found}\n{}",
                    self.story
                );
            }
        }
        let plan = self.workstation.run(&["up", "--dry-run"]).ok();
        assert!(
            plan.stdout.contains("nothing to do"),
            "{}\n{}",
            plan.stdout,
            self.story
        );
        self.compared += 1;
    }

    /// The process ends at a random moment, as by the kernel; the engine goes on with what it was told.
    fn killed(&mut self, arguments: &[&str]) {
        let mut child = self.start(arguments);
        let moment = self.random.below(1500);
        std::thread::park_timeout(Duration::from_millis(moment));
        let _ = child.kill();
        let _ = child.wait();
        let what = arguments.join(" ");
        let _ = writeln!(self.story, "{what}: kill -9 after {moment} ms");
    }

    /// Something happens to a container from outside; what is not there is no trouble.
    fn docker(&mut self, arguments: &[&str]) {
        let output = Command::new("docker").args(arguments).output().unwrap();
        let what = arguments.join(" ");
        let _ = writeln!(self.story, "docker {what}: {}", output.status);
    }

    fn network_removed(&mut self) {
        let network = format!("devenv-{PLATFORM}-{}", self.workstation.instance);
        for name in ["audit", "billing", "customers", "front", "ledger"] {
            let object = self.workstation.object(name);
            self.docker(&["network", "disconnect", "--force", &network, &object]);
        }
        self.docker(&["network", "rm", &network]);
    }

    fn two_at_once(&mut self) {
        let (one, two) = (self.random.of(&APPS), self.random.of(&APPS));
        let children = [self.start(&["up", one]), self.start(&["up", two])];
        for (child, name) in children.into_iter().zip([one, two]) {
            let ran = self.end(child, &format!("at once: up {name}"));
            assert_eq!(ran.code, 0, "{}\n{}", self.story, ran.stderr);
        }
        self.compare(&self.asked());
    }

    fn step(&mut self) {
        let name = self.random.of(&APPS);
        let any = self
            .random
            .of(&["audit", "billing", "customers", "front", "ledger"]);
        let object = self.workstation.object(any);
        match self.random.below(16) {
            0..=2 => self.up(Some(name)),
            3 => drop(self.run(&["down"])),
            4 if self.asked().len() > 1 && self.asked().contains(name) => {
                drop(self.run(&["down", name]));
            }
            5 => drop(self.run(&["restart", any])),
            6 => drop(self.run(&["pause"])),
            7 => self.docker(&["kill", &object]),
            8 => self.docker(&["rm", "--force", &object]),
            9 => self.docker(&["stop", "--time", "0", &object]),
            10 => self.docker(&["pause", &object]),
            11 => {
                let network = format!("devenv-{PLATFORM}-{}", self.workstation.instance);
                self.docker(&["network", "disconnect", "--force", &network, &object]);
            }
            12 => self.network_removed(),
            13 => self.two_at_once(),
            14 => {
                let commands = [&["down"][..], &["restart"], &["down", name], &["pause"]];
                let command = self.random.of(&commands);
                if command != ["down", name]
                    || self.asked().len() > 1 && self.asked().contains(name)
                {
                    self.killed(command);
                }
            }
            _ => {
                let port = format!("80={}", self.random.of(&self.ports));
                self.killed(&["up", name, "--port", &port]);
            }
        }
        if self.random.below(2) == 0 {
            self.up(None);
        }
    }
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn is_ci() -> bool {
    std::env::var_os("CI").is_some()
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn number(variable: &str) -> Option<u64> {
    std::env::var(variable).ok()?.parse().ok()
}

/// After each `up`, whatever happened before, what runs is what was asked for.
#[tokio::test(flavor = "multi_thread")]
async fn after_each_up_what_runs_is_what_was_asked_for() {
    // In CI the same walk each time: what is red there is of the change.
    let nanoseconds = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
    let any = u64::from(nanoseconds.subsec_nanos()) | 1;
    let seed = number("DEVENV_WALK_SEED").unwrap_or(if is_ci() { 1 << 40 | 1 } else { any });
    let operations = number("DEVENV_WALK_OPERATIONS");
    eprintln!("DEVENV_WALK_SEED={seed} repeats this walk");
    let platform = Synthetic::released(&[
        ("audit", &app("routes: [{ path: /audit }]\n")),
        (
            "billing",
            &app("needs: [customers]\nuses: [audit]\nroutes: [{ path: /billing }]\n"),
        ),
        (
            "customers",
            &app("needs: [ledger]\nroutes: [{ path: /customers }]\n"),
        ),
        ("ledger", &service("volumes: { data: /data }\n")),
    ])
    .await;
    let mut walk = Walk {
        workstation: Workstation::initialised(&platform.url()),
        random: Random(seed),
        ports: [free_port(), free_port()],
        is_chosen: false,
        story: format!("seed {seed}\n"),
        compared: 0,
    };
    walk.up(Some("billing"));
    let (begun, limit) = (Instant::now(), Duration::from_secs(25));
    let mut done = 0;
    while operations.map_or(begun.elapsed() < limit && done < 20, |most| done < most) {
        walk.step();
        done += 1;
    }
    walk.up(Some("audit"));
    eprintln!("{done} operations, {} comparisons", walk.compared);
}
