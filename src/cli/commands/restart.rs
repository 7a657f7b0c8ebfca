//! `devenv restart`

use clap::Args;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::converge::plan::lifecycle::Change;
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::Instance;
use crate::model::quantity::Span;

/// Restart containers without changing them
///
/// Versions, settings and volumes stay the same (`devenv up` brings new ones). Each starts once what it
/// needs is ready; containers that are not restarted keep running. One that runs once and has completed
/// is run again by its own name only. It waits until they are ready, as `devenv up` does.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, the whole instance
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Do not wait until the containers are ready
    #[arg(long)]
    no_wait: bool,
    /// Longest time for one container to become ready (90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let wait = (!arguments.no_wait).then(|| arguments.timeout.duration());
    let change = Change::Restart;
    let changed = Instance::new(session, &open)?
        .change(&arguments.names, change, wait)
        .await?;
    if changed.names.is_empty() {
        ui.note("nothing to restart: no container is running");
    }
    let rows: Vec<Vec<Cell>> = changed
        .ready
        .iter()
        .map(|(name, ready)| {
            let state = Cell::painted(ready.as_str(), |style, text| style.green(text));
            vec![Cell::from(name.as_str()), state]
        })
        .collect();
    if !rows.is_empty() {
        ui.data(&table(ui.style(), &["NAME", "STATE"], &rows));
    }
    let ready = changed.ready.iter();
    let ready: serde_json::Map<_, _> = ready
        .map(|(name, ready)| (name.to_string(), ready.as_str().into()))
        .collect();
    ui.json(&serde_json::json!({
        "event": "result", "restarted": changed.names, "ready": ready,
    }));
    Ok(Exit::Done)
}
