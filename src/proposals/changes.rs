//! What a fetch of the definitions brought: commits, containers, versions, other files. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::definitions::{Changed, Commit, FileChange};
use crate::model::name::{ContainerName, Version};
use crate::model::version_change::{VersionChange, version_changes};

/// What the definitions say at one commit, as far as a summary needs it.
#[derive(Debug, Clone, Default)]
pub struct Snapshot {
    /// Which containers have a folder.
    pub containers: Vec<ContainerName>,
    /// Released versions.
    pub versions: BTreeMap<ContainerName, Version>,
}

/// What changed between two commits.
#[derive(Debug, Clone, Serialize)]
pub struct Changes {
    /// Newest first.
    pub commits: Vec<CommitSummary>,
    /// By name.
    pub containers: Vec<ContainerChange>,
    /// Released versions, by container.
    pub versions: Vec<VersionChange>,
    /// Files that belong to no container.
    pub files: Vec<FileChange>,
}

/// A commit as it is shown.
#[derive(Debug, Clone, Serialize)]
pub struct CommitSummary {
    /// Its full name.
    pub id: String,
    /// When.
    pub time: jiff::Timestamp,
    /// Who.
    pub author: String,
    /// Its first line.
    pub subject: String,
}

/// A container whose folder changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ContainerChange {
    /// Which.
    pub name: ContainerName,
    /// Whether it is new, gone or modified.
    pub change: Changed,
    /// The files in its folder.
    pub files: Vec<FileChange>,
}

impl Changes {
    /// Sorts what changed.
    pub fn between(
        before: &Snapshot,
        after: &Snapshot,
        commits: &[Commit],
        files: Vec<FileChange>,
    ) -> Self {
        let mut folders: BTreeMap<ContainerName, Vec<FileChange>> = BTreeMap::new();
        let mut others = Vec::new();
        for file in files {
            match container_of(&file.path) {
                Some((name, rest)) => folders.entry(name).or_default().push(FileChange {
                    path: rest,
                    change: file.change,
                }),
                None => others.push(file),
            }
        }
        let containers = folders
            .into_iter()
            .map(|(name, files)| {
                let (was, is) = (
                    before.containers.contains(&name),
                    after.containers.contains(&name),
                );
                let change = match (was, is) {
                    (false, true) => Changed::Added,
                    (true, false) => Changed::Removed,
                    _ => Changed::Modified,
                };
                ContainerChange {
                    name,
                    change,
                    files,
                }
            })
            .collect();
        Self {
            commits: commits.iter().map(CommitSummary::of).collect(),
            containers,
            versions: version_changes(&before.versions, &after.versions),
            files: others,
        }
    }
}

impl CommitSummary {
    fn of(commit: &Commit) -> Self {
        Self {
            id: commit.id.to_string(),
            time: commit.time,
            author: commit.author.clone(),
            subject: commit.subject.clone(),
        }
    }
}

/// `containers/<name>/<rest>`
fn container_of(path: &str) -> Option<(ContainerName, String)> {
    let (name, rest) = path.strip_prefix("containers/")?.split_once('/')?;
    Some((ContainerName::new(name).ok()?, rest.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn snapshot(containers: &[&str], versions: &[(&str, &str)]) -> Snapshot {
        let name = |text: &str| ContainerName::new(text).unwrap();
        Snapshot {
            containers: containers.iter().map(|text| name(text)).collect(),
            versions: versions
                .iter()
                .map(|(container, version)| (name(container), Version::new(*version).unwrap()))
                .collect(),
        }
    }

    fn file(path: &str, change: Changed) -> FileChange {
        FileChange {
            path: path.to_owned(),
            change,
        }
    }

    #[test]
    fn files_are_sorted_to_their_containers() {
        let before = snapshot(&["audit", "billing"], &[("billing", "1.4.1")]);
        let after = snapshot(&["billing", "invoices"], &[("billing", "1.4.2")]);
        let files = vec![
            file("README.md", Changed::Added),
            file("containers/README.md", Changed::Modified),
            file("containers/audit/container.yaml", Changed::Removed),
            file(
                "containers/billing/configuration/recette/a.conf",
                Changed::Added,
            ),
            file("containers/invoices/Dockerfile", Changed::Added),
            file("containers/invoices/container.yaml", Changed::Added),
        ];
        let changes = Changes::between(&before, &after, &[], files);
        let told: Vec<_> = changes
            .containers
            .iter()
            .map(|it| (it.name.as_str(), it.change, it.files.len()))
            .collect();
        assert_eq!(
            told,
            [
                ("audit", Changed::Removed, 1),
                ("billing", Changed::Modified, 1),
                ("invoices", Changed::Added, 2)
            ]
        );
        assert_eq!(
            changes.containers[1].files[0].path,
            "configuration/recette/a.conf"
        );
        let others: Vec<_> = changes.files.iter().map(|it| it.path.as_str()).collect();
        assert_eq!(others, ["README.md", "containers/README.md"]);
        assert_eq!(changes.versions[0].to_string(), "billing 1.4.1 → 1.4.2");
    }
}
