//! The catalogue at one commit, and which files two commits differ in.

use std::collections::BTreeMap;

use git2::Delta;
use serde::Serialize;

use super::commit_id::CommitId;
use super::repository::{Definitions, local};
use crate::error::{Error, Result};
use crate::model::catalogue::{Catalogue, Source};
use crate::model::visible::visible;

/// A file that is not the same in two commits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FileChange {
    /// Its path; control characters are made visible.
    pub path: String,
    /// What became of it.
    pub change: Changed,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Changed {
    /// It is new.
    Added,
    /// It is gone.
    Removed,
    /// It has another content or mode.
    Modified,
}

impl Definitions {
    /// `platform.yaml` and all containers at `commit`, checked as a whole. Fails with
    /// [`crate::error::Kind::Definitions`] and the place of what is wrong.
    pub fn catalogue(&self, commit: CommitId) -> Result<Catalogue> {
        let platform = self.source(commit, "platform.yaml")?;
        let mut containers = BTreeMap::new();
        for name in self.containers(commit)? {
            let source = self.source(commit, &format!("containers/{name}/container.yaml"))?;
            containers.insert(name, source);
        }
        Catalogue::load(&platform, &containers)
    }

    fn source(&self, commit: CommitId, path: &str) -> Result<Source> {
        let text = self.read(commit, path)?.ok_or_else(|| {
            let short = commit.short();
            Error::definitions(format!("there is no {path} in the definitions at {short}"))
        })?;
        Ok(Source {
            path: path.to_owned(),
            text,
        })
    }

    /// The files that `from` and `to` differ in, by path.
    pub fn changed_files(&self, from: CommitId, to: CommitId) -> Result<Vec<FileChange>> {
        let difference = || {
            let (before, after) = (
                self.repository.find_commit(from.oid())?.tree()?,
                self.repository.find_commit(to.oid())?.tree()?,
            );
            self.repository
                .diff_tree_to_tree(Some(&before), Some(&after), None)
        };
        let difference = difference().map_err(local(format!("compare {from} with {to}")))?;
        let mut changes: Vec<FileChange> = difference
            .deltas()
            .map(|delta| {
                let (file, change) = match delta.status() {
                    Delta::Added => (delta.new_file(), Changed::Added),
                    Delta::Deleted => (delta.old_file(), Changed::Removed),
                    _ => (delta.new_file(), Changed::Modified),
                };
                let path = String::from_utf8_lossy(file.path_bytes().unwrap_or_default());
                FileChange {
                    path: visible(&path),
                    change,
                }
            })
            .collect();
        changes.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(changes)
    }
}
