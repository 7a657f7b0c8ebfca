//! `devenv trust verify`

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::model::released::Released;
use crate::verify::choose::Preparation;
use crate::verify::examine::{Examination, Report};

/// Verify what would run here, and explain every check
///
/// Without a subject it verifies the ledger of the environment that workstations follow, the reference
/// that the ledger names, and every image of the reference. `billing:1.4.2` is a version, `42` a
/// reference, `production` an environment's ledger. If a check fails it is shown, with those before
/// it, and the exit code is 5.
#[derive(Debug, Args)]
pub struct Arguments {
    /// NAME:VERSION, a reference's number, or an environment
    subject: Option<Released>,
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let registry = session.registry();
    let examination = Examination {
        preparation: &Preparation::new(session, &open, registry.as_ref()),
        definitions: &session.definitions(&open.name)?,
    };
    let reports = if let Some(subject) = &arguments.subject {
        vec![examination.of(subject).await?]
    } else {
        let environment = &open.workstation.environment;
        examination.everything(environment).await?
    };
    ui.json(&reports);
    let texts: Vec<String> = reports
        .iter()
        .map(|it: &Report| it.in_words(true))
        .collect();
    ui.data(&texts.join("\n\n"));
    Ok(Exit::Done)
}
