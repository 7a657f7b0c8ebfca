//! The server of one clone: the transport with the clone's path, and errors that name the address.

use std::path::{Path, PathBuf};

use super::git::Git;
use super::remote_url::RemoteUrl;
use super::transport::{Fetch, Push, PushReport, RemoteReference, SharedReporter};
use crate::error::{Error, Result};

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
        let refspecs = [super::repository::HEADS, super::repository::TAGS];
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

    /// The branch that the server shows first.
    pub(super) async fn default_branch(&self) -> Result<String> {
        let transport = self.git.transport().await?;
        let listing = transport.list_remote(&self.path, "HEAD").await;
        let listing = listing.map_err(|failure| {
            failure.into_error(&format!("cannot read the branches of {}", self.url))
        })?;
        match listing.default_branch {
            Some(branch) if !listing.references.is_empty() => Ok(branch),
            _ => Err(Error::git(format!(
                "{} has no default branch with commits",
                self.url
            ))),
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
