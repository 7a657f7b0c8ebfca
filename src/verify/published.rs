//! Looking a released version up by its name.

use super::choose::Preparation;
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::{ContainerName, Version};
use crate::model::nearest::nearest;
use crate::registry::{Registry, Tag};

/// Versions that an error names.
const SHOWN: usize = 12;

impl Preparation<'_> {
    /// Where a released version is, and what the registry has there: yet to be verified.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`] where there is no such version, with the nearest name if there
    /// is no such container; offline.
    pub async fn published(
        &self,
        container: &ContainerName,
        version: &Version,
    ) -> Result<(Repository, Digest)> {
        let registry = self.registry.ok_or_else(|| {
            let text = format!("{container} {version} is looked up in the registry, not offline");
            Error::usage(text)
        })?;
        let platform = self.platform();
        let repository = platform.repository(container.as_str())?;
        let tag = Tag::new(version.as_str()).map_err(Error::usage)?;
        if let Some(digest) = registry.resolve(&repository, &tag).await? {
            return Ok((repository, digest));
        }
        Err(self
            .unpublished(container, version, &repository, registry)
            .await)
    }

    /// The numbers under which references are tagged, in order. Proves nothing.
    ///
    /// # Errors
    /// Offline; a registry that does not answer.
    pub async fn reference_numbers(&self) -> Result<Vec<u64>> {
        let registry = self
            .registry
            .ok_or_else(|| Error::usage("references are looked up in the registry, not offline"))?;
        let platform = self.platform();
        let repository = platform.repository(platform.proxy.as_str())?;
        let tags = registry.tags(&repository).await?;
        let mut numbers: Vec<u64> = tags.iter().filter_map(|it| it.parse().ok()).collect();
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// With what was meant, as far as that can be told: the nearest name, else the versions that are
    /// there.
    async fn unpublished(
        &self,
        container: &ContainerName,
        version: &Version,
        repository: &Repository,
        registry: &Registry,
    ) -> Error {
        let error = Error::usage(format!("{container} {version} is not published"));
        let released = self.open.platform.containers.keys();
        let defined = self.open.containers.iter().map(|it| &it.name);
        let names: Vec<&ContainerName> = released.chain(defined).collect();
        if !names.contains(&container) {
            let near = nearest(container.as_str(), names.iter().map(|it| it.as_str()));
            return match near {
                Some(near) => error.hint(format!("did you mean `{near}`?")),
                None => error.hint("`devenv list` shows the names"),
            };
        }
        // Tags prove nothing: a version is verified before it runs.
        let tags = registry.tags(repository).await.unwrap_or_default();
        let known = tags.iter().filter(|it| Version::new(it.as_str()).is_ok());
        let mut known: Vec<&str> = known.map(String::as_str).collect();
        known.sort_by_cached_key(|it| parts(it));
        let error = match nearest(version.as_str(), known.iter().copied()) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error,
        };
        if known.is_empty() {
            return error.hint(format!("no version of {container} is published"));
        }
        let all = known.len();
        let shown = known[all.saturating_sub(SHOWN)..].join(", ");
        let of_all = if all > SHOWN {
            format!(" ({all} in all)")
        } else {
            String::new()
        };
        error.hint(format!("published are: {shown}{of_all}"))
    }
}

/// 1.9 comes before 1.10.
fn parts(version: &str) -> Vec<(Option<u64>, String)> {
    let parts = version.split(['.', '-', '_']);
    parts.map(|it| (it.parse().ok(), it.to_owned())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_are_listed_as_people_count() {
        let mut versions = ["1.10", "2.0", "1.9", "1.9.1", "1.9-rc"];
        versions.sort_by_cached_key(|it| parts(it));
        assert_eq!(versions, ["1.9", "1.9-rc", "1.9.1", "1.10", "2.0"]);
    }
}
