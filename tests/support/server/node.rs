//! A machine of a test's own, by `tests/nodes`: an engine in a network namespace with an address.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::super::real_engine::unique;
use super::super::registry::{address, tests};
use super::own_addresses;

/// All of it goes when it is dropped.
pub struct Node {
    /// Its network namespace.
    pub name: String,
    /// Its address, as this machine sees it.
    pub address: String,
    folder: tempfile::TempDir,
}

impl Node {
    /// One that reaches the tests' registry where this machine does.
    pub fn start() -> Self {
        let (a, b) = own_addresses();
        let network = format!("10.{a}.{}", b + 15);
        let node = Self {
            name: format!("dn{}", &unique()[..10]),
            address: format!("{network}.2"),
            folder: tempfile::tempdir().unwrap(),
        };
        let registry = address();
        let (_, port) = registry.rsplit_once(':').unwrap();
        node.act("start", &[&network, port]);
        node
    }

    /// Its engine ends, as by `systemctl stop docker`.
    pub fn halt(&self) {
        self.act("halt", &[]);
    }

    /// Its engine ends, and what the kernel knew of its network is forgotten.
    pub fn off(&self) {
        self.act("off", &[]);
    }

    /// Its engine starts; nobody waits for it.
    pub fn boot(&self) {
        self.act("boot", &[]);
    }

    /// For `DOCKER_HOST`.
    pub fn engine(&self) -> String {
        format!("unix://{}", self.socket().display())
    }

    /// Whether its engine answers.
    pub fn answers(&self) -> bool {
        let ask = || {
            let mut stream = UnixStream::connect(self.socket()).ok()?;
            stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
            stream
                .write_all(b"GET /_ping HTTP/1.0\r\nHost: docker\r\n\r\n")
                .ok()?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer).ok()?;
            answer.contains(" 200 ").then_some(())
        };
        ask().is_some()
    }

    /// The body that a request from this machine gets; `None` where nothing answers 200.
    pub fn get(&self, port: u16, path: &str) -> Option<String> {
        let at = format!("{}:{port}", self.address).parse().ok()?;
        let patience = Duration::from_secs(1);
        let mut stream = TcpStream::connect_timeout(&at, patience).ok()?;
        stream.set_read_timeout(Some(patience)).ok()?;
        let request =
            format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
        stream.write_all(request.as_bytes()).ok()?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer).ok()?;
        let (head, body) = answer.split_once("\r\n\r\n")?;
        head.contains(" 200 ").then(|| body.to_owned())
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    fn act(&self, verb: &str, rest: &[&str]) {
        let output = self.command(verb).args(rest).output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{said}");
    }

    fn command(&self, verb: &str) -> Command {
        let mut command = Command::new(tests().join("nodes"));
        command.args([verb, &self.name]).arg(self.folder.path());
        command
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.command("remove").output();
    }
}
