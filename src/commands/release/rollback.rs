//! `devenv release rollback`

use clap::Args;

use super::{Office, Signing, Writing};
use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::model::name::EnvironmentName;

/// Go back to a reference that an environment ran before
///
/// It is a promotion of an older reference: the ledger keeps both. Without `--to` it lists what the
/// environment ran.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The environment
    #[arg(long = "in", value_name = "ENVIRONMENT", add = complete::environments())]
    environment: EnvironmentName,
    /// The reference's number
    #[arg(long, value_name = "N", add = complete::references())]
    to: Option<u64>,
    /// Why; kept in the ledger
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    signing: Signing,
}

/// Goes back.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let mut office = Office::open(context)?;
    let key = arguments.signing.open(context)?;
    let (environment, to) = (&arguments.environment, arguments.to);
    let (reason, manner) = (arguments.reason.as_deref(), arguments.writing.manner());
    let outcome = office
        .desk()
        .rollback(&key, environment, to, reason, &manner)
        .await?;
    super::show_ledger(context, &outcome)
}
