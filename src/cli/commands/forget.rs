//! `devenv forget`

use clap::Args;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::doctor::forget::Traces;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::name::PlatformName;

/// Forget a platform on this machine: its definitions, proposals, secrets and pinned keys (asks first)
///
/// It shows first what will be removed. Nothing on any server changes, and volumes stay on the engine.
/// A later `devenv init` starts from the beginning, and asks again whether to trust the keys.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the platform
    #[arg(add = complete::platforms())]
    platform: PlatformName,
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let platform = &arguments.platform;
    let traces = Traces::find(session, platform).await?;
    for trace in &traces.files {
        ui.note(&format!(
            "will be removed: {} ({})",
            trace.what,
            trace.path.display()
        ));
    }
    match &traces.volumes {
        None => ui.warn("the engine does not answer: volumes of the platform may stay on it"),
        Some(volumes) if !volumes.is_empty() => ui.note(&format!(
            "stays on the engine until `devenv clean --volumes`: {}",
            volumes.join(", ")
        )),
        Some(_) => {}
    }
    if arguments.dry_run {
        ui.json(&serde_json::json!({ "event": "result", "would_forget": traces }));
        return Ok(Exit::Done);
    }
    let question =
        format!("forget {platform} on this machine, with all changes that were not sent?");
    if !ui.confirm(&question, "--yes")? {
        return Err(Error::usage("nothing was forgotten"));
    }
    traces.remove(session).await?;
    ui.json(&serde_json::json!({ "event": "result", "forgotten": traces }));
    ui.data(&format!("forgot {platform}"));
    Ok(Exit::Done)
}
