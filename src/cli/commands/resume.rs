//! `devenv resume`

use clap::Args;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::converge::plan::lifecycle::Change;
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::Instance;

/// Resume paused containers
///
/// It takes milliseconds. `devenv up` without names resumes them too.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, the whole instance
    #[arg(add = complete::names())]
    names: Vec<String>,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let change = Change::Resume;
    let changed = Instance::new(session, &open)?
        .change(&arguments.names, change, None)
        .await?;
    if changed.names.is_empty() {
        ui.note("nothing is paused");
    }
    ui.json(&serde_json::json!({ "event": "result", "resumed": changed.names }));
    Ok(Exit::Done)
}
