//! `devenv release verify`

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::session::Session;
use crate::model::released::Released;
use crate::verify::choose::Preparation;
use crate::verify::examine::Examination;

/// Show who signed what, when, from which commit
///
/// It verifies what the registry has now with the pinned keys. `billing:1.4.2` is a version, `42` a
/// reference, `production` an environment's ledger. The exit code is 5 if a check fails.
#[derive(Debug, Args)]
pub struct Arguments {
    /// NAME:VERSION, a reference's number, or an environment
    subject: Released,
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let registry = session.registry_itself().ok_or_else(|| {
        Error::usage("cannot verify what the registry has: `--offline` forbids the network")
    })?;
    let examination = Examination {
        preparation: &Preparation::new(session, &open, Some(&registry)),
        definitions: &session.definitions(&open.name)?,
    };
    let report = examination.of(&arguments.subject).await?;
    ui.json(&report);
    ui.data(&report.in_words(ui.is_verbose()));
    Ok(Exit::Done)
}
