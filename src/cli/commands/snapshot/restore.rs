//! `devenv snapshot restore`

use clap::Args;
use serde_json::json;

use crate::cli::commands::size;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::instance::Instance;
use crate::instance::intent::{Manner, Until};
use crate::model::name::SnapshotName;
use crate::model::quantity::Span;

/// Replace the data of the instance by that of a snapshot (asks first)
///
/// It fills new volumes while everything runs, then stops what uses the old ones and starts it on the new
/// ones. Only when all containers are healthy do the old volumes go; until then, whatever happens, the
/// data is what it was before. Data of another major version of a service is refused.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Which
    #[arg(add = complete::snapshots())]
    name: SnapshotName,
    /// Longest time for one container to become ready (90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let manner = Manner {
        until: Until::Ready,
        limit: arguments.timeout.duration(),
    };
    let instance = Instance::new(session, &open)?;
    let restored = Box::pin(instance.restore_snapshot(&arguments.name, manner)).await?;
    let ready = restored.brought.map(|it| it.ready).unwrap_or_default();
    let size = size::of(restored.snapshot.size());
    let names: Vec<String> = ready
        .iter()
        .map(|(name, ready)| format!("{name} {}", ready.as_str()))
        .collect();
    let end = if names.is_empty() { "" } else { "; " };
    ui.data(&format!(
        "restored {}: {size}{end}{}",
        arguments.name,
        names.join(", ")
    ));
    let ready: serde_json::Map<_, _> = ready
        .iter()
        .map(|(name, ready)| (name.to_string(), ready.as_str().into()))
        .collect();
    ui.json(&json!({ "event": "result", "restored": arguments.name, "ready": ready }));
    Ok(Exit::Done)
}
