//! Commits made without a work tree, and pushing them to a branch.

use git2::build::TreeUpdateBuilder;
use git2::{FileMode, Signature, Time};
use jiff::Timestamp;

use super::commit_id::CommitId;
use super::repository::{Definitions, local};
use super::transport::{Expected, Push, SharedReporter, Update};
use super::tree::plain_component;
use crate::error::{Error, Result};
use crate::model::visible::visible;

/// Who writes a commit or a reservation, and when.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Author {
    /// A name.
    pub name: String,
    /// An address.
    pub email: String,
    /// The moment.
    pub at: Timestamp,
}

impl Author {
    pub(super) fn signature(&self) -> Result<Signature<'static>> {
        let time = Time::new(self.at.as_second(), 0);
        Signature::new(&self.name, &self.email, &time).map_err(local(
            "use the name and the address of the git configuration",
        ))
    }
}

/// One change of a file. Paths are relative, with `/`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Creates or replaces a file.
    Write {
        /// Which.
        path: String,
        /// Its whole new content.
        bytes: Vec<u8>,
        /// Whether it may be executed.
        executable: bool,
    },
    /// Removes a file.
    Remove {
        /// Which.
        path: String,
    },
}

impl Change {
    /// The file that is changed.
    pub fn path(&self) -> &str {
        match self {
            Self::Write { path, .. } | Self::Remove { path } => path,
        }
    }
}

/// What became of a pushed branch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The server took it; the lines are what it said.
    Accepted(Vec<String>),
    /// The branch has moved: fetch, apply the change again, retry.
    Overtaken,
    /// The server does not allow it: a protected branch or a hook. The text is the server's.
    Refused(String),
}

impl Definitions {
    /// The user of the git configuration (`GIT_AUTHOR_NAME`, `author.name`, `user.name` and their
    /// like). Fails with [`crate::error::Kind::Git`], with the commands to set it.
    pub fn author(&self, at: Timestamp) -> Result<Author> {
        let environment = self.git.environment();
        let config = environment
            .configuration(Some(&self.path))
            .map_err(local("read the git configuration"))?;
        let find = |variable: &str, keys: [&str; 2]| {
            let configured = || keys.iter().find_map(|key| config.get_string(key).ok());
            let value = environment.text(variable).or_else(configured);
            value.filter(|text| !text.trim().is_empty())
        };
        let name = find("GIT_AUTHOR_NAME", ["author.name", "user.name"]);
        let email = find("GIT_AUTHOR_EMAIL", ["author.email", "user.email"]);
        match (name, email.or_else(|| environment.text("EMAIL"))) {
            (Some(name), Some(email)) => Ok(Author { name, email, at }),
            (name, _) => {
                let missing = if name.is_none() { "name" } else { "address" };
                Err(Error::git(format!("git does not know your {missing}"))
                    .hint("git config --global user.name 'Your Name'")
                    .hint("git config --global user.email you@company.example"))
            }
        }
    }

    /// A commit on top of `base` with `changes` and nothing else changed; no branch moves. Fails
    /// with [`crate::error::Kind::Definitions`] on a path that definitions may not have.
    pub fn commit_files(
        &self,
        base: CommitId,
        changes: &[Change],
        message: &str,
        author: &Author,
    ) -> Result<CommitId> {
        let parent = self.commit(base)?;
        let mut update = TreeUpdateBuilder::new();
        for change in changes {
            let path = change.path();
            if !path.split('/').all(plain_component) {
                let text = format!("`{}` is no path for a definition", visible(path));
                return Err(Error::definitions(text));
            }
            // Refuses links, submodules and folders in the way.
            let existing = self.read(base, path)?;
            match change {
                Change::Write {
                    bytes, executable, ..
                } => {
                    let blob = self.repository.blob(bytes).map_err(local("store a file"))?;
                    let mode = if *executable {
                        FileMode::BlobExecutable
                    } else {
                        FileMode::Blob
                    };
                    update.upsert(path, blob, mode);
                }
                Change::Remove { .. } if existing.is_some() => drop(update.remove(path)),
                Change::Remove { .. } => {}
            }
        }
        let tree =
            update.create_updated(&self.repository, &parent.tree().map_err(local("commit"))?);
        let tree = tree.and_then(|tree| self.repository.find_tree(tree));
        self.commit_tree(&parent, &tree.map_err(local("commit"))?, message, author)
    }

    /// A commit of `tree`, signed where git is set up to.
    pub(super) fn commit_tree(
        &self,
        parent: &git2::Commit<'_>,
        tree: &git2::Tree<'_>,
        message: &str,
        author: &Author,
    ) -> Result<CommitId> {
        if self.signs_commits()? {
            return self.commit_signed(parent, tree, message, author);
        }
        let who = author.signature()?;
        let made = self
            .repository
            .commit(None, &who, &who, message, tree, &[parent]);
        made.map(CommitId::from).map_err(local("commit"))
    }

    /// Pushes `commit` to `branch`, never by force. Fails with [`crate::error::Kind::Git`] when
    /// the server cannot be used at all.
    pub async fn push_branch(
        &mut self,
        commit: CommitId,
        branch: &str,
        reporter: SharedReporter,
    ) -> Result<Pushed> {
        let push = Push {
            target: format!("refs/heads/{branch}"),
            source: Some(commit.oid()),
            expected: Expected::Ancestor,
            options: Vec::new(),
        };
        let report = self.remote()?.push(&push, reporter).await?;
        Ok(match report.update {
            Update::Overtaken(_) => Pushed::Overtaken,
            Update::Refused(reason) => Pushed::Refused(with_text(&reason, &report.said)),
            Update::Done => {
                self.accept(branch, commit)?;
                Pushed::Accepted(report.said)
            }
        })
    }

    /// Notes what the server has now, as the next fetch would.
    fn accept(&mut self, branch: &str, commit: CommitId) -> Result<()> {
        let name = format!("{}{branch}", super::remote::ORIGIN);
        self.repository
            .reference(&name, commit.oid(), true, "devenv: pushed")
            .map_err(local(format!("note the branch {}", visible(branch))))?;
        if branch == self.base_branch()? && self.is_ancestor(self.head_id()?, commit)? {
            self.use_branch(branch)?;
        }
        Ok(())
    }
}

/// The reason with what a hook said about it.
pub(super) fn with_text(reason: &str, said: &[String]) -> String {
    std::iter::once(reason)
        .chain(said.iter().map(String::as_str))
        .collect::<Vec<_>>()
        .join("\n")
}
