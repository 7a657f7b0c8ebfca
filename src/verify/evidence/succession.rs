//! The trust files that production published after the pinned one.

use super::Verifier;
use crate::error::{Error, Result};
use crate::model::image::Repository;
use crate::model::predicate::TrustPredicate;
use crate::registry::{Fault, Registry, Tag};
use crate::verify::trust::policy::{Policy, Verified};

/// How many published trust files are tried, the oldest first.
const TRIED: usize = 64;

/// What followed the pinned trust file.
#[derive(Debug, Default)]
pub struct Succession {
    /// Each verified with the keys of the one before; the last is to be pinned.
    pub accepted: Vec<Verified<TrustPredicate>>,
    /// Why those after the last accepted one do not count.
    pub refused: Vec<Error>,
}

/// The tags of published trust files, and what they are added to; none where nothing is published.
pub async fn tags(registry: &Registry, repository: &Repository) -> Result<Vec<String>> {
    match registry.tags(repository).await {
        Err(Fault::NotFound { .. }) => Ok(Vec::new()),
        other => Ok(other?),
    }
}

/// The root versions under which trust files are tagged, lowest first. Proves nothing.
pub fn versions(tags: &[String]) -> Vec<u64> {
    let mut versions: Vec<u64> = tags
        .iter()
        .filter(|tag| !tag.starts_with('0') && tag.bytes().all(|byte| byte.is_ascii_digit()))
        .filter_map(|tag| tag.parse().ok())
        .collect();
    versions.sort_unstable();
    versions
}

impl Verifier<'_> {
    /// Reads what is published in `repository` beyond the pinned root version.
    pub async fn succession(
        &self,
        registry: &Registry,
        repository: &Repository,
    ) -> Result<Succession> {
        let mut found = Succession::default();
        let mut pinned = self.trust.clone();
        let tags = tags(registry, repository).await?;
        let versions = versions(&tags);
        let later = |version: &&u64| **version > self.trust.root_version;
        for version in versions.iter().filter(later).take(TRIED) {
            let tag = Tag::new(version.to_string()).map_err(Error::registry)?;
            let Some(document) = registry.resolve(repository, &tag).await? else {
                continue;
            };
            let policy = Policy {
                trust: &pinned,
                now: self.now,
            };
            let bundles = self.source.documents(repository, &[document]).await?;
            let mut result = policy.verify_trust(&bundles).result;
            let added = match result {
                Ok(_) => Vec::new(),
                Err(_) => self.source.additions(repository, &tag, &tags).await?,
            };
            if !added.is_empty() {
                let manifests: Vec<_> = [document].into_iter().chain(added).collect();
                let bundles = self.source.documents(repository, &manifests).await?;
                result = policy.verify_trust(&bundles).result.or(result);
            }
            match result {
                Ok(next) if next.predicate.trust.root_version == *version => {
                    pinned = next.predicate.trust.clone();
                    found.accepted.push(next);
                    found.refused.clear();
                }
                Ok(next) => found.refused.push(Error::trust(format!(
                    "{} is root version {}",
                    repository.tagged(tag.as_str()),
                    next.predicate.trust.root_version
                ))),
                Err(error) => found
                    .refused
                    .push(error.within(format!("root version {version}"))),
            }
        }
        Ok(found)
    }
}
