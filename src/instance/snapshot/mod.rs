//! The data of an instance: saved as one thing, restored as one thing, and never half.
//!
//! A restored volume is a new one that takes the place of the one before: engines can neither rename nor
//! swap volumes, and what is unpacked over data is neither the old nor the new. Until the containers are
//! healthy with it, what was there before is what counts.

mod afresh;
mod dumps;
mod parcel;
mod readable;
mod restore;
mod save;
mod search;
mod transfer;
mod unfinished;
pub(super) mod volumes;

pub(super) use dumps::{DumpReader, judged};
pub use parcel::{Imported, export, import};
pub(super) use parcel::{export_to, import_from, peek};
pub(super) use readable::unread;
pub use restore::Restored;
pub use save::Saved;
pub(super) use search::search;

use crate::error::Result;
use crate::home::session::{OpenPlatform, Session};
use crate::home::snapshots::Snapshots;
use crate::model::name::SnapshotName;
use crate::model::snapshot::Snapshot;

/// A snapshot with what it takes on this disk.
#[derive(Debug)]
pub struct Listed {
    /// What it holds.
    pub snapshot: Snapshot,
    /// Bytes of its chunks, compressed.
    pub stored: u64,
    /// Those of them that no other snapshot needs.
    pub own: u64,
}

impl Listed {
    /// One of them.
    ///
    /// # Errors
    /// A folder that cannot be read.
    pub fn of(session: &Session, open: &OpenPlatform, snapshot: Snapshot) -> Result<Self> {
        let all = all(session, open)?;
        let found = all.into_iter().find(|it| it.snapshot.name == snapshot.name);
        Ok(found.unwrap_or(Self {
            snapshot,
            stored: 0,
            own: 0,
        }))
    }
}

/// All snapshots of the platform, the oldest first; one that cannot be read is told of.
///
/// # Errors
/// A folder that cannot be read.
pub fn all(session: &Session, open: &OpenPlatform) -> Result<Vec<Listed>> {
    let snapshots = store(session, open);
    let mut found = Vec::new();
    for name in snapshots.names()? {
        match snapshots.load(&name) {
            Ok(snapshot) => found.push(snapshot),
            Err(error) => session.reporter.warn(&error.chain().join(": ")),
        }
    }
    found.sort_by_key(|it| it.taken);
    let sizes = snapshots.sizes(&found);
    let all = found.into_iter().zip(sizes);
    Ok(all
        .map(|(snapshot, (stored, own))| Listed {
            snapshot,
            stored,
            own,
        })
        .collect())
}

/// The snapshot of this name.
///
/// # Errors
/// There is none, or it cannot be read.
pub fn load(session: &Session, open: &OpenPlatform, name: &SnapshotName) -> Result<Snapshot> {
    store(session, open).load(name)
}

/// Whether there is a snapshot of this name, though it may not be readable.
///
/// # Errors
/// There is none.
pub fn find(session: &Session, open: &OpenPlatform, name: &SnapshotName) -> Result<()> {
    let snapshots = store(session, open);
    if snapshots.has(name) {
        return Ok(());
    }
    snapshots.load(name).map(drop)
}

/// Removes a snapshot and what only it needed; gives the bytes that are free now.
///
/// # Errors
/// There is none of this name.
pub async fn remove(session: &Session, open: &OpenPlatform, name: &SnapshotName) -> Result<u64> {
    let snapshots = store(session, open);
    let _lock = snapshots.lock(|| waits(session)).await?;
    snapshots.remove(name)
}

fn store(session: &Session, open: &OpenPlatform) -> Snapshots {
    Snapshots::of(&session.home.paths, &open.name)
}

fn waits(session: &Session) {
    session
        .reporter
        .note("waiting for another devenv command on the snapshots");
}
