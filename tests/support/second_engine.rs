//! A second Docker engine of a test's own, on a small file system and its own bridge. The machine's
//! engine is never touched.
#![allow(
    clippy::disallowed_methods,
    reason = "a test waits for another program"
)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::real_engine::unique;

/// Its processes, mount and bridge go when it is dropped.
pub struct SecondEngine {
    folder: tempfile::TempDir,
    bridge: String,
    daemon: Option<Child>,
}

impl SecondEngine {
    /// With so many megabytes for images and containers. `None` where that takes more rights than
    /// the test has, which is a failure in CI.
    pub fn start(megabytes: u32) -> Option<Self> {
        if !is_root() || !cfg!(target_os = "linux") {
            assert!(
                std::env::var_os("CI").is_none(),
                "a second engine takes Linux and root"
            );
            eprintln!("skipped: a second engine takes Linux and root");
            return None;
        }
        let mut engine = Self {
            folder: tempfile::tempdir().unwrap(),
            bridge: format!("dv{}", &unique()[..8]),
            daemon: None,
        };
        std::fs::create_dir(engine.data()).unwrap();
        let options = format!("size={megabytes}m");
        let data = engine.data().display().to_string();
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &data]);
        run("ip", &["link", "add", &engine.bridge, "type", "bridge"]);
        let address = format!("10.213.{}.1/24", std::process::id() % 250);
        run("ip", &["address", "add", &address, "dev", &engine.bridge]);
        run("ip", &["link", "set", &engine.bridge, "up"]);
        let log = std::fs::File::create(engine.folder.path().join("log")).unwrap();
        let configuration = engine.folder.path().join("daemon.json");
        std::fs::write(&configuration, "{}").unwrap();
        let daemon = Command::new("dockerd")
            .arg("--config-file")
            .arg(configuration)
            .args(["--host", &engine.host(), "--bridge", &engine.bridge])
            .args(["--data-root", &data, "--storage-driver", "vfs"])
            .args(["--iptables=false", "--ip-masq=false"])
            .arg("--exec-root")
            .arg(engine.folder.path().join("run"))
            .arg("--pidfile")
            .arg(engine.folder.path().join("pid"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        engine.daemon = Some(daemon.unwrap());
        let begun = Instant::now();
        while !engine.answers() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the second engine does not answer: {}",
                std::fs::read_to_string(engine.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
        Some(engine)
    }

    /// For `DOCKER_HOST`.
    pub fn host(&self) -> String {
        format!("unix://{}/socket", self.folder.path().display())
    }

    /// Gives its file system another size.
    pub fn resize(&self, megabytes: u32) {
        let options = format!("remount,size={megabytes}m");
        run(
            "mount",
            &["-o", &options, &self.data().display().to_string()],
        );
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }

    fn answers(&self) -> bool {
        let version = ["--host", &self.host(), "version"].map(ToOwned::to_owned);
        let output = Command::new("docker").args(version).output();
        output.is_ok_and(|it| it.status.success())
    }
}

impl Drop for SecondEngine {
    fn drop(&mut self) {
        let host = self.host();
        let ids = Command::new("docker")
            .args(["--host", &host, "ps", "--all", "--quiet"])
            .output();
        if let Ok(ids) = ids {
            let ids = String::from_utf8_lossy(&ids.stdout).into_owned();
            if !ids.trim().is_empty() {
                quietly(
                    "docker",
                    &[
                        &["--host", &host, "rm", "--force"],
                        &*ids.split_whitespace().collect::<Vec<_>>(),
                    ]
                    .concat(),
                );
            }
        }
        if let Some(mut daemon) = self.daemon.take() {
            quietly("kill", &[&daemon.id().to_string()]);
            let _ = daemon.wait();
        }
        let data = self.data().display().to_string();
        quietly("umount", &["--recursive", "--lazy", &data]);
        quietly("ip", &["link", "delete", &self.bridge]);
    }
}

fn is_root() -> bool {
    let id = Command::new("id").arg("-u").output();
    id.is_ok_and(|it| it.stdout.starts_with(b"0\n"))
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
}

fn quietly(program: &str, arguments: &[&str]) {
    let _ = Command::new(program).args(arguments).output();
}
