//! How far logs were read: where following goes on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use jiff::Timestamp;

use super::snapshot::Snapshot;
use crate::model::name::ContainerName;

/// How far the files of a volume were read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Offsets {
    pub(super) files: BTreeMap<String, u64>,
    pub(super) folders: Vec<String>,
}

/// How far a backlog went.
#[derive(Debug, Default)]
pub struct Reached {
    pub(super) read: BTreeMap<ContainerName, Offsets>,
    /// When the last output of each container was printed, shown or not.
    pub(super) seen: Arc<Mutex<BTreeMap<ContainerName, Timestamp>>>,
}

impl Offsets {
    pub(super) fn of(snapshot: &Snapshot) -> Self {
        let files = snapshot.files.iter();
        Self {
            files: files.map(|file| (file.path.clone(), file.size)).collect(),
            folders: snapshot.folders.clone(),
        }
    }

    /// Takes over what a later look found. A file that was renamed goes on where it was read to,
    /// and one that shrank begins anew.
    pub(super) fn renew(&mut self, found: &Self) {
        let mut known = BTreeMap::new();
        let shrank =
            |path: &String, offset: u64| found.files.get(path).is_none_or(|it| *it < offset);
        let mut moved: Vec<u64> = self
            .files
            .iter()
            .filter(|(path, offset)| shrank(path, **offset))
            .map(|(_, offset)| *offset)
            .collect();
        for (path, size) in &found.files {
            let offset = match self.files.get(path) {
                Some(offset) if offset <= size => *offset,
                Some(_) => 0,
                // Rotated away: what is in it was read under its former name.
                None => {
                    let from = moved
                        .iter()
                        .position(|offset| *offset > 0 && offset <= size);
                    from.map_or(0, |index| moved.swap_remove(index))
                }
            };
            known.insert(path.clone(), offset);
        }
        self.files = known;
        self.folders.clone_from(&found.folders);
    }
}
