//! `devenv release renew`

use clap::Args;

use super::{Office, Signing, Writing};
use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::model::name::EnvironmentName;

/// Vouch for longer that an environment's ledger is the latest
///
/// A ledger expires, so that nobody can withhold newer ones for ever. Where nothing was promoted for
/// long, it is signed again with a later date; what runs stays the same.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The environment
    #[arg(add = complete::environments())]
    environment: EnvironmentName,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    signing: Signing,
}

/// Renews.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let mut office = Office::open(context)?;
    let key = arguments.signing.open(context)?;
    let manner = arguments.writing.manner();
    let outcome = office
        .desk()
        .renew(&key, &arguments.environment, &manner)
        .await?;
    super::show_ledger(context, &outcome)
}
