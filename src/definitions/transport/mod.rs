//! The network side of git behind one small trait.
//!
//! A [`Transport`] works on a bare repository whose remote is called `origin`. There is no clone:
//! a clone is an empty repository, a [`Transport::list_remote`] and a [`Transport::fetch`].

pub(super) mod builtin;
mod cause;
mod conversation;
mod credentials;
mod failure;
pub(super) mod program;
mod progress;
mod watch;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::BoxFuture;
use git2::Oid;

pub use cause::Cause;
pub use failure::Failure;
pub use progress::{Activity, Reporter, SharedReporter, Tell};

/// What ends a transfer that goes on for ever.
#[derive(Clone)]
pub(super) struct Limits {
    /// How long there may be no sign of life.
    pub(super) silence: Duration,
    /// The same where a helper may be asking somebody, who is told so.
    pub(super) people: Option<(Duration, Tell)>,
    /// Bytes that the repository here may hold afterwards.
    pub(super) largest: u64,
}

/// What to bring from `origin`.
#[derive(Debug, Clone)]
pub struct Fetch {
    /// Which references, as git writes them: `+refs/heads/*:refs/remotes/origin/*`.
    pub refspecs: Vec<String>,
    /// Whether what is gone there goes here as well.
    pub prune: bool,
}

/// What to send to `origin`.
#[derive(Debug, Clone)]
pub struct Push {
    /// The reference to change.
    pub target: String,
    /// What it is to point to; `None` deletes it.
    pub source: Option<Oid>,
    /// What must be there beforehand.
    pub expected: Expected,
    /// Push options (`git push -o`).
    pub options: Vec<String>,
}

/// What a reference must be on the server for a push to change it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expected {
    /// Absent, or an ancestor of what is pushed.
    Ancestor,
    /// Absent.
    Absent,
    /// Exactly this.
    Exactly(Oid),
}

/// How the server answered a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PushReport {
    /// What became of the reference.
    pub update: Update,
    /// What the server said while it took the push (hooks, links), line by line.
    pub said: Vec<String>,
}

/// What became of a reference that was pushed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Update {
    /// It is as asked.
    Done,
    /// Somebody else changed it before; the text is git's.
    Overtaken(String),
    /// The server does not want this change; the text is the server's.
    Refused(String),
}

/// One reference of the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RemoteReference {
    /// Its full name: `refs/tags/reference/42`.
    pub name: String,
    /// The object that it points to.
    pub id: Oid,
    /// For an annotated tag: the object that the tag is about.
    pub peeled: Option<Oid>,
}

/// What the server has.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemoteListing {
    /// The branch that its `HEAD` names; known only when `HEAD` was asked for.
    pub default_branch: Option<String>,
    /// The references whose name begins as asked, by name.
    pub references: Vec<RemoteReference>,
}

/// A way to a git server.
pub trait Transport: Send + Sync {
    /// What is used, for people: `git 2.47.3`.
    fn name(&self) -> String;

    /// Brings references and their objects into the bare repository at `repository`.
    fn fetch<'a>(
        &'a self,
        repository: &'a Path,
        fetch: &'a Fetch,
        reporter: SharedReporter,
    ) -> BoxFuture<'a, Result<(), Failure>>;

    /// Changes one reference on the server, atomically. A refusal is no failure: see [`Update`].
    fn push<'a>(
        &'a self,
        repository: &'a Path,
        push: &'a Push,
        reporter: SharedReporter,
    ) -> BoxFuture<'a, Result<PushReport, Failure>>;

    /// Lists the references that begin with `prefix` (`HEAD`, `refs/tags/release/`).
    fn list_remote<'a>(
        &'a self,
        repository: &'a Path,
        prefix: &'a str,
    ) -> BoxFuture<'a, Result<RemoteListing, Failure>>;
}

/// Merges the `name^{}` lines of a listing into their tags.
fn listing(
    prefix: &str,
    head: Option<&str>,
    lines: impl IntoIterator<Item = (String, Oid)>,
) -> RemoteListing {
    let mut references: Vec<RemoteReference> = Vec::new();
    let mut lines: Vec<_> = lines
        .into_iter()
        .filter(|(name, _)| name.starts_with(prefix))
        .collect();
    lines.sort();
    for (name, id) in lines {
        match name.strip_suffix("^{}") {
            Some(tag) => {
                for reference in references.iter_mut().filter(|found| found.name == tag) {
                    reference.peeled = Some(id);
                }
            }
            None => references.push(RemoteReference {
                name,
                id,
                peeled: None,
            }),
        }
    }
    RemoteListing {
        default_branch: head
            .and_then(|name| name.strip_prefix("refs/heads/"))
            .map(ToOwned::to_owned),
        references,
    }
}

/// Sorts a rejection into overtaken or refused. The texts are those of git's own `push`,
/// `receive-pack` and reference store, and of libgit2.
fn rejection(reason: &str) -> Update {
    const OVERTAKEN: [&str; 12] = [
        "non-fast-forward",
        "fetch first",
        "stale info",
        "already exists",
        "cannot lock ref",
        "failed to lock",
        "incorrect old value",
        "failed to update ref",
        "fastforwardable",
        "not present locally",
        "is at ",
        "failed to write reference",
    ];
    let lower = reason.to_ascii_lowercase();
    if OVERTAKEN.iter().any(|text| lower.contains(text)) {
        Update::Overtaken(reason.to_owned())
    } else {
        Update::Refused(reason.to_owned())
    }
}

/// No report at all.
pub fn silent() -> SharedReporter {
    Arc::new(())
}
