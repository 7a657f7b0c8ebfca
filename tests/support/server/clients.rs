//! Clients of a server, and the load that they make.

use std::fs;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::real_engine::{probe_program, unique};
use super::own_addresses;

/// How long so many requests may take.
const PATIENCE: Duration = Duration::from_secs(300);

/// Clients of a server, in a network namespace of their own.
pub struct Clients {
    name: String,
    /// The server's address as they see it, and that of IPv6.
    pub address: String,
    pub ipv6: String,
    folder: tempfile::TempDir,
}

/// Load that goes on until it is stopped.
pub struct Load {
    process: Child,
    stop: PathBuf,
    meanwhile: PathBuf,
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
        let ipv6 = format!("fd5a:{a:x}:{b:x}::1");
        let theirs = format!("fd5a:{a:x}:{b:x}::2/64");
        run(
            "ip",
            &[
                "address",
                "add",
                &format!("{ipv6}/64"),
                "dev",
                &here,
                "nodad",
            ],
        );
        inside(&["address", "add", &theirs, "dev", &there, "nodad"]);
        inside(&["route", "add", "default", "via", &ipv6]);
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("probe");
        fs::write(&path, probe_program()).unwrap();
        run("chmod", &["755", path.to_str().unwrap()]);
        Self {
            name,
            address,
            ipv6,
            folder,
        }
    }

    /// So many clients that keep their connection, and as many that do not, with GET and POST in turn.
    pub fn load(&self, port: u16, clients: u32) -> Load {
        self.loaded(&self.address, port, clients, &[])
    }

    /// The same with requests without content alone.
    pub fn load_of_gets(&self, port: u16, clients: u32) -> Load {
        self.loaded(&self.address, port, clients, &["get"])
    }

    /// The same by IPv6.
    pub fn load_by_ipv6(&self, port: u16, clients: u32) -> Load {
        self.loaded(&self.ipv6, port, clients, &[])
    }

    fn loaded(&self, address: &str, port: u16, clients: u32, words: &[&str]) -> Load {
        let stop = self.folder.path().join(unique());
        let meanwhile = stop.with_extension("counts");
        let process = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.name))
            .args(["timeout", "900"])
            .arg(self.folder.path().join("probe"))
            .args(["load", address, &port.to_string()])
            .args([&stop, &meanwhile])
            .arg(clients.to_string())
            .args(words)
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        Load {
            process,
            stop,
            meanwhile,
        }
    }

    /// The body that one request gets, and how long it took.
    pub fn get(&self, port: u16, path: &str) -> String {
        self.got(&self.address, port, path)
    }

    /// The same by IPv6.
    pub fn get_by_ipv6(&self, port: u16, path: &str) -> String {
        self.got(&format!("[{}]", self.ipv6), port, path)
    }

    /// The address that a proxy sees of who asks.
    pub fn seen(&self, port: u16) -> String {
        self.headers(&self.address, port, &[], "%header{x-client}")
    }

    /// The same by IPv6.
    pub fn seen_by_ipv6(&self, port: u16) -> String {
        let address = format!("[{}]", self.ipv6);
        self.headers(&address, port, &[], "%header{x-client}")
    }

    /// Status, member that answers, and cookie that is set, of one request that may have a cookie.
    pub fn member(&self, port: u16, cookie: Option<&str>) -> [String; 3] {
        let cookie: Vec<&str> = cookie.iter().flat_map(|it| ["--cookie", *it]).collect();
        let format = "%{http_code}|%header{x-member}|%header{set-cookie}";
        let said = self.headers(&self.address, port, &cookie, format);
        let mut words = said.split('|').map(ToOwned::to_owned);
        std::array::from_fn(|_| words.next().unwrap_or_default())
    }

    fn headers(&self, address: &str, port: u16, words: &[&str], format: &str) -> String {
        let output = self
            .curl(address, port, "/billing")
            .args(words)
            .args(["--output", "/dev/null", "--write-out", format])
            .output()
            .unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn got(&self, address: &str, port: u16, path: &str) -> String {
        let output = self.curl(address, port, path).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn curl(&self, address: &str, port: u16, path: &str) -> Command {
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{}", self.name))
            .args(["curl", "--silent", "--max-time", "10"])
            .arg(format!("http://{address}:{port}{path}"));
        command
    }
}

impl Load {
    /// How many requests there were so far.
    pub fn requests(&self) -> u64 {
        let bytes = fs::read(&self.meanwhile).unwrap_or_default();
        let first = bytes.first_chunk().copied().unwrap_or_default();
        u64::from(u32::from_ne_bytes(first))
    }

    /// Waits until there were so many.
    pub async fn reach(&self, requests: u64) {
        let begun = Instant::now();
        while self.requests() < requests {
            assert!(begun.elapsed() < PATIENCE, "{}", self.requests());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

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
