//! Signatures of commits: checked against a list of allowed ssh keys, and made as git is set up to.
//! Both by the programs that git itself uses: `ssh-keygen` and `gpg`.

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use git2::Config;

use super::git::Environment;
use super::history::CommitId;
use super::repository::{Definitions, local};
use super::text::visible;
use crate::error::{Error, Kind, PathContext, Result};

/// What git signs for, in ssh's words.
const NAMESPACE: &str = "git";

/// How this user's git signs commits.
enum Signer {
    Ssh(String),
    OpenPgp { program: String, key: String },
}

impl Definitions {
    /// Fails with [`Kind::Trust`] unless `commit` is signed by a key in `allowed`, a file as git's
    /// `gpg.ssh.allowedSignersFile` (see ssh-keygen(1), ALLOWED SIGNERS).
    pub(super) fn check_signature(&self, commit: CommitId, allowed: &Path) -> Result<()> {
        let refuse = |why: &str| {
            Error::trust(format!("the definitions' commit {} {why}", commit.short()))
                .hint("`definitions_signers` in settings.yaml names the keys that may sign them")
        };
        let Ok((signature, signed)) = self.repository.extract_signature(&commit.oid(), None) else {
            return Err(refuse("is not signed"));
        };
        if !signature.starts_with(b"-----BEGIN SSH SIGNATURE-----") {
            return Err(refuse("is signed, but not with an ssh key"));
        }
        let mut file =
            tempfile::NamedTempFile::new().at(Kind::Git, "create", Path::new("a file"))?;
        file.write_all(&signature)
            .at(Kind::Git, "write", file.path())?;
        let keygen = |arguments: &[&str], principal: &[&str]| {
            let mut command = self.command("ssh-keygen");
            command.args(["-Y"]).args(arguments).arg("-f").arg(allowed);
            command.arg("-s").arg(file.path()).args(principal);
            fed(command, &signed)
        };
        let found = keygen(&["find-principals"], &[])?;
        let principal = String::from_utf8_lossy(&found.stdout);
        let Some(principal) = principal.lines().next().filter(|it| !it.is_empty()) else {
            return Err(refuse("is signed by a key that is not allowed to"));
        };
        let verified = keygen(&["verify", "-n", NAMESPACE], &["-I", principal])?;
        if verified.status.success() {
            Ok(())
        } else {
            Err(refuse("has a signature that does not verify")
                .detail(visible(&String::from_utf8_lossy(&verified.stderr))))
        }
    }

    /// The signature of a commit that is about to be made; `None` where this user's git does not
    /// sign. Fails with [`Kind::Git`].
    pub(super) fn sign_commit(&self, content: &str) -> Result<Option<String>> {
        let config = self.git.environment().configuration(Some(&self.path));
        let config = config.map_err(local("read the git configuration"))?;
        let Some(signer) = signer(&config, self.git.environment())? else {
            return Ok(None);
        };
        let output = match &signer {
            Signer::OpenPgp { program, key } => {
                let mut command = self.command(program);
                command.args(["--detach-sign", "--armor", "--local-user", key]);
                fed(command, content.as_bytes())?
            }
            Signer::Ssh(key) => {
                let mut command = self.command("ssh-keygen");
                command.args(["-Y", "sign", "-n", NAMESPACE, "-f", key]);
                fed(command, content.as_bytes())?
            }
        };
        if output.status.success() {
            return Ok(Some(String::from_utf8_lossy(&output.stdout).into_owned()));
        }
        Err(Error::git("the commit cannot be signed")
            .detail(visible(&String::from_utf8_lossy(&output.stderr)))
            .hint("git is set up to sign commits (commit.gpgsign): does `git commit` work?"))
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().envs(self.git.environment().iter());
        command
    }
}

/// `commit.gpgsign`, `gpg.format`, `user.signingkey`.
fn signer(config: &Config, environment: &Environment) -> Result<Option<Signer>> {
    if !config.get_bool("commit.gpgsign").unwrap_or(false) {
        return Ok(None);
    }
    let key = config.get_string("user.signingkey").map_err(|_| {
        Error::git("git is set up to sign commits, but names no key")
            .hint("git config --global user.signingkey KEY")
    })?;
    let text = |name: &str| config.get_string(name).ok();
    Ok(Some(match text("gpg.format").as_deref() {
        Some("ssh") => Signer::Ssh(expand(&key, environment)),
        _ => Signer::OpenPgp {
            program: text("gpg.program").unwrap_or_else(|| "gpg".to_owned()),
            key,
        },
    }))
}

/// A path that may begin with `~/`.
fn expand(path: &str, environment: &Environment) -> String {
    let home = environment.home().unwrap_or_else(|| PathBuf::from("/"));
    match path.strip_prefix("~/") {
        Some(rest) => home.join(rest).display().to_string(),
        None => path.to_owned(),
    }
}

/// Runs a program on this input.
fn fed(mut command: Command, input: &[u8]) -> Result<Output> {
    let program = command.get_program().to_string_lossy().into_owned();
    let failed = |error: std::io::Error| {
        Error::git(format!("cannot run {program}"))
            .because(error)
            .hint("it is part of OpenSSH (ssh-keygen) or GnuPG (gpg)")
    };
    command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // It may end without having read it.
        let _ = stdin.write_all(input);
    }
    child.wait_with_output().map_err(failed)
}
