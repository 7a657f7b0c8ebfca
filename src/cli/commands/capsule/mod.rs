//! `devenv capsule`

pub mod open;
pub mod save;
pub mod show;
mod shown;
mod unlock;

use clap::{Args, Subcommand};

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;

/// Save an incident as one file without secrets, and open it elsewhere as an instance
///
/// A capsule holds what was running (the reference by its digest), how it ran, logs, requests and, where that
/// is asked for, the data. It is encrypted, may be signed, and expires. `devenv help capsules` tells more.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Save(save::Arguments),
    Open(open::Arguments),
    Show(show::Arguments),
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Save(arguments) => save::run(ui, session, arguments).await,
        Command::Open(arguments) => open::run(ui, session, arguments).await,
        Command::Show(arguments) => show::run(ui, session, arguments).await,
    }
}
