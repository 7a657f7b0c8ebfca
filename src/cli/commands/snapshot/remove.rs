//! `devenv snapshot remove`

use clap::Args;
use serde_json::json;

use crate::cli::commands::size;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::snapshot;
use crate::model::name::SnapshotName;

/// Remove a snapshot (asks first)
///
/// What other snapshots need of it stays. Volumes are not touched.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which
    #[arg(add = complete::snapshots())]
    name: SnapshotName,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let name = &arguments.name;
    snapshot::find(session, &open, name)?;
    if !ui.confirm(
        &format!("remove the snapshot {name}, with its data?"),
        "--yes",
    )? {
        return Err(Error::usage("nothing was removed"));
    }
    let free = snapshot::remove(session, &open, name).await?;
    ui.data(&format!("removed {name}: {} are free", size::of(free)));
    ui.json(&json!({ "removed": name, "free": free }));
    Ok(Exit::Done)
}
