//! The server of one clone: the transport with the clone's path, and errors that name the address.

use std::path::{Path, PathBuf};

use super::git::Git;
use super::remote_url::RemoteUrl;
use super::transport::{Failure, Fetch, Push, PushReport, RemoteReference, SharedReporter};
use crate::error::{Error, Result};
use crate::model::visible::visible;

/// Where the branches of the server are kept.
pub(super) const ORIGIN: &str = "refs/remotes/origin/";
/// How they get there.
pub(super) const HEADS: &str = "+refs/heads/*:refs/remotes/origin/*";
/// How its tags do.
const TAGS: &str = "+refs/tags/*:refs/tags/*";
/// Where the server has its branches.
const BRANCHES: &str = "refs/heads/";
/// Branches that are named at most.
const SHOWN: usize = 10;

/// `origin` of the clone at a path. Holds no open repository, so that its futures may move
/// between threads.
pub(super) struct Remote {
    git: Git,
    path: PathBuf,
    url: RemoteUrl,
}

impl Remote {
    pub(super) fn new(git: &Git, path: &Path, url: RemoteUrl) -> Self {
        Self {
            git: git.clone(),
            path: path.to_owned(),
            url,
        }
    }

    /// Brings all branches and tags.
    pub(super) async fn fetch_all(&self, reporter: SharedReporter) -> Result<()> {
        let refspecs = [HEADS, TAGS];
        let fetch = Fetch {
            refspecs: refspecs.map(ToOwned::to_owned).into(),
            prune: true,
        };
        self.fetch(&fetch, reporter).await
    }

    /// Brings some references.
    pub(super) async fn fetch(&self, fetch: &Fetch, reporter: SharedReporter) -> Result<()> {
        let transport = self.git.transport().await?;
        let fetched = transport.fetch(&self.path, fetch, reporter).await;
        fetched.map_err(|failure| failure.into_error(&format!("cannot fetch from {}", self.url)))
    }

    /// Changes one reference.
    pub(super) async fn push(&self, push: &Push, reporter: SharedReporter) -> Result<PushReport> {
        let transport = self.git.transport().await?;
        let report = transport.push(&self.path, push, reporter).await;
        report.map_err(|failure| failure.into_error(&format!("cannot push to {}", self.url)))
    }

    /// The branch to follow: the one that the server's `HEAD` names; where that is not there, the
    /// only one. Fails where there are several, with their names, and where there is none.
    pub(super) async fn default_branch(&self) -> Result<String> {
        let transport = self.git.transport().await?;
        let failed = |failure: Failure| {
            failure.into_error(&format!("cannot read the branches of {}", self.url))
        };
        let head = transport.list_remote(&self.path, "HEAD").await;
        let head = head.map_err(failed)?;
        if let (Some(branch), false) = (head.default_branch, head.references.is_empty()) {
            return Ok(branch);
        }
        let listing = transport.list_remote(&self.path, BRANCHES).await;
        let branches: Vec<String> = listing
            .map_err(failed)?
            .references
            .iter()
            .filter_map(|it| it.name.strip_prefix(BRANCHES).map(visible))
            .collect();
        match branches.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Error::git(format!("{} has no commits yet", self.url))
                .hint("push the definitions there first, or check the address")),
            several => {
                let shown = several.iter().take(SHOWN).cloned().collect::<Vec<_>>();
                let more = if several.len() > SHOWN { ", …" } else { "" };
                Err(Error::git(format!(
                    "{} names no default branch that is there; its branches: {}{more}",
                    self.url,
                    shown.join(", ")
                ))
                .hint("`devenv init URL --branch NAME` follows one of them")
                .hint("where the platform is here already: `devenv init URL --move --branch NAME`"))
            }
        }
    }

    /// The references whose full name begins with `prefix`.
    pub(super) async fn references(&self, prefix: &str) -> Result<Vec<RemoteReference>> {
        let transport = self.git.transport().await?;
        let listing = transport.list_remote(&self.path, prefix).await;
        let listing = listing.map_err(|failure| {
            failure.into_error(&format!("cannot list the tags of {}", self.url))
        })?;
        Ok(listing.references)
    }

    /// One reference, by its full name.
    pub(super) async fn reference(&self, name: &str) -> Result<Option<RemoteReference>> {
        let found = self.references(name).await?;
        Ok(found.into_iter().find(|reference| reference.name == name))
    }
}
