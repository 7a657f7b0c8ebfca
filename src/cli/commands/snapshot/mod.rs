//! `devenv snapshot`

pub mod export;
pub mod import;
pub mod list;
pub mod remove;
pub mod restore;
pub mod save;

use clap::{Args, Subcommand};

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;

/// Save, restore, list, export and import the data of an instance
///
/// A snapshot is what is in the volumes of an instance, log files left out, with the reference and the
/// versions that wrote it. It stays on this machine, compressed; what two snapshots have in common is
/// kept once. `devenv help data` tells more.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Save(save::Arguments),
    List(list::Arguments),
    Restore(restore::Arguments),
    Remove(remove::Arguments),
    Export(export::Arguments),
    Import(import::Arguments),
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Save(arguments) => save::run(ui, session, arguments).await,
        Command::List(arguments) => list::run(ui, session, &arguments),
        Command::Restore(arguments) => restore::run(ui, session, arguments).await,
        Command::Remove(arguments) => remove::run(ui, session, arguments).await,
        Command::Export(arguments) => export::run(ui, session, arguments).await,
        Command::Import(arguments) => import::run(ui, session, arguments).await,
    }
}
