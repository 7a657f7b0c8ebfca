//! `devenv release verify`

use clap::Args;

use super::Office;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::release::verify::Subject;

/// Show who signed what, when, from which commit
///
/// Verifies what the registry has now against the pinned keys: `billing:1.4.2` is a version, `42` a
/// reference, `production` an environment's ledger. Ends with 5 where a check does not hold.
#[derive(Debug, Args)]
pub struct Arguments {
    /// NAME:VERSION, a reference's number, or an environment
    subject: Subject,
}

/// Verifies and prints.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let mut office = Office::open(context)?;
    let report = office.desk().verify(&arguments.subject).await?;
    let ui = &context.ui;
    ui.json(&report);
    let mut lines = vec![
        format!("{:<14} {}", "verified", report.subject),
        format!("{:<14} {}", "digest", report.digest),
        format!("{:<14} {}", "signed by", report.signers.join(", ")),
    ];
    let facts = report.facts.iter();
    lines.extend(facts.map(|fact| format!("{:<14} {}", fact.name, fact.value)));
    if ui.is_verbose() {
        let checks = report.checks.iter();
        lines.extend(checks.map(|check| format!("{:<14} {check}", "checked")));
    }
    let text = crate::model::visible::printable(&lines.join("\n"));
    ui.data(&text);
    Ok(Exit::Done)
}
