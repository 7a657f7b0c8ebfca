//! The scenarios of `tests/e2e`, unchanged, on every kind of engine that can be had on one machine.
//!
//! The machine's own engine runs them as `tests/e2e` itself. Each test here starts another host and
//! hands it, by the environment alone, to that very program: a smoke list, or with
//! `DEVENV_TEST_ENGINES=all` everything that the host can do. `DEVENV_TEST_SCENARIOS=running::`
//! chooses by the beginning of the name.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::print_stderr, reason = "a test talks to whoever runs it")]

#[path = "../support/mod.rs"]
mod support;

mod scenarios;

use scenarios::Host;
use support::podman::Podman;
use support::registry::address;
use support::second_engine::{Kind, SecondEngine};
use support::ssh_engine::SshEngine;
use support::tls_engine::TlsEngine;

/// Enough for the images and containers of a few scenarios at a time.
const MEGABYTES: u32 = 3000;

/// What is tested of the engines themselves starts its own.
const OTHER_ENGINES: &[(&str, &str)] = &[
    (
        "architectures::",
        "emulation is of the machine, not of the engine",
    ),
    ("current_engine::", "starts an engine of its own"),
    (
        "faults::no_engine_is_said_at_once",
        "is about no engine at all",
    ),
    (
        "forwarding::ports_behind_ssh_are_at_localhost_through_it",
        "starts an engine of its own",
    ),
    ("outside::", "starts an engine of its own"),
    ("transports::", "starts an engine of its own"),
    ("red_team::builds", "builds on the operators' machine"),
    ("red_team::engines", "forges on the machine's engine"),
    (
        "proposing::",
        "builds from images that only the machine's engine has",
    ),
    (
        "watching::",
        "builds from images that only the machine's engine has",
    ),
    (
        "real::",
        "released on the machine's engine: 400 MB a copy without overlays",
    ),
    ("releasing::", "is production's side"),
    ("signers::", "is production's side"),
    ("red_team::releases", "is production's side"),
];

/// What puts another host in front of the machine's engine, or looks at what only that one has.
const MACHINES_OWN: &[(&str, &str)] = &[
    (
        "forwarding::",
        "stands another host in for this one, by settings",
    ),
    (
        "doctoring::a_healthy_platform_is_all_right",
        "`doctor` warns of its image store, which copies layers whole",
    ),
];

/// What looks at this machine's own addresses, sockets and folders.
const NEARBY: &[(&str, &str)] = &[
    (
        "faults::an_engine_that_goes_away_in_the_middle_is_survived",
        "cuts a socket of this machine",
    ),
    (
        "mirroring::log_files_are_mirrored_into_a_folder_and_nothing_of_a_volume_is_lost",
        "such a host is not known to share a folder",
    ),
    (
        "mirroring::a_folder_is_checked_beforehand_shown_and_one_instances_own",
        "such a host is not known to share a folder",
    ),
    (
        "options::a_taken_port_names_its_holder_and_falls",
        "looks at ports of this machine's loopback address",
    ),
];

fn all() -> bool {
    scenarios::setting("DEVENV_TEST_ENGINES").as_deref() == Some("all")
}

/// Only with everything: as `tests/e2e` it is a test program of its own.
#[test]
fn the_machines_own_engine() {
    if all() {
        Host {
            name: "own",
            environment: Vec::new(),
            cannot: Vec::new(),
        }
        .passes();
    }
}

#[test]
fn the_current_engine_with_the_containerd_store() {
    let Some(engine) = SecondEngine::start(Kind::Current, MEGABYTES) else {
        return;
    };
    Host {
        name: "current",
        environment: vec![("DOCKER_HOST", engine.host())],
        cannot: OTHER_ENGINES.to_vec(),
    }
    .passes();
}

#[test]
fn podman_through_its_docker_api() {
    let Some(podman) = Podman::start(&address()) else {
        return;
    };
    Host {
        name: "podman",
        environment: vec![("DOCKER_HOST", podman.host())],
        cannot: [
            OTHER_ENGINES,
            MACHINES_OWN,
            &[(
                "converging::dependencies_are_started_as_soon_as_what_they_need_is_ready",
                "there devenv checks at once: no check is slow",
            )],
        ]
        .concat(),
    }
    .passes();
}

#[test]
fn an_engine_behind_tls_at_another_address() {
    let Some(mut engine) = TlsEngine::start(Kind::Own, MEGABYTES) else {
        return;
    };
    let registry = address();
    engine.reach(registry.rsplit(':').next().unwrap().parse().unwrap());
    Host {
        name: "tls",
        environment: engine.environment(),
        cannot: [OTHER_ENGINES, MACHINES_OWN, NEARBY].concat(),
    }
    .passes();
}

#[test]
fn an_engine_behind_ssh() {
    let Some(engine) = SshEngine::start() else {
        return;
    };
    Host {
        name: "ssh",
        environment: engine.environment(),
        cannot: OTHER_ENGINES.to_vec(),
    }
    .passes();
}
