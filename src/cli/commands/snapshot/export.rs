//! `devenv snapshot export`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use crate::cli::commands::size;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::instance::snapshot;
use crate::model::name::SnapshotName;

/// Write a snapshot into one file, to give it away
///
/// The file is for this user alone (mode 0600), and holds all data of the snapshot as it is: whoever gets
/// it can read it.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which
    #[arg(add = complete::snapshots())]
    name: SnapshotName,
    /// A file that is not there yet
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let (name, file) = (&arguments.name, &arguments.file);
    let bytes = snapshot::export(session, &open, name, file).await?;
    ui.data(&format!("{}: {name}, {}", file.display(), size::of(bytes)));
    ui.json(&json!({ "exported": name, "file": file, "bytes": bytes }));
    Ok(Exit::Done)
}
