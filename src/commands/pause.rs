//! `devenv pause`

use clap::Args;

use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::lifecycle;
use crate::plan::lifecycle::Change;

/// Freeze containers
///
/// This takes milliseconds, and so does `devenv resume`. Their ports stay taken; requests wait.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, the whole instance
    #[arg(add = complete::names())]
    names: Vec<String>,
}

/// Changes the containers.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let open = context.open()?;
    let change = Change::Pause;
    let outcome = lifecycle::change(context, &open, &arguments.names, change, None).await?;
    if outcome.changed.is_empty() {
        context.ui.note("nothing runs that could be paused");
    }
    context
        .ui
        .json(&serde_json::json!({ "event": "result", "paused": outcome.changed }));
    Ok(Exit::Done)
}
