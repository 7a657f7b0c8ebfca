//! `devenv trust verify`

use clap::Args;

use crate::context::Context;
use crate::error::Result;
use crate::examine::{Examination, Report};
use crate::exit::Exit;
use crate::model::released::Released;
use crate::prepare::Preparation;

/// Explain every check of what would run here
///
/// Without a subject: the ledger of the environment that workstations follow, the reference that it
/// names, and every image in that. `billing:1.4.2` is a version, `42` a reference, `production` an
/// environment's ledger. A check that does not hold is named, with those before it, and ends with 5.
#[derive(Debug, Args)]
pub struct Arguments {
    /// NAME:VERSION, a reference's number, or an environment
    subject: Option<Released>,
}

/// Verifies and prints.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let open = context.open()?;
    let registry = context.registry();
    let examination = Examination {
        preparation: &Preparation::new(context, &open, registry.as_ref()),
        definitions: &context.definitions(&open.name)?,
        registry: registry.as_ref(),
    };
    let reports = if let Some(subject) = &arguments.subject {
        vec![examination.of(subject).await?]
    } else {
        let environment = &open.platform.workstation.environment;
        examination.everything(environment).await?
    };
    context.ui.json(&reports);
    let texts: Vec<String> = reports
        .iter()
        .map(|it: &Report| it.in_words(true))
        .collect();
    context.ui.data(&texts.join("\n\n"));
    Ok(Exit::Done)
}
