//! `devenv release promote`

use clap::Args;

use super::{Office, Signing, Writing};
use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::model::name::EnvironmentName;
use crate::release::ledger::Promotion;

/// Make a reference what an environment runs
///
/// Shows what differs from what runs there, asks, appends to the environment's ledger and signs it.
/// Environments are passed in their order: a reference must have been promoted to the one before.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The reference's number
    #[arg(add = complete::references())]
    number: u64,
    /// The environment
    #[arg(long, value_name = "ENVIRONMENT", add = complete::environments())]
    to: EnvironmentName,
    /// Why; kept in the ledger
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Leave out the environment before (needs `--reason`)
    #[arg(long)]
    skip: bool,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    signing: Signing,
}

/// Promotes.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let mut office = Office::open(context)?;
    let key = arguments.signing.open(context)?;
    let promotion = Promotion {
        number: arguments.number,
        environment: arguments.to,
        reason: arguments.reason,
        skip: arguments.skip,
        manner: arguments.writing.manner(),
    };
    let outcome = office.desk().promote(&key, &promotion).await?;
    super::show_ledger(context, &outcome)
}
