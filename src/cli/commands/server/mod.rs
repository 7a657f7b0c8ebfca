//! `devenv server`: a machine that runs an environment's reference.

pub mod apply;
pub mod check;
pub mod init;
pub mod metrics;
pub mod remove;
pub mod rollback;
pub mod status;

use clap::{Args, Subcommand};

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;

/// Have this machine run what production's signed reference says (`devenv help server`)
///
/// For servers, which read the registry and hold neither a release key nor a clone of the definitions.
/// `init` makes this machine one, `apply` brings it to what its environment's ledger says, without
/// losing a request; systemd runs that at boot and every minute.
#[derive(Debug, Args)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    Apply(apply::Arguments),
    Status(status::Arguments),
    Rollback(rollback::Arguments),
    Remove(remove::Arguments),
    Check(check::Arguments),
    Metrics(metrics::Arguments),
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    match arguments.command {
        Command::Init(arguments) => init::run(ui, session, arguments).await,
        Command::Apply(arguments) => apply::run(ui, session, arguments).await,
        Command::Status(arguments) => status::run(ui, session, &arguments).await,
        Command::Rollback(arguments) => rollback::run(ui, session, arguments).await,
        Command::Remove(arguments) => remove::run(ui, session, &arguments).await,
        Command::Check(arguments) => check::run(ui, session, &arguments).await,
        Command::Metrics(arguments) => metrics::run(ui, session, &arguments).await,
    }
}
