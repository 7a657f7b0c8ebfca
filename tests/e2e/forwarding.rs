//! Where ports appear at another address than localhost: the forwarder, and what the settings say.
//!
//! The machine's own engine plays the virtual machine: a profile publishes at 127.0.0.2.

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
    assert!(status.contains("it does not run: `devenv up`"), "{status}");
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
    write(&file, &serving);
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
    let nowhere = format!("port {port} of this machine leads nowhere: Address already in use");
    assert!(shown.contains(&nowhere), "{shown}");
    drop(held);
    assert!(works(port), "it goes on trying");
    workstation.run(&["doctor", "--json"]).ok();
}

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

#[tokio::test(flavor = "multi_thread")]
async fn settings_say_who_reaches_what_is_published() {
    let platform =
        Synthetic::released(&[("billing", &app("routes: [{ path: /billing }]\n"))]).await;
    let workstation = elsewhere(&platform);
    let port = free_port();
    workstation
        .run(&["up", "billing", "--port", &format!("80={port}")])
        .ok();
    let forwarder = pid(&workstation);
    assert!(works(port) && lives(forwarder));
    // The engine itself gets the port that the forwarder had.
    workstation.write("config/settings.yaml", "profile: linux\n");
    workstation.run(&["up"]).ok();
    assert!(works(port) && !lives(forwarder));

    workstation.write("config/settings.yaml", "forward: false\n");
    let up = workstation.run(&["up"]).ok();
    assert!(
        up.stdout
            .contains(&format!("http://127.0.0.2:{port}/billing")),
        "{up:?}"
    );
    assert!(!answers(port) && works_at("127.0.0.2", port));
    assert_eq!(pid(&workstation), 0);

    workstation.write(
        "config/settings.yaml",
        "profile: linux\npublish_address: 0.0.0.0\n",
    );
    let up = workstation.run(&["up"]).ok();
    assert!(
        up.stdout
            .contains(&format!("http://localhost:{port}/billing")),
        "{up:?}"
    );
    let warning = "ports are published on 0.0.0.0";
    assert_eq!(up.stderr.matches(warning).count(), 1, "{up:?}");
    assert!(works(port) && works_at("127.0.0.3", port));
    let status = workstation.run(&["status", "--json"]).ok().json();
    assert_eq!(status["engine"]["profile"], "linux");

    workstation.write("config/settings.yaml", "profile: linux\n");
    workstation.run(&["up"]).ok();
    assert!(works(port) && get("127.0.0.3", port).is_none());

    // TEST-NET-1: nobody has it, and nothing is replaced for it.
    let typo = "profile: linux\npublish_address: 192.0.2.1\n";
    workstation.write("config/settings.yaml", typo);
    workstation
        .run(&["up"])
        .code(2)
        .says("`publish_address` in")
        .says("192.0.2.1, which is no address of this machine");
    assert!(works(port));

    workstation.write("config/settings.yaml", "profile: linu\n");
    workstation
        .run(&["up"])
        .code(2)
        .says("did you mean `linux`?");
    let config = workstation.run(&["config"]);
    config.code(2).says("linu");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_an_engine_told_is_remembered_until_it_may_be_another() {
    let platform = Synthetic::released(&[("billing", &service(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let folder = workstation.home.path().join("state/hosts");
    let record = || -> (std::path::PathBuf, serde_json::Value) {
        let mut all = std::fs::read_dir(&folder).unwrap();
        let path = all.next().unwrap().unwrap().path();
        let text = std::fs::read(&path).unwrap();
        (path, serde_json::from_slice(&text).unwrap())
    };
    let profile = |workstation: &Workstation| -> String {
        let status = workstation.run(&["status", "--json"]).ok().json();
        status["engine"]["profile"].as_str().unwrap().to_owned()
    };
    assert_eq!(profile(&workstation), "linux", "init asked");
    let (path, before) = record();
    let write = |value: &serde_json::Value| write(&path, value);
    let mut changed = before.clone();
    changed["profile"] = "rootless".into();
    write(&changed);
    assert_eq!(profile(&workstation), "rootless", "nobody is asked again");
    let config = workstation.run(&["config", "--json"]).ok().json();
    assert_eq!(config["engine"]["profile"], "rootless");
    // The same version says nothing of which engine it is, nor of its memory.
    for begins in [&["doctor"][..], &["up", "billing", "--no-proxy"]] {
        changed["memory"] = 1.into();
        write(&changed);
        let said = workstation.run(begins);
        assert_eq!(record().1["profile"], "linux", "{said:?}");
        assert_eq!(record().1["memory"], before["memory"]);
    }
    write(&changed);
    workstation.run(&["up"]).ok().says("nothing to do");
    assert_eq!(record().1["profile"], "rootless", "nobody is asked again");
    workstation.run(&["down"]).ok();
    changed["version"] = "".into();
    write(&changed);
    assert_eq!(profile(&workstation), "linux", "no version: asked");
    changed["version"] = "1.2.3".into();
    write(&changed);
    assert_eq!(profile(&workstation), "linux", "another version: asked");
    let mut changed = record().1;
    changed["profile"] = "rootless".into();
    changed["asked"] = "2020-01-01T00:00:00Z".into();
    write(&changed);
    assert_eq!(profile(&workstation), "linux", "long ago: asked");
    std::fs::write(&path, "broken").unwrap();
    assert_eq!(profile(&workstation), "linux", "unreadable: asked");
    assert_eq!(record().1["facts"], before["facts"]);
}

fn write(path: &Path, value: &serde_json::Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_the_host_does_not_give_falls_back() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let low = "name: low\nextends: linux\nprecedence: 1\nrecognise: [{}]\nlowest_port: 1024\n";
    workstation.write("config/profiles/low.yaml", low);
    let up = workstation.run(&["up", "billing"]).ok();
    let up = up.says("port 80 is below 1024, the lowest that `low` hosts give");
    assert!(up.stdout.contains("http://localhost:8"), "{up:?}");
    let again = workstation.run(&["up"]).ok().says("nothing to do");
    assert!(!again.stderr.contains("below"), "{again:?}");
    let refused = workstation.run(&["up", "--port", "80=81"]).code(2);
    refused.says("port 81, which you asked for, is below 1024");
}

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

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_the_engine_refuses_falls_back() {
    let port = free_port();
    let publishes = format!("publish: [{{ host: {port}, container: 8080 }}]\n");
    let listens = format!("kind: service\ncommand: [/probe, listen, \"8080\"]\n{publishes}");
    let platform = Synthetic::released(&[("broker", &listens)]).await;
    let workstation = elsewhere(&platform);
    // Nothing of it is bound here, so only the engine can tell.
    workstation.write("config/settings.yaml", "forward: false\n");
    let held = TcpListener::bind(("127.0.0.2", port)).unwrap();
    let up = workstation.run(&["up", "broker", "--no-proxy"]).ok();
    let up = up.says(&format!("port {port} is refused by the engine"));
    assert!(up.stderr.contains("address already in use"), "{up:?}");
    let given = workstation.container("broker")["ports"][0]["host"].clone();
    let given = u16::try_from(given.as_u64().unwrap()).unwrap();
    assert!(given >= port.saturating_add(8000), "{given}");
    assert!(works_at("127.0.0.2", given));
    drop(held);
    workstation.run(&["up"]).ok().says("nothing to do");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_published_and_not_there_is_told() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let port = free_port();
    workstation
        .run(&["up", "billing", "--port", &format!("80={port}")])
        .ok();
    // What the engine itself believes does not change by this.
    let wanted = format!("-host-port\0{port}\0");
    let mut ended = 0;
    for entry in std::fs::read_dir("/proc").unwrap().flatten() {
        let line = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if String::from_utf8_lossy(&line).contains(&wanted) {
            kill(entry.file_name().to_str().unwrap().parse().unwrap());
            ended += 1;
        }
    }
    assert_ne!(ended, 0, "the engine publishes by a process");
    let up = workstation.run(&["up"]).code(7);
    up.says(&format!("nothing answers at 127.0.0.1:{port}"));
    workstation.run(&["restart", "front"]).ok();
    workstation.run(&["up"]).ok();
    assert!(works(port));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_only_the_engines_host_has_is_said_to_be_unreachable() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = elsewhere(&platform);
    let inner = ELSEWHERE.replace(
        "appears: engine, address: 127.0.0.2",
        "appears: host, address: 127.0.0.1",
    );
    workstation.write("config/profiles/elsewhere.yaml", &inner);
    let port = free_port();
    let up = workstation
        .run(&["up", "billing", "--port", &format!("80={port}")])
        .ok();
    let up = up
        .says("where this machine does not reach them")
        .says("publish_address");
    assert!(!up.stdout.contains("http://"), "{up:?}");
    assert_eq!(
        docker(&["port", &workstation.object("front"), "80"]),
        format!("127.0.0.1:{port}")
    );
    workstation.write("config/settings.yaml", "publish_address: 127.0.0.2\n");
    let up = workstation.run(&["up"]).ok();
    assert!(
        up.stdout.contains(&format!("http://localhost:{port}/")),
        "{up:?}"
    );
    assert!(works(port) && works_at("127.0.0.2", port));
}
