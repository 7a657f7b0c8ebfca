//! A server of a synthetic platform on this machine's engine: an own home, an own name, own addresses,
//! a network namespace that its clients are in.

pub mod apache;
pub mod clients;
pub mod node;
pub mod world;

use std::ffi::OsStr;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use super::real_engine::unique;
use super::synthetic::Synthetic;
use super::workstation::{Ran, finished, free_port, program};

/// Removes all that it made when it is dropped.
pub struct TestServer {
    pub home: tempfile::TempDir,
    pub name: String,
    /// The third to second byte of its addresses: `10.A.B.0/20`.
    pub addresses: String,
    /// Published by its proxy.
    pub port: u16,
    /// Another engine than the machine's, as `DOCKER_HOST` names it.
    pub engine: Option<String>,
    /// The network namespace that it is in; `None`: the machine's own.
    pub space: Option<String>,
    /// What the program finds at paths of the machine instead of what is there.
    pub masks: Vec<(PathBuf, &'static str)>,
}

/// Whether this machine can be a server: root on Linux with `nft` and `ip`, which Debian installs.
/// In CI it has to.
pub fn possible() -> bool {
    let ground = super::registry::tests().join("ground");
    let mut all = [
        ("nft", "nftables"),
        ("iptables", "iptables"),
        ("ip", "iproute2"),
    ]
    .into_iter();
    let ready = all.all(|(name, package)| {
        let made = Command::new(&ground)
            .args(["program", name, package])
            .output();
        made.is_ok_and(|it| it.status.success())
    });
    let namespaces = Command::new("unshare")
        .args(["--net", "nft", "list", "ruleset"])
        .output();
    let ready = ready && namespaces.is_ok_and(|it| it.status.success());
    let must = variable("CI").is_some_and(|it| it == "true");
    assert!(ready || !must, "CI needs nft, ip and root");
    if !ready {
        eprintln!("skipped: this machine cannot be a server (nft, ip, root)");
    }
    ready
}

#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok()
}

/// A part of 10.128.0.0/9 that no other server of a test has, as far as can be.
fn own_addresses() -> (u32, u32) {
    static MADE: AtomicU32 = AtomicU32::new(0);
    let number = std::process::id() * 7 + MADE.fetch_add(1, Ordering::Relaxed);
    let place = number % 2048;
    (128 + place / 16, place % 16 * 16)
}

impl TestServer {
    /// One that follows `production` of this platform.
    pub fn new(platform: &Synthetic, port: u16) -> Self {
        Self::on(None, None, platform, port)
    }

    /// One that was not set up.
    pub fn unset(port: u16) -> Self {
        let (a, b) = own_addresses();
        Self {
            home: tempfile::tempdir().unwrap(),
            name: format!("s{}", unique()),
            addresses: format!("10.{a}.{b}.0/20"),
            port,
            engine: None,
            space: None,
            masks: Vec::new(),
        }
    }

    /// The same as [`Self::new`] on this engine, in this network namespace.
    pub fn on(
        engine: Option<String>,
        space: Option<String>,
        platform: &Synthetic,
        port: u16,
    ) -> Self {
        let mut server = Self::unset(port);
        (server.engine, server.space) = (engine, space);
        server.init(platform, "production").ok();
        server.change("drain: 30s", "drain: 10s");
        server.change("ready: 5m", "ready: 20s");
        // The same on every machine.
        let text = fs::read_to_string(server.file()).unwrap();
        fs::write(server.file(), text.replace("ipv6: true", "ipv6: false")).unwrap();
        server
    }

    /// `server init`
    pub fn init(&self, platform: &Synthetic, environment: &str) -> Ran {
        let trust = self.home.path().join("trust.yaml");
        fs::write(&trust, platform.trust.to_yaml().unwrap()).unwrap();
        self.run(&[
            "server",
            "init",
            "--registry",
            &platform.prefix,
            "--environment",
            environment,
            "--trust",
            trust.to_str().unwrap(),
            "--name",
            &self.name,
            "--addresses",
            &self.addresses,
            "--accept-keys",
        ])
    }

    /// Has the program find no `nft` on this machine.
    pub fn without_nft(&mut self) {
        let nothing = self.home.path().join("nothing");
        fs::write(&nothing, "").unwrap();
        self.masks.push((nothing, "/usr/sbin/nft"));
    }

    /// Has the program find iptables-legacy as `iptables`, while Docker's rules are iptables-nft's.
    pub fn with_other_iptables(&mut self) {
        let folder = self.home.path().join("alternatives");
        let copy = ["-a", "/etc/alternatives", folder.to_str().unwrap()];
        assert!(Command::new("cp").args(copy).status().unwrap().success());
        for end in ["", "-restore", "-save"] {
            let link = folder.join(format!("iptables{end}"));
            let _ = fs::remove_file(&link);
            std::os::unix::fs::symlink(format!("/usr/sbin/iptables-legacy{end}"), link).unwrap();
        }
        self.masks.push((folder, "/etc/alternatives"));
    }

    /// The chain of iptables' nat table that leads ports where there is no `nft`.
    pub fn chain(&self) -> String {
        let name = format!("devenv_{}", self.name);
        let listed = Command::new("iptables")
            .args(["--wait", "5", "--table", "nat", "--list-rules"])
            .output()
            .unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let ours = listed.lines().filter(|line| line.contains(&name));
        ours.collect::<Vec<_>>().join("\n")
    }

    /// Changes `server.yaml`.
    pub fn change(&self, from: &str, to: &str) {
        let path = self.file();
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{text}");
        fs::write(path, text.replace(from, to)).unwrap();
    }

    /// What the server remembers.
    pub fn journal(&self) -> String {
        let path = self.home.path().join("state/server/journal.json");
        fs::read_to_string(path).unwrap_or_default()
    }

    pub fn file(&self) -> PathBuf {
        self.home.path().join("config/server.yaml")
    }

    /// The program with a hermetic environment.
    pub fn command(&self) -> Command {
        let mut command = if self.masks.is_empty() {
            self.here(program())
        } else {
            let mount =
                |(from, to): &(PathBuf, &str)| format!("mount --bind {} {to} && ", from.display());
            let mounts: String = self.masks.iter().map(mount).collect();
            let mut command = self.here("unshare");
            command.args(["--mount", "sh", "-c", &format!("{mounts}exec \"$@\""), "sh"]);
            command.arg(program());
            command
        };
        command
            .env("DEVENV_HOME", self.home.path())
            .env_remove("DEVENV_PLATFORM")
            .env_remove("DEVENV_INSTANCE")
            .env("USER", "anna")
            .env_remove("SUDO_USER")
            .stdin(Stdio::null());
        if let Some(engine) = &self.engine {
            command.env("DOCKER_HOST", engine);
        }
        command
    }

    /// A program in the network of this server.
    fn here(&self, program: impl AsRef<OsStr>) -> Command {
        let Some(space) = &self.space else {
            return Command::new(program);
        };
        let mut command = Command::new("nsenter");
        command
            .arg(format!("--net=/run/netns/{space}"))
            .arg(program);
        command
    }

    pub fn run(&self, arguments: &[&str]) -> Ran {
        let mut command = self.command();
        command.args(arguments);
        finished(command, "")
    }

    pub fn apply(&self) -> Ran {
        self.run(&["server", "apply"])
    }

    /// `server apply` while the clock is wrong: `+1h`, `-1h`, `+200d`.
    pub fn apply_at(&self, clock: &str) -> Ran {
        let mut command = self.command();
        command.args(["server", "apply"]);
        fake_clock(&mut command, clock);
        finished(command, "")
    }

    pub fn status(&self) -> serde_json::Value {
        self.run(&["server", "status", "--json"]).ok().json()
    }

    /// The reference that serves.
    pub fn reference(&self) -> u64 {
        self.status()["reference"]["number"]
            .as_u64()
            .unwrap_or_default()
    }

    /// Every container of this server, by generation, name and state: `2 billing running`.
    pub fn containers(&self) -> Vec<String> {
        let format = "{{.Label \"devenv.instance\"}} {{.Label \"devenv.container\"}} {{.State}}";
        let all = self.docker(&[
            "ps",
            "--all",
            "--filter",
            &self.filter(),
            "--format",
            format,
        ]);
        let mut lines: Vec<String> = all
            .lines()
            .filter_map(|line| line.strip_prefix(&format!("{}_", self.name)))
            .map(ToOwned::to_owned)
            .collect();
        lines.sort();
        lines
    }

    /// The networks that it has.
    pub fn networks(&self) -> usize {
        self.docker(&["network", "ls", "--quiet", "--filter", &self.filter()])
            .lines()
            .count()
    }

    /// The engine's name of a container.
    pub fn object(&self, generation: u64, name: &str) -> String {
        format!("devenv-acme-{}_{generation}-{name}", self.name)
    }

    /// What the docker client prints of this server's engine.
    fn docker(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("docker");
        if let Some(engine) = &self.engine {
            command.args(["--host", engine]);
        }
        let output = command.args(arguments).output().unwrap();
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    fn filter(&self) -> String {
        let owner = fs::read(self.home.path().join("state/owner.json")).unwrap_or_default();
        let owner: serde_json::Value = serde_json::from_slice(&owner).unwrap_or_default();
        format!(
            "label=devenv.owner={}",
            owner["id"].as_str().unwrap_or("none")
        )
    }

    /// The kernel's table as `nft` lists it; empty where there is none.
    pub fn table(&self) -> String {
        self.nft("list", "ip")
    }

    /// Has `nft` do this with the table of a family.
    pub fn nft(&self, verb: &str, family: &str) -> String {
        let name = format!("devenv_{}", self.name);
        self.nft_says(&[verb, "table", family, &name])
    }

    /// What `nft` says to these words.
    pub fn nft_says(&self, words: &[&str]) -> String {
        let said = self.here("nft").args(words).output().unwrap();
        String::from_utf8_lossy(&said.stdout).into_owned()
    }
}

/// Has a program see another time: `+1h`, `-1h`, `+200d`.
pub fn fake_clock(command: &mut Command, clock: &str) {
    let library = unpacked("libfaketime").join(format!(
        "usr/lib/{}-linux-gnu/faketime/libfaketime.so.1",
        std::env::consts::ARCH
    ));
    command
        .env("LD_PRELOAD", library)
        .env("FAKETIME", clock)
        .env("DONT_FAKE_MONOTONIC", "1");
}

/// The files of a Debian package, in a folder.
pub fn unpacked(package: &str) -> PathBuf {
    let ground = super::registry::tests().join("ground");
    let output = Command::new(ground).args(["unpacked", package]).output();
    let output = output.unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    PathBuf::from(String::from_utf8(output.stdout).unwrap().trim())
}

impl Drop for TestServer {
    fn drop(&mut self) {
        let filter = self.filter();
        let ids = self.docker(&["ps", "--all", "--quiet", "--filter", &filter]);
        let remove = ["rm", "--force", "--volumes"].into_iter();
        self.docker(&remove.chain(ids.split_whitespace()).collect::<Vec<_>>());
        for (list, remove) in [("network", "network"), ("volume", "volume")] {
            let found = self.docker(&[list, "ls", "--quiet", "--filter", &filter]);
            let remove = [remove, "rm"].into_iter();
            self.docker(&remove.chain(found.split_whitespace()).collect::<Vec<_>>());
        }
        if self.space.is_some() {
            // Its tables go with its network.
            return;
        }
        let table = format!("devenv_{}", self.name);
        for family in ["ip", "ip6"] {
            let _ = Command::new("nft")
                .args(["delete", "table", family, &table])
                .output();
        }
        for (chain, to) in [
            ("PREROUTING", &[][..]),
            ("OUTPUT", &["!", "-d", "127.0.0.0/8"]),
        ] {
            let jump = [&["--wait", "5", "-t", "nat", "-D", chain], to];
            let local = ["-m", "addrtype", "--dst-type", "LOCAL", "-j", &table];
            let _ = Command::new("iptables")
                .args(jump.concat())
                .args(local)
                .output();
        }
        for last in ["-F", "-X"] {
            let words = ["--wait", "5", "-t", "nat", last, &table];
            let _ = Command::new("iptables").args(words).output();
        }
        let rule = [
            "--wait",
            "5",
            "--delete",
            "DOCKER-USER",
            "--destination",
            &self.addresses,
            "--match",
            "conntrack",
            "--ctstate",
            "DNAT",
            "--jump",
            "ACCEPT",
        ];
        let _ = Command::new("iptables").args(rule).output();
    }
}

/// A port of this machine for one test.
pub fn port() -> u16 {
    free_port()
}
