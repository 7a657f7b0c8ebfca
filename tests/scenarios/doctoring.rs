//! `devenv doctor`: what it says of a healthy platform, of each thing that is wrong, and what it
//! mends.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::app;
use crate::support::registry_proxy;
use crate::support::synthetic::{PLATFORM, Synthetic};
use crate::support::tls_server::{TlsServer, bridge_address};
use crate::support::workstation::{Ran, Workstation, docker, finished, free_port};

/// The verdict of one check.
pub(crate) fn verdict(doctor: &Ran, name: &str) -> String {
    check(doctor, name)["verdict"]
        .as_str()
        .unwrap_or_default()
        .to_owned()
}

/// Everything that one check says, in one text.
pub(crate) fn said(doctor: &Ran, name: &str) -> String {
    check(doctor, name).to_string()
}

fn check(doctor: &Ran, name: &str) -> Value {
    let checks = doctor.json()["checks"].as_array().unwrap().clone();
    let found = checks.into_iter().find(|it| it["name"] == name);
    found.unwrap_or_else(|| panic!("no check {name}: {}", doctor.stdout))
}

/// Definitions whose registry is at `host`, nothing released.
pub(crate) fn platform_at(host: &str) -> Synthetic {
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    let path = platform.work().join("platform.yaml");
    let text = std::fs::read_to_string(&path).unwrap();
    let moved = text.replace(&platform.prefix, &format!("{host}/acme"));
    std::fs::write(&path, moved).unwrap();
    platform.push("Another registry");
    platform
}

/// A healthy platform: every check is ok, the sum of memory and the ports are told.
#[tokio::test(flavor = "multi_thread")]
async fn a_healthy_platform_is_all_right() {
    let platform = Synthetic::released(&[("billing", &app("memory: 64MiB\n"))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing"]).ok();
    let doctor = workstation.run(&["doctor", "--json"]).ok();
    for name in [
        "engine",
        "engine-version",
        "host",
        "clock",
        "architecture",
        "ports",
        "registry",
        "certificate",
        "login",
        "git",
        "keys",
        "ledger",
        "leftovers",
    ] {
        assert_eq!(verdict(&doctor, name), "ok", "{}", said(&doctor, name));
    }
    let resources = said(&doctor, "resources");
    assert!(resources.contains("declares 64MiB"), "{resources}");
    let ports = said(&doctor, "ports");
    assert!(ports.contains("front"), "{ports}");
    let shown = workstation.run(&["doctor"]).ok();
    assert!(shown.stdout.contains("leftovers"), "{}", shown.stdout);
}

/// More memory than the engine has is said before anything starts, and not when nothing does.
#[tokio::test(flavor = "multi_thread")]
async fn more_memory_than_there_is_is_said_before_anything_starts() {
    let platform = Synthetic::released(&[("billing", &app("memory: 900GiB\n"))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "billing", "--no-proxy"];
    workstation
        .run(&up)
        .ok()
        .says("declare 900GiB of memory together, the engine has");
    // Nothing is created: nothing is said.
    let again = workstation.run(&up).ok();
    assert!(!again.stderr.contains("900GiB"), "{}", again.stderr);
    let doctor = workstation.run(&["doctor", "--json"]).ok();
    assert_eq!(verdict(&doctor, "resources"), "warn");
}

/// A registry that is gone fails its own check, the others go on; exit 8.
#[test]
fn a_registry_that_is_gone_fails_and_the_others_go_on() {
    let platform = platform_at(&format!("127.0.0.1:{}", free_port()));
    let workstation = Workstation::initialised(&platform.url());
    let doctor = workstation.run(&["doctor", "--json"]).code(8);
    assert_eq!(verdict(&doctor, "registry"), "fail");
    assert_eq!(verdict(&doctor, "certificate"), "skipped");
    assert_eq!(verdict(&doctor, "login"), "skipped");
    for name in ["engine", "git", "keys"] {
        assert_eq!(verdict(&doctor, name), "ok", "{}", said(&doctor, name));
    }
    let offline = workstation.run(&["doctor", "--json", "--offline"]);
    assert_eq!(verdict(&offline, "registry"), "skipped");
    assert_eq!(verdict(&offline, "git"), "skipped");
}

/// `extra_ca` is checked where no server asks for it: a missing file, one without a certificate, a
/// good one.
#[test]
fn the_companys_authority_is_looked_at_even_where_nobody_asks_for_it() {
    let platform = platform_at(&format!("127.0.0.1:{}", free_port()));
    let workstation = Workstation::initialised(&platform.url());
    let judged = |file: &std::path::Path| {
        let settings = format!("extra_ca: {}\n", file.display());
        workstation.write("config/settings.yaml", &settings);
        workstation.run(&["doctor", "--json", "--offline"])
    };
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("acme.pem");
    for text in [None, Some("no certificate")] {
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let doctor = judged(&file);
        assert_eq!(verdict(&doctor, "authority"), "fail");
        let said = said(&doctor, "authority");
        for part in ["acme.pem", "`extra_ca`", "settings.yaml"] {
            assert!(said.contains(part), "{said}");
        }
    }
    let server = TlsServer::start("DNS:a.example", 60);
    let doctor = judged(&server.certificate());
    assert_eq!(verdict(&doctor, "authority"), "ok");
    assert!(said(&doctor, "authority").contains("`somebody`"));
}

/// An unknown certificate is explained (issuer, validity, `extra_ca`); days left.
#[test]
fn a_certificate_that_nobody_knows_is_explained() {
    let address = bridge_address();
    let server = TlsServer::start(&format!("IP:{address}"), 2);
    let platform = platform_at(&format!("{address}:{}", server.port));
    let workstation = Workstation::initialised(&platform.url());
    let doctor = workstation.run(&["doctor", "--json"]).code(8);
    assert_eq!(verdict(&doctor, "registry"), "ok");
    assert_eq!(verdict(&doctor, "certificate"), "fail");
    let text = said(&doctor, "certificate");
    assert!(text.contains("`somebody`, made by itself"), "{text}");
    assert!(text.contains("extra_ca"), "{text}");
    assert_eq!(verdict(&doctor, "engine"), "ok");
    let settings = format!("extra_ca: {}\n", server.certificate().display());
    workstation.write("config/settings.yaml", &settings);
    let doctor = workstation.run(&["doctor", "--json"]);
    let text = said(&doctor, "certificate");
    assert_eq!(verdict(&doctor, "certificate"), "warn", "{text}");
    // Two, in the second in which it is made.
    assert!(
        text.contains("1 days left") || text.contains("2 days left"),
        "{text}"
    );
}

/// A refused login is told from a missing one.
#[tokio::test(flavor = "multi_thread")]
async fn a_refused_login_fails_and_the_others_go_on() {
    let host = registry_proxy::start(|_| {
        let head = "401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"acme\"";
        Some((head, Vec::new()))
    })
    .await;
    let platform = platform_at(&host);
    let workstation = Workstation::initialised(&platform.url());
    let docker_config = tempfile::tempdir().unwrap();
    // `anna:wrong`
    let text = format!(r#"{{"auths":{{"{host}":{{"auth":"YW5uYTp3cm9uZw=="}}}}}}"#);
    std::fs::write(docker_config.path().join("config.json"), text).unwrap();
    let mut doctor = workstation.command();
    doctor.args(["doctor", "--json"]);
    doctor.env("DOCKER_CONFIG", docker_config.path());
    let doctor = finished(doctor, "").code(8);
    assert_eq!(verdict(&doctor, "registry"), "ok");
    assert_eq!(verdict(&doctor, "login"), "fail");
    let text = said(&doctor, "login");
    assert!(text.contains("refuses the stored login"), "{text}");
    assert!(text.contains(&format!("docker login {host}")), "{text}");
    assert!(!doctor.stdout.contains("wrong"), "{}", doctor.stdout);
    assert_eq!(verdict(&doctor, "git"), "ok");
}

/// An engine and a registry that take connections and never answer: it ends within its limit.
#[tokio::test(flavor = "multi_thread")]
async fn sockets_that_never_answer_end_within_the_limit() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    let engine = tokio::net::UnixListener::bind(&socket).unwrap();
    let registry = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = registry.local_addr().unwrap().to_string();
    let hanging = tokio::spawn(async move {
        let mut held = Vec::new();
        let mut taken = Vec::new();
        loop {
            tokio::select! {
                Ok((stream, _)) = engine.accept() => held.push(stream),
                Ok((stream, _)) = registry.accept() => taken.push(stream),
            }
        }
    });
    let platform = platform_at(&host);
    let workstation = Workstation::initialised(&platform.url());
    let mut doctor = workstation.command();
    doctor.args(["doctor", "--json", "--timeout", "3s"]);
    doctor.env("DOCKER_HOST", format!("unix://{}", socket.display()));
    let started = Instant::now();
    let doctor = tokio::task::spawn_blocking(move || finished(doctor, "")).await;
    let spent = started.elapsed();
    hanging.abort();
    let doctor = doctor.unwrap().code(4);
    assert!(spent < Duration::from_secs(10), "{spent:?}");
    assert_eq!(verdict(&doctor, "engine"), "fail");
    assert_eq!(verdict(&doctor, "registry"), "fail");
    assert_eq!(verdict(&doctor, "git"), "ok", "{}", said(&doctor, "git"));
    assert_eq!(verdict(&doctor, "keys"), "ok");
}

/// `doctor --fix` removes forgotten containers, networks and locks after asking, never volumes; a
/// second run is ok.
#[tokio::test(flavor = "multi_thread")]
async fn leftovers_are_mended_but_never_volumes() {
    let platform = Synthetic::released(&[("billing", &app("volumes: { data: /data }\n"))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let records = workstation
        .home
        .path()
        .join("state/instances")
        .join(PLATFORM);
    let record = records.join(format!("{}.json", workstation.instance));
    std::fs::remove_file(&record).unwrap();
    let lock = records.join(format!("{}.lock", workstation.instance));
    assert!(lock.is_file());

    let doctor = workstation.run(&["doctor", "--json"]).ok();
    assert_eq!(verdict(&doctor, "leftovers"), "warn");
    let text = said(&doctor, "leftovers");
    for leftover in [
        &*workstation.object("billing"),
        "network",
        "a lock of the instance",
    ] {
        assert!(text.contains(leftover), "{leftover}: {text}");
    }
    // Without a terminal nothing is done unasked.
    workstation.run(&["doctor", "--fix"]).code(2).says("--yes");
    assert_eq!(workstation.containers(), ["billing running"]);

    let mended = workstation
        .run(&["doctor", "--fix", "--yes", "--json"])
        .ok();
    assert_eq!(workstation.containers(), Vec::<String>::new());
    assert!(!lock.exists());
    let done = mended.json()["mended"].to_string();
    assert!(done.contains("remove the container"), "{done}");
    let filter = format!("label=devenv.instance={}", workstation.instance);
    let left = |kind: &str| docker(&[kind, "ls", "--quiet", "--filter", &filter]);
    assert_eq!(left("network"), "");
    assert_ne!(left("volume"), "", "data stays");
    docker(&["volume", "rm", &left("volume")]);
    let again = workstation
        .run(&["doctor", "--fix", "--yes", "--json"])
        .ok();
    assert_eq!(
        verdict(&again, "leftovers"),
        "ok",
        "{}",
        said(&again, "leftovers")
    );
    assert_eq!(again.json()["mended"], serde_json::json!([]));
}
