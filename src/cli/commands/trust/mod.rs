//! `devenv trust`: whose signatures count here.

pub mod accept;
mod pinning;
pub mod show;
pub mod update;
pub mod verify;

use clap::{Args, Subcommand};

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;

/// Show and verify whose signatures this machine trusts, and update its keys
///
/// `devenv init` pinned the keys that releases are signed with. Neither the definitions nor the
/// registry can change them, except by a trust file that the pinned keys have signed.
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

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Show(arguments) => show::run(ui, session, &arguments),
        Command::Verify(arguments) => verify::run(ui, session, arguments).await,
        Command::Update(arguments) => update::run(ui, session, &arguments).await,
        Command::Accept(arguments) => accept::run(ui, session, &arguments),
    }
}
