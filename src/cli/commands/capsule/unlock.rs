//! What a capsule is encrypted with, and opened with.

use std::path::{Path, PathBuf};

use clap::{Args, ValueHint};

use crate::cli::ui::Ui;
use crate::error::{Error, Kind, PathContext as _, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::capsule::{Keys, Lock, Recipient, needs_passphrase, recipient};
use crate::model::secret::Secret;
use crate::system::CAPSULE_PASSPHRASE;

/// The fewest characters of a passphrase.
const SHORTEST: usize = 8;

/// Who can open a new capsule.
#[derive(Args)]
#[command(next_help_heading = "Encryption")]
pub(super) struct Locking {
    /// Encrypt it to this recipient of age (age1…), instead of with a passphrase (repeatable)
    #[arg(long, value_name = "RECIPIENT", value_parser = recipient, conflicts_with = "passphrase_file")]
    recipient: Vec<Recipient>,
    /// File with the passphrase; without it, `DEVENV_CAPSULE_PASSPHRASE`, else a prompt
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,
}

impl std::fmt::Debug for Locking {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Locking").finish_non_exhaustive()
    }
}

/// How a capsule is opened.
#[derive(Debug, Args)]
#[command(next_help_heading = "Decryption")]
pub(super) struct Unlocking {
    /// File with an identity of age, as `age-keygen` writes it, for a capsule that is encrypted to recipients
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, conflicts_with = "passphrase_file")]
    identity: Option<PathBuf>,
    /// File with the passphrase; without it, `DEVENV_CAPSULE_PASSPHRASE`, else a prompt
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    passphrase_file: Option<PathBuf>,
}

impl Locking {
    pub(super) fn lock(self, ui: &Ui, session: &Session) -> Result<Lock> {
        if !self.recipient.is_empty() {
            return Ok(Lock::Recipients(self.recipient));
        }
        let passphrase = passphrase(ui, session, self.passphrase_file.as_deref(), true)?;
        if passphrase.expose().chars().count() < SHORTEST {
            let text = format!("a passphrase has at least {SHORTEST} characters");
            return Err(Error::usage(text));
        }
        Ok(Lock::Passphrase(passphrase))
    }
}

impl Unlocking {
    pub(super) fn keys(self, ui: &Ui, session: &Session, file: &Path) -> Result<Keys> {
        let needs_passphrase = needs_passphrase(file)?;
        if let Some(path) = self.identity {
            return Ok(Keys::Identities(path));
        }
        if !needs_passphrase {
            let text = format!("{} is encrypted to recipients of age", file.display());
            return Err(Error::usage(text).hint("`--identity FILE` says with what it is opened"));
        }
        let path = self.passphrase_file.as_deref();
        Ok(Keys::Passphrase(passphrase(ui, session, path, false)?))
    }
}

/// From a file, from the environment, or typed (twice where it is new).
fn passphrase(ui: &Ui, session: &Session, file: Option<&Path>, is_new: bool) -> Result<Secret> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).at(Kind::Usage, "read", path)?;
        return Ok(Secret::new(text.trim_end_matches(['\r', '\n'])));
    }
    if let Some(text) = session.home.environment.get(CAPSULE_PASSPHRASE) {
        return Ok(Secret::new(text));
    }
    let other = if is_new { "`--recipient`, " } else { "" };
    let instead = format!("{other}`--passphrase-file FILE`, or the variable {CAPSULE_PASSPHRASE}");
    let ask = |question: &str| ui.ask_secret(question, &instead);
    let first = ask("passphrase of the capsule")?;
    if is_new && ask("once more")? != first {
        return Err(Error::usage("the two passphrases differ"));
    }
    Ok(first)
}
