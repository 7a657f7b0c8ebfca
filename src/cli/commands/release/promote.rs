//! `devenv release promote`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::signing::{Signing, Writing};
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::instance::replay::evidence;
use crate::model::name::EnvironmentName;
use crate::model::replay::evidence::Evidence;
use crate::release::Desk;
use crate::release::ledger::Promotion;

/// Promote a reference to an environment
///
/// It shows what differs from what runs there, asks, adds an entry to the environment's ledger and
/// signs the ledger. A reference must have been promoted to the environment before, in the order of
/// `platform.yaml`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Number of the reference
    #[arg(add = complete::references())]
    number: u64,
    /// Name of the environment
    #[arg(long, value_name = "ENVIRONMENT", add = complete::environments())]
    to: EnvironmentName,
    /// Reason, kept in the ledger
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Result of a replay of this reference (`devenv replay --json`); in short it is added to the reason
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    evidence: Option<PathBuf>,
    /// Skip the environment before (needs `--reason`)
    #[arg(long)]
    skip: bool,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    signing: Signing,
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let reason = reason(&open, &arguments)?;
    let mut desk = Desk::production(session, &open)?;
    let key = arguments.signing.open(ui, session)?;
    let promotion = Promotion {
        number: arguments.number,
        environment: arguments.to,
        reason,
        skip: arguments.skip,
        manner: arguments.writing.manner(),
    };
    let outcome = desk.promote(&key, &promotion).await?;
    super::outcome::show_ledger(ui, &outcome)
}

fn reason(open: &OpenPlatform, arguments: &Arguments) -> Result<String> {
    let reason = arguments.reason.trim();
    match &arguments.evidence {
        None => Ok(reason.to_owned()),
        Some(path) => reasoned(
            reason,
            arguments.number,
            arguments.skip,
            &evidence(path, open)?,
        ),
    }
}

/// The reason with the evidence behind it. Evidence is no reason to skip an environment.
fn reasoned(reason: &str, number: u64, skip: bool, evidence: &Evidence) -> Result<String> {
    let other = evidence.reference();
    if number != other {
        let text = format!("the evidence is of reference {other}, not {number}");
        return Err(Error::usage(text));
    }
    Ok(match reason {
        "" if skip => String::new(),
        "" => format!("replayed: {evidence}"),
        reason => format!("{reason}; replayed: {evidence}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn evidence_follows_the_reason_and_is_none() {
        let text = r#"{"platform":"acme","old":{"reference":12},"new":{"reference":13},"requests":4,
            "sessions":1,"differences":[],"times":[],"logs":[],"mask":[]}"#;
        let evidence = Evidence::parse("e.json", &text.replace('\n', " ")).unwrap();
        let of = |reason, number, skip| reasoned(reason, number, skip, &evidence);
        let told = of("New prices", 13, true).unwrap();
        assert!(
            told.starts_with("New prices; replayed: 4 requests"),
            "{told}"
        );
        assert!(of("", 13, false).unwrap().starts_with("replayed: 4"));
        assert_eq!(of("", 13, true).unwrap(), "");
        assert!(of("", 14, false).is_err());
    }
}
