//! A proposal's commits: its folder on top of the newest base, in memory, and the commit that is
//! sent. No work tree, filter, hook or attribute has a part in it.

use git2::build::TreeUpdateBuilder;
use git2::{EmailCreateOptions, ErrorCode, FileMode, Oid, Signature, Time, Tree};
use jiff::SignedDuration;

use super::commit::Author;
use super::commit_id::CommitId;
use super::repository::{Definitions, local};
use super::transport::{Expected, Push, SharedReporter, Update};
use crate::error::{Error, Result};
use crate::model::visible::visible;

/// What a folder is on top of another base.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Upon {
    /// It fits: a commit that nothing refers to.
    Fits(CommitId),
    /// Both sides changed these files.
    Conflicts(Vec<String>),
}

/// What is sent, and where.
#[derive(Debug, Clone)]
pub struct Shipment {
    /// The commit.
    pub commit: CommitId,
    /// The reference that it goes to.
    pub target: String,
    /// What the branch is there now; `None` where there is none.
    pub before: Option<CommitId>,
    /// Push options.
    pub options: Vec<String>,
}

/// How the server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Shipped {
    /// It took it; the lines are what it said.
    Taken(Vec<String>),
    /// Somebody else moved the branch.
    Overtaken,
    /// It does not want it: its reason and its lines.
    Refused(String, Vec<String>),
}

impl Definitions {
    /// The folder `path` as `snapshot` has it (grown from `base`), on top of `newest`. Everything
    /// outside of the folder is as in `newest`.
    pub fn upon(
        &self,
        base: CommitId,
        snapshot: CommitId,
        newest: CommitId,
        path: &str,
    ) -> Result<Upon> {
        // Refuses links, submodules and odd names before anything is made of them.
        self.folder(snapshot, path)?;
        let failed = || local(format!("put {path} on top of {}", newest.short()));
        let merge = || {
            let only = self.with_folder(base, snapshot, path)?;
            let ours = self.repository.find_commit(newest.oid())?;
            let theirs = self.repository.find_commit(only)?;
            let mut index = self.repository.merge_commits(&ours, &theirs, None)?;
            let conflicts = super::moved::conflicts(&index)?;
            if !conflicts.is_empty() {
                return Ok(Upon::Conflicts(conflicts));
            }
            let tree = index.write_tree_to(&self.repository)?;
            let commit = self.nameless(&self.repository.find_tree(tree)?, newest.oid())?;
            Ok(Upon::Fits(commit.into()))
        };
        merge().map_err(failed())
    }

    /// `base` with the folder of another commit, as a commit that nothing refers to.
    pub(super) fn with_folder(
        &self,
        base: CommitId,
        other: CommitId,
        path: &str,
    ) -> std::result::Result<Oid, git2::Error> {
        let parent = self.repository.find_commit(base.oid())?;
        let there = self.repository.find_commit(other.oid())?.tree()?;
        let mut update = TreeUpdateBuilder::new();
        match there.get_path(std::path::Path::new(path)) {
            Ok(entry) => drop(update.upsert(path, entry.id(), FileMode::Tree)),
            Err(error) if error.code() == ErrorCode::NotFound => drop(update.remove(path)),
            Err(error) => return Err(error),
        }
        let tree = update.create_updated(&self.repository, &parent.tree()?)?;
        self.nameless(&self.repository.find_tree(tree)?, base.oid())
    }

    pub(super) fn nameless(
        &self,
        tree: &Tree<'_>,
        parent: Oid,
    ) -> std::result::Result<Oid, git2::Error> {
        let parent = self.repository.find_commit(parent)?;
        let who = Signature::new("devenv", "devenv@localhost", &Time::new(0, 0))?;
        self.repository
            .commit(None, &who, &who, "in memory", tree, &[&parent])
    }

    /// The files of `like` as a commit on top of `parent`, signed where git is set up to; no branch
    /// moves. It is never `before`, the one that the server has: pushing that again would do nothing,
    /// and its options would not be read. In the same second it is dated one later.
    pub fn commit_as(
        &self,
        parent: CommitId,
        like: CommitId,
        message: &str,
        author: &Author,
        before: Option<CommitId>,
    ) -> Result<CommitId> {
        let tree = self.commit(like)?.tree().map_err(local("commit"))?;
        let parent = self.commit(parent)?;
        let commit = self.commit_tree(&parent, &tree, message, author)?;
        if before != Some(commit) {
            return Ok(commit);
        }
        let mut later = author.clone();
        later.at += SignedDuration::from_secs(1);
        self.commit_tree(&parent, &tree, message, &later)
    }

    /// Whether a folder has the same files in two commits.
    pub fn same_folder(&self, one: CommitId, other: CommitId, path: &str) -> Result<bool> {
        Ok(self.folder(one, path)? == self.folder(other, path)?)
    }

    /// A commit as `git format-patch` writes it.
    pub fn patch(&self, commit: CommitId) -> Result<Vec<u8>> {
        let write = || {
            let found = self.repository.find_commit(commit.oid())?;
            let parent = found.parent(0)?;
            let difference = self.repository.diff_tree_to_tree(
                Some(&parent.tree()?),
                Some(&found.tree()?),
                None,
            )?;
            let body = found.body().ok().flatten().unwrap_or_default().to_owned();
            let summary = found
                .summary()
                .ok()
                .flatten()
                .unwrap_or_default()
                .to_owned();
            let mut options = EmailCreateOptions::new();
            let email = git2::Email::from_diff(
                &difference,
                1,
                1,
                &found.id(),
                &summary,
                &body,
                &found.author(),
                &mut options,
            )?;
            Ok(email.as_slice().to_vec())
        };
        write().map_err(local(format!("write {} as a patch", commit.short())))
    }

    /// Sends a proposal's commit. A branch is changed only while it is what was seen before.
    pub async fn ship(&mut self, shipment: &Shipment, reporter: SharedReporter) -> Result<Shipped> {
        let branch = shipment.target.strip_prefix("refs/heads/");
        let push = Push {
            target: shipment.target.clone(),
            source: Some(shipment.commit.oid()),
            expected: match (branch, shipment.before) {
                (None, _) => Expected::Ancestor,
                (Some(_), Some(before)) => Expected::Exactly(before.oid()),
                (Some(_), None) => Expected::Absent,
            },
            options: shipment.options.clone(),
        };
        let report = self.remote()?.push(&push, reporter).await?;
        Ok(match report.update {
            Update::Done => {
                if let Some(branch) = branch {
                    self.note(branch, Some(shipment.commit))?;
                }
                Shipped::Taken(report.said)
            }
            Update::Overtaken(_) => Shipped::Overtaken,
            Update::Refused(reason) => Shipped::Refused(reason, report.said),
        })
    }

    /// Removes a branch from the server while it is at `expected`; whether it is gone.
    pub async fn take_back(
        &mut self,
        branch: &str,
        expected: CommitId,
        reporter: SharedReporter,
    ) -> Result<bool> {
        let push = Push {
            target: format!("refs/heads/{branch}"),
            source: None,
            expected: Expected::Exactly(expected.oid()),
            options: Vec::new(),
        };
        let report = self.remote()?.push(&push, reporter).await?;
        match report.update {
            Update::Done => self.note(branch, None).map(|()| true),
            Update::Overtaken(_) | Update::Refused(_) => Ok(false),
        }
    }

    /// Notes what the server has, as the next fetch would.
    fn note(&self, branch: &str, commit: Option<CommitId>) -> Result<()> {
        let name = format!("{}{branch}", super::remote::ORIGIN);
        let write = || match commit {
            Some(commit) => {
                let text = "devenv: proposed";
                let made = self.repository.reference(&name, commit.oid(), true, text);
                made.map(drop)
            }
            None => match self.repository.find_reference(&name) {
                Ok(mut reference) => reference.delete(),
                Err(error) if error.code() == ErrorCode::NotFound => Ok(()),
                Err(error) => Err(error),
            },
        };
        write().map_err(|error| {
            let text = format!("cannot note the branch {}", visible(branch));
            Error::git(text).because(Error::git(visible(error.message())))
        })
    }
}
