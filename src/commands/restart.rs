//! `devenv restart`

use clap::Args;

use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::lifecycle;
use crate::model::quantity::Span;
use crate::plan::lifecycle::Change;
use crate::ui::table::{Cell, table};

/// Stop containers and start them again, as they are
///
/// Versions, settings and volumes stay; `devenv up` is what brings new ones. Others that need
/// them go on running. It waits until they are ready, as `up` does.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, the whole instance
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Return once everything is started
    #[arg(long)]
    no_wait: bool,
    /// How long one container may take to be ready (90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
}

/// Restarts the containers.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let open = context.open()?;
    let wait = (!arguments.no_wait).then(|| arguments.timeout.duration());
    let change = Change::Restart;
    let outcome = lifecycle::change(context, &open, &arguments.names, change, wait).await?;
    if outcome.changed.is_empty() {
        context.ui.note("nothing runs that could be restarted");
    }
    let rows: Vec<Vec<Cell>> = outcome
        .ready
        .iter()
        .map(|(name, ready)| {
            let state = Cell::painted(ready.as_str(), |style, text| style.green(text));
            vec![Cell::from(name.as_str()), state]
        })
        .collect();
    if !rows.is_empty() {
        context
            .ui
            .data(&table(context.ui.style(), &["NAME", "STATE"], &rows));
    }
    let ready = outcome.ready.iter();
    let ready: serde_json::Map<_, _> = ready
        .map(|(name, ready)| (name.to_string(), ready.as_str().into()))
        .collect();
    context.ui.json(&serde_json::json!({
        "event": "result", "restarted": outcome.changed, "ready": ready,
    }));
    Ok(Exit::Done)
}
