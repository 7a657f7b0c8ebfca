//! Work trees of proposals: where a developer edits, each on a branch of its own.

use std::path::Path;

use git2::{BranchType, ErrorCode, IndexAddOption, Repository, WorktreeAddOptions};

use super::history::CommitId;
use super::repository::{Definitions, local};
use super::text::visible;
use crate::error::{Error, Kind, PathContext, Result};

/// The branch of a proposal.
fn branch_of(name: &str) -> String {
    format!("proposal/{name}")
}

impl Definitions {
    /// Makes a work tree at `path`, which must not exist, on the branch `proposal/<name>` at the
    /// newest accepted commit; gives that commit.
    pub fn add_worktree(&self, name: &str, path: &Path) -> Result<CommitId> {
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).at(Kind::Git, "create", parent)?;
        }
        let base = self.head_id()?;
        let add = || {
            let commit = self.repository.find_commit(base.oid())?;
            let branch = self.repository.branch(&branch_of(name), &commit, true)?;
            let mut options = WorktreeAddOptions::new();
            options.reference(Some(branch.get()));
            self.repository.worktree(name, path, Some(&options))
        };
        add().map_err(local(format!("make a work tree in {}", path.display())))?;
        Ok(base)
    }

    /// What stands in a work tree now, as a commit on top of its branch that nothing refers to; the
    /// branch's own commit where nothing was changed. The user's index stays as it is.
    pub fn snapshot(&self, path: &Path) -> Result<CommitId> {
        let take = || {
            let tree = Repository::open(path)?;
            let head = tree.head()?.peel_to_commit()?;
            let mut index = tree.index()?;
            index.add_all(["*"], IndexAddOption::DEFAULT, None)?;
            index.update_all(["*"], None)?;
            let now = index.write_tree()?;
            if now == head.tree_id() {
                return Ok(head.id());
            }
            let now = tree.find_tree(now)?;
            let who = git2::Signature::new("devenv", "devenv@localhost", &head.time())?;
            tree.commit(
                None,
                &who,
                &who,
                "What stands in the work tree",
                &now,
                &[&head],
            )
        };
        take().map(CommitId::from).map_err(|error: git2::Error| {
            let text = format!("cannot read the work tree in {}", path.display());
            Error::git(text).because(Error::git(visible(error.message())))
        })
    }

    /// Removes a work tree with all that stands in it, and its branch.
    pub fn remove_worktree(&self, name: &str, path: &Path) -> Result<()> {
        if path.exists() {
            std::fs::remove_dir_all(path).at(Kind::Git, "remove", path)?;
        }
        let gone = |error: git2::Error| match error.code() {
            ErrorCode::NotFound => Ok(()),
            _ => Err(local(format!("forget the work tree {name}"))(error)),
        };
        match self.repository.find_worktree(name) {
            Ok(tree) => tree.prune(None).or_else(gone)?,
            Err(error) => gone(error)?,
        }
        match self
            .repository
            .find_branch(&branch_of(name), BranchType::Local)
        {
            Ok(mut branch) => branch.delete().or_else(gone),
            Err(error) => gone(error),
        }
    }
}
