//! Commands on what runs: logs, exec, shell, pause, restart, clean.

use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker, finished, ran};
use crate::{app, service};

const LOGS: &str = "volumes: { logs: /logs }\n";

fn write(workstation: &Workstation, file: &str, text: &str) {
    let path = format!("/logs/{file}");
    workstation
        .run(&["exec", "billing", "--", "/probe", "append", &path, text])
        .ok();
}

/// `logs` merges output and files, and outlives the container.
#[tokio::test(flavor = "multi_thread")]
async fn logs_merge_output_and_files_and_outlive_the_container() {
    let speaks = "kind: service\ncommand: [/probe, say, \"1\"]\nonce: true\n";
    let platform = Synthetic::released(&[("billing", &app(LOGS)), ("customers", speaks)]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "customers", "--no-proxy"])
        .ok();
    let catalina = "23-Nov-2026 08:41:02.123 SEVERE boom\n\tat \u{1b}[31mx\n23-Nov-2026 08:41:04.000 INFO later\n";
    let access = "1.2.3.4 - - [23/Nov/2026:08:41:03 +0000] \"GET /\" 200 5\n";
    write(&workstation, "catalina.log", catalina);
    write(&workstation, "access.txt", access);
    let files = [
        "billing | catalina.log: 23-Nov-2026 08:41:02.123 SEVERE boom",
        "billing | catalina.log: \tat \\u{1b}[31mx",
        "billing | access.txt: 1.2.3.4 - - [23/Nov/2026:08:41:03 +0000] \"GET /\" 200 5",
        "billing | catalina.log: 23-Nov-2026 08:41:04.000 INFO later",
    ];
    let shown = |arguments: &[&str]| workstation.run(arguments).ok().stdout;
    let all = shown(&["logs"]);
    assert!(all.contains("customers | out 1\n") && all.contains("customers | err 1\n"));
    assert!(
        all.contains(
            &files
                .map(|it| it.replacen("billing", "billing  ", 1))
                .join("\n")
        )
    );
    let own = ["logs", "billing", "--source", "files"];
    assert_eq!(shown(&own).trim_end(), files.join("\n"));
    assert!(shown(&["logs", "billing", "--raw"]).contains("\tat \u{1b}[31mx"));
    let last = shown(&["logs", "billing", "-n", "1", "--json"]);
    let last: serde_json::Value = serde_json::from_str(&last).unwrap();
    let expected = serde_json::json!({
        "time": "2026-11-23T08:41:04Z", "container": "billing", "source": "file",
        "file": "catalina.log", "line": "23-Nov-2026 08:41:04.000 INFO later",
    });
    assert_eq!(last, expected);
    let since = shown(&[
        "logs",
        "billing",
        "--since",
        "2026-11-23T08:41:03Z",
        "--source",
        "files",
    ]);
    assert_eq!(since.lines().count(), 2);

    workstation.run(&["down"]).ok();
    workstation
        .run(&["logs"])
        .ok()
        .says("`devenv logs billing` shows them");
    assert_eq!(shown(&own).trim_end(), files.join("\n"));
    workstation
        .run(&["logs", "biling"])
        .code(2)
        .says("did you mean `billing`?");
}

/// `logs -f` across a restart.
#[tokio::test(flavor = "multi_thread")]
async fn logs_go_on_across_a_restart() {
    let platform = Synthetic::released(&[("billing", &app(LOGS))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    write(&workstation, "catalina.log", "before\n");
    let file = workstation.home.path().join("followed");
    let following = workstation
        .command()
        .args(["logs", "-f", "--source", "files"])
        .stdout(std::fs::File::create(&file).unwrap())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let shows = async |text: &str| {
        let begun = Instant::now();
        while !std::fs::read_to_string(&file).unwrap().contains(text) {
            assert!(begun.elapsed() < Duration::from_secs(30), "{text}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    shows("before\n").await;
    write(&workstation, "catalina.log", "after\n");
    shows("catalina.log: after\n").await;
    workstation.run(&["restart", "billing"]).ok();
    write(&workstation, "catalina.log", "restarted\n");
    shows("catalina.log: restarted\n").await;
    let id = following.id().to_string();
    let interrupt = Command::new("kill").args(["-INT", &id]).status();
    assert!(interrupt.unwrap().success());
    let ended = ran(&following.wait_with_output().unwrap()).code(130);
    assert!(
        ended.stderr.ends_with("stopped\n"),
        "nothing is to be completed: {ended:?}"
    );
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(text.lines().count(), 3, "{text}");
}

/// `exec`.
#[tokio::test(flavor = "multi_thread")]
async fn exec_ends_with_the_commands_own_code() {
    let platform = Synthetic::released(&[("billing", &service("")), ("idle", &service(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let exec = |words: &[&str]| workstation.run(&[&["exec", "billing"], words].concat());
    exec(&["--", "/probe", "exit", "42"]).code(42);
    let said = exec(&["-T", "--", "/probe", "say", "1", "0"]).ok();
    assert_eq!(
        (said.stdout.as_str(), said.stderr.as_str()),
        ("out 1\n", "err 1\n")
    );
    let told = exec(&["--env", "WORD=two words", "--", "/probe", "env", "WORD"]).ok();
    assert_eq!(told.stdout, "two words\n");
    assert!((126..=127).contains(&exec(&["--", "/none"]).code));
    // A shell reads its commands from the input: the probe without a verb gives them back.
    let mut shell = workstation.command();
    shell.args(["shell", "billing", "--shell", "/probe"]);
    let said = finished(shell, "a command\n").code(7);
    assert_eq!(said.stdout, "a command\n");
}

/// Commands on what does not run.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_that_does_not_run_is_explained() {
    let platform = Synthetic::released(&[("billing", &service("")), ("idle", &service(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let exec = |name: &str| workstation.run(&["exec", name, "--", "/probe", "exit", "0"]);
    exec("idle").code(2).says("`devenv up idle` starts it");
    workstation.run(&["pause", "billing"]).ok();
    exec("billing")
        .code(2)
        .says("`devenv resume billing` lets it go on");
    workstation.run(&["resume"]).ok();
    exec("billing").ok();
    docker(&["stop", "--time", "1", &workstation.object("billing")]);
    exec("billing")
        .code(2)
        .says("billing has stopped (exit code");
}

/// `pause`, `resume`, `restart`.
#[tokio::test(flavor = "multi_thread")]
async fn pause_resume_and_restart() {
    let platform = Synthetic::released(&[("billing", &app("")), ("customers", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "customers", "--no-proxy"])
        .ok();
    let paused = workstation.run(&["pause", "billing", "--json"]).ok().json();
    assert_eq!(paused["paused"], serde_json::json!(["billing"]));
    assert_eq!(
        workstation.containers(),
        ["billing paused", "customers running"]
    );
    workstation
        .run(&["pause", "billing"])
        .ok()
        .says("nothing to pause: no container is running");
    workstation.run(&["resume"]).ok().says("billing: resumed");
    assert_eq!(
        workstation.containers(),
        ["billing running", "customers running"]
    );
    let started = || {
        let format = "{{.State.StartedAt}}";
        ["billing", "customers"]
            .map(|name| docker(&["inspect", "--format", format, &workstation.object(name)]))
    };
    let before = started();
    workstation.run(&["pause", "billing"]).ok();
    let restarted = workstation.run(&["restart", "billing"]).ok();
    assert!(restarted.stdout.contains("healthy"), "{}", restarted.stdout);
    let after = started();
    assert_ne!(before[0], after[0]);
    assert_eq!(before[1], after[1], "the others go on");
    workstation
        .run(&["restart", "nobody"])
        .code(2)
        .says("nobody");
}

/// A failure shows the end of the log files.
#[tokio::test(flavor = "multi_thread")]
async fn a_failure_shows_the_end_of_the_log_files() {
    let checked = "health: { command: [/probe, check, /logs/ready], interval: 200ms, timeout: 1s, start_period: 0s, retries: 2 }\n";
    let billing = service(&format!("{LOGS}{checked}"));
    let platform = Synthetic::released(&[("billing", &billing)]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--no-proxy", "--no-wait"])
        .ok();
    write(
        &workstation,
        "catalina.log",
        "23-Nov-2026 08:41:02.123 SEVERE no database\n",
    );
    workstation
        .run(&["restart", "billing"])
        .code(7)
        .says("its log files end with")
        .says("catalina.log: 23-Nov-2026 08:41:02.123 SEVERE no database");
}

/// Containers, networks, files of the cache and images that `clean` would remove.
fn would_remove(workstation: &Workstation, flags: &[&str]) -> [Vec<String>; 4] {
    let mut arguments = vec!["clean", "--dry-run", "--json"];
    arguments.extend(flags);
    let found = workstation.run(&arguments).ok().json()["would_remove"].clone();
    ["container", "network", "cache", "image"].map(|kind| {
        let all = found.as_array().unwrap().iter();
        all.filter(|it| it["kind"] == kind)
            .map(|it| it["name"].as_str().unwrap().to_owned())
            .collect()
    })
}

/// `clean` shows first and asks.
#[tokio::test(flavor = "multi_thread")]
async fn clean_shows_what_it_would_remove_and_asks() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let [containers, networks, cache, images] = would_remove(&workstation, &[]);
    assert!(containers.is_empty() && networks.is_empty() && cache.is_empty());
    let billing = format!(
        "localhost/devenv/{}/billing:1.0",
        crate::support::synthetic::PLATFORM
    );
    assert!(
        !images.contains(&billing),
        "an environment refers to it: {images:?}"
    );

    // An old file that nothing leads to, beside what is needed, which is made just as old.
    let content = workstation.home.path().join("cache/content");
    std::fs::create_dir_all(content.join("zz")).unwrap();
    std::fs::write(content.join("zz/forgotten"), "x").unwrap();
    let age = std::process::Command::new("find")
        .args([
            content.to_str().unwrap(),
            "-type",
            "f",
            "-exec",
            "touch",
            "-d",
            "2 days ago",
            "{}",
            "+",
        ])
        .status();
    assert!(age.unwrap().success());
    workstation.run(&["down"]).ok();
    let [_, networks, cache, images] = would_remove(&workstation, &["--offline"]);
    let own = format!(
        "devenv-{}-{}",
        crate::support::synthetic::PLATFORM,
        workstation.instance
    );
    assert!(!networks.contains(&own), "they went at `down`");
    assert_eq!(cache, ["forgotten"]);
    assert!(
        !images.contains(&billing),
        "it may be needed offline: {images:?}"
    );
    workstation
        .run(&["clean"])
        .code(2)
        .says("`--yes` answers yes");
    workstation
        .run(&["up", "billing", "--no-proxy", "--offline"])
        .ok();
}
