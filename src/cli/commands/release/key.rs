//! `devenv release key`

use std::path::PathBuf;

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::release::key;

/// Make a key pair for signing releases
///
/// It writes NAME.key (encrypted, in cosign's format) and NAME.pub. The public key belongs in
/// `trust.yaml` of the definitions; `--trust-file` creates that file for a new platform. Keep the
/// private key where only operators can read it, and tell developers the fingerprint by another
/// channel than the definitions.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the key in `trust.yaml`
    #[arg(long)]
    name: String,
    /// Folder for the two files
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    directory: PathBuf,
    /// File with the passphrase; without it, `DEVENV_KEY_PASSPHRASE`, else a prompt
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Create this `trust.yaml` with the new key
    #[arg(long, value_name = "FILE")]
    trust_file: Option<PathBuf>,
}

pub(super) fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let platform = match &session.home.settings.platform.value {
        Some(platform) => platform.clone(),
        None => session
            .home
            .platform_name()
            .map_err(|error| error.hint("for a new platform: --platform NAME"))?,
    };
    let pair = key::make(&key::Order {
        name: arguments.name.clone(),
        directory: arguments.directory.clone(),
        passphrase: super::signing::passphrase(
            ui,
            session,
            arguments.passphrase_file.as_ref(),
            true,
        )?,
        platform,
        trust_file: arguments.trust_file.clone(),
    })?;
    ui.note(&format!("private key   {}", pair.private.display()));
    ui.note(&format!("public key    {}", pair.public.display()));
    match &arguments.trust_file {
        Some(path) => ui.note(&format!("trust file    {}", path.display())),
        None => ui.note("below: a trust.yaml with this key, for the definitions"),
    }
    ui.json(&serde_json::json!({
        "private": pair.private, "public": pair.public,
        "sha256": pair.fingerprint.to_string(), "trust": pair.trust,
    }));
    if arguments.trust_file.is_none() {
        ui.data(&pair.trust.to_yaml()?);
    } else {
        ui.data(&format!("SHA-256       {}", pair.fingerprint));
    }
    Ok(Exit::Done)
}
