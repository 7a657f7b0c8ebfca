//! A private ssh server with keys and known hosts of its own, in front of the forge's repository.

use std::fs;
use std::io::{BufRead, BufReader};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::super::second_engine::installed;
use super::super::workstation::free_port;
use super::people::DEVELOPER;
use super::{Forge, PROJECT};

/// Ends when it is dropped.
pub struct Sshd {
    process: Child,
    port: u16,
    folder: PathBuf,
    home: PathBuf,
}

/// What stands in for GitLab's shell: git's two programs on the one repository, and nothing else.
const SHELL: &str = r#"#!/bin/bash
case $SSH_ORIGINAL_COMMAND in
  "git-upload-pack '/acme/platform.git'" | "git upload-pack '/acme/platform.git'") verb=upload-pack ;;
  "git-receive-pack '/acme/platform.git'" | "git receive-pack '/acme/platform.git'") verb=receive-pack ;;
  *) echo "ERROR: The project you were looking for could not be found or you don't have permission to view it." >&2; exit 1 ;;
esac
export REMOTE_USER=DEV GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1
exec RUNNER git "$verb" BARE
"#;

impl Sshd {
    /// Makes keys and starts; the client's side is in `home/.ssh`.
    pub fn start(folder: &Path, home: &Path, forge: &Forge) -> Self {
        installed("sshd", "openssh-server");
        fs::create_dir_all(folder).unwrap();
        fs::create_dir_all(home.join(".ssh")).unwrap();
        let _ = fs::create_dir_all("/run/sshd");
        let port = free_port();
        key(&folder.join("host"));
        let private = home.join(".ssh/id_ed25519");
        key(&private);
        let public = fs::read_to_string(private.with_extension("pub")).unwrap();
        let shell = folder.join("shell");
        let runner = if forge.worker.is_other() {
            "setpriv --reuid=www-data --regid=www-data --clear-groups"
        } else {
            ""
        };
        let script = SHELL
            .replace("DEV", DEVELOPER.0)
            .replace("RUNNER", runner)
            .replace("BARE", &format!("'{}'", forge.bare().display()));
        fs::write(&shell, script).unwrap();
        fs::set_permissions(&shell, fs::Permissions::from_mode(0o755)).unwrap();
        fs::write(
            folder.join("authorized"),
            format!("restrict,command=\"{}\" {public}", shell.display()),
        )
        .unwrap();
        let host = fs::read_to_string(folder.join("host.pub")).unwrap();
        fs::write(
            home.join(".ssh/known_hosts"),
            format!("[127.0.0.1]:{port} {host}"),
        )
        .unwrap();
        let here = folder.display();
        let config = format!(
            "Port {port}\nListenAddress 127.0.0.1\nHostKey {here}/host\nPidFile none\n\
             AuthorizedKeysFile {here}/authorized\nStrictModes no\nUsePAM no\n\
             PasswordAuthentication no\nKbdInteractiveAuthentication no\n\
             PermitRootLogin prohibit-password\nAcceptEnv GIT_PROTOCOL\n"
        );
        fs::write(folder.join("sshd.conf"), config).unwrap();
        let process = Command::new("/usr/sbin/sshd")
            .args(["-D", "-e", "-f"])
            .arg(folder.join("sshd.conf"))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(fs::File::create(folder.join("sshd.log")).unwrap())
            .spawn()
            .unwrap();
        let mut sshd = Self {
            process,
            port,
            folder: folder.to_owned(),
            home: home.to_owned(),
        };
        sshd.wait();
        sshd
    }

    fn wait(&mut self) {
        let patience = Instant::now() + Duration::from_secs(20);
        loop {
            if let Ok(stream) = TcpStream::connect(("127.0.0.1", self.port)) {
                let mut banner = String::new();
                let _ = BufReader::new(stream).read_line(&mut banner);
                if banner.starts_with("SSH-") {
                    return;
                }
            }
            let log = fs::read_to_string(self.folder.join("sshd.log")).unwrap_or_default();
            let ended = self.process.try_wait().unwrap();
            assert!(ended.is_none(), "sshd ended: {log}");
            assert!(Instant::now() < patience, "sshd does not answer: {log}");
            super::pause();
        }
    }

    /// The repository's address.
    pub fn url(&self) -> String {
        let name = Command::new("id").arg("-un").output().unwrap();
        let name = String::from_utf8(name.stdout).unwrap();
        format!(
            "ssh://{}@127.0.0.1:{}/{PROJECT}.git",
            name.trim(),
            self.port
        )
    }

    /// What a client's environment needs: `HOME` for the git that is built in; ssh itself looks into the
    /// password database instead.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        let home = &self.home;
        let ssh = home.join(".ssh");
        let command = format!(
            "ssh -F none -o BatchMode=yes -o IdentitiesOnly=yes -i {0}/id_ed25519 \
             -o UserKnownHostsFile={0}/known_hosts",
            ssh.display()
        );
        [
            ("HOME", home.display().to_string()),
            ("GIT_SSH_COMMAND", command),
        ]
    }

    /// Makes the host another one, whose key nobody knows.
    pub fn forget_host(&self) {
        fs::write(self.home.join(".ssh/known_hosts"), "").unwrap();
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        let _ = Command::new("kill")
            .arg(self.process.id().to_string())
            .status();
        let _ = self.process.wait();
    }
}

fn key(path: &Path) {
    let made = Command::new("ssh-keygen")
        .args(["-q", "-t", "ed25519", "-N", "", "-C", "tests", "-f"])
        .arg(path)
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
}
