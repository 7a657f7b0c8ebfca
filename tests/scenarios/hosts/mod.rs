//! The other scenarios, unchanged, on every kind of engine that can be had on one machine.
//!
//! Each test here starts another host and hands it, by the environment alone, to this very program,
//! started once more with names of scenarios: a smoke list, or with
//! `DEVENV_TEST_ENGINES=all` everything that the host can do. `DEVENV_TEST_SCENARIOS=running::`
//! chooses by the beginning of the name.

mod host;
mod windows;

use crate::support::old_api::OldApi;
use crate::support::podman::Podman;
use crate::support::registry::address;
use crate::support::second_engine::{Kind, SecondEngine};
use crate::support::ssh_engine::SshEngine;
use crate::support::tls_engine::TlsEngine;
use host::{Host, setting};

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
    ("building::", "builds on the operators' machine"),
    ("norms::", "is production's side"),
    (
        "serving::",
        "a server is a machine of its own, whose kernel leads the ports",
    ),
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

/// Of the tests' own Podman.
const NO_CHECKS: &str =
    "without systemd Podman runs no check by itself, and shows its own state of it";

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
    (
        "converging::an_up_that_cannot_bind_leaves_what_ran",
        "holds a port of this machine's loopback addresses",
    ),
    (
        "overriding::mounts_command_and_health_are_as_the_user_says",
        "mounts a folder of this machine",
    ),
    (
        "registries::",
        "registries of other kinds are at this machine's loopback address",
    ),
    (
        "transcripts::a_day_is_told",
        "`status` tells of the forwarder there",
    ),
];

fn all() -> bool {
    setting("DEVENV_TEST_ENGINES").as_deref() == Some("all")
}

/// Only with everything: otherwise the scenarios run on it anyway.
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

/// The smoke list on the engine 28.5 with the containerd image store.
#[test]
fn the_current_engine_with_the_containerd_store() {
    let Some(engine) = SecondEngine::start(Kind::Current, MEGABYTES) else {
        return;
    };
    Host {
        name: "current",
        environment: vec![("DOCKER_HOST", engine.host())],
        cannot: [
            OTHER_ENGINES,
            &[(
                "registries::an_engine_that_meets_a_busy_registry",
                "containerd asks a busy registry again by itself",
            )],
        ]
        .concat(),
    }
    .passes();
}

/// The smoke list where nothing but the API of Docker 1.13 is understood; with all hosts, also that of 17.06, 17.12 and
/// 19.03 (the last boot2docker).
#[test]
fn engines_of_older_apis() {
    let versions: &[(u32, &'static str)] = &[
        (25, "api-1.25"),
        (30, "api-1.30"),
        (35, "api-1.35"),
        (40, "api-1.40"),
    ];
    for (minor, name) in &versions[..if all() { versions.len() } else { 1 }] {
        let engine = OldApi::start(*minor);
        Host {
            name,
            environment: vec![("DOCKER_HOST", engine.host())],
            cannot: OTHER_ENGINES.to_vec(),
        }
        .passes();
        assert_eq!(engine.refused(), Vec::<String>::new(), "{name}");
    }
}

/// The smoke list on Podman's Docker API: health checks run by devenv, lists compared instead of events.
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
            &[
                (
                    "converging::dependencies_are_started_as_soon_as_what_they_need_is_ready",
                    "there devenv checks at once: no check is slow",
                ),
                (
                    "comparing::overrides_are_declared",
                    "Podman sets variables and limits of its own, which are told as different",
                ),
                (
                    "comparing::what_is_effective_inside",
                    "Podman asks for a limit of processes that this machine forbids",
                ),
                (
                    "json::",
                    "Podman sets limits of its own, so that `compare` ends with 1",
                ),
                ("data_snapshots::data_is", NO_CHECKS),
                ("data_snapshots::what_is_not_healthy", NO_CHECKS),
                ("explaining::", NO_CHECKS),
                ("random_walk::", NO_CHECKS),
                ("readiness::a_check_by_path", NO_CHECKS),
                ("readiness::a_route_is_asked", NO_CHECKS),
                ("transcripts::a_day", NO_CHECKS),
                (
                    "names::",
                    "Docker beside it drops what Podman's networks without a way out carry",
                ),
                (
                    "overriding::debug_ports",
                    "Podman cannot take an image's variable away, which devenv says",
                ),
                (
                    "registries::an_engine",
                    "Podman speaks TLS to a registry that its own list does not name",
                ),
                (
                    "registries::production",
                    "Podman speaks TLS to a registry that its own list does not name",
                ),
                (
                    "secret_files::a_",
                    "Podman cannot hold secrets in memory alone, which devenv says",
                ),
                (
                    "unfinished::what_a_killed",
                    "Podman does not tell that it sent a signal",
                ),
            ],
        ]
        .concat(),
    }
    .passes();
}

/// The smoke list on an engine behind TLS at an address of its own, with the forwarder in front.
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

/// The smoke list on an engine behind ssh.
#[test]
fn an_engine_behind_ssh() {
    let Some(engine) = SshEngine::start() else {
        return;
    };
    Host {
        name: "ssh",
        environment: engine.environment(),
        cannot: [
            OTHER_ENGINES,
            &[(
                "red_team::children::no_program",
                "puts a program of its own in the place of ssh",
            )],
        ]
        .concat(),
    }
    .passes();
}
