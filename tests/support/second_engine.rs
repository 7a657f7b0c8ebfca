//! A second Docker engine of a test's own, on a small file system and its own bridge. The machine's
//! engine is never touched.
#![allow(
    clippy::disallowed_methods,
    reason = "a test waits for another program"
)]

use std::ffi::OsStr;
use std::fmt::Debug;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::real_engine::unique;
use super::registry::tests;

/// Which engine it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The machine's own program, on the slowest and plainest storage.
    Own,
    /// The current release, which keeps images with containerd (`tests/peers` brings it).
    Current,
}

/// Its processes, mount and bridge go when it is dropped.
pub struct SecondEngine {
    folder: tempfile::TempDir,
    kind: Kind,
    bridge: String,
    daemon: Option<Child>,
}

impl SecondEngine {
    /// With so many megabytes for images and containers. `None` where that takes more rights than
    /// the test has, which is a failure in CI.
    pub fn start(kind: Kind, megabytes: u32) -> Option<Self> {
        if !may_start("a second engine") {
            return None;
        }
        let mut engine = Self {
            folder: tempfile::tempdir().unwrap(),
            kind,
            bridge: format!("dv{}", &unique()[..8]),
            daemon: None,
        };
        std::fs::create_dir(engine.data()).unwrap();
        let options = format!("size={megabytes}m");
        let data = engine.data().display().to_string();
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &data]);
        run("ip", &["link", "add", &engine.bridge, "type", "bridge"]);
        let address = format!("10.213.{}.1/24", engine.number());
        run("ip", &["address", "add", &address, "dev", &engine.bridge]);
        run("ip", &["link", "set", &engine.bridge, "up"]);
        run("iptables", &engine.rule("--insert"));
        engine.serve();
        Some(engine)
    }

    fn number(&self) -> u8 {
        u8::from_str_radix(&self.bridge[2..4], 16).unwrap()
    }

    /// Where the addresses of its networks are from.
    fn pool(&self) -> String {
        format!("10.216.{}.0/24", self.number())
    }

    /// The machine's engine drops what bridges forward, also between two containers of one network;
    /// this engine is told to make no rules, as they would be the other's.
    fn rule(&self, act: &'static str) -> Vec<String> {
        let pool = self.pool();
        let words = [
            act,
            "FORWARD",
            "--source",
            &pool,
            "--destination",
            &pool,
            "--jump",
            "ACCEPT",
        ];
        words.map(ToOwned::to_owned).to_vec()
    }

    fn end(&mut self) {
        if let Some(mut daemon) = self.daemon.take() {
            quietly("kill", &[&daemon.id().to_string()]);
            let _ = daemon.wait();
        }
    }

    fn serve(&mut self) {
        let log = std::fs::File::create(self.folder.path().join("log")).unwrap();
        let configuration = self.folder.path().join("daemon.json");
        std::fs::write(&configuration, "{}").unwrap();
        let mut daemon = self.kind.daemon();
        let daemon = daemon
            .arg("--config-file")
            .arg(configuration)
            .args(["--host", &self.host(), "--bridge", &self.bridge])
            .args(["--data-root", &self.data().display().to_string()])
            .args(["--iptables=false", "--ip-masq=false"])
            .args([
                "--default-address-pool",
                &format!("base={},size=28", self.pool()),
            ])
            .arg("--exec-root")
            .arg(self.folder.path().join("run"))
            .arg("--pidfile")
            .arg(self.folder.path().join("pid"))
            .stdout(Stdio::null())
            .stderr(log)
            .spawn();
        self.daemon = Some(daemon.unwrap());
        let begun = Instant::now();
        while !self.answers() {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the second engine does not answer: {}",
                std::fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
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
        remove_containers(&host);
        // Its bridges are this machine's, and would stay.
        quietly("docker", &["--host", &host, "network", "prune", "--force"]);
        self.end();
        let data = self.data().display().to_string();
        quietly("umount", &["--recursive", "--lazy", &data]);
        quietly("iptables", &self.rule("--delete"));
        quietly("ip", &["link", "delete", &self.bridge]);
    }
}

impl Kind {
    pub(super) fn daemon(self) -> Command {
        if self == Self::Own {
            let mut daemon = tied("dockerd");
            daemon.args(["--storage-driver", "vfs"]);
            return daemon;
        }
        let peers = Command::new(tests().join("peers"))
            .env("PEERS_ENGINE", "1")
            .stderr(Stdio::inherit())
            .output()
            .unwrap();
        assert!(peers.status.success(), "tests/peers failed");
        let bin = PathBuf::from(String::from_utf8(peers.stdout).unwrap().trim());
        let mut daemon = tied(bin.join("dockerd28"));
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = std::iter::once(bin).chain(std::env::split_paths(&path));
        daemon
            .env("PATH", std::env::join_paths(path).unwrap())
            .args(["--feature", "containerd-snapshotter=true"]);
        daemon
    }
}

/// A program that ends with the thread that starts it, also where the test is killed.
pub(super) fn tied(program: impl AsRef<OsStr>) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "TERM", "--"]).arg(program);
    command
}

/// Whether this machine and this user can have what a test needs; not having it is a failure in CI.
pub fn may_start(what: &str) -> bool {
    let id = Command::new("id").arg("-u").output();
    let root = id.is_ok_and(|it| it.stdout.starts_with(b"0\n"));
    if root && cfg!(target_os = "linux") {
        return true;
    }
    assert!(
        std::env::var_os("CI").is_none(),
        "{what} takes Linux and root"
    );
    eprintln!("skipped: {what} takes Linux and root");
    false
}

/// Makes sure that a program is there, from Debian's package.
pub fn installed(program: &str, package: &str) {
    let ground = tests().join("ground");
    let ensured = Command::new(ground)
        .args(["program", program, package])
        .output();
    let output = ensured.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
}

/// Removes all containers of a test's own engine.
pub(super) fn remove_containers(host: &str) {
    let list = ["--host", host, "ps", "--all", "--quiet"];
    let Ok(ids) = Command::new("docker").args(list).output() else {
        return;
    };
    let ids = String::from_utf8_lossy(&ids.stdout).into_owned();
    if !ids.trim().is_empty() {
        let ids: Vec<_> = ids.split_whitespace().collect();
        quietly(
            "docker",
            &[&["--host", host, "rm", "--force"], &*ids].concat(),
        );
    }
}

pub fn run(program: &str, arguments: &[impl AsRef<OsStr> + Debug]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {errors}");
}

pub fn quietly(program: &str, arguments: &[impl AsRef<OsStr>]) {
    let _ = Command::new(program).args(arguments).output();
}
