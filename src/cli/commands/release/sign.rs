//! `devenv release sign`

use clap::Args;

use super::signing::Signing;
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::session::Session;
use crate::release::Desk;
use crate::release::sign::{Outcome, Signable};

/// Add your signature to what another operator released
///
/// It shows in words what was signed, asks, and signs the identical bytes. With a threshold of two
/// nothing counts until a second key has signed. `billing:1.4.2` is a version, `42` a reference,
/// `production` an environment's ledger, `trust` the next trust file.
#[derive(Debug, Args)]
pub struct Arguments {
    /// NAME:VERSION, a reference's number, an environment, or `trust`
    subject: Signable,
    #[command(flatten)]
    signing: Signing,
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let mut desk = Desk::production(session, &open)?;
    let key = arguments.signing.open(ui, session)?;
    let outcome = desk.countersign(&key, &arguments.subject).await?;
    let (text, missing) = match outcome {
        Outcome::Declined => return Err(Error::usage("nothing was signed")),
        Outcome::Already(missing) => ("signed already with this key", missing),
        Outcome::Signed(missing) => ("signed", missing),
    };
    ui.json(&serde_json::json!({ "outcome": text, "missing_signatures": missing }));
    ui.data(&match missing {
        0 => format!("{text}; it counts"),
        missing => format!("{text}; {missing} more signatures are needed"),
    });
    super::outcome::warn_of_missing(ui, missing);
    Ok(Exit::Done)
}
