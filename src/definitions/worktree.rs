//! Work trees of proposals: where a developer edits, each on a branch of its own.

use std::path::Path;

use git2::{BranchType, ErrorCode, IndexAddOption, Repository, StatusOptions, WorktreeAddOptions};

use super::commit_id::CommitId;
use super::repository::{Definitions, local};
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::visible::visible;
use crate::system::{Here, System as _};

/// What editors and file managers leave beside the files that are edited, as git ignores it.
const EDITORS_OWN: &str = "*~\n.*.sw?\n.#*\n\\#*#\n4913\n.DS_Store\n*___jb_*\n";

/// Whether a file of this name is an editor's own, and no part of a proposal.
pub fn is_editors_own(name: &str) -> bool {
    let swap = name
        .rsplit_once(".sw")
        .is_some_and(|(before, end)| before.starts_with('.') && end.chars().count() == 1);
    swap || name.ends_with('~')
        || name.starts_with(".#")
        || (name.starts_with('#') && name.ends_with('#'))
        || matches!(name, "4913" | ".DS_Store")
        || name.contains("___jb_")
}

/// The branch of a proposal.
fn branch_of(name: &str) -> String {
    format!("proposal/{name}")
}

impl Definitions {
    /// Makes a work tree at `path`, which must not exist, on the branch `proposal/<name>` at the
    /// newest accepted commit; gives that commit.
    pub fn add_worktree(&self, name: &str, path: &Path) -> Result<CommitId> {
        let base = self.head_id()?;
        self.check_for_work_tree(base)?;
        if let Some(parent) = path.parent() {
            Here::create_private(parent).at(Kind::Git, "create", parent)?;
        }
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
    /// branch's own commit where nothing was changed. The user's index stays as it is, and what an
    /// editor that is open keeps beside the files is left out.
    pub fn snapshot(&self, path: &Path) -> Result<CommitId> {
        let take = || {
            let tree = Repository::open(path)?;
            tree.add_ignore_rule(EDITORS_OWN)?;
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

    /// Files and folders of a work tree that git ignores, and so are in no snapshot; without what
    /// is an editor's own.
    pub fn ignored_files(&self, path: &Path) -> Result<Vec<String>> {
        let list = || {
            let tree = Repository::open(path)?;
            let mut options = StatusOptions::new();
            options.include_ignored(true).include_untracked(false);
            let found = tree.statuses(Some(&mut options))?;
            let ignored = found.iter().filter(|it| it.status().is_ignored());
            let paths = ignored.map(|it| String::from_utf8_lossy(it.path_bytes()).into_owned());
            Ok(paths
                .filter(|path| !path.rsplit('/').next().is_some_and(is_editors_own))
                .map(|path| visible(&path))
                .collect())
        };
        let listed: std::result::Result<Vec<String>, git2::Error> = list();
        listed.map_err(local(format!("read the work tree in {}", path.display())))
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways_to_say_what_is_an_editors_own_agree() {
        let folder = tempfile::tempdir().unwrap();
        let repository = Repository::init(folder.path()).unwrap();
        repository.add_ignore_rule(EDITORS_OWN).unwrap();
        for (name, own) in [
            (".container.yaml.swp", true),
            (".Dockerfile.swx", true),
            ("container.yaml~", true),
            (".#container.yaml", true),
            ("#container.yaml#", true),
            ("4913", true),
            (".DS_Store", true),
            ("container.yaml___jb_tmp___", true),
            ("container.yaml", false),
            (".htaccess", false),
            ("a.swp", false),
            ("#notes", false),
        ] {
            assert_eq!(is_editors_own(name), own, "{name}");
            let ignored = repository.is_path_ignored(name).unwrap();
            assert_eq!(ignored, own, "{name}");
        }
    }
}
