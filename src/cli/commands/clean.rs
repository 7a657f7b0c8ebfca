//! `devenv clean`

use clap::Args;
use serde_json::json;

use crate::cli::commands::size;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::doctor::clean::{Cleaner, Leftover, Removed, remove};
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;

/// Remove what devenv no longer needs from this engine and from its cache (asks first)
///
/// It removes containers that an interrupted command left, networks of instances that do not run,
/// images and cached content to which no instance and no environment's current or previous reference
/// refers, local images of dropped proposals, incomplete proposals, and chunks that no snapshot needs,
/// with what an interrupted save left. It shows all of them first.
/// Nothing that others made is touched.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Remove volumes of removed instances too, with all data in them (asks once more)
    #[arg(long)]
    volumes: bool,
    /// Only show what would be removed
    #[arg(long)]
    dry_run: bool,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let (engine, _) = session.engine()?;
    let cleaner = Cleaner::new(session, &engine, arguments.volumes).await?;
    for why in cleaner.unknown() {
        ui.warn(why);
    }
    let mut found = cleaner.look().await?;
    show(ui, &found);
    if arguments.dry_run {
        let found: Vec<_> = found.iter().map(described).collect();
        ui.json(&json!({ "event": "result", "would_remove": found }));
        return Ok(Exit::Done);
    }
    found = agreed(ui, found)?;
    let _locks = cleaner.locks(&found).await?;
    // While the user thought about it, another command may have begun to use something.
    let now = cleaner.look().await?;
    found.retain(|leftover| now.contains(leftover));
    cleaner.forget(&found)?;
    let removed = remove(&engine, found).await?;
    report(ui, &removed);
    Ok(Exit::Done)
}

/// What the user agrees to remove. Volumes hold data, so they are asked about separately.
fn agreed(ui: &Ui, found: Vec<Leftover>) -> Result<Vec<Leftover>> {
    let (volumes, others): (Vec<_>, Vec<_>) = found
        .into_iter()
        .partition(|it| matches!(it, Leftover::Volume { .. }));
    let (proposals, others): (Vec<_>, Vec<_>) = others
        .into_iter()
        .partition(|it| matches!(it, Leftover::Proposal { .. }));
    let mut agreed = Vec::new();
    if !others.is_empty() && ui.confirm("remove them?", "--yes")? {
        agreed.extend(others);
    }
    let question = "remove these incomplete proposals, with the edits in them?";
    if !proposals.is_empty() && ui.confirm(question, "--yes")? {
        agreed.extend(proposals);
    }
    if !volumes.is_empty() {
        let names: Vec<_> = volumes.iter().map(ToString::to_string).collect();
        ui.note(&format!(
            "these volumes and all data in them will be removed:\n  {}",
            names.join("\n  ")
        ));
        if ui.confirm("remove these volumes?", "--yes")? {
            agreed.extend(volumes);
        }
    }
    Ok(agreed)
}

fn show(ui: &Ui, found: &[Leftover]) {
    if found.is_empty() {
        ui.data("nothing to remove");
        return;
    }
    let (content, objects): (Vec<_>, Vec<_>) = found
        .iter()
        .partition(|it| matches!(it, Leftover::Content { .. }));
    let mut rows: Vec<Vec<Cell>> = objects
        .iter()
        .map(|it| {
            vec![
                Cell::from(it.kind()),
                Cell::from(it.to_string()),
                Cell::from(it.size().map_or_else(String::new, size::of)),
                Cell::from(it.why()),
            ]
        })
        .collect();
    if let Some(first) = content.first() {
        let bytes = content.iter().filter_map(|it| it.size()).sum();
        rows.push(vec![
            Cell::from(first.kind()),
            Cell::from(format!("{} files", content.len())),
            Cell::from(size::of(bytes)),
            Cell::from(first.why()),
        ]);
    }
    ui.data(&table(ui.style(), &["KIND", "NAME", "SIZE", "WHY"], &rows));
}

fn report(ui: &Ui, removed: &Removed) {
    for (leftover, why) in &removed.used {
        ui.warn(&format!(
            "the {} {leftover} is kept: {why}",
            leftover.kind()
        ));
    }
    if !removed.done.is_empty() {
        let freed = removed
            .freed
            .map_or_else(String::new, |freed| format!(", {} freed", size::of(freed)));
        ui.note(&format!("{} removed{freed}", removed.done.len()));
    }
    let done: Vec<_> = removed.done.iter().map(described).collect();
    let used: Vec<_> = removed.used.iter().map(|(it, _)| described(it)).collect();
    ui.json(&json!({
        "event": "result", "removed": done, "in_use": used, "freed": removed.freed,
    }));
}

fn described(leftover: &Leftover) -> serde_json::Value {
    json!({
        "kind": leftover.kind(), "name": leftover.to_string(), "why": leftover.why(),
        "bytes": leftover.size(),
    })
}
