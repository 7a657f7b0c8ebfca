//! Secrets that a container has as files.

use std::process::Command;

use crate::service;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, docker};

const FILE: &str = "/run/secrets/tls.key";

/// The file as the container itself sees it; `None` where it sees none.
fn seen(workstation: &Workstation) -> Option<String> {
    let ran = workstation.run(&["exec", "billing", "-T", "--", "/probe", "show", FILE]);
    (ran.code == 0).then_some(ran.stdout)
}

fn keep(workstation: &Workstation, value: &str) {
    let values = serde_json::json!({ "recette": { "TLS_KEY": value } });
    workstation.write("config/secrets/acme.yaml", &values.to_string());
}

/// There from the first moment, for the container's user alone, in memory; after everything that ends
/// or freezes a container it is there again.
#[tokio::test(flavor = "multi_thread")]
async fn a_secret_is_a_file_in_memory_for_the_containers_user_alone() {
    let secret = format!("secrets: [{{ name: TLS_KEY, file: {FILE} }}]\nuser: \"33\"\n");
    let reads = format!("kind: service\ncommand: [/probe, show, {FILE}]\nonce: true\n{secret}");
    let platform = Synthetic::released(&[("billing", &service(&secret)), ("job", &reads)]).await;
    let workstation = Workstation::initialised(&platform.url());
    let up = ["up", "billing", "job", "--no-proxy"];
    let missing = workstation.run(&up).code(2);
    missing.says("no value for the secret TLS_KEY of configuration `recette`");

    let value = "-----BEGIN KEY-----\nhunter2\n-----END KEY-----\n";
    keep(&workstation, value);
    let told = workstation.run(&[&up[..], &["--verbose"]].concat()).ok();
    assert!(!format!("{}{}", told.stdout, told.stderr).contains("hunter2"));
    assert_eq!(seen(&workstation).as_deref(), Some(value));
    let said = workstation.run(&["logs", "job", "--raw"]).ok().stdout;
    assert!(said.contains("hunter2"), "the job began with it: {said}");
    let object = workstation.object("billing");
    let copy = ["cp", &format!("{object}:{FILE}"), "-"];
    let archive = Command::new("docker").args(copy).output().unwrap().stdout;
    let mut archive = tar::Archive::new(&*archive);
    let header = archive.entries().unwrap().next().unwrap().unwrap();
    let header = header.header();
    assert_eq!(
        (header.mode().unwrap() & 0o777, header.uid().unwrap()),
        (0o400, 33)
    );
    let mounts = [
        "exec",
        "billing",
        "-T",
        "--",
        "/probe",
        "show",
        "/proc/mounts",
    ];
    let mounts = workstation.run(&mounts).ok().stdout;
    assert!(mounts.contains("tmpfs /run/secrets tmpfs"), "{mounts}");
    let shown = workstation.container("billing");
    assert_eq!(shown["volumes"], serde_json::json!([]), "it is no data");
    let known = docker(&["inspect", &object]);
    assert!(!known.contains("hunter2"));

    for command in [&["restart", "billing"][..], &["pause"], &["resume"], &up] {
        workstation.run(command).ok();
        if command != ["pause"] {
            assert_eq!(seen(&workstation).as_deref(), Some(value), "{command:?}");
        }
    }
    assert!(
        workstation
            .run(&["up"])
            .ok()
            .stderr
            .contains("nothing to do")
    );

    // Somebody else starts it, as an engine that comes back does: it has none, and `up` sees that.
    docker(&["restart", "--time", "0", &object]);
    assert_eq!(seen(&workstation), None);
    let plan = workstation.run(&["up", "--dry-run"]).ok();
    assert!(
        plan.stdout.contains("its files with secrets are gone"),
        "{}",
        plan.stdout
    );
    workstation.run(&["up"]).ok();
    assert_eq!(seen(&workstation).as_deref(), Some(value));

    docker(&["stop", "--time", "0", &object]);
    keep(&workstation, "other");
    workstation.run(&["up"]).ok();
    assert_eq!(seen(&workstation).as_deref(), Some("other"));

    let format = "{{range .Mounts}}{{.Name}}{{end}}";
    let volume = docker(&["inspect", "--format", format, &object]);
    assert_eq!(volume.len(), 64, "{volume}");
    workstation.run(&["down"]).ok();
    let left = docker(&["volume", "ls", "--quiet"]);
    assert!(!left.contains(&volume), "it goes with its container");
    assert_eq!(workstation.containers(), Vec::<String>::new());
}

/// What a command prints is the whole value, whether a file has it or a variable; nothing but the
/// line break at its end is taken off.
#[tokio::test(flavor = "multi_thread")]
async fn a_value_of_several_lines_arrives_whole() {
    let secrets = format!("secrets: [WORDS, {{ name: TLS_KEY, file: {FILE} }}]\n");
    let platform = Synthetic::released(&[("billing", &service(&secrets))]).await;
    let workstation = Workstation::initialised(&platform.url());
    let command = "{ command: [printf, 'one\\ntwo words \\n\\n'] }";
    let settings = format!("{{ WORDS: {command}, TLS_KEY: {command} }}");
    let settings = format!("secrets: {{ acme: {{ recette: {settings} }} }}\n");
    workstation.write("config/settings.yaml", &settings);
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    let value = "one\ntwo words \n";
    assert_eq!(seen(&workstation).as_deref(), Some(value));
    let exec = ["exec", "billing", "-T", "--", "/probe", "env", "WORDS"];
    assert_eq!(workstation.run(&exec).ok().stdout, format!("{value}\n"));
    let failing = settings.replace("printf", "false");
    workstation.write("config/settings.yaml", &failing);
    let failed = workstation.run(&["up"]).code(2);
    failed.says("the command for the secret").says("failed");
}
