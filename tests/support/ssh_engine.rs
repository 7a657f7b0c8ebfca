//! An ssh server on loopback, on a port of its own and with keys of its own, in front of the machine's
//! engine: how an engine is reached that only ssh leads to.
#![allow(
    clippy::disallowed_methods,
    reason = "a test waits for another program"
)]

use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::second_engine::{installed, may_start, quietly, run};
use super::workstation::free_port;

/// Its processes go when it is dropped.
pub struct SshEngine {
    folder: tempfile::TempDir,
    port: u16,
    server: Option<Child>,
}

impl SshEngine {
    /// `None` where that takes more rights than the test has, which is a failure in CI.
    pub fn start() -> Option<Self> {
        Self::with("")
    }

    /// With more lines for the server's configuration: `SetEnv PATH=/nowhere` is a far side without
    /// the docker client.
    pub fn with(lines: &str) -> Option<Self> {
        if !may_start("an ssh server") {
            return None;
        }
        installed("sshd", "openssh-server");
        installed("ssh", "openssh-client");
        let mut engine = Self {
            folder: tempfile::tempdir().unwrap(),
            port: free_port(),
            server: None,
        };
        engine.write_keys();
        engine.write_client();
        engine.serve(lines);
        Some(engine)
    }

    fn write_keys(&self) {
        for key in ["host", "user"] {
            let file = self.path(key);
            run(
                "ssh-keygen",
                &["-q", "-t", "ed25519", "-N", "", "-f", &file],
            );
        }
        let public = std::fs::read_to_string(self.path("host.pub")).unwrap();
        let known = format!("[127.0.0.1]:{} {public}", self.port);
        std::fs::write(self.path("known_hosts"), known).unwrap();
    }

    /// ssh asks the password database for the home folder, not `HOME`: so a program of that name,
    /// first on the path, names the configuration.
    fn write_client(&self) {
        let configuration = format!(
            "IdentityFile {}\nIdentitiesOnly yes\nUserKnownHostsFile {}\nGlobalKnownHostsFile /dev/null\n",
            self.path("user"),
            self.path("known_hosts"),
        );
        std::fs::write(self.path("client"), configuration).unwrap();
        let program = self.programs().join("ssh");
        std::fs::create_dir(self.programs()).unwrap();
        let ssh = which("ssh").unwrap();
        let text = format!(
            "#!/bin/sh\nexec {} -F {} \"$@\"\n",
            ssh.display(),
            self.path("client")
        );
        std::fs::write(&program, text).unwrap();
        std::fs::set_permissions(&program, PermissionsExt::from_mode(0o755)).unwrap();
    }

    fn serve(&mut self, lines: &str) {
        std::fs::create_dir_all("/run/sshd").unwrap();
        let configuration = format!(
            "{lines}\nListenAddress 127.0.0.1:{}\nHostKey {}\nAuthorizedKeysFile {}\nPidFile none\nUsePAM no\nStrictModes no\nPasswordAuthentication no\nKbdInteractiveAuthentication no\nPermitRootLogin prohibit-password\nMaxStartups 100\n",
            self.port,
            self.path("host"),
            self.path("user.pub"),
        );
        std::fs::write(self.path("server"), configuration).unwrap();
        let log = std::fs::File::create(self.path("log")).unwrap();
        // sshd starts itself anew for each connection, by its whole path.
        let server = Command::new(which("sshd").unwrap())
            .args(["-D", "-e", "-f", &self.path("server")])
            .stdin(Stdio::null())
            .stderr(log)
            .spawn();
        self.server = Some(server.unwrap());
        let begun = Instant::now();
        while TcpStream::connect(("127.0.0.1", self.port)).is_err() {
            assert!(
                begun.elapsed() < Duration::from_secs(20),
                "sshd does not answer: {}",
                std::fs::read_to_string(self.path("log")).unwrap_or_default()
            );
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// `ssh://USER@127.0.0.1:PORT`
    pub fn host(&self) -> String {
        format!("ssh://root@127.0.0.1:{}", self.port)
    }

    /// What makes a program use it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        vec![("DOCKER_HOST", self.host()), ("PATH", self.search_path())]
    }

    /// The search path whose `ssh` knows the keys.
    pub fn search_path(&self) -> String {
        let path = std::env::var("PATH").unwrap();
        format!("{}:{path}", self.programs().display())
    }

    /// The far side's key is another one from now on, as far as the client knows.
    pub fn forget_host(&self) {
        std::fs::write(self.path("known_hosts"), "").unwrap();
    }

    /// The client's key is one that the server does not know.
    pub fn change_user_key(&self) {
        let file = self.path("user");
        let public = std::fs::read(self.path("user.pub")).unwrap();
        std::fs::remove_file(&file).unwrap();
        run(
            "ssh-keygen",
            &[
                "-q",
                "-t",
                "ed25519",
                "-N",
                "",
                "-f",
                &self.path("stranger"),
            ],
        );
        std::fs::rename(self.path("stranger"), &file).unwrap();
        std::fs::write(self.path("user.pub"), public).unwrap();
    }

    /// What the server has written.
    pub fn log(&self) -> String {
        std::fs::read_to_string(self.path("log")).unwrap_or_default()
    }

    fn programs(&self) -> PathBuf {
        self.folder.path().join("bin")
    }

    fn path(&self, name: &str) -> String {
        self.folder.path().join(name).display().to_string()
    }
}

impl Drop for SshEngine {
    fn drop(&mut self) {
        let Some(mut server) = self.server.take() else {
            return;
        };
        // Its connections outlive it.
        let connections = children(server.id());
        quietly("kill", &[&server.id().to_string()]);
        for connection in connections {
            quietly("kill", &[&connection.to_string()]);
        }
        let _ = server.wait();
    }
}

fn children(parent: u32) -> Vec<u32> {
    let output = Command::new("ps")
        .args(["-o", "pid=", "--ppid", &parent.to_string()])
        .output();
    let text = output.map(|it| String::from_utf8_lossy(&it.stdout).into_owned());
    let text = text.unwrap_or_default();
    text.split_whitespace()
        .filter_map(|it| it.parse().ok())
        .collect()
}

/// Where a program is; `sshd` is not on every path.
fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain([PathBuf::from("/usr/sbin")]);
    folders
        .map(|folder| folder.join(program))
        .find(|it| Path::new(it).is_file())
}
