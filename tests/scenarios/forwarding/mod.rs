//! Where ports appear at another address than localhost: the forwarder, and what the settings say.
//!
//! The machine's own engine plays the virtual machine: a profile publishes at 127.0.0.2.

mod publishing;

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::time::{Duration, Instant};

use crate::doctoring::{said, verdict};
use crate::support::ssh_engine::SshEngine;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Ran, Workstation, docker, finished, free_port};
use crate::{app, service};

const ELSEWHERE: &str = "name: elsewhere
extends: linux
description: An engine whose ports appear at another address
precedence: 1
recognise: [{}]
published: { appears: engine, address: 127.0.0.2 }
";

fn elsewhere(platform: &Synthetic) -> Workstation {
    let workstation = Workstation::initialised(&platform.url());
    workstation.write("config/profiles/elsewhere.yaml", ELSEWHERE);
    workstation
}

/// The status line that this address answers.
fn get(address: &str, port: u16) -> Option<String> {
    let mut stream = TcpStream::connect((address, port)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    answer.lines().next().map(ToOwned::to_owned)
}

fn answers(port: u16) -> bool {
    get("127.0.0.1", port).is_some_and(|line| line.contains("200"))
}

/// What was started may need a moment.
fn works_at(address: &str, port: u16) -> bool {
    let begun = Instant::now();
    while get(address, port).is_none() && begun.elapsed() < Duration::from_secs(5) {
        std::thread::yield_now();
    }
    get(address, port).is_some_and(|line| line.contains("200"))
}

fn works(port: u16) -> bool {
    works_at("127.0.0.1", port)
}

fn pid(workstation: &Workstation) -> u64 {
    let status = workstation.run(&["status", "--json"]).ok().json();
    let forwarder = &status["engine"]["forwarder"];
    forwarder["pid"].as_u64().unwrap_or_default()
}

fn lives(pid: u64) -> bool {
    // A process that has ended and that nobody asked about is a zombie; it holds its ports until the
    // last of its threads has ended too.
    let status = std::fs::read_to_string(format!("/proc/{pid}/status"));
    status.is_ok_and(|text| !(text.contains("State:\tZ") && text.contains("Threads:\t1\n")))
}

fn ends(pid: u64, within: Duration) -> bool {
    let begun = Instant::now();
    while lives(pid) && begun.elapsed() < within {
        std::thread::yield_now();
    }
    !lives(pid)
}

fn kill(pid: u64) {
    let pid = pid.to_string();
    let status = std::process::Command::new("kill")
        .args(["-9", &pid])
        .status();
    assert!(status.unwrap().success());
}

/// Ports that appear at another address are at localhost as long as the instance lives: a killed
/// forwarder is mended, other ports reconfigure it, `down` ends it.
#[tokio::test(flavor = "multi_thread")]
async fn ports_of_another_address_are_at_localhost_as_long_as_the_instance_lives() {
    let platform =
        Synthetic::released(&[("billing", &app("routes: [{ path: /billing }]\n"))]).await;
    let workstation = elsewhere(&platform);
    let port = free_port();
    let chosen = format!("80={port}");
    let up = workstation.run(&["up", "billing", "--port", &chosen]).ok();
    assert!(
        up.stdout
            .contains(&format!("http://localhost:{port}/billing")),
        "{up:?}"
    );
    let object = workstation.object("front");
    let published = docker(&["port", &object, "80"]);
    assert_eq!(published, format!("127.0.0.2:{port}"));
    assert!(works(port));
    let status = workstation.run(&["status", "--json"]).ok().json();
    assert_eq!(status["engine"]["profile"], "elsewhere");
    assert_eq!(status["engine"]["forwarder"]["to"], "127.0.0.2");
    assert_eq!(
        status["engine"]["forwarder"]["ports"],
        serde_json::json!([port])
    );

    let first = pid(&workstation);
    workstation.run(&["up"]).ok().says("nothing to do");
    assert_eq!(pid(&workstation), first, "one that works is left alone");
    kill(first);
    assert!(ends(first, Duration::from_secs(5)));
    assert!(!answers(port));
    assert_eq!(pid(&workstation), 0);
    let status = workstation.run(&["status"]).ok().stdout;
    assert!(status.contains("not running: `devenv up`"), "{status}");
    workstation.run(&["up"]).ok().says("nothing to do");
    assert!(works(port), "the next up mends it");
    let second = pid(&workstation);
    assert_ne!(second, first);

    // As if the instance was on another engine before: another process, which asks this one.
    let file = format!(
        "state/forwarders/acme/{}.serving.json",
        workstation.instance
    );
    let file = workstation.home.path().join(file);
    let text = std::fs::read(&file).unwrap();
    let mut serving: serde_json::Value = serde_json::from_slice(&text).unwrap();
    serving["wanted"]["engine"] = "tcp://192.0.2.1:2376".into();
    publishing::rewrite(&file, &serving);
    workstation.run(&["up"]).ok().says("nothing to do");
    assert!(works(port) && !lives(second));
    let second = pid(&workstation);

    // Another port: the same process, told anew.
    let other = free_port();
    workstation
        .run(&["up", "--port", &format!("80={other}")])
        .ok();
    assert!(works(other) && !answers(port));
    assert_eq!(pid(&workstation), second);

    workstation.run(&["down"]).ok();
    assert!(ends(second, Duration::from_secs(1)));
    assert!(!answers(other));
    let status = workstation.run(&["status", "--json"]).ok().json();
    assert_eq!(status["engine"]["forwarder"], serde_json::Value::Null);
    workstation.run(&["down"]).ok();
}

/// A forwarder that died fails `doctor`, and `--fix` starts it again and changes nothing else; a
/// port that it cannot have is told by `doctor` and `status` until it has it.
#[tokio::test(flavor = "multi_thread")]
async fn doctor_starts_a_forwarder_that_died_and_tells_of_ports_that_it_cannot_have() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = elsewhere(&platform);
    let port = free_port();
    let up = ["up", "billing", "--port", &format!("80={port}")];
    workstation.run(&up).ok();
    let format = "{{.Id}} {{.State.StartedAt}}";
    let object = workstation.object("front");
    let front = || docker(&["inspect", "--format", format, &object]);
    let before = front();
    let die = || {
        let first = pid(&workstation);
        kill(first);
        assert!(ends(first, Duration::from_secs(5)));
    };
    die();
    let doctor = workstation.run(&["doctor", "--json"]).code(4);
    assert_eq!(verdict(&doctor, "forwarder"), "fail");
    assert_eq!(verdict(&doctor, "leftovers"), "ok");
    let mend = ["doctor", "--fix", "--yes", "--json"];
    let mended = workstation.run(&mend).ok();
    let done = mended.json()["mended"].to_string();
    assert!(
        done.contains("start the forwarder of the instance"),
        "{done}"
    );
    assert!(works(port) && pid(&workstation) != 0);
    assert_eq!(front(), before, "nothing else is changed");

    die();
    let held = TcpListener::bind(("127.0.0.1", port)).unwrap();
    let doctor = workstation.run(&mend).code(4);
    let left = doctor.json()["left"].to_string();
    assert!(
        left.contains(&format!("cannot listen on port {port}")),
        "{left}"
    );
    let text = said(&doctor, "forwarder");
    assert!(text.contains("--port 80=PORT"), "{text}");
    let status = workstation.run(&["status", "--json"]).ok().json();
    let forwarder = &status["engine"]["forwarder"];
    assert_eq!(forwarder["failed"][0]["port"], port, "{forwarder}");
    assert_eq!(forwarder["ports"], serde_json::json!([]));
    let shown = workstation.run(&["status"]).ok().stdout;
    let nowhere = format!("cannot forward port {port} of this machine: Address already in use");
    assert!(shown.contains(&nowhere), "{shown}");
    drop(held);
    assert!(works(port), "it goes on trying");
    workstation.run(&["doctor", "--json"]).ok();
}

/// A forwarder keeps neither the folder nor an open file of who started it, also where
/// `DEVENV_HOME` is relative.
#[tokio::test(flavor = "multi_thread")]
async fn a_forwarder_holds_nothing_of_where_it_was_started() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = elsewhere(&platform);
    let port = free_port();
    let mut shell = std::process::Command::new("sh");
    let command = workstation.command();
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => shell.env(name, value),
            None => shell.env_remove(name),
        };
    }
    let chosen = format!("80={port}");
    shell
        .args(["-c", "exec 3>shell.held; exec \"$@\"", "sh"])
        .arg(command.get_program())
        .args(["up", "billing", "--port", &chosen])
        .env("DEVENV_HOME", ".")
        .current_dir(workstation.home.path());
    finished(shell, "").ok();
    assert!(works(port) && workstation.home.path().join("shell.held").exists());
    let process = format!("/proc/{}", pid(&workstation));
    let process = Path::new(&process);
    assert_eq!(
        std::fs::read_link(process.join("cwd")).unwrap(),
        Path::new("/")
    );
    let open = std::fs::read_dir(process.join("fd")).unwrap().flatten();
    let open = open.filter_map(|it| std::fs::read_link(it.path()).ok());
    let of_files = open.filter(|it| it.starts_with(workstation.home.path()));
    let mut names: Vec<_> = of_files
        .filter_map(|it| it.extension().map(ToOwned::to_owned))
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names, ["lock", "log"]);
    workstation.run(&["down"]).ok();
    assert!(!answers(port));
}

/// Two instances have forwarders of their own; two `up`s at once make one; a port that another's
/// forwarder holds is taken.
#[tokio::test(flavor = "multi_thread")]
async fn instances_have_forwarders_of_their_own_and_two_ups_make_one() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = elsewhere(&platform);
    let twin = Workstation {
        home: tempfile::tempdir().unwrap(),
        instance: format!("{}_twin", workstation.instance),
    };
    let run = |instance: &str, arguments: &[&str]| -> Ran {
        let mut command = workstation.command();
        command.args(arguments).env("DEVENV_INSTANCE", instance);
        finished(command, "")
    };
    let (port, other) = (free_port(), free_port());
    let chosen = format!("80={port}");
    std::thread::scope(|scope| {
        let up = || run(&workstation.instance, &["up", "billing", "--port", &chosen]);
        let both = [scope.spawn(up), scope.spawn(up)];
        for up in both {
            up.join().unwrap().ok();
        }
    });
    let chosen = format!("80={other}");
    run(&twin.instance, &["up", "billing", "--port", &chosen]).ok();
    assert!(works(port) && works(other));
    let mine = pid(&workstation);
    let log = workstation.home.path().join("state/forwarders/acme");
    let log = std::fs::read_to_string(log.join(format!("{}.log", workstation.instance)));
    assert_eq!(log.unwrap().matches("begins").count(), 1);

    // A port that another instance's forwarder holds is taken.
    let chosen = format!("80={port}");
    let taken = run(&twin.instance, &["up", "--port", &chosen]);
    taken.code(2).says("is taken by");

    run(&workstation.instance, &["down"]).ok();
    assert!(!answers(port) && works(other));
    assert!(ends(mine, Duration::from_secs(1)));
    run(&twin.instance, &["down"]).ok();
    assert!(!answers(other));
}

/// A forwarder ends when its instance was removed by somebody else, not when it was stopped.
#[tokio::test(flavor = "multi_thread")]
async fn a_forwarder_ends_when_somebody_removes_its_instance() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = elsewhere(&platform);
    let port = free_port();
    workstation
        .run(&["up", "billing", "--port", &format!("80={port}")])
        .ok();
    let forwarder = pid(&workstation);
    // A stopped instance is still there.
    docker(&["stop", "--time", "0", &workstation.object("front")]);
    assert!(!ends(forwarder, Duration::from_secs(8)));
    for name in ["front", "billing"] {
        docker(&["rm", "--force", &workstation.object(name)]);
    }
    assert!(ends(forwarder, Duration::from_secs(30)));
    assert!(TcpStream::connect(("127.0.0.1", port)).is_err());
}

/// Ports behind ssh are at localhost through the ssh connection.
#[tokio::test(flavor = "multi_thread")]
async fn ports_behind_ssh_are_at_localhost_through_it() {
    let Some(engine) = SshEngine::start() else {
        return;
    };
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let tunnel = ELSEWHERE.replace("appears: engine", "appears: tunnel");
    workstation.write("config/profiles/elsewhere.yaml", &tunnel);
    let run = |arguments: &[&str]| -> Ran {
        let mut command = workstation.command();
        command.args(arguments).envs(engine.environment());
        finished(command, "")
    };
    let port = free_port();
    let up = run(&["up", "billing", "--port", &format!("80={port}")]).ok();
    assert!(
        up.stdout.contains(&format!("http://localhost:{port}/")),
        "{up:?}"
    );
    assert_eq!(get("127.0.0.1", port), get("127.0.0.2", port));
    std::thread::scope(|scope| {
        let all: Vec<_> = (0..30).map(|_| scope.spawn(|| works(port))).collect();
        assert!(all.into_iter().all(|it| it.join().unwrap()));
    });
    let status = run(&["status", "--json"]).ok().json();
    assert_eq!(status["engine"]["forwarder"]["through"], "127.0.0.1");
    let first = status["engine"]["forwarder"]["pid"].as_u64().unwrap();
    kill(first);
    assert!(ends(first, Duration::from_secs(5)) && !answers(port));
    run(&["up"]).ok().says("nothing to do");
    assert!(works(port));

    // Without anything behind it the port is not there, whatever the forwarder accepts.
    docker(&["stop", "--time", "0", &workstation.object("front")]);
    assert!(get("127.0.0.1", port).is_none());
    run(&["down"]).ok();
    assert!(!answers(port));
}
