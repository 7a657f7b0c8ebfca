//! A clone that devenv did not make: a developer's own, or a CI's.

use std::path::Path;

use git2::{ErrorCode, Repository};

use super::commit_id::CommitId;
use super::git::Git;
use super::moved::conflicts;
use super::proposed::Upon;
use super::repository::{Definitions, local};
use crate::error::{Error, Result};
use crate::model::visible::visible;

impl Definitions {
    /// Opens the clone that `folder` lies in, and gives what stands there as a commit: of a work
    /// tree with what is not committed yet. Branches and index stay as they are. Fails with
    /// [`crate::error::Kind::Usage`] where there is no clone.
    pub fn elsewhere(folder: &Path, git: &Git) -> Result<(Self, CommitId)> {
        let repository = Repository::discover(folder).map_err(|error| {
            let text = format!("{} is in no git clone that can be read", folder.display());
            let why = Error::git(visible(error.message()));
            let error = Error::usage(text).because(why);
            error.hint("`--definitions DIR` names the clone of the definitions")
        })?;
        let work_tree = repository.workdir().map(Path::to_owned);
        let clone = Self {
            path: repository.path().to_owned(),
            repository,
            git: git.clone(),
        };
        let commit = match work_tree {
            Some(folder) => clone.snapshot(&folder)?,
            None => clone.checked_out()?,
        };
        Ok((clone, commit))
    }

    /// The commit that `HEAD` names.
    fn checked_out(&self) -> Result<CommitId> {
        let head = self.repository.head().and_then(|it| it.peel_to_commit());
        head.map(|commit| commit.id().into())
            .map_err(local("find the newest commit of this clone"))
    }

    /// The server's own branch, as far as this clone was told.
    pub fn servers_branch(&self) -> Option<String> {
        let head = format!("{}HEAD", super::remote::ORIGIN);
        let head = self.repository.find_reference(&head).ok()?;
        let target = head.symbolic_target().ok().flatten()?;
        Some(target.strip_prefix(super::remote::ORIGIN)?.to_owned())
    }

    /// The commit that a branch of the server, a branch, a tag or a commit's name stands for here.
    pub fn named(&self, name: &str) -> Option<CommitId> {
        let branch = format!("{}{name}", super::remote::ORIGIN);
        let found = self
            .repository
            .revparse_single(&branch)
            .or_else(|_| self.repository.revparse_single(name));
        let commit = found.ok()?.peel_to_commit().ok()?;
        Some(commit.id().into())
    }

    /// What merging `head` into `target` gives, in memory; `None` where this clone does not have
    /// what both grew from.
    pub fn merged(&self, target: CommitId, head: CommitId) -> Result<Option<Upon>> {
        match self.repository.merge_base(target.oid(), head.oid()) {
            Ok(base) if base == target.oid() => return Ok(Some(Upon::Fits(head))),
            Ok(_) => {}
            Err(error) if error.code() == ErrorCode::NotFound => return Ok(None),
            Err(error) => return Err(local("compare two branches")(error)),
        }
        let merge = || {
            let ours = self.repository.find_commit(target.oid())?;
            let theirs = self.repository.find_commit(head.oid())?;
            let mut index = self.repository.merge_commits(&ours, &theirs, None)?;
            let conflicts = conflicts(&index)?;
            if !conflicts.is_empty() {
                return Ok(Upon::Conflicts(conflicts));
            }
            let tree = index.write_tree_to(&self.repository)?;
            let tree = self.repository.find_tree(tree)?;
            let commit = self.nameless(&tree, target.oid())?;
            Ok(Upon::Fits(commit.into()))
        };
        merge().map(Some).map_err(local("merge two branches"))
    }
}
