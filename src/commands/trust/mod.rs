//! `devenv trust`: whose signatures count here.

pub mod accept;
pub mod show;
pub mod update;
pub mod verify;

use clap::{Args, Subcommand};

use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::model::trust_file::TrustFile;
use crate::state;

/// Show, verify and renew what this machine trusts
///
/// The keys that releases are signed with were pinned by `devenv init`. Nothing that the definitions
/// or the registry say changes them, except a trust file that the pinned keys have signed.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Show(show::Arguments),
    Verify(verify::Arguments),
    Update(update::Arguments),
    Accept(accept::Arguments),
}

/// Runs one of them.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Show(arguments) => show::run(context, &arguments),
        Command::Verify(arguments) => verify::run(context, arguments).await,
        Command::Update(arguments) => update::run(context, &arguments).await,
        Command::Accept(arguments) => accept::run(context, &arguments),
    }
}

/// Shows what another trust file would change, field by field, and the keys that would count.
fn show_change(context: &Context, before: &TrustFile, after: &TrustFile) -> Result<()> {
    context.ui.note(&format!(
        "root version {} to {}:",
        before.root_version, after.root_version
    ));
    for line in before.changes(after)? {
        context.ui.note(&format!("  {line}"));
    }
    context.ui.note(&after.in_words());
    Ok(())
}

/// Pins another trust file in place of the one before.
fn pin(context: &Context, trust: &TrustFile) -> Result<()> {
    let path = context.paths.trust(&trust.platform);
    state::write_atomically(&path, trust.to_yaml()?.as_bytes())?;
    context.ui.json(&serde_json::json!({
        "platform": trust.platform, "root_version": trust.root_version,
        "threshold": trust.threshold, "changed": true,
    }));
    let text = format!("pinned root version {}", trust.root_version);
    context.ui.data(&text);
    Ok(())
}
