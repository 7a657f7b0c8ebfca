//! Bad input and broken surroundings: a clear error, nothing lost, and the next command repairs.

use std::fmt::Write as _;
use std::io::Write as _;
use std::net::TcpListener;

use crate::app;
use crate::support::company::Company;
use crate::support::socket_proxy::{Behaviour, SocketProxy};
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, finished};

/// An unknown name is answered with the nearest.
#[tokio::test(flavor = "multi_thread")]
async fn a_mistyped_name_is_answered_with_the_nearest() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "biling"])
        .code(2)
        .says("did you mean `billing`?");
    workstation.run(&["up"]).code(2).says("nothing to start");
}

/// Not initialised.
#[test]
fn without_a_platform_every_command_says_how_to_get_one() {
    let workstation = Workstation::empty();
    for command in [&["up", "billing"][..], &["status"], &["down"]] {
        workstation.run(command).code(2).says("`devenv init URL`");
    }
}

/// No engine.
#[tokio::test(flavor = "multi_thread")]
async fn no_engine_is_said_at_once() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let host = "unix:///nowhere/docker.sock";
    workstation
        .run(&["up", "billing", "--host", host])
        .code(4)
        .says("/nowhere/docker.sock")
        .says("is the engine running?");
    workstation.run(&["status", "--host", host]).code(4);
}

/// Docker's `config.json` that is no JSON is warned of once and ignored.
#[tokio::test(flavor = "multi_thread")]
async fn dockers_configuration_that_is_no_json_is_ignored_as_docker_does() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("config.json"), "{ hunter2").unwrap();
    let mut up = workstation.command();
    up.args(["up", "billing", "--no-proxy", "--dry-run"]);
    up.env("DOCKER_CONFIG", folder.path());
    let up = finished(up, "").ok();
    let warning = "config.json is ignored, with the current context, logins and proxies in it";
    assert_eq!(up.stderr.matches(warning).count(), 1, "{}", up.stderr);
    assert!(!up.stderr.contains("hunter2"), "{}", up.stderr);
}

/// An engine that takes connections and never answers.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_hangs_is_told_of_and_given_up() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::initialised(&platform.url());
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("docker.sock");
    // Connections are taken by the kernel, and nobody answers.
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let host = format!("unix://{}", socket.display());
    let begun = std::time::Instant::now();
    workstation
        .run(&["status", "--host", &host])
        .code(4)
        .says(&format!("waiting for the engine at {host}"))
        .says("answered nothing within 10s")
        .says("devenv doctor");
    assert!(begun.elapsed().as_secs() < 30, "{:?}", begun.elapsed());
}

/// The engine goes in the middle, or answers 500.
#[tokio::test(flavor = "multi_thread")]
async fn an_engine_that_goes_away_in_the_middle_is_survived() {
    let platform = Synthetic::released(&[
        ("a", &app("volumes: { logs: /logs }\n")),
        ("b", &app("needs: [a]\n")),
    ])
    .await;
    let workstation = Workstation::initialised(&platform.url());
    let proxy = SocketProxy::start();
    let host = proxy.host();
    for changes in [0, 1, 3, 5, 7] {
        proxy.behave(Behaviour::Honest);
        proxy.gone_after(changes);
        workstation
            .run(&["up", "b", "--no-proxy", "--host", &host])
            .code(4);
        workstation.run(&["up", "b", "--no-proxy"]).ok();
        assert_eq!(workstation.containers(), ["a running", "b running"]);
        workstation.run(&["down", "--volumes", "--yes"]).ok();
    }
    proxy.behave(Behaviour::Failing);
    workstation
        .run(&["up", "b", "--no-proxy", "--host", &host])
        .code(4)
        .says(&format!("the engine at {host} answered 500 to GET /"))
        .says("something is wrong");
}

/// Another build ends, and what the cache had promised to this one goes with it.
#[tokio::test(flavor = "multi_thread")]
async fn a_build_that_loses_an_image_of_the_cache_begins_again() {
    let proxy = SocketProxy::start();
    proxy.behave(Behaviour::Forgetful);
    let host = proxy.host();
    let work = move || {
        let company = Company::new();
        let artifact = company.artifact();
        let build = ["release", "build", "base", "--version", "1", "--artifact"];
        let mut build = company.command(&[&build[..], &[artifact.to_str().unwrap()]].concat());
        build.env("DOCKER_HOST", host);
        finished(build, "").ok();
    };
    tokio::task::spawn_blocking(work).await.unwrap();
    assert!(proxy.is_honest(), "no build was told that an image is gone");
}

/// The registry is down.
#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_is_down_is_told_from_one_that_refuses() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let nowhere = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap();
    let change = |text: &str| {
        let path = platform.work().join("platform.yaml");
        let now = std::fs::read_to_string(&path).unwrap();
        let line = now
            .lines()
            .find(|line| line.starts_with("registry:"))
            .unwrap()
            .to_owned();
        std::fs::write(&path, now.replace(&line, text)).unwrap();
    };
    change(&format!("registry: {nowhere}/acme"));
    let mut moved = platform;
    moved.push("The registry has moved");
    let fresh = Workstation::initialised(&moved.url());
    fresh
        .run(&["up", "billing", "--no-proxy"])
        .code(8)
        .says(&nowhere.to_string());
}

/// A wrong password is never "not found".
#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_password_is_never_shown_as_not_found() {
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = server.local_addr().unwrap();
    std::thread::spawn(move || {
        for stream in server.incoming().flatten().take(50) {
            use std::io::{BufRead, BufReader};
            let mut reader = BufReader::new(stream.try_clone().unwrap());
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 2) {
                line.clear();
            }
            let mut stream = stream;
            let _ = stream.write_all(b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"r\"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
        }
    });
    let path = platform.work().join("platform.yaml");
    let text = std::fs::read_to_string(&path)
        .unwrap()
        .replace(&platform.prefix, &format!("{address}/acme"));
    std::fs::write(&path, text).unwrap();
    platform.push("A registry with a password");
    let workstation = Workstation::initialised(&platform.url());
    let ran = workstation.run(&["up", "billing", "--no-proxy"]).code(8);
    assert!(!ran.stderr.contains("not found"), "{}", ran.stderr);
    ran.says("docker login");
}

/// Definitions that a newcomer meets at `init`.
#[track_caller]
fn definitions(platform: &str, wanted: &str) {
    let mut synthetic = Synthetic::define(&[("billing", &app(""))]);
    std::fs::write(
        synthetic.work().join("platform.yaml"),
        platform.replace("REGISTRY", &synthetic.prefix),
    )
    .unwrap();
    synthetic.push("Changed");
    let workstation = Workstation::empty();
    workstation
        .run(&["init", &synthetic.url(), "--accept-keys"])
        .code(3)
        .says(wanted);
}

const PLATFORM: &str = "schema: 1\nplatform: acme\nregistry: REGISTRY\nproxy: front\nenvironments: [recette, production]\n\
    configuration_variable: PLATFORM_ENVIRONMENT\nworkstation: { environment: production, configuration: recette }\n";

/// Definitions that do not parse, an unknown key or environment.
#[test]
fn definitions_that_do_not_parse_are_refused_with_their_place() {
    definitions(&format!("{PLATFORM}containers: [\n"), "platform.yaml:");
    definitions(
        &format!("{PLATFORM}privileged: true\n"),
        "platform.yaml:8:1: unknown field `privileged`",
    );
    definitions(
        &PLATFORM.replace("environment: production,", "environment: prod,"),
        "is none of: recette, production",
    );
}

/// A version newer than this devenv.
#[test]
fn a_platform_for_a_newer_devenv_says_so() {
    definitions(
        &format!("minimum_devenv: 99.1.0\nnovelty: 1\n{PLATFORM}"),
        "needs devenv 99.1.0",
    );
}

/// A YAML bomb.
#[test]
fn a_yaml_bomb_is_refused() {
    let mut bomb = String::from("a0: &a0 [x,x,x,x,x,x,x,x,x]\n");
    for level in 1..40 {
        let below = level - 1;
        let _ = writeln!(
            bomb,
            "a{level}: &a{level} [*a{below},*a{below},*a{below},*a{below},*a{below},*a{below}]"
        );
    }
    definitions(&format!("{PLATFORM}{bomb}"), "platform.yaml");
}

/// 120,000 brackets in a container's definition, pushed to those who have the platform already.
#[test]
fn a_bomb_that_is_pushed_later_is_refused_at_once() {
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::initialised(&platform.url());
    let bomb = format!("kind: app\nneeds: {}\n", "[".repeat(120_000));
    platform.write_container("billing", &bomb);
    platform.push("A bomb");
    for (command, code) in [("sync", 0), ("list", 3)] {
        let begun = std::time::Instant::now();
        let ran = workstation.run(&[command]).code(code);
        // It took two minutes once.
        assert!(begun.elapsed().as_secs() < 20, "{command}: {ran:?}");
        ran.says("containers/billing/container.yaml:2");
    }
}

/// An image missing at the registry.
#[tokio::test(flavor = "multi_thread")]
async fn a_missing_image_at_the_registry_is_the_registrys_fault() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--dry-run", "--no-proxy"])
        .ok();
    let repository = platform.repository("billing");
    let tag = devenv::registry::Tag::new("1.0").unwrap();
    let digest = platform
        .registry
        .resolve(&repository, &tag)
        .await
        .unwrap()
        .unwrap();
    assert!(
        platform
            .registry
            .delete_manifest(&repository, &digest)
            .await
            .unwrap()
    );
    workstation
        .run(&["up", "billing", "--no-proxy"])
        .code(8)
        .says("cannot pull billing");
}
