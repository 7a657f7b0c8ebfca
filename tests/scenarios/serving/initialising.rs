//! A machine is made a server.

use std::fs;
use std::process::Command;

use crate::service;
use crate::support::server::{TestServer, port, possible};
use crate::support::synthetic::Synthetic;
use crate::support::workstation::finished;

/// `server init` shows the keys and asks; who does not say yes has changed nothing. It says which secrets have no value.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_shown_and_asked_for_and_missing_secrets_are_named() {
    if !possible() {
        return;
    }
    let port = port();
    let secrets = "secrets: [DB_PASSWORD, API_KEY]\n";
    let mut platform = Synthetic::define(&[("billing", &service(secrets))]);
    let front = format!(
        "kind: proxy\npublish: [{{ host: {port}, container: 80 }}]\ncommand: [/probe, listen, \"80\"]\n"
    );
    platform.write_container("front", &front);
    platform.push("A server's proxy");
    platform.release("billing", "1.0").await;
    platform.reference().await;
    platform.promote("production").await;
    let server = TestServer::unset(port);
    let trust = server.home.path().join("trust.yaml");
    fs::write(&trust, platform.trust.to_yaml().unwrap()).unwrap();
    let trust = trust.to_str().unwrap();
    let words = [
        "server",
        "init",
        "--registry",
        &platform.prefix,
        "--environment",
        "production",
        "--trust",
        trust,
        "--name",
        &server.name,
        "--addresses",
        &server.addresses,
    ];
    let keys = platform.trust.keys.iter();
    let fingerprints: Vec<String> = keys.map(|it| it.fingerprint().to_string()).collect();
    assert!(!fingerprints.is_empty());

    let asked = server.run(&words).code(2).says("--accept-keys");
    for fingerprint in &fingerprints {
        let shown = asked.stderr.contains(fingerprint);
        assert!(shown, "{fingerprint}: {}", asked.stderr);
    }
    assert!(!server.file().exists());

    // On a terminal: no.
    let mut command = server.command();
    let typed = format!("{} {}", command.get_program().display(), words.join(" "));
    let mut terminal = Command::new("script");
    terminal.args(["--quiet", "--return", "--command", &typed, "/dev/null"]);
    for (name, value) in command.get_envs() {
        if let Some(value) = value {
            terminal.env(name, value);
        }
    }
    command = terminal;
    let said = finished(command, "n\n");
    let text = format!("{}{}", said.stdout, said.stderr);
    assert!(text.contains("trust these keys?"), "{text}");
    assert!(
        text.contains("the keys were not trusted; nothing was kept"),
        "{text}"
    );
    assert!(!server.file().exists());

    let made = server.run(&[&words[..], &["--accept-keys"]].concat()).ok();
    made.says("secrets without a value: API_KEY, DB_PASSWORD; write them to ");
    assert!(server.file().exists());
    let file = server.home.path().join("config/secrets/acme.yaml");
    server.apply().code(2).says("DB_PASSWORD");
    assert!(!file.exists());
}
