//! `devenv pause`

use clap::Args;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::converge::plan::lifecycle::Change;
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::Instance;

/// Pause containers, as `docker pause` does
///
/// Pausing takes milliseconds, and so does `devenv resume`. Their ports stay taken; requests wait.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, the whole instance
    #[arg(add = complete::names())]
    names: Vec<String>,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let change = Change::Pause;
    let changed = Instance::new(session, &open)?
        .change(&arguments.names, change, None)
        .await?;
    if changed.names.is_empty() {
        ui.note("nothing to pause: no container is running");
    }
    ui.json(&serde_json::json!({ "event": "result", "paused": changed.names }));
    Ok(Exit::Done)
}
