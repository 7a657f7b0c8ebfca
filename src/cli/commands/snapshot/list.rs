//! `devenv snapshot list`

use clap::Args;
use serde_json::{Value, json};

use crate::cli::commands::size;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::snapshot::{self, Listed};
use crate::model::name::ContainerName;

/// Show the snapshots of the platform, and what wrote their data
///
/// SIZE is that of the volumes, ON DISK what its chunks take here, ALONE what would be free without it:
/// the rest is shared with other snapshots. `(dump)`: the container's own command wrote it.
#[derive(Debug, Args)]
pub struct Arguments {}

pub fn run(ui: &Ui, session: &Session, _: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let all = snapshot::all(session, &open)?;
    ui.json(&all.iter().map(snapshot_json).collect::<Vec<_>>());
    if all.is_empty() {
        ui.note("no snapshots: `devenv snapshot save NAME` takes one");
        return Ok(Exit::Done);
    }
    let header = [
        "NAME",
        "TAKEN",
        "INSTANCE",
        "SIZE",
        "ON DISK",
        "ALONE",
        "WRITTEN BY",
    ];
    let rows: Vec<Vec<Cell>> = all.iter().map(row).collect();
    ui.data(&ui.fitted(&table(ui.style(), &header, &rows)));
    Ok(Exit::Done)
}

fn row(listed: &Listed) -> Vec<Cell> {
    let it = &listed.snapshot;
    let writers = it.writers.iter();
    let is_dumped = |name: &ContainerName| it.dumps.iter().any(|it| it.container == *name);
    let writers = writers.map(|(name, writer)| {
        let form = if is_dumped(name) { " (dump)" } else { "" };
        format!("{name} {}{form}", writer.version)
    });
    let writers: Vec<String> = writers.collect();
    let by = format!("reference {}: {}", it.reference, writers.join(", "));
    [
        it.name.to_string(),
        it.taken.strftime("%Y-%m-%d %H:%M UTC").to_string(),
        it.instance.to_string(),
        size::of(it.size()),
        size::of(listed.stored),
        size::of(listed.own),
        by,
    ]
    .map(Cell::from)
    .to_vec()
}

pub(super) fn snapshot_json(listed: &Listed) -> Value {
    let it = &listed.snapshot;
    let volumes = it
        .volumes
        .iter()
        .map(|it| json!({ "container": it.container, "volume": it.volume, "size": it.size() }));
    let dumps = it.dumps.iter().map(|it| {
        let sizes = it.chunks.iter().map(|chunk| u64::from(chunk.size));
        json!({ "container": it.container, "volumes": it.volumes, "size": sizes.sum::<u64>() })
    });
    json!({
        "name": it.name, "platform": it.platform, "instance": it.instance, "taken": it.taken,
        "environment": it.environment, "configuration": it.configuration,
        "reference": { "number": it.reference, "digest": it.digest },
        "writers": it.writers, "volumes": volumes.collect::<Vec<_>>(),
        "dumps": dumps.collect::<Vec<_>>(),
        "size": it.size(), "stored": listed.stored, "own": listed.own,
    })
}
