//! `devenv capsule show`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use super::shown::{self, Facts};
use super::unlock::Unlocking;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::instance::capsule;

/// Show what a capsule says, and what happened, without starting anything
///
/// All of it is checked as `open` does: a capsule that is cut off, changed, of another platform or expired is
/// refused.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The capsule
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Events before the moment that are shown; half as many after it
    #[arg(long, short = 'n', value_name = "N", default_value_t = shown::EVENTS)]
    events: usize,
    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let file = &arguments.file;
    let keys = arguments.unlocking.keys(ui, session, file)?;
    let chest = capsule::read(session, &open, file, keys).await?;
    let (events, of) = chest.timeline(arguments.events)?;
    let parts = chest.sizes();
    let facts = Facts {
        manifest: &chest.manifest,
        digest: chest.digest,
        signer: &chest.signer,
        parts: &parts,
    };
    let mut value = facts.json();
    shown::add_timeline(&mut value, &events, of);
    ui.json(&value);
    shown::manifest(ui, &facts);
    shown::timeline(ui, &events, of);
    Ok(Exit::Done)
}
