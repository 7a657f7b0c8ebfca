//! Removing leftovers, and finding unread files in the cache.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::Leftover;
use crate::engine::docker::Docker;
use crate::engine::{Engine, Fault, FaultKind};
use crate::error::{Kind, PathContext, Result};
use crate::home::paths::Paths;

/// Another command may be about to use a younger file.
const YOUNG: Duration = Duration::from_secs(3600);

/// What was removed.
#[derive(Debug, Default)]
pub struct Removed {
    /// These.
    pub done: Vec<Leftover>,
    /// These stayed, because somebody began to use them: what, and the engine's words.
    pub used: Vec<(Leftover, String)>,
    /// Bytes, where the engine says what images take.
    pub freed: Option<u64>,
}

/// Removes what was found. What is in use by now stays; what is gone already is no error.
pub async fn remove(engine: &Docker, leftovers: Vec<Leftover>) -> Result<Removed> {
    let has_images = leftovers
        .iter()
        .any(|it| matches!(it, Leftover::Image { .. }));
    let before = layers(engine, has_images).await;
    let mut removed = Removed::default();
    let mut content = 0;
    for leftover in leftovers {
        match one(engine, &leftover).await? {
            Ok(()) => {
                if let Leftover::Content { size, .. } | Leftover::Chunks { size, .. } = &leftover {
                    content += size;
                }
                removed.done.push(leftover);
            }
            Err(fault) => removed.used.push((leftover, fault.to_string())),
        }
    }
    let after = layers(engine, has_images).await;
    removed.freed = before
        .zip(after)
        .map(|(before, after)| before.saturating_sub(after) + content);
    Ok(removed)
}

/// What images take; asked only where some go, because engines count slowly.
async fn layers(engine: &Docker, has_images: bool) -> Option<u64> {
    if has_images {
        engine.layers_size().await
    } else {
        Some(0)
    }
}

async fn one(engine: &Docker, leftover: &Leftover) -> Result<Result<(), Fault>> {
    let answer = match leftover {
        Leftover::Container { id, .. } => match engine.stop(id, None).await {
            Ok(()) => engine.remove(id).await,
            refused => refused,
        },
        Leftover::Network { id, .. } => engine.remove_network(id).await,
        Leftover::Volume { name, .. } => engine.remove_volume(name).await,
        Leftover::Image { names, .. } => {
            let mut answer = Ok(());
            for name in names {
                // The last tag takes the names by digest of the same repository along.
                answer = answer.and(gone_is_fine(engine.remove_image(name).await));
            }
            answer
        }
        // They take git and the store of snapshots, not the engine: `Cleaner::forget`.
        Leftover::Proposal { .. } | Leftover::Chunks { .. } => Ok(()),
        Leftover::Content { path, .. } => {
            let removed = std::fs::remove_file(path).if_there(Kind::Usage, "remove", path);
            return removed.map(|_| Ok(()));
        }
    };
    match gone_is_fine(answer) {
        // Engines sometimes claim endpoints that are gone (moby#42119).
        Err(fault) if matches!(fault.kind, FaultKind::Conflict | FaultKind::Denied) => {
            Ok(Err(fault))
        }
        other => Ok(Ok(other?)),
    }
}

fn gone_is_fine(answer: Result<(), Fault>) -> Result<(), Fault> {
    match answer {
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(()),
        other => other,
    }
}

/// Content in the cache that was not read, and is not so young that somebody may be about to.
pub(super) fn unread(paths: &Paths, read: &BTreeSet<&PathBuf>) -> Result<Vec<Leftover>> {
    let mut found = Vec::new();
    for folder in entries(&paths.contents())? {
        for path in entries(&folder)? {
            let Ok(metadata) = path.metadata() else {
                continue;
            };
            let age = metadata.modified().ok().and_then(|it| it.elapsed().ok());
            if metadata.is_file() && !read.contains(&path) && age.is_some_and(|it| it > YOUNG) {
                let size = metadata.len();
                found.push(Leftover::Content { path, size });
            }
        }
    }
    found.sort();
    Ok(found)
}

fn entries(folder: &Path) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.filter_map(|it| Some(it.ok()?.path())).collect()),
        Err(error) if matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
            Ok(Vec::new())
        }
        Err(error) => Err(error).at(Kind::Usage, "read", folder),
    }
}
