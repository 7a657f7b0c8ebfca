//! `devenv release`: production's side.

pub mod build;
pub mod import;
pub mod key;
mod outcome;
pub mod promote;
pub mod reference;
pub mod renew;
pub mod rollback;
pub mod sign;
pub(super) mod signing;
pub mod trust;
pub mod verify;

use clap::{Args, Subcommand};

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;

/// Build, sign, publish and promote what production runs
///
/// For operators, who may push to the registry and to the definitions and have a signing key that the
/// platform trusts. The order is: `build` each container, `reference` to pin all versions, `promote`
/// to give the reference to one environment after the other. Each command can be interrupted and run
/// again.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Key(key::Arguments),
    Build(build::Arguments),
    Import(import::Arguments),
    Reference(reference::Arguments),
    Promote(promote::Arguments),
    Rollback(rollback::Arguments),
    Renew(renew::Arguments),
    Sign(sign::Arguments),
    Trust(trust::Arguments),
    Verify(verify::Arguments),
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Key(arguments) => key::run(ui, session, &arguments),
        Command::Build(arguments) => build::run(ui, session, arguments).await,
        Command::Import(arguments) => import::run(ui, session, arguments).await,
        Command::Reference(arguments) => reference::run(ui, session, arguments).await,
        Command::Promote(arguments) => promote::run(ui, session, arguments).await,
        Command::Rollback(arguments) => rollback::run(ui, session, arguments).await,
        Command::Renew(arguments) => renew::run(ui, session, arguments).await,
        Command::Sign(arguments) => sign::run(ui, session, arguments).await,
        Command::Trust(arguments) => trust::run(ui, session, arguments).await,
        Command::Verify(arguments) => verify::run(ui, session, arguments).await,
    }
}
