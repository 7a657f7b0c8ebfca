//! Programs that devenv starts get no secret of its environment.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use devenv::system::OWN_SECRETS;

use crate::app;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Workstation, finished, free_port};

/// Whatever is started, and by whichever setting: neither the passphrase of production's key nor a
/// forge's token is in its environment.
#[tokio::test(flavor = "multi_thread")]
async fn no_program_gets_a_secret_of_devenvs() {
    let text = app("secrets: [DB_PASSWORD]\nroutes: [{ path: /billing }]\n");
    let platform = Synthetic::released(&[("billing", &text)]).await;
    let developer = Workstation::initialised(&platform.url());
    let home = developer.home.path();
    let tool = |name: &str, more: &str| {
        let path = home.join(name);
        let seen = home.join(format!("{name}.seen"));
        fs::write(
            &path,
            format!("#!/bin/sh\nenv >> '{}'\n{more}\n", seen.display()),
        )
        .unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    };
    tool(
        "docker-credential-dump",
        "echo credentials not found; exit 1",
    );
    tool("ssh", "exit 255");
    let command = tool("password", "echo hunter2");
    let editor = tool("editor", "");
    let browser = tool("browser", "");
    developer.write("docker/config.json", "{\"credsStore\":\"dump\"}");
    developer.write(
        "config/settings.yaml",
        &format!(
            "secrets: {{ acme: {{ recette: {{ DB_PASSWORD: {{ command: ['{command}'] }} }} }} }}\n"
        ),
    );
    let (_, path) = std::env::vars().find(|(name, _)| name == "PATH").unwrap();
    let path = format!("{}:{path}", home.display());
    let with_secrets = |command: &mut Command| {
        command
            .env("PATH", &path)
            .env("DOCKER_CONFIG", home.join("docker"))
            .env("EDITOR", &editor)
            .env("BROWSER", &browser)
            .envs(OWN_SECRETS.map(|name| (name, "correct horse")));
    };
    let run = |arguments: &[&str], more: &[(&str, &str)]| {
        let mut command = developer.command();
        command.args(arguments).envs(more.iter().copied());
        with_secrets(&mut command);
        finished(command, "")
    };
    run(
        &["up", "billing", "--port", &format!("80={}", free_port())],
        &[],
    )
    .ok();
    run(&["open", "billing"], &[]).ok();
    run(&["doctor"], &[]);
    run(
        &["status"],
        &[("DOCKER_HOST", "ssh://anna@nowhere.example")],
    );
    let inner = developer.command();
    let line = format!("{} edit billing", inner.get_program().to_string_lossy());
    let mut typed = Command::new("script");
    typed.args(["-qec", &line, "/dev/null"]);
    typed.envs(
        inner
            .get_envs()
            .filter_map(|(name, value)| Some((name, value?))),
    );
    with_secrets(&mut typed);
    finished(typed, "");
    for name in [
        "docker-credential-dump",
        "ssh",
        "password",
        "editor",
        "browser",
    ] {
        let seen = fs::read_to_string(home.join(format!("{name}.seen")));
        let seen = seen.unwrap_or_else(|_| panic!("{name} was not started"));
        assert!(!seen.contains("correct horse"), "{name}: {seen}");
        for secret in OWN_SECRETS {
            assert!(!seen.contains(&format!("{secret}=")), "{name}: {seen}");
        }
    }
}
