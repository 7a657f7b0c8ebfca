//! docker compose on the same containers.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use devenv::converge::desired::Desired;
use devenv::model::container::Until;

use crate::program;
use crate::support::real_engine::unique;
use crate::support::registry::tests;

/// One project; removes what it made when it is dropped.
pub struct Compose {
    program: PathBuf,
    folder: tempfile::TempDir,
    project: String,
}

/// The real docker compose, fetched if need be.
pub fn find() -> PathBuf {
    let peers = Command::new(tests().join("peers")).output().unwrap();
    assert!(
        peers.status.success(),
        "{}",
        String::from_utf8_lossy(&peers.stderr)
    );
    let folder = String::from_utf8(peers.stdout).unwrap();
    Path::new(folder.trim()).join("docker-compose")
}

impl Compose {
    /// A project of no services yet.
    pub fn new(program: &Path) -> Self {
        Self {
            program: program.to_owned(),
            folder: tempfile::tempdir().unwrap(),
            project: format!("bench{}", unique()),
        }
    }

    /// The file with these containers as services.
    pub fn define(&self, desired: &Desired) {
        let mut text = "services:\n".to_owned();
        let quote = |value: &dyn std::fmt::Display| format!("\"{value}\"");
        for container in &desired.containers {
            let body = &container.body;
            let _ = writeln!(text, "  {}:", container.name);
            let _ = writeln!(text, "    image: {}", quote(&body.image));
            text.push_str("    pull_policy: never\n");
            let _ = writeln!(text, "    environment: {:?}", body.env);
            let _ = writeln!(text, "    labels: {:?}", body.labels);
            if let Some(command) = &body.cmd {
                let _ = writeln!(text, "    command: {command:?}");
            }
            if let Some(check) = &body.healthcheck {
                let _ = writeln!(
                    text,
                    "    healthcheck: {{ test: {:?}, interval: {}ns, timeout: {}ns, retries: {}, start_period: {}ns }}",
                    check.test, check.interval, check.timeout, check.retries, check.start_period
                );
            }
            text.push_str("    volumes:\n");
            for mount in &body.host_config.mounts {
                let _ = writeln!(text, "      - {}-logs:{}", container.name, mount.target);
            }
            if !container.needs.is_empty() {
                text.push_str("    depends_on:\n");
            }
            for need in &container.needs {
                let condition = match need.until {
                    Until::Started => "service_started",
                    Until::Healthy => "service_healthy",
                    Until::Completed => "service_completed_successfully",
                };
                let _ = writeln!(
                    text,
                    "      {}: {{ condition: {condition} }}",
                    need.container
                );
            }
        }
        text.push_str("volumes:\n");
        for container in &desired.containers {
            let _ = writeln!(text, "  {}-logs: {{}}", container.name);
        }
        self.write(&text);
    }

    /// The file.
    pub fn write(&self, text: &str) {
        fs::write(self.folder.path().join("compose.yaml"), text).unwrap();
    }

    /// The program, its arguments still to come.
    pub fn command(&self) -> Command {
        let mut command = Command::new(&self.program);
        command
            .current_dir(self.folder.path())
            .args(["--project-name", &self.project]);
        command
    }

    /// Removes everything that it made.
    pub fn down(&self) {
        program::run(self.command().args(["down", "--volumes", "--timeout", "0"]));
    }
}

impl Drop for Compose {
    fn drop(&mut self) {
        let _ = self
            .command()
            .args(["down", "--volumes", "--timeout", "0"])
            .output();
    }
}
