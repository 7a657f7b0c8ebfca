//! `devenv release renew`

use clap::Args;

use super::signing::{Signing, Writing};
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::model::name::EnvironmentName;
use crate::release::Desk;

/// Sign an environment's ledger again with a later expiry date
///
/// A ledger expires, so that nobody can hide newer ones for ever. If nothing was promoted for a long
/// time it must be renewed; what runs stays the same.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the environment
    #[arg(add = complete::environments())]
    environment: EnvironmentName,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    signing: Signing,
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let mut desk = Desk::production(session, &open)?;
    let key = arguments.signing.open(ui, session)?;
    let manner = arguments.writing.manner();
    let outcome = desk.renew(&key, &arguments.environment, &manner).await?;
    super::outcome::show_ledger(ui, &outcome)
}
