//! `devenv release promote`

use clap::Args;

use super::signing::{Signing, Writing};
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::model::name::EnvironmentName;
use crate::release::Desk;
use crate::release::ledger::Promotion;

/// Promote a reference to an environment
///
/// It shows what differs from what runs there, asks, adds an entry to the environment's ledger and
/// signs the ledger. A reference must have been promoted to the environment before, in the order of
/// `platform.yaml`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Number of the reference
    #[arg(add = complete::references())]
    number: u64,
    /// Name of the environment
    #[arg(long, value_name = "ENVIRONMENT", add = complete::environments())]
    to: EnvironmentName,
    /// Reason, kept in the ledger
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Skip the environment before (needs `--reason`)
    #[arg(long)]
    skip: bool,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    signing: Signing,
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let mut desk = Desk::production(session, &open)?;
    let key = arguments.signing.open(ui, session)?;
    let promotion = Promotion {
        number: arguments.number,
        environment: arguments.to,
        reason: arguments.reason,
        skip: arguments.skip,
        manner: arguments.writing.manner(),
    };
    let outcome = desk.promote(&key, &promotion).await?;
    super::outcome::show_ledger(ui, &outcome)
}
