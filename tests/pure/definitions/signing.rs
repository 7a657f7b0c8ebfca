//! Commits are signed in whatever way git itself signs them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use devenv::definitions::{Change, Definitions, GitChoice};
use devenv::error::Error;

use super::world::{World, author};

/// A developer whose git is set up to sign.
struct Signer {
    world: World,
    definitions: Definitions,
}

impl Signer {
    async fn new() -> Self {
        let mut world = World::new(GitChoice::Program);
        let file = world.folder.path().join("home/gitconfig");
        let file = file.display().to_string();
        world.environment.insert("GIT_CONFIG_GLOBAL".into(), file);
        let definitions = world.clone("a").await;
        let signer = Self { world, definitions };
        signer.set("commit.gpgSign", "true");
        signer
    }

    fn home(&self) -> std::path::PathBuf {
        self.world.folder.path().join("home")
    }

    fn set(&self, name: &str, value: &str) {
        let file = self.home().join("gitconfig").display().to_string();
        self.world
            .git(&self.home(), &["config", "-f", &file, name, value]);
    }

    /// An ssh key pair of the home; its public half, which is allowed to sign.
    fn ssh_key(&self, name: &str, passphrase: &str) -> String {
        let path = self.home().join(name);
        let made = Command::new("ssh-keygen")
            .args(["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f"])
            .arg(&path)
            .status();
        assert!(made.unwrap().success());
        let public = fs::read_to_string(path.with_extension("pub")).unwrap();
        let allowed = self.home().join("allowed");
        fs::write(&allowed, format!("anna@acme.example {public}")).unwrap();
        self.set("gpg.format", "ssh");
        self.set("gpg.ssh.allowedSignersFile", allowed.to_str().unwrap());
        public.trim().to_owned()
    }

    fn try_commit(&self) -> Result<String, Error> {
        let environment = self.world.devenv_git(Duration::from_secs(20));
        let definitions = Definitions::open(self.definitions.path(), &environment).unwrap();
        let change = Change::Write {
            path: "platform.yaml".to_owned(),
            bytes: b"schema: 2\n".to_vec(),
            executable: false,
        };
        let head = definitions.head_id().unwrap();
        let made = definitions.commit_files(head, &[change], "Two\n\nBecause.", &author("anna"))?;
        Ok(made.to_string())
    }

    /// Commits, and lets git itself verify.
    fn commits(&self) {
        let commit = self
            .try_commit()
            .unwrap_or_else(|why| panic!("{:?} {:?}", why.chain(), why.details()));
        let path = self.definitions.path();
        self.world.git(path, &["verify-commit", &commit]);
        let shown = self.world.git(
            path,
            &["show", "-s", "--format=%an %ae %at %ct|%B", &commit],
        );
        assert_eq!(
            shown,
            "anna anna@acme.example 1790000000 1790000000|Two\n\nBecause."
        );
    }
}

/// An agent of the test's own.
struct Agent {
    process: String,
    socket: String,
}

impl Agent {
    fn start(folder: &Path) -> Self {
        let socket = folder.join("agent").display().to_string();
        let output = Command::new("ssh-agent")
            .args(["-a", &socket])
            .output()
            .unwrap();
        let text = String::from_utf8(output.stdout).unwrap();
        let (_, rest) = text.split_once("SSH_AGENT_PID=").unwrap();
        let process = rest.split(';').next().unwrap().to_owned();
        Self { process, socket }
    }
}

impl Drop for Agent {
    fn drop(&mut self) {
        let _ = Command::new("kill").arg(&self.process).status();
    }
}

#[tokio::test]
async fn with_a_key_that_only_the_agent_has_however_it_is_named() {
    let mut signer = Signer::new().await;
    let public = signer.ssh_key("key", "");
    let agent = Agent::start(signer.world.folder.path());
    let added = Command::new("ssh-add")
        .arg("-q")
        .arg(signer.home().join("key"))
        .env("SSH_AUTH_SOCK", &agent.socket)
        .status();
    assert!(added.unwrap().success());
    fs::remove_file(signer.home().join("key")).unwrap();
    fs::remove_file(signer.home().join("key.pub")).unwrap();
    let socket = agent.socket.clone();
    signer
        .world
        .environment
        .insert("SSH_AUTH_SOCK".into(), socket);
    for named in [public.clone(), format!("key::{public}")] {
        signer.set("user.signingkey", &named);
        signer.commits();
    }
    // None is named: git asks for one.
    let file = signer.home().join("gitconfig").display().to_string();
    let unset = ["config", "-f", &file, "--unset", "user.signingkey"];
    signer.world.git(&signer.home(), &unset);
    signer.set("gpg.ssh.defaultKeyCommand", "ssh-add -L");
    signer.commits();
}

/// A program that notes that it was run, then does what another does.
fn wrapper(signer: &Signer, name: &str, does: &str) -> (String, std::path::PathBuf) {
    let (path, seen) = (
        signer.home().join(name),
        signer.home().join(format!("{name}.seen")),
    );
    let script = format!("#!/bin/sh\ntouch '{}'\n{does}\n", seen.display());
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
    (path.display().to_string(), seen)
}

#[tokio::test]
async fn by_the_program_that_is_set_up() {
    let signer = Signer::new().await;
    signer.ssh_key("key", "");
    signer.set("user.signingkey", "~/key.pub");
    let (program, seen) = wrapper(&signer, "own-keygen", "exec ssh-keygen \"$@\"");
    signer.set("gpg.ssh.program", &program);
    signer.commits();
    assert!(seen.exists());
    // X.509: git's only demand is a status line, and what it gets it keeps.
    let answer = "echo '[GNUPG:] SIG_CREATED x' >&2; printf '\\n[GNUPG:] SIG_CREATED \\n' >&2\n\
                  cat > /dev/null; printf -- '-----BEGIN SIGNED MESSAGE-----\\nMIAG\\n-----END SIGNED MESSAGE-----\\n'";
    let (program, seen) = wrapper(&signer, "own-gpgsm", answer);
    signer.set("gpg.format", "x509");
    signer.set("gpg.x509.program", &program);
    let commit = signer.try_commit().unwrap();
    assert!(seen.exists());
    let text = signer
        .world
        .git(signer.definitions.path(), &["cat-file", "-p", &commit]);
    assert!(
        text.contains("gpgsig -----BEGIN SIGNED MESSAGE-----"),
        "{text}"
    );
}

#[tokio::test]
async fn with_openpgp_and_no_key_named() {
    let mut signer = Signer::new().await;
    let folder = tempfile::Builder::new()
        .prefix("gpg")
        .tempdir_in("/tmp")
        .unwrap();
    let home = folder.path().display().to_string();
    let key = [
        "--batch",
        "--passphrase",
        "",
        "--quick-gen-key",
        "anna <anna@acme.example>",
    ];
    let made = Command::new("gpg")
        .args(key)
        .args(["ed25519", "sign", "never"])
        .env("GNUPGHOME", &home)
        .output()
        .unwrap();
    assert!(
        made.status.success(),
        "{}",
        String::from_utf8_lossy(&made.stderr)
    );
    signer
        .world
        .environment
        .insert("GNUPGHOME".into(), home.clone());
    signer.commits();
    let _ = Command::new("gpgconf")
        .args(["--kill", "all"])
        .env("GNUPGHOME", &home)
        .status();
}

#[tokio::test]
async fn what_cannot_be_signed_is_not_committed() {
    let mut signer = Signer::new().await;
    signer.ssh_key("key", "a passphrase");
    signer.set("user.signingkey", "~/key.pub");
    let empty = signer.home().display().to_string();
    let askpass = [
        ("SSH_ASKPASS_REQUIRE", "force"),
        ("SSH_ASKPASS", "/bin/false"),
    ];
    for (name, value) in askpass {
        signer.world.environment.insert(name.into(), value.into());
    }
    let error = signer.try_commit().unwrap_err();
    assert!(error.to_string().contains("cannot be signed"), "{error}");
    assert!(
        error.hints().join(" ").contains("git commit -S"),
        "{:?}",
        error.hints()
    );
    // Without the program nothing is committed unsigned.
    signer.world.environment.insert("PATH".into(), empty);
    let error = signer.try_commit().unwrap_err();
    assert!(error.to_string().contains("not in PATH"), "{error}");
}
