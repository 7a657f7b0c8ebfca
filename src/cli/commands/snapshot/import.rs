//! `devenv snapshot import`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use super::list::snapshot_json;
use crate::cli::commands::size;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::instance::snapshot::{self, Listed};
use crate::model::name::SnapshotName;

/// Take a snapshot from a file that `snapshot export` wrote
///
/// Everything in it is checked before the snapshot is there: each chunk against its digest, the archives
/// of the volumes entry by entry. Nobody signs such files.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Another name for it than the one that it has
    #[arg(long)]
    name: Option<SnapshotName>,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let imported = snapshot::import(session, &open, &arguments.file, arguments.name).await?;
    let it = imported.snapshot;
    ui.data(&format!(
        "imported {}: {}, {} more on this disk",
        it.name,
        size::of(it.size()),
        size::of(imported.added)
    ));
    let mut value = snapshot_json(&Listed::of(session, &open, it)?);
    value["added"] = json!(imported.added);
    ui.json(&value);
    Ok(Exit::Done)
}
