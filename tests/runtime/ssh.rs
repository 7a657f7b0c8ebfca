//! ssh to an engine: a real sshd in front of the machine's engine, and what each refusal says.

use std::process::{Command, Output};

use crate::support::ssh_engine::SshEngine;
use crate::support::workstation::Workstation;

/// `devenv clean`, which asks the engine and needs no platform.
fn ask(engine: &SshEngine, host: &str) -> Asked {
    asked(engine, &Workstation::empty(), host)
}

fn asked(engine: &SshEngine, workstation: &Workstation, host: &str) -> Asked {
    let output = workstation
        .command()
        .args(["clean", "--dry-run", "--host", host])
        .env("PATH", engine.search_path())
        .output();
    Asked(output.unwrap())
}

struct Asked(Output);

impl Asked {
    #[track_caller]
    fn ok(&self) {
        assert_eq!(self.0.status.code(), Some(0), "{}", self.text());
    }

    #[track_caller]
    fn refused(&self, words: &[&str]) {
        assert_eq!(self.0.status.code(), Some(4), "{}", self.text());
        for word in words {
            assert!(self.text().contains(word), "no {word:?} in {}", self.text());
        }
    }

    fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.stderr).into_owned()
    }
}

/// Ssh with the far docker client, or a named socket.
#[test]
fn the_far_docker_client_or_the_named_socket() {
    let Some(engine) = SshEngine::start() else {
        return;
    };
    ask(&engine, &engine.host()).ok();
    ask(&engine, &format!("{}/var/run/docker.sock", engine.host())).ok();
    let nowhere = format!("{}/nowhere.sock", engine.host());
    ask(&engine, &nowhere).refused(&["/nowhere.sock", "the engine behind it does not answer"]);
}

/// No docker client at the far side.
#[test]
fn a_far_side_without_a_docker_client() {
    let Some(engine) = SshEngine::with("SetEnv PATH=/nowhere") else {
        return;
    };
    let words = [
        "there is no docker client there",
        "docker: command not found",
    ];
    ask(&engine, &engine.host()).refused(&words);
}

/// One login for several commands.
#[test]
fn connections_are_shared_by_commands() {
    let Some(engine) = SshEngine::start() else {
        return;
    };
    let workstation = Workstation::empty();
    for _ in 0..3 {
        asked(&engine, &workstation, &engine.host()).ok();
    }
    let logins = engine.log().matches("Accepted publickey").count();
    assert_eq!(logins, 1, "{}", engine.log());
}

/// Unknown host key, refused key, nobody there.
#[test]
fn what_ssh_says_is_told() {
    let Some(engine) = SshEngine::start() else {
        return;
    };
    engine.change_user_key();
    ask(&engine, &engine.host()).refused(&[
        &engine.host(),
        "Permission denied (publickey)",
        "must work without a question",
    ]);
    let Some(unknown) = SshEngine::start() else {
        return;
    };
    unknown.forget_host();
    ask(&unknown, &unknown.host()).refused(&["Host key verification failed", "shows the key"]);
    let port = crate::support::workstation::free_port();
    let nobody = format!("ssh://root@127.0.0.1:{port}");
    ask(&engine, &nobody).refused(&["Connection refused", "shows whether ssh gets there"]);
}

/// A silent engine behind ssh.
#[test]
fn an_engine_that_is_silent_behind_ssh_is_given_up() {
    let Some(engine) = SshEngine::start() else {
        return;
    };
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("mute.sock");
    let _mute = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let host = format!("{}{}", engine.host(), socket.display());
    let begun = std::time::Instant::now();
    ask(&engine, &host).refused(&["did not answer through ssh within 30s"]);
    assert!(begun.elapsed().as_secs() < 100);
}

/// Hostile ssh addresses start nothing.
#[test]
fn hostile_addresses_start_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let mark = folder.path().join("mark");
    let program = folder.path().join("ssh");
    std::fs::write(&program, format!("#!/bin/sh\ntouch {}\n", mark.display())).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o755);
    std::fs::set_permissions(&program, mode).unwrap();
    for host in [
        "ssh://-oProxyCommand=x",
        "ssh://me@-oProxyCommand=x",
        "ssh://-oProxyCommand=x@host",
        "ssh://host;touch x",
        "ssh://$(touch x)@host",
        "ssh://me:password@host",
        "ssh://host name",
    ] {
        let output = Workstation::empty()
            .command()
            .args(["clean", "--dry-run", "--host", host])
            .env("PATH", folder.path())
            .output()
            .unwrap();
        assert_eq!(output.status.code(), Some(4), "{host}");
        assert!(!mark.exists(), "{host}");
    }
    let mut none = Command::new(env!("CARGO_BIN_EXE_devenv"));
    let empty = tempfile::tempdir().unwrap();
    none.args(["clean", "--dry-run", "--host", "ssh://me@host"]);
    none.env("PATH", empty.path())
        .env("DEVENV_HOME", empty.path());
    let output = none.output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(
        text.contains("cannot start ssh") && text.contains("OpenSSH"),
        "{text}"
    );
}
