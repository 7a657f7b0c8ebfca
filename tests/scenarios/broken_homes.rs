//! Homes that cannot be written to, and an engine without addresses: own words, nothing half made.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::app;
use crate::support::mounted::Mounted;
use crate::support::second_engine::{Kind, SecondEngine};
use crate::support::synthetic::{Synthetic, noise};
use crate::support::workstation::{Ran, Workstation, docker, finished, free_port};

const UP: [&str; 3] = ["up", "billing", "--no-proxy"];

fn at(home: &Path, workstation: &Workstation, arguments: &[&str]) -> Ran {
    let mut command = workstation.command();
    command.args(arguments).env("DEVENV_HOME", home);
    finished(command, "")
}

/// JSON files below a folder.
fn records(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if entry.file_type().unwrap().is_dir() {
            found.extend(records(&path));
        } else if path.extension().is_some_and(|it| it == "json") {
            found.push(path);
        }
    }
    found
}

#[track_caller]
fn nothing_is_half_written(home: &Path) {
    for record in records(home) {
        let text = fs::read(&record).unwrap();
        let read = serde_json::from_slice::<serde_json::Value>(&text);
        assert!(read.is_ok(), "{}: {read:?}", record.display());
    }
}

/// A home on a disk that became read-only: what changes something says so before it does, and looking
/// goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_read_only_home_is_told_before_anything_is_made() {
    let Some(disk) = Mounted::of(64 << 10) else {
        return;
    };
    let mut platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::empty();
    let home = disk.folder.path().join("home");
    let run = |arguments: &[&str]| at(&home, &workstation, arguments);
    run(&["init", &platform.url(), "--accept-keys"]).ok();
    disk.allow("ro");
    let told = "its file system is read-only: DEVENV_HOME names another folder";
    run(&["sync"]).code(6).says(told);
    platform.push("Something new");
    run(&UP).code(2).says(told);
    run(&["sync"]).code(6).says(told);
    run(&["list"]).ok();
    run(&["trust", "show"]).ok();
    assert_eq!(workstation.containers(), Vec::<String>::new());
    disk.allow("rw");
    run(&UP).ok();
    disk.allow("ro");
    for command in [&UP[..], &["restart", "billing"], &["down"]] {
        run(command).code(2).says(told);
    }
    let status = run(&["status", "--json"]).ok().json();
    assert_eq!(status["containers"][0]["state"], "running");
    assert_eq!(workstation.containers(), ["billing running"]);
    disk.allow("rw");
}

/// A home on a file system without locks, as some network drives are: what changes something says so
/// before it does, and looking goes on.
#[tokio::test(flavor = "multi_thread")]
async fn a_home_without_locks_is_told_before_anything_is_made() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let library = without_locks(workstation.home.path());
    let run = |arguments: &[&str]| {
        let mut command = workstation.command();
        command.args(arguments).env("LD_PRELOAD", &library);
        finished(command, "")
    };
    let told = "its file system gives no locks, which commands need to take turns";
    run(&UP).code(2).says("cannot lock").says(told);
    assert_eq!(workstation.containers(), Vec::<String>::new());
    workstation.run(&UP).ok();
    for command in [&["restart", "billing"][..], &["down"]] {
        run(command).code(2).says(told);
    }
    let status = run(&["status", "--json"]).ok().json();
    assert_eq!(status["containers"][0]["state"], "running");
    run(&["list"]).ok();
    assert_eq!(workstation.containers(), ["billing running"]);
}

/// A library that takes the file system's place where a program asks for a lock.
fn without_locks(folder: &Path) -> PathBuf {
    let (source, library) = (folder.join("locks.c"), folder.join("locks.so"));
    let text = "#include <errno.h>\nint flock(int file, int how) { errno = ENOLCK; return -1; }\n";
    fs::write(&source, text).unwrap();
    let compiled = Command::new("gcc")
        .args(["-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .status();
    assert!(compiled.expect("the tests need gcc").success());
    library
}

/// A home on a disk that is full: nothing is half written, nothing is started, and once there is room
/// the same command works.
#[tokio::test(flavor = "multi_thread")]
async fn a_full_home_is_told_and_nothing_is_half_made() {
    let Some(disk) = Mounted::of(64 << 10) else {
        return;
    };
    let mut platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::empty();
    let home = disk.folder.path().join("home");
    let run = |arguments: &[&str]| at(&home, &workstation, arguments);
    run(&["init", &platform.url(), "--accept-keys"]).ok();
    let filler = disk.folder.path().join("filler");
    let fill = || fs::write(&filler, vec![1; 64 << 20]).expect_err("it is full");
    fill();
    let told = "the disk is full";
    run(&UP).code(2).says(told);
    nothing_is_half_written(&home);
    assert_eq!(workstation.containers(), Vec::<String>::new());
    fs::write(platform.work().join("large"), noise(1 << 20)).unwrap();
    platform.push("Something large");
    run(&["sync"]).code(6).says(told);
    fs::remove_file(&filler).unwrap();
    run(&UP).ok();
    run(&["sync"]).ok();
    fill();
    let status = run(&["status", "--json"]).ok().json();
    assert_eq!(status["containers"][0]["state"], "running");
    run(&["down"]).code(2).says(told);
    nothing_is_half_written(&home);
    fs::remove_file(&filler).unwrap();
    run(&UP).ok();
    assert_eq!(workstation.containers(), ["billing running"]);
}

/// An engine whose addresses are used up: own words, and none of the instance's networks stays.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_without_addresses_is_told() {
    let Some(engine) = SecondEngine::start(Kind::Own, 600) else {
        return;
    };
    let platform = Synthetic::released(&[("billing", &app("")), ("audit", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let run = |arguments: &[&str]| {
        let mut command = workstation.command();
        command.args(arguments).env("DOCKER_HOST", engine.host());
        finished(command, "")
    };
    let host = engine.host();
    let docker = |arguments: &[&str]| docker(&[&["--host", &host], arguments].concat());
    let mut names = Vec::new();
    loop {
        let name = format!("full{}", names.len());
        let mut made = std::process::Command::new("docker");
        made.args(["--host", &host, "network", "create", &name]);
        let made = finished(made, "");
        if made.code != 0 {
            // Anything else would leave addresses.
            assert!(made.stderr.contains("address pool"), "{}", made.stderr);
            break;
        }
        names.push(name);
    }
    assert!(names.len() > 2, "{names:?}");
    // With the proxy there are two. None is left, then one, then both.
    let port = format!("80={}", free_port());
    let up = ["up", "billing", "--port", &port];
    let list = || docker(&["network", "ls", "--format", "{{.Name}}"]);
    for spare in ["", "full0"] {
        if !spare.is_empty() {
            docker(&["network", "rm", spare]);
        }
        let before = list();
        run(&up)
            .code(4)
            .says("address pool")
            .says("`default-address-pools` in the engine's daemon.json gives more");
        assert_eq!(list(), before);
    }
    docker(&["network", "rm", "full1"]);
    run(&up).ok();
    run(&["down", "--volumes", "--yes"]).ok();
}
