//! `devenv release verify`

use clap::Args;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::examine::Examination;
use crate::exit::Exit;
use crate::model::released::Released;
use crate::prepare::Preparation;

/// Show who signed what, when, from which commit
///
/// Verifies what the registry has now against the pinned keys: `billing:1.4.2` is a version, `42` a
/// reference, `production` an environment's ledger. Ends with 5 where a check does not hold.
#[derive(Debug, Args)]
pub struct Arguments {
    /// NAME:VERSION, a reference's number, or an environment
    subject: Released,
}

/// Verifies and prints.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let open = context.open()?;
    let registry = context
        .registry_itself()
        .ok_or_else(|| Error::usage("what the registry has cannot be verified offline"))?;
    let examination = Examination {
        preparation: &Preparation::new(context, &open, Some(&registry)),
        definitions: &context.definitions(&open.name)?,
        registry: Some(&registry),
    };
    let report = examination.of(&arguments.subject).await?;
    context.ui.json(&report);
    context.ui.data(&report.in_words(context.ui.is_verbose()));
    Ok(Exit::Done)
}
