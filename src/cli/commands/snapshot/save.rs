//! `devenv snapshot save`

use clap::Args;
use serde_json::json;

use super::list::snapshot_json;
use crate::cli::commands::size;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::instance::Instance;
use crate::instance::snapshot::Listed;
use crate::model::name::SnapshotName;
use crate::model::quantity::Span;

/// Save the volumes of the instance under a name
///
/// What writes them is stopped meanwhile, with what needs it, and is ready again when the command ends;
/// a service whose definition has a `snapshot` goes on running, and its own command writes its data.
/// Log files are not saved. The snapshot is there as a whole or not at all: a command that is interrupted
/// leaves none, and the next `devenv up` starts what it had stopped.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Its name: lower-case letters, digits, `.`, `_` and `-`
    name: SnapshotName,
    /// Longest time for one container to become ready again (90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let instance = Instance::new(session, &open)?;
    let wait = arguments.timeout.duration();
    let saved = Box::pin(instance.save_snapshot(&arguments.name, wait)).await?;
    let data = saved.snapshot.data();
    let data: Vec<String> = data
        .map(|(container, volume)| format!("{volume} of {container}"))
        .collect();
    ui.data(&format!(
        "saved {}: {} ({}), {} more on this disk",
        arguments.name,
        size::of(saved.snapshot.size()),
        data.join(", "),
        size::of(saved.added)
    ));
    let mut value = snapshot_json(&Listed::of(session, &open, saved.snapshot)?);
    value["event"] = json!("result");
    value["added"] = json!(saved.added);
    value["stopped"] = json!(saved.stopped);
    ui.json(&value);
    Ok(Exit::Done)
}
