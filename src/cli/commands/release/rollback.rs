//! `devenv release rollback`

use clap::Args;

use super::signing::{Signing, Writing};
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::model::name::EnvironmentName;
use crate::release::Desk;

/// Go back to a reference that an environment ran before
///
/// It promotes an older reference again: the ledger keeps both entries. Without `--to` it lists what
/// the environment ran.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the environment
    #[arg(long = "in", value_name = "ENVIRONMENT", add = complete::environments())]
    environment: EnvironmentName,
    /// Number of the reference
    #[arg(long, value_name = "N", add = complete::references())]
    to: Option<u64>,
    /// Reason, kept in the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    signing: Signing,
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let mut desk = Desk::production(session, &open)?;
    let key = arguments.signing.open(ui, session)?;
    let (environment, to) = (&arguments.environment, arguments.to);
    let (reason, manner) = (arguments.reason.as_deref(), arguments.writing.manner());
    let outcome = desk
        .rollback(&key, environment, to, reason, &manner)
        .await?;
    super::outcome::show_ledger(ui, &outcome)
}
