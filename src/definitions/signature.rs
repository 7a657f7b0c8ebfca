//! Signatures of commits: checked against a list of allowed ssh keys by `ssh-keygen`, and made by
//! git itself, in whatever way it is set up to.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use super::commit::Author;
use super::commit_id::CommitId;
use super::repository::{Definitions, local};
use super::runner::{self, Runner};
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::visible::visible;

/// What git signs for, in ssh's words.
const NAMESPACE: &str = "git";

/// How long the check of a signature may take.
const CHECK: std::time::Duration = std::time::Duration::from_secs(30);

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
            let mut command = Command::new("ssh-keygen");
            let environment = self.git.environment();
            command.env_clear().envs(environment.of_programs());
            command.args(["-Y"]).args(arguments).arg("-f").arg(allowed);
            command.arg("-s").arg(file.path()).args(principal);
            runner::run(command, &signed, CHECK)
                .map_err(|error| runner::not_run("ssh-keygen", error).hint("it is part of OpenSSH"))
        };
        let found = keygen(&["find-principals"], &[])?;
        let principal = String::from_utf8_lossy(&found.stdout);
        let Some(principal) = principal.lines().next().filter(|it| !it.is_empty()) else {
            return Err(refuse("is signed by a key that is not allowed to"));
        };
        let verified = keygen(&["verify", "-n", NAMESPACE], &["-I", principal])?;
        if verified.success {
            Ok(())
        } else {
            Err(refuse("has a signature that does not verify")
                .detail(visible(&String::from_utf8_lossy(&verified.stderr))))
        }
    }

    /// Whether this user's git signs commits (`commit.gpgSign`), as git itself reads its settings.
    pub(super) fn signs_commits(&self) -> Result<bool> {
        let config = self.git.environment().configuration(Some(&self.path));
        let config = config.map_err(local("read the git configuration"))?;
        let asked = Runner::find(self.git.environment().clone(), self.git.helper_patience());
        let Ok(git) = asked else {
            return Ok(config.get_bool("commit.gpgsign").unwrap_or(false));
        };
        let question = ["config", "--type=bool", "--get", "commit.gpgSign"];
        let answer = git.ask(Some(&self.path), &question);
        let answer = answer.map_err(|error| runner::not_run("git", error))?;
        Ok(answer.line().as_deref() == Some("true"))
    }

    /// A commit that git itself makes and signs: with `OpenPGP`, ssh or X.509, by whichever program and
    /// key the user has set up. Fails with [`Kind::Git`].
    pub(super) fn commit_signed(
        &self,
        parent: &git2::Commit<'_>,
        tree: &git2::Tree<'_>,
        message: &str,
        author: &Author,
    ) -> Result<CommitId> {
        let patience = self.git.helper_patience();
        let git = Runner::find(self.git.environment().clone(), patience).map_err(|why| {
            Error::git(format!("the commit cannot be signed: {why}"))
                .hint("git is set up to sign commits (commit.gpgSign), and only git itself does so")
        })?;
        let mut command = git.command(Some(&self.path));
        let at = format!("@{} +0000", author.at.as_second());
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), &author.name)
                .env(format!("GIT_{role}_EMAIL"), &author.email)
                .env(format!("GIT_{role}_DATE"), &at);
        }
        command.args([
            "-c",
            "i18n.commitEncoding=UTF-8",
            "commit-tree",
            "-S",
            "-F",
            "-",
        ]);
        command.args(["-p", &parent.id().to_string(), &tree.id().to_string()]);
        self.git
            .tell("git signs the commit, and may ask you for a passphrase or a touch");
        let signed = runner::run(command, message.as_bytes(), patience)
            .map_err(|error| runner::not_run("git", error))?;
        if let (true, Some(id)) = (signed.success, signed.line()) {
            return id.parse().map_err(|why: String| Error::git(why));
        }
        Err(Error::git("the commit cannot be signed")
            .detail(super::text::block(&signed.stderr))
            .hint("git is set up to sign commits (commit.gpgSign): does `git commit -S` work?"))
    }
}
