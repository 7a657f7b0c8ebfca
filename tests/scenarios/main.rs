//! Scenarios on a real engine, a real registry and real git: one intent each.

#![allow(
    clippy::wildcard_imports,
    reason = "a module in several files shares its imports"
)]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test talks to whoever runs it")]
#![allow(clippy::too_many_lines, reason = "scenarios read from top to bottom")]

#[path = "../support/mod.rs"]
mod support;

mod architectures;
mod bisecting;
mod broken_homes;
mod building;
mod bundles;
mod capsules;
mod carrying;
mod company_network;
mod comparing;
mod completing;
mod converging;
mod current_engine;
mod data_snapshots;
mod desk;
mod doctoring;
#[cfg(unix)]
mod ending;
#[cfg(target_os = "linux")]
mod explaining;
mod faults;
mod forwarding;
mod hostile_forges;
mod hosts;
mod initialising;
mod json;
mod looking;
mod mirroring;
mod names;
mod norms;
mod options;
mod other_forges;
mod outside;
mod overriding;
mod pages;
mod ports;
#[cfg(unix)]
mod private_home;
mod proposing;
mod random_walk;
mod readiness;
mod real;
mod red_team;
mod registries;
mod releasing;
#[cfg(target_os = "linux")]
mod replaying;
mod replicas;
mod requesting;
mod running;
mod secret_files;
mod sending;
#[cfg(target_os = "linux")]
mod serving;
mod signers;
mod transcripts;
mod transports;
mod unfinished;
mod versions;
mod watching;

/// A health check that passes at once.
pub const HEALTHY: &str = "health: { command: [/probe, check, /probe], interval: 200ms, timeout: 2s, start_period: 1s }\n";

/// An app that answers on port 8080 and is healthy, with more keys.
pub fn app(rest: &str) -> String {
    format!("port: 8080\ncommand: [/probe, listen, \"8080\"]\n{HEALTHY}{rest}")
}

/// A service that just runs, with more keys.
pub fn service(rest: &str) -> String {
    format!("kind: service\ncommand: [/probe, sleep]\n{rest}")
}
