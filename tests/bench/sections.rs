//! What is measured, and against what.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use devenv::converge::desired::Desired;
use devenv::engine::Docker;
use devenv::model::digest::Digest;
use devenv::model::reference::Reference;

use crate::compose::{self, Compose};
use crate::measure::{Times, race};
use crate::program;
use crate::raw::Raw;
use crate::report::Report;
use crate::support::real_engine::connect;
use crate::support::synthetic::Synthetic;
use crate::support::tls_proxy::TlsProxy;
use crate::support::workstation::{Workstation, docker, program as devenv};

/// The largest set.
pub const MOST: usize = 30;
const LINKS: usize = 5;
const TRIVIAL: &str = "command: [/probe, sleep]\nvolumes: { logs: /var/log/tomcat }\n";
const CHECKED: &str = "health: { command: [/probe, check, /probe], interval: 500ms, timeout: 2s, start_period: 0s, retries: 3 }\n";
/// Lets the engine end what it does after it has answered.
const SETTLE: Duration = Duration::from_millis(300);

/// A released platform; its images leave the engine when it is dropped.
pub struct Arena {
    platform: Synthetic,
    compose: PathBuf,
    docker: Docker,
    /// Two references that differ in one container's version.
    references: [(Reference, Digest); 2],
}

/// The names of so many containers without needs.
pub fn trivial(count: usize) -> Vec<String> {
    (1..=count).map(|it| format!("bench-{it:02}")).collect()
}

fn link(number: usize) -> String {
    format!("link-{number}")
}

impl Arena {
    /// Releases everything.
    pub async fn prepare() -> Self {
        let compose = compose::find();
        let mut definitions: Vec<(String, String)> = trivial(MOST)
            .into_iter()
            .map(|name| (name, TRIVIAL.to_owned()))
            .collect();
        for number in 1..=LINKS {
            let needs = match number {
                1 => String::new(),
                _ => format!("needs: [{}]\n", link(number - 1)),
            };
            definitions.push((link(number), format!("{TRIVIAL}{CHECKED}{needs}")));
        }
        let texts: Vec<(&str, &str)> = definitions
            .iter()
            .map(|(name, text)| (name.as_str(), text.as_str()))
            .collect();
        let mut platform = Synthetic::define(&texts);
        for (name, _) in &texts {
            platform.release(name, "1.0").await;
        }
        let first = platform.compile();
        let (number, digest) = platform.publish_reference(&first).await;
        platform.promote_to("production", number, digest).await;
        platform.release("bench-01", "1.1").await;
        let second = platform.compile();
        let (_, other) = platform.publish_reference(&second).await;
        Self {
            platform,
            compose,
            docker: connect(),
            references: [(first, digest), (second, other)],
        }
    }

    /// The same containers for all contenders, nothing running, images present.
    pub async fn stage(&self, names: &[String]) -> Stage {
        let developer = Workstation::initialised(&self.platform.url());
        let mut raw = Raw::new(self.docker.clone());
        let up = ["up", "--no-proxy", "--no-wait"];
        program::run(developer.command().args(up).args(names));
        let desired = raw.desired(&self.references[0].0, names).await;
        let compose = Compose::new(&self.compose);
        compose.define(&desired);
        let stage = Stage {
            names: names.to_vec(),
            developer,
            compose,
            raw,
            desired,
        };
        stage.down().await;
        stage
    }

    /// One of 15 gets another version, back and forth.
    pub async fn change(&mut self, rounds: usize, report: &mut Report) {
        let names = trivial(15);
        let mut stage = self.stage(&names).await;
        stage.up();
        self.promote(1).await;
        stage.up();
        let newer = stage.raw.desired(&self.references[1].0, &names).await;
        self.promote(0).await;
        stage.up();
        let versions = [stage.desired.clone(), newer];
        stage.raw.up(&stage.desired).await;
        stage.compose_up();
        let mut turns = [0; 3];
        let [devenv, raw, again, compose] = race(rounds, async |contender| {
            let kind = [0, 1, 1, 2][contender];
            turns[kind] += 1;
            let version = turns[kind] % 2;
            match kind {
                0 => {
                    self.promote(version).await;
                    stage.up()
                }
                1 => stage.raw.replace(&versions[version], "bench-01").await,
                _ => {
                    stage.compose.define(&versions[version]);
                    stage.compose_up()
                }
            }
        })
        .await;
        let spread = again.against(&raw).spread();
        stage.raw.down().await;
        report.at_most(
            "one changed of 15, against compose",
            devenv.against(&compose).median(),
            0.95,
            " ×",
            &format!("devenv {devenv}, compose {compose}"),
        );
        report.within(
            "one changed of 15, against the raw overlapped replacement",
            devenv.against(&raw).median(),
            1.1,
            spread,
            " ×",
            &format!("devenv {devenv}, raw {raw}, A–A spread {spread:.3}"),
        );
    }

    async fn promote(&mut self, version: usize) {
        let (number, digest) = (
            self.references[version].0.number,
            self.references[version].1,
        );
        self.platform.promote_to("production", number, digest).await;
    }

    /// Each of five needs the one before to be healthy; until all are.
    pub async fn chain(&self, rounds: usize, report: &mut Report) {
        let names: Vec<String> = (1..=LINKS).map(link).collect();
        let stage = self.stage(&names).await;
        let [devenv, compose] = race(rounds, async |contender| {
            let took = if contender == 0 {
                program::time(stage.devenv(&["up", "--no-proxy"]).args(&stage.names))
            } else {
                program::time(stage.compose.command().args(["up", "--detach", "--wait"]))
            };
            stage.down().await;
            took
        })
        .await;
        report.at_most(
            "five-deep chain of health checks, against compose",
            devenv.against(&compose).median(),
            0.75,
            " ×",
            &format!("devenv {devenv}, compose {compose}"),
        );
    }

    /// Start-up and size.
    pub fn program(&self, report: &mut Report) {
        const RUNS: usize = 50;
        let developer = Workstation::initialised(&self.platform.url());
        let time = |arguments: &[&str]| {
            let once = |_| program::time(developer.command().args(arguments));
            Times((0..RUNS).map(once).collect())
        };
        let nothing = Times(
            (0..RUNS)
                .map(|_| program::time(&mut Command::new("true")))
                .collect(),
        );
        report.note(&format!("starting and ending any program: {nothing}"));
        let milliseconds = |times: &Times| times.median().as_secs_f64() * 1000.0;
        let version = time(&["--version"]);
        report.at_most(
            "devenv --version",
            milliseconds(&version),
            6.0,
            " ms",
            &version.to_string(),
        );
        let size = std::fs::metadata(devenv()).unwrap().len();
        #[expect(clippy::cast_precision_loss, reason = "a file's size")]
        let size = size as f64 / 1e6;
        report.at_most("stripped program", size, 18.0, " MB", "");
    }
}

impl Drop for Arena {
    fn drop(&mut self) {
        let listed = docker(&[
            "images",
            "--digests",
            "--format",
            "{{.Repository}} {{.Tag}} {{.Digest}}",
        ]);
        for line in listed.lines() {
            let [repository, tag, digest] = line.split(' ').collect::<Vec<_>>()[..] else {
                continue;
            };
            let ours = repository.starts_with(&self.platform.prefix);
            let tagged = ["bench-", "link-"].iter().any(|name| {
                repository.starts_with(&format!(
                    "localhost/devenv/{}/{name}",
                    crate::support::synthetic::PLATFORM
                ))
            });
            let name = match (ours, tagged) {
                (true, _) => format!("{repository}@{digest}"),
                (_, true) => format!("{repository}:{tag}"),
                _ => continue,
            };
            let _ = Command::new("docker").args(["image", "rm", &name]).output();
        }
    }
}

/// One set of containers for all contenders.
pub struct Stage {
    names: Vec<String>,
    developer: Workstation,
    compose: Compose,
    raw: Raw,
    desired: Desired,
}

impl Stage {
    fn devenv(&self, arguments: &[&str]) -> Command {
        let mut command = self.developer.command();
        command.args(arguments);
        command
    }

    fn up(&self) -> Duration {
        program::time(
            self.devenv(&["up", "--no-proxy", "--no-wait"])
                .args(&self.names),
        )
    }

    fn compose_up(&self) -> Duration {
        program::time(self.compose.command().args(["up", "--detach"]))
    }

    /// Removes everything that any contender has made.
    async fn down(&self) {
        program::run(&mut self.devenv(&["down", "--volumes", "--yes"]));
        self.compose.down();
        self.raw.down().await;
        tokio::time::sleep(SETTLE).await;
    }

    /// From nothing to all started.
    pub async fn cold(&self, rounds: usize, report: &mut Report) {
        let [devenv, raw, again, compose] = race(rounds, async |contender| {
            let took = match contender {
                0 => self.up(),
                1 | 2 => self.raw.up(&self.desired).await,
                _ => self.compose_up(),
            };
            self.down().await;
            took
        })
        .await;
        let control = again.against(&raw);
        let against_compose = devenv.against(&compose);
        let count = self.names.len();
        let details = format!(
            "devenv {devenv}, raw {raw}, compose {compose}, A–A {control}, devenv against compose {against_compose}"
        );
        let ratio = devenv.against(&raw);
        if count < MOST {
            report.note(&format!(
                "cold up of {count}, against raw: {ratio}   {details}"
            ));
            return;
        }
        let what = format!("cold up of {count}, against raw");
        report.within(
            &what,
            ratio.median(),
            1.05,
            control.spread(),
            " ×",
            &details,
        );
        let peak = program::peak(
            self.devenv(&["up", "--no-proxy", "--no-wait"])
                .args(&self.names),
        );
        if let Some(peak) = peak {
            let what = format!("peak memory of a cold up of {count}");
            report.at_most(&what, peak * 1.048_576, 25.0, " MB", "");
        }
        self.down().await;
    }

    /// With everything as it should be already.
    pub async fn idle(&self, rounds: usize, report: &mut Report) {
        self.up();
        self.compose_up();
        let [up, again, compose, status, ps] = race(rounds, async |contender| match contender {
            0 | 1 => program::time(&mut self.devenv(&["up", "--no-proxy"])),
            2 => self.compose_up(),
            3 => program::time(&mut self.devenv(&["status"])),
            _ => program::time(self.compose.command().arg("ps")),
        })
        .await;
        let control = again.against(&up);
        let count = self.names.len();
        let lines = [
            ("up with nothing to do", "compose up", up, compose),
            ("status", "compose ps", status, ps),
        ];
        for (what, peer, ours, theirs) in lines {
            let ratio = ours.against(&theirs);
            let what = format!("{what} at {count}, against {peer}");
            let details = format!("devenv {ours}, compose {theirs}, A–A {control}");
            if count < MOST {
                report.note(&format!("{what}: {ratio}   {details}"));
            } else {
                report.at_most(&what, ratio.median(), 0.2, " ×", &details);
            }
        }
        if count == MOST {
            let [facts] = race(3, async |_| {
                program::time(&mut self.devenv(&["facts", "--json"]))
            })
            .await;
            let details = facts.to_string();
            let seconds = facts.median().as_secs_f64();
            report.at_most("facts of 30 containers", seconds, 2.0, " s", &details);
        }
        self.down().await;
    }

    /// The same question through a pooled TLS connection.
    pub async fn tls(&self, rounds: usize, report: &mut Report) {
        self.up();
        let proxy = TlsProxy::start();
        let [plain, again, tls] = race(rounds, async |contender| {
            let mut status = self.devenv(&["status"]);
            if contender == 2 {
                status.envs(proxy.environment());
            }
            program::time(&mut status)
        })
        .await;
        let control = again.against(&plain);
        report.at_most(
            "status at 30 through TLS, against the unix socket",
            tls.against(&plain).median(),
            3.0,
            " ×",
            &format!("TLS {tls}, unix socket {plain}, A–A {control}"),
        );
        self.down().await;
    }
}
