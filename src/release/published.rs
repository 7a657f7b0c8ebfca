//! What production has published: looked up in the registry, and verified.

use bytes::Bytes;

use super::{Desk, Side};
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::image_configuration::ImageConfiguration;
use crate::model::name::{ContainerName, Version};
use crate::model::platform::Platform;
use crate::model::predicate::BuildPredicate;
use crate::registry::{Content, Fault, ImageManifest, Tag};
use crate::verify::evidence::VerifiedReference;
use crate::verify::trust::policy::{ExpectedBuild, Verdict, Verified};

/// Which digest a version's tag named, by platform, container and version.
const VERSIONS: &str = "versions";

/// A version that is published and signed.
#[derive(Debug, Clone)]
pub(super) struct Published {
    pub(super) container: ContainerName,
    pub(super) version: Version,
    pub(super) repository: Repository,
    pub(super) digest: Digest,
    pub(super) statement: Verified<BuildPredicate>,
}

/// What a tag names, and whether it is signed.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) repository: Repository,
    pub(super) digest: Digest,
    /// Whether at least one trusted key signed something about it.
    pub(super) has_trusted_signature: bool,
    pub(super) verdict: Verdict<Verified<BuildPredicate>>,
}

impl Desk<'_> {
    /// What is at `container:version`; `None` where there is no such tag.
    pub(super) async fn find(
        &self,
        platform: &Platform,
        container: &ContainerName,
        version: &Version,
    ) -> Result<Option<Found>> {
        let repository = platform.repository(container.as_str())?;
        let tag = Tag::new(version.as_str()).map_err(Error::usage)?;
        let Some(digest) = self.online()?.resolve(&repository, &tag).await? else {
            return Ok(None);
        };
        let expected = ExpectedBuild {
            container,
            version: Some(version),
            digest,
        };
        let enough = |bundles: &[Bytes]| {
            self.policy()
                .verify_build(&expected, bundles)
                .result
                .is_ok()
        };
        let source = self.verifier().source;
        let bundles = source.bundles(&repository, &digest, enough).await?;
        Ok(Some(Found {
            verdict: self.policy().verify_build(&expected, &bundles),
            has_trusted_signature: !self.policy().pending(&bundles).is_empty(),
            repository,
            digest,
        }))
    }

    /// A version that must be published and signed.
    pub(super) async fn published(
        &self,
        platform: &Platform,
        container: &ContainerName,
        version: &Version,
    ) -> Result<Published> {
        let key = format!("{}-{container}-{version}", self.trust.platform);
        // A version never changes: what was looked up once is verified again, and not looked up.
        if let Side::Workstation { .. } = self.side {
            let before = self.published_before(platform, container, version, &key);
            if before.is_ok() || self.registry.is_none() {
                return before;
            }
        }
        let found = self.find(platform, container, version).await?;
        let found = found.ok_or_else(|| {
            let repository = platform.repository(container.as_str());
            let place = repository.map_or_else(|_| container.to_string(), |it| it.to_string());
            Error::registry(format!("{container} {version} is not published in {place}")).hint(
                format!("devenv release build {container} --version {version}"),
            )
        })?;
        let statement = found.verdict.result?;
        self.cache.keep_hint(VERSIONS, &key, &found.digest)?;
        Ok(Published {
            container: container.clone(),
            version: version.clone(),
            repository: found.repository,
            digest: found.digest,
            statement,
        })
    }

    /// The same without a network: what the tag named when it was last looked at, and its cached
    /// signatures verified again.
    fn published_before(
        &self,
        platform: &Platform,
        container: &ContainerName,
        version: &Version,
        key: &str,
    ) -> Result<Published> {
        let digest: Option<Digest> = self.cache.hint(VERSIONS, key);
        let cached = digest.and_then(|digest| {
            let bundles = self.verifier().source.cached_bundles(&digest)?;
            Some((digest, bundles))
        });
        let (digest, bundles) = cached.ok_or_else(|| {
            let text = format!("{container} {version} was never built with on this machine");
            Error::registry(text).hint("run it once with a network; what it takes is kept")
        })?;
        let expected = ExpectedBuild {
            container,
            version: Some(version),
            digest,
        };
        Ok(Published {
            container: container.clone(),
            version: version.clone(),
            repository: platform.repository(container.as_str())?,
            digest,
            statement: self.policy().verify_build(&expected, &bundles).result?,
        })
    }

    /// The one image that a digest names.
    pub(super) async fn image_manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<ImageManifest> {
        let bytes = self.verifier().source.manifest(repository, digest).await?;
        let refuse = |why: &str| Error::registry(format!("{}: {why}", repository.at(digest)));
        match Content::parse(&bytes) {
            Ok(Content::Image(manifest)) => Ok(*manifest),
            Ok(Content::Index(_)) => Err(refuse("an index of several images, not one image")),
            Err(why) => Err(refuse(&why)),
        }
    }

    /// The configuration of an image, by its signed digest.
    pub(super) async fn configuration(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<ImageConfiguration> {
        let manifest = self.image_manifest(repository, digest).await?;
        self.verifier().configuration(repository, &manifest).await
    }

    /// The numbers under which references are tagged, highest first. Proves nothing.
    pub(super) async fn reference_numbers(&self, proxy: &Repository) -> Result<Vec<u64>> {
        let tags = match self.online()?.tags(proxy).await {
            Err(Fault::NotFound { .. }) => Vec::new(),
            other => other?,
        };
        let mut numbers: Vec<u64> = tags.iter().filter_map(|tag| number(tag)).collect();
        numbers.sort_unstable_by(|a, b| b.cmp(a));
        Ok(numbers)
    }

    /// A reference by its number, verified; `None` where there is no such tag.
    pub(super) async fn reference(
        &self,
        platform: &Platform,
        number: u64,
    ) -> Result<Option<VerifiedReference>> {
        let repository = platform.repository(platform.proxy.as_str())?;
        let tag = Tag::new(number.to_string()).map_err(Error::usage)?;
        let Some(digest) = self.online()?.resolve(&repository, &tag).await? else {
            return Ok(None);
        };
        self.verifier()
            .reference(&platform.proxy, &repository, digest, Some(number))
            .await
            .map(Some)
    }

    /// The newest reference that verifies; `None` before the first. One that is tagged and does
    /// not verify is passed over with a warning.
    pub(super) async fn newest_reference(
        &self,
        platform: &Platform,
    ) -> Result<Option<VerifiedReference>> {
        let repository = platform.repository(platform.proxy.as_str())?;
        for number in self.reference_numbers(&repository).await? {
            match self.reference(platform, number).await {
                Ok(Some(found)) => return Ok(Some(found)),
                Ok(None) => {}
                Err(error) if error.kind() == crate::error::Kind::Trust => {
                    let text = format!("reference {number} is passed over: {error}");
                    self.reporter.warn(&text);
                }
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

/// The number in a tag: digits only, no zero in front.
pub(super) fn number(tag: &str) -> Option<u64> {
    let digits = !tag.starts_with('0') && tag.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| tag.parse().ok())?
}
