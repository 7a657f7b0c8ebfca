//! `devenv server remove`

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::server::remove;

/// End this server: its containers, networks, units and files
///
/// Volumes, secrets and the log of events stay.
#[derive(Debug, Args)]
pub struct Arguments {}

pub async fn run(ui: &Ui, session: &Session, _: &Arguments) -> Result<Exit> {
    let question = "end this server, so that nothing serves here any more?";
    if !ui.confirm(question, "--yes")? {
        return Err(Error::usage("nothing was changed"));
    }
    let removed = Box::pin(remove(session)).await?;
    ui.note(&format!("{} containers are removed", removed.containers));
    if !removed.enabled.is_empty() {
        ui.note(&format!(
            "if these were enabled, this ends them: systemctl disable --now {}",
            removed.enabled.join(" ")
        ));
    }
    if !removed.volumes.is_empty() {
        ui.note(&format!(
            "volumes that stay: {}",
            removed.volumes.join(", ")
        ));
    }
    ui.json(&serde_json::json!({ "containers": removed.containers, "volumes": removed.volumes }));
    Ok(Exit::Done)
}
