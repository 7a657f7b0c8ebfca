//! `devenv release key`

use std::path::PathBuf;

use clap::Args;

use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::release::key;

/// Make a key pair for signing releases
///
/// Writes NAME.key (encrypted, as cosign reads it) and NAME.pub. The public half belongs into
/// `trust.yaml` of the definitions: `--trust-file` begins that file, for a new platform. Keep the
/// private half where only the operators reach it, and tell the developers its fingerprint by
/// another way than the definitions.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Whose key it is, as `trust.yaml` will name it
    #[arg(long)]
    name: String,
    /// Where the two files go
    #[arg(long, value_name = "FOLDER", default_value = ".")]
    directory: PathBuf,
    /// A file with the passphrase; else `DEVENV_KEY_PASSPHRASE`, else it is asked for
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
    /// Begin this `trust.yaml` with the new key
    #[arg(long, value_name = "FILE")]
    trust_file: Option<PathBuf>,
}

/// Makes the pair.
pub(super) fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let platform = match &context.settings.platform.value {
        Some(platform) => platform.clone(),
        None => context
            .platform_name()
            .map_err(|error| error.hint("for a new platform: --platform NAME"))?,
    };
    let pair = key::make(&key::Order {
        name: arguments.name.clone(),
        directory: arguments.directory.clone(),
        passphrase: super::passphrase(context, arguments.passphrase_file.as_ref(), true)?,
        platform,
        trust_file: arguments.trust_file.clone(),
    })?;
    let ui = &context.ui;
    ui.note(&format!("private half  {}", pair.private.display()));
    ui.note(&format!("public half   {}", pair.public.display()));
    match &arguments.trust_file {
        Some(path) => ui.note(&format!("trust file    {}", path.display())),
        None => ui.note("below: a trust.yaml of this key alone, for the definitions"),
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
