//! The same, whatever leads to the engine: TLS to an address that is not this machine's, ssh, a place
//! that nobody named; and an engine that restarts.

use std::process::Command;

use crate::app;
use crate::support::second_engine::{Kind, SecondEngine};
use crate::support::ssh_engine::SshEngine;
use crate::support::synthetic::Synthetic;
use crate::support::tls_engine::TlsEngine;
use crate::support::workstation::{Ran, Workstation, finished};

type Environment = Vec<(&'static str, String)>;

fn run(workstation: &Workstation, environment: &Environment, arguments: &[&str]) -> Ran {
    with_input(workstation, environment, arguments, "")
}

fn with_input(
    workstation: &Workstation,
    environment: &Environment,
    arguments: &[&str],
    input: &str,
) -> Ran {
    let mut command = workstation.command();
    command.args(arguments).envs(environment.clone());
    finished(command, input)
}

/// What developers do with one container, streams both ways among it.
fn works(workstation: &Workstation, environment: &Environment) {
    let up = ["up", "billing", "--no-proxy"];
    run(workstation, environment, &up).ok();
    run(workstation, environment, &up)
        .ok()
        .says("nothing to do");
    let status = run(workstation, environment, &["status", "--json"]).ok();
    assert_eq!(status.json()["containers"][0]["health"], "healthy");
    let exec = ["exec", "billing", "--", "/probe", "cat"];
    // `/probe cat` ends with 7 when its input has ended.
    let through = with_input(workstation, environment, &exec, "through\n").code(7);
    assert_eq!(through.stdout, "through\n");
    let long = "x".repeat(300_000) + "\n";
    let through = with_input(workstation, environment, &exec, &long).code(7);
    assert_eq!(through.stdout.len(), long.len());
    run(workstation, environment, &["logs", "billing"]).ok();

    run(workstation, environment, &["down", "--volumes", "--yes"]).ok();
}

fn registry_port(platform: &Synthetic) -> u16 {
    let registry = platform.repository("billing");
    let (_, rest) = registry.as_str().split_once(':').unwrap();
    rest.split_once('/').unwrap().0.parse().unwrap()
}

/// An engine behind TLS with boot2docker's certificates, at an address that is not this machine's.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_behind_tls_at_its_own_address() {
    let Some(mut engine) = TlsEngine::start(Kind::Own, 600) else {
        return;
    };
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    engine.reach(registry_port(&platform));
    let workstation = Workstation::initialised(&platform.url());
    works(&workstation, &engine.environment());

    // The same address without TLS, and with nobody's certificates.
    let host = engine.host();
    let plain = vec![("DOCKER_HOST", host.clone())];
    run(&workstation, &plain, &["status"])
        .code(4)
        .says("wants TLS");
    let empty = tempfile::tempdir().unwrap();
    let strange = vec![
        ("DOCKER_HOST", host),
        ("DOCKER_TLS", "1".to_owned()),
        ("DOCKER_CERT_PATH", empty.path().display().to_string()),
    ];
    run(&workstation, &strange, &["status"])
        .code(4)
        .says("wants one and got none")
        .says("DOCKER_CERT_PATH");
}

/// An engine that only ssh leads to, on another port; streams both ways.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_only_ssh_leads_to() {
    let Some(engine) = SshEngine::start() else {
        return;
    };
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    works(&workstation, &engine.environment());
}

/// The program where `/var/run/docker.sock` is hidden, in a mount namespace of its own.
fn without_default(workstation: &Workstation, home: &std::path::Path, arguments: &[&str]) -> Ran {
    let hide = "mount -t tmpfs tmpfs /run && exec \"$@\"";
    let command = workstation.command();
    let mut hidden = Command::new("unshare");
    hidden.args(["--mount", "sh", "-c", hide, "sh"]);
    hidden.arg(command.get_program()).args(arguments);
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => hidden.env(name, value),
            None => hidden.env_remove(name),
        };
    }
    hidden.env("HOME", home).env_remove("XDG_RUNTIME_DIR");
    hidden
        .env_remove("DOCKER_HOST")
        .env_remove("DOCKER_CONTEXT");
    finished(hidden, "")
}

/// Nothing configured, no default socket: the engine is found, and said which.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_nobody_named_is_found_and_named() {
    let Some(engine) = SecondEngine::start(Kind::Own, 400) else {
        return;
    };
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let home = tempfile::tempdir().unwrap();
    let none = without_default(&workstation, home.path(), &["status"]).code(4);
    let none = none
        .says("no Docker engine answers")
        .says("/var/run/docker.sock (the default)");
    none.says(".colima/default/docker.sock (colima): No such file");

    let socket = home.path().join(".rd/docker.sock");
    std::fs::create_dir(home.path().join(".rd")).unwrap();
    let real = engine.host();
    std::os::unix::fs::symlink(real.strip_prefix("unix://").unwrap(), &socket).unwrap();
    let found = without_default(&workstation, home.path(), &["status"]).ok();
    found
        .says(".rd/docker.sock")
        .says("looking around, nothing is configured: rancher-desktop");
    let config = without_default(&workstation, home.path(), &["config"]).ok();
    assert!(
        config.stdout.contains("chosen by: looking around"),
        "{config:?}"
    );
    without_default(
        &Workstation::empty(),
        home.path(),
        &["init", &platform.url(), "--accept-keys"],
    )
    .says("found by looking around");
}
