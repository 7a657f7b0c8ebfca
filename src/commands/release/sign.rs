//! `devenv release sign`

use clap::Args;

use super::{Office, Signing};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::release::sign::{Outcome, Signable};

/// Add your signature to what another operator released
///
/// Shows what was signed in words, asks, and signs the identical bytes. With a threshold of two
/// nothing counts before a second key has signed: `billing:1.4.2` is a version, `42` a reference,
/// `production` an environment's ledger, `trust` the next trust file.
#[derive(Debug, Args)]
pub struct Arguments {
    /// NAME:VERSION, a reference's number, an environment, or `trust`
    subject: Signable,
    #[command(flatten)]
    signing: Signing,
}

/// Signs.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let mut office = Office::open(context)?;
    let key = arguments.signing.open(context)?;
    let outcome = office.desk().countersign(&key, &arguments.subject).await?;
    let (text, missing) = match outcome {
        Outcome::Declined => return Err(Error::usage("nothing was signed")),
        Outcome::Already(missing) => ("signed already with this key", missing),
        Outcome::Signed(missing) => ("signed", missing),
    };
    context
        .ui
        .json(&serde_json::json!({ "outcome": text, "missing_signatures": missing }));
    context.ui.data(&match missing {
        0 => format!("{text}; it counts"),
        missing => format!("{text}; {missing} more wanted"),
    });
    super::warn_of_missing(context, missing);
    Ok(Exit::Done)
}
