//! Which ports are published where, and what is told when they are not there.

use super::*;
use crate::support::server::variable;

/// 0.0.0.0 only where the settings say so; `forward: false` shows the engine's address; `profile`
/// forces one.
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
    let up = workstation.run(&["up"]);
    // Of another machine only its engine knows: what ran runs again.
    if variable("DOCKER_HOST").is_some_and(|it| it.starts_with("ssh://")) {
        up.code(4).says("what ran before runs again: front");
    } else {
        up.code(2)
            .says("`publish_address` in")
            .says("192.0.2.1, which is no address of this machine");
    }
    assert!(works(port));

    workstation.write("config/settings.yaml", "profile: linu\n");
    workstation
        .run(&["up"])
        .code(2)
        .says("did you mean `linux`?");
    let config = workstation.run(&["config"]);
    config.code(2).says("linu");
}

/// What an engine told is asked once, and again after a day, another version, or where it cannot be
/// read.
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
    let write = |value: &serde_json::Value| rewrite(&path, value);
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

pub(super) fn rewrite(path: &Path, value: &serde_json::Value) {
    std::fs::write(path, value.to_string()).unwrap();
}

/// A port that the host does not give falls back as a taken one does.
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

/// A port that the engine refuses to bind falls back, with its words.
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

/// A port that the engine says it publishes and does not ends `up` with exit code 7.
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

/// What only the engine's host reaches is said to be unreachable, with no URL; `publish_address`
/// brings it to localhost.
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
