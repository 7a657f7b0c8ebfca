//! A Docker engine as boot2docker's virtual machine has it: behind TLS with boot2docker's own recipe
//! for certificates, at an address of its own that is not this machine's, with a bridge of its own.
#![allow(
    clippy::disallowed_methods,
    reason = "a test waits for another program"
)]

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::certificates::Certificates;
use super::real_engine::unique;
use super::second_engine::{Kind, installed, may_start, quietly, run};

/// Its processes, mount, network namespace and links go when it is dropped.
pub struct TlsEngine {
    folder: tempfile::TempDir,
    /// The namespace and, with a letter more, both ends of the link.
    name: String,
    address: String,
    processes: Vec<Child>,
    /// What `DOCKER_CERT_PATH` may be.
    pub certificates: Certificates,
}

impl TlsEngine {
    /// With so many megabytes for images and containers. `None` where that takes more rights than
    /// the test has, which is a failure in CI.
    pub fn start(kind: Kind, megabytes: u32) -> Option<Self> {
        if !may_start("an engine in a namespace of its own") {
            return None;
        }
        installed("ip", "iproute2");
        let folder = tempfile::tempdir().unwrap();
        let name = format!("dv{}", &unique()[..8]);
        let number = |at: usize| u8::from_str_radix(&name[at..at + 2], 16).unwrap();
        // One of 16384 networks of four addresses: this machine's, the engine's.
        let network = format!("10.214.{}.", number(2));
        let first = number(4) & 0xfc;
        let address = format!("{network}{}", first + 2);
        let mut engine = Self {
            certificates: Certificates::boot2docker(&folder.path().join("certs"), &address),
            folder,
            name,
            address,
            processes: Vec::new(),
        };
        engine.make_network(&format!("{network}{}", first + 1));
        engine.start_daemon(kind, megabytes);
        Some(engine)
    }

    fn make_network(&self, here: &str) {
        let (near, far) = (format!("{}h", self.name), format!("{}n", self.name));
        run("ip", &["netns", "add", &self.name]);
        let link = ["link", "add", &near, "type", "veth", "peer", "name", &far];
        run("ip", &link);
        run("ip", &["link", "set", &far, "netns", &self.name]);
        let address = format!("{here}/30");
        run("ip", &["address", "add", &address, "dev", &near]);
        run("ip", &["link", "set", &near, "up"]);
        let there = |arguments: &[&str]| {
            run("ip", &[&["-n", &self.name], arguments].concat());
        };
        there(&["link", "set", "lo", "up"]);
        let address = format!("{}/30", self.address);
        there(&["address", "add", &address, "dev", &far]);
        there(&["link", "set", &far, "up"]);
        there(&["route", "add", "default", "via", here]);
        there(&["link", "add", "bridge", "type", "bridge"]);
        there(&["address", "add", "10.213.0.1/24", "dev", "bridge"]);
        there(&["link", "set", "bridge", "up"]);
    }

    fn start_daemon(&mut self, kind: Kind, megabytes: u32) {
        let folder = self.folder.path().to_owned();
        std::fs::create_dir(self.data()).unwrap();
        let options = format!("size={megabytes}m");
        let data = self.data().display().to_string();
        run("mount", &["-t", "tmpfs", "-o", &options, "tmpfs", &data]);
        let configuration = folder.join("daemon.json");
        std::fs::write(&configuration, "{}").unwrap();
        let certificate = |name: &str| self.certificates.folder.join(name);
        let daemon = kind.daemon();
        let mut inside = self.inside(daemon.get_program());
        inside.args(daemon.get_args());
        inside.envs(
            daemon
                .get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        inside
            .arg("--config-file")
            .arg(configuration)
            .args(["--host", &format!("unix://{}/socket", folder.display())])
            // What docker-machine writes, so that it is taken for a virtual machine of this one.
            .args(["--label", "provider=virtualbox"])
            .args(["--host", &self.host(), "--tlsverify", "--tlscacert"])
            .arg(certificate("ca.pem"))
            .arg("--tlscert")
            .arg(certificate("server.pem"))
            .arg("--tlskey")
            .arg(certificate("serverkey.pem"))
            .args(["--bridge", "bridge", "--data-root", &data])
            .args(["--iptables=false", "--ip-masq=false", "--exec-root"])
            .arg(folder.join("run"))
            .arg("--pidfile")
            .arg(folder.join("pid"))
            .stdout(Stdio::null())
            .stderr(std::fs::File::create(folder.join("log")).unwrap());
        self.processes.push(inside.spawn().unwrap());
        let begun = Instant::now();
        while !self
            .docker(&["version"])
            .output()
            .is_ok_and(|it| it.status.success())
        {
            assert!(
                begun.elapsed() < Duration::from_secs(60),
                "the engine behind TLS does not answer: {}",
                std::fs::read_to_string(folder.join("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// A program in the engine's network. (`ip netns exec` would hide the control groups.)
    fn inside(&self, program: impl AsRef<std::ffi::OsStr>) -> Command {
        let mut command = Command::new("nsenter");
        command.arg(format!("--net=/run/netns/{}", self.name));
        command.arg("--").arg(program);
        command
    }

    /// `tcp://ADDRESS:2376`
    pub fn host(&self) -> String {
        format!("tcp://{}:2376", self.address)
    }

    /// Where its published ports appear.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// What makes a program use it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![
            ("DOCKER_HOST", self.host()),
            ("DOCKER_TLS_VERIFY", "1".to_owned()),
            (
                "DOCKER_CERT_PATH",
                self.certificates.folder.display().to_string(),
            ),
        ]
    }

    /// The docker client, by TLS.
    pub fn docker(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.args(arguments).envs(self.environment());
        command
    }

    /// Makes this machine's `localhost:PORT` (a registry) the engine's own as well.
    pub fn reach(&mut self, port: u16) {
        installed("socat", "socat");
        let middle = self.folder.path().join(format!("{port}.sock"));
        let middle = middle.display();
        let mut near = Command::new("socat");
        near.arg(format!("UNIX-LISTEN:{middle},fork"));
        near.arg(format!("TCP:127.0.0.1:{port}"));
        let mut far = self.inside("socat");
        far.arg(format!("TCP-LISTEN:{port},bind=127.0.0.1,reuseaddr,fork"));
        far.arg(format!("UNIX-CONNECT:{middle}"));
        for mut program in [near, far] {
            program.stdin(Stdio::null()).stderr(Stdio::null());
            self.processes.push(program.spawn().unwrap());
        }
        let begun = Instant::now();
        let probe = format!("TCP:127.0.0.1:{port}");
        while !self
            .inside("socat")
            .args(["-u", "/dev/null", &probe])
            .status()
            .unwrap()
            .success()
        {
            assert!(
                begun.elapsed() < Duration::from_secs(10),
                "port {port} is not carried"
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for TlsEngine {
    fn drop(&mut self) {
        let socket = format!("unix://{}/socket", self.folder.path().display());
        super::second_engine::remove_containers(&socket);
        for mut process in self.processes.drain(..) {
            quietly("kill", &[&process.id().to_string()]);
            let _ = process.wait();
        }
        let data = self.data().display().to_string();
        quietly("umount", &["--recursive", "--lazy", &data]);
        quietly("ip", &["link", "delete", &format!("{}h", self.name)]);
        quietly("ip", &["netns", "delete", &self.name]);
    }
}
