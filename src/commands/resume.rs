//! `devenv resume`

use clap::Args;

use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::lifecycle;
use crate::plan::lifecycle::Change;

/// Let paused containers go on
///
/// It takes milliseconds. A bare `devenv up` resumes them as well.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, the whole instance
    #[arg(add = complete::names())]
    names: Vec<String>,
}

/// Changes the containers.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let open = context.open()?;
    let change = Change::Resume;
    let outcome = lifecycle::change(context, &open, &arguments.names, change, None).await?;
    if outcome.changed.is_empty() {
        context.ui.note("nothing is paused");
    }
    context
        .ui
        .json(&serde_json::json!({ "event": "result", "resumed": outcome.changed }));
    Ok(Exit::Done)
}
