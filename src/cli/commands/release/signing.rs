//! What signing and writing a ledger take from the command line.

use std::path::{Path, PathBuf};

use clap::Args;
use jiff::SignedDuration;

use crate::cli::ui::Ui;
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::secret::Secret;
use crate::release::ledger::{LIFETIME, Manner};
use crate::system::KEY_PASSPHRASE;
use crate::verify::trust::keys::SigningKey;

/// The signing key, as options.
#[derive(Debug, Args)]
#[command(next_help_heading = "Signing")]
pub(super) struct Signing {
    /// File with the signing key, from `devenv release key` or cosign
    #[arg(long, env = "DEVENV_KEY", value_name = "FILE")]
    key: PathBuf,
    /// File with the key's passphrase; without it, `DEVENV_KEY_PASSPHRASE`, else a prompt
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

/// How a ledger is written.
#[derive(Debug, Args)]
pub(super) struct Writing {
    /// How many days the ledger is valid
    #[arg(long, value_name = "DAYS", default_value_t = LIFETIME.as_hours() / 24, value_parser = clap::value_parser!(i64).range(1..=3650))]
    days: i64,
    /// Take over a release that another operator left unfinished (asks first)
    #[arg(long)]
    take_over: bool,
}

impl Writing {
    pub(super) fn manner(&self) -> Manner {
        Manner {
            lifetime: SignedDuration::from_hours(self.days * 24),
            take_over: self.take_over,
        }
    }
}

impl Signing {
    /// Opens the key. Files and the variable go first; then it asks.
    pub(super) fn open(&self, ui: &Ui, session: &Session) -> Result<SigningKey> {
        opened(ui, session, &self.key, self.passphrase_file.as_ref())
    }
}

/// The key in a file.
pub(in crate::cli::commands) fn opened(
    ui: &Ui,
    session: &Session,
    key: &Path,
    passphrase_file: Option<&PathBuf>,
) -> Result<SigningKey> {
    let pem = std::fs::read_to_string(key).at(Kind::Usage, "read", key)?;
    let pem = Secret::new(pem);
    let passphrase = if SigningKey::needs_passphrase(pem.expose()) {
        Some(passphrase(ui, session, passphrase_file, false)?)
    } else {
        None
    };
    SigningKey::from_pem(&pem, passphrase.as_ref())
        .map_err(|error| error.within(format!("cannot use {}", key.display())))
}

/// The passphrase: from a file, from the environment, or typed (twice where it is new).
pub(super) fn passphrase(
    ui: &Ui,
    session: &Session,
    file: Option<&PathBuf>,
    is_new: bool,
) -> Result<Secret> {
    if let Some(path) = file {
        let text = std::fs::read_to_string(path).at(Kind::Usage, "read", path)?;
        return Ok(Secret::new(text.trim_end_matches(['\r', '\n'])));
    }
    if let Some(text) = session.home.environment.get(KEY_PASSPHRASE) {
        return Ok(Secret::new(text));
    }
    let instead = format!("`--passphrase-file FILE`, or the variable {KEY_PASSPHRASE}");
    let ask = |question: &str| ui.ask_secret(question, &instead);
    let first = ask("passphrase of the signing key")?;
    if is_new && ask("once more")? != first {
        return Err(Error::usage("the two passphrases differ"));
    }
    Ok(first)
}
