//! Clients of a server, and the load that they make.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::super::real_engine::{probe_program, unique};
use super::own_addresses;

/// Clients of a server, in a network namespace of their own.
pub struct Clients {
    name: String,
    /// The server's address as they see it.
    pub address: String,
    folder: tempfile::TempDir,
}

/// Load that goes on until it is stopped.
pub struct Load {
    process: Child,
    stop: PathBuf,
}

/// What load came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Counts {
    pub requests: u64,
    pub failed: u64,
    /// Answered by an application of another generation than the proxy.
    pub mixed: u64,
}

impl Clients {
    pub fn new() -> Self {
        let (a, b) = own_addresses();
        let name = format!("dv{}", &unique()[..10]);
        let (here, there) = (format!("{name}h"), format!("{name}c"));
        let address = format!("10.{a}.{b}.1");
        run("ip", &["netns", "add", &name]);
        run(
            "ip",
            &[
                "link", "add", &here, "type", "veth", "peer", "name", &there, "netns", &name,
            ],
        );
        run(
            "ip",
            &["address", "add", &format!("{address}/30"), "dev", &here],
        );
        run("ip", &["link", "set", &here, "up"]);
        let inside = |words: &[&str]| run("ip", &[&["-n", &name][..], words].concat());
        inside(&["address", "add", &format!("10.{a}.{b}.2/30"), "dev", &there]);
        inside(&["link", "set", &there, "up"]);
        inside(&["route", "add", "default", "via", &address]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probe");
        fs::write(&path, probe_program()).unwrap();
        run("chmod", &["755", path.to_str().unwrap()]);
        Self {
            name,
            address,
            folder,
        }
    }

    /// So many clients that keep their connection, and as many that do not.
    pub fn load(&self, port: u16, clients: u32) -> Load {
        let stop = self.folder.path().join(unique());
        let process = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.name))
            .args(["timeout", "600"])
            .arg(self.folder.path().join("probe"))
            .args(["load", &self.address, &port.to_string()])
            .arg(&stop)
            .arg(clients.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Load { process, stop }
    }

    /// The body that one request gets, and how long it took.
    pub fn get(&self, port: u16, path: &str) -> String {
        let output = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.name))
            .args(["curl", "--silent", "--max-time", "10"])
            .arg(format!("http://{}:{port}{path}", self.address))
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }
}

impl Load {
    /// Ends it and gives what it came to.
    pub fn stop(self) -> Counts {
        fs::write(&self.stop, "").unwrap();
        let output = self.process.wait_with_output().unwrap();
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        eprintln!("load: {}", text.trim());
        let words: Vec<&str> = text.split_whitespace().collect();
        let number = |at: usize| {
            words
                .get(at)
                .and_then(|it| it.parse().ok())
                .unwrap_or(u64::MAX)
        };
        Counts {
            requests: number(1),
            failed: number(3),
            mixed: number(5),
        }
    }
}

impl Drop for Clients {
    fn drop(&mut self) {
        let _ = Command::new("ip")
            .args(["netns", "delete", &self.name])
            .output();
        let _ = Command::new("ip")
            .args(["link", "delete", &format!("{}h", self.name)])
            .output();
    }
}

fn run(program: &str, arguments: &[&str]) {
    let output = Command::new(program).args(arguments).output().unwrap();
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}
