//! Recording a released version in `platform.yaml`.

use std::sync::Arc;

use super::Desk;
use crate::definitions::platform_edit::set_version;
use crate::definitions::{Change, CommitId, History, Pushed};
use crate::error::{Error, Result};
use crate::model::name::{ContainerName, Version};

const PLATFORM: &str = "platform.yaml";
/// How often another push may come first.
const ATTEMPTS: usize = 20;

/// Where a version was recorded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Recorded {
    /// It was there already.
    Already,
    /// On the branch itself.
    Pushed {
        /// Which branch.
        branch: String,
        /// The new commit.
        commit: CommitId,
    },
    /// The branch is protected: on a branch of its own, which has to be merged.
    Proposed {
        /// Which branch.
        branch: String,
        /// Where it is to be merged.
        target: String,
        /// What the server said, often the address of a merge request.
        said: Vec<String>,
    },
}

impl Desk<'_> {
    /// Sets the version of a container on the base branch, whoever else pushes there.
    pub(super) async fn record(
        &mut self,
        container: &ContainerName,
        version: &Version,
    ) -> Result<Recorded> {
        self.reporter
            .note(&format!("recording {container} {version} in {PLATFORM}"));
        let target = self.definitions.base_branch()?;
        for _ in 0..ATTEMPTS {
            self.definitions
                .fetch(History::Forward, Arc::new(()))
                .await?;
            let base = self.definitions.head_id()?;
            let Some(commit) = self.version_commit(base, container, version)? else {
                return Ok(Recorded::Already);
            };
            let pushed = self
                .definitions
                .push_branch(commit, &target, Arc::new(()))
                .await?;
            match pushed {
                Pushed::Accepted(_) => {
                    return Ok(Recorded::Pushed {
                        branch: target,
                        commit,
                    });
                }
                Pushed::Overtaken => {}
                Pushed::Refused(why) => {
                    return self
                        .propose(container, version, commit, &target, &why)
                        .await;
                }
            }
        }
        Err(Error::git(format!(
            "{container} {version} is released, but not recorded: others pushed {ATTEMPTS} times meanwhile"
        ))
        .hint("run the same command again"))
    }

    /// A commit that sets the version; `None` where it is set.
    fn version_commit(
        &self,
        base: CommitId,
        container: &ContainerName,
        version: &Version,
    ) -> Result<Option<CommitId>> {
        let before = self.definitions.read(base, PLATFORM)?.unwrap_or_default();
        let before = String::from_utf8_lossy(&before);
        let after = set_version(&before, container, version)?;
        if after == before {
            return Ok(None);
        }
        let change = Change::Write {
            path: PLATFORM.to_owned(),
            bytes: after.into_bytes(),
            executable: false,
        };
        let author = self.definitions.author(self.now())?;
        let message = format!("release: {container} {version}\n");
        self.definitions
            .commit_files(base, &[change], &message, &author)
            .map(Some)
    }

    async fn propose(
        &mut self,
        container: &ContainerName,
        version: &Version,
        commit: CommitId,
        target: &str,
        why: &str,
    ) -> Result<Recorded> {
        let branch = format!("release/{container}-{version}");
        let proposed = |branch: String, said| Recorded::Proposed {
            branch,
            target: target.to_owned(),
            said,
        };
        if let Some(existing) = self.definitions.branch_commit(&branch)?
            && self.version_commit(existing, container, version)?.is_none()
        {
            return Ok(proposed(branch, Vec::new()));
        }
        let pushed = self
            .definitions
            .push_branch(commit, &branch, Arc::new(()))
            .await?;
        match pushed {
            Pushed::Accepted(said) => Ok(proposed(branch, said)),
            Pushed::Overtaken | Pushed::Refused(_) => Err(Error::git(format!(
                "{container} {version} is released, but cannot be recorded: the server takes neither `{target}` nor `{branch}`"
            ))
            .detail(why)
            .hint(format!("set `{container}: {version}` under `containers` in {PLATFORM} by a merge request"))),
        }
    }
}
