//! Verified facts about what is about to run: from the cache by digest, else from the registry.

pub mod layer;
pub mod ledger;
pub mod packages;
mod source;
pub mod succession;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use crate::converge::desired::{self, Image};
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::image_configuration::{self, ImageConfiguration, ImageDefaults};
use crate::model::name::{ContainerName, Version};
use crate::model::reference::Reference;
use crate::model::trust_file::TrustFile;
use crate::registry::{Content, ImageManifest};
use crate::verify::trust::policy::{ExpectedBuild, ExpectedReference, Policy, Verdict};

pub use source::{BUNDLE_PREDICATE, LARGEST_MANIFEST, Source};

/// Verifies against one trust file at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Verifier<'a> {
    /// Where documents come from.
    pub source: Source<'a>,
    /// Whose signatures count.
    pub trust: &'a TrustFile,
    /// The present.
    pub now: Timestamp,
    /// How long after its expiry a ledger that was not seen before is taken.
    pub grace: SignedDuration,
    /// How long the registry may take before a cached ledger serves; else as long as it needs.
    pub look: Option<Duration>,
}

/// A verified reference and the image it sits in.
#[derive(Debug, Clone)]
pub struct VerifiedReference {
    /// The whole platform.
    pub reference: Reference,
    /// The proxy's image.
    pub proxy: VerifiedImage,
}

/// An image with what its signed statement says.
#[derive(Debug, Clone)]
pub struct VerifiedImage {
    /// For the engine.
    pub image: Image,
    /// Whose keys signed.
    pub signers: Vec<String>,
    /// The definitions commit it was built from.
    pub commit: String,
    /// When it was built.
    pub built: Timestamp,
}

/// An image that one container of a reference is about to run.
#[derive(Debug, Clone, Copy)]
pub struct Wanted<'a> {
    /// The container.
    pub container: &'a ContainerName,
    /// Its version.
    pub version: &'a Version,
    /// Where it is published.
    pub repository: &'a Repository,
    /// What the reference pins.
    pub digest: Digest,
}

impl<'a> Verifier<'a> {
    /// The rules of this moment.
    pub fn policy(&self) -> Policy<'a> {
        Policy {
            trust: self.trust,
            now: self.now,
        }
    }

    /// Verifies that production built this image and gives the Ids that may stand for it.
    pub async fn image(&self, wanted: &Wanted<'_>) -> Result<VerifiedImage> {
        let expected = ExpectedBuild {
            container: wanted.container,
            version: Some(wanted.version),
            digest: wanted.digest,
        };
        let verify = |bundles: &[bytes::Bytes]| self.policy().verify_build(&expected, bundles);
        let statement = self
            .verified(wanted.repository, &wanted.digest, verify)
            .await?;
        let version = wanted.version.to_string();
        let image = self.runnable(wanted.repository, wanted.digest, version);
        let image = image.await?;
        Ok(VerifiedImage {
            image,
            signers: statement.signers,
            commit: statement.predicate.commit.to_string(),
            built: statement.predicate.built,
        })
    }

    /// The verified image of one container of a verified reference.
    pub async fn image_of(
        &self,
        verified: &VerifiedReference,
        name: &ContainerName,
    ) -> Result<VerifiedImage> {
        let entry = &verified.reference.containers[name];
        let (Some(version), Some(digest)) = (&entry.version, entry.digest) else {
            return Ok(verified.proxy.clone());
        };
        self.image(&Wanted {
            container: name,
            version,
            repository: &entry.repository,
            digest,
        })
        .await
    }

    /// Verifies a proxy image and reads the reference in it.
    pub async fn reference(
        &self,
        proxy: &ContainerName,
        repository: &Repository,
        digest: Digest,
        number: Option<u64>,
    ) -> Result<VerifiedReference> {
        let expected = ExpectedReference {
            proxy,
            number,
            digest,
        };
        let verify = |bundles: &[bytes::Bytes]| self.policy().verify_reference(&expected, bundles);
        let verified = self.verified(repository, &digest, verify).await?;
        let statement = verified.predicate;
        let text = self.embedded(repository, &digest).await?;
        let refuse =
            |message: String| Error::trust(format!("reference {}: {message}", statement.number));
        if Digest::of(&text).hex() != statement.reference_sha256.hex() {
            return Err(refuse(
                "the file in the image is not the one that was signed".to_owned(),
            ));
        }
        let reference = Reference::parse(&format!("reference {}", statement.number), &text)?;
        if reference.number != statement.number {
            return Err(refuse(format!(
                "the file in it calls itself number {}",
                reference.number
            )));
        }
        if reference.platform != self.trust.platform {
            return Err(refuse(format!(
                "it belongs to the platform `{}`",
                reference.platform
            )));
        }
        let version = reference.number.to_string();
        let proxy = VerifiedImage {
            image: self.runnable(repository, digest, version).await?,
            signers: verified.signers,
            commit: statement.commit.to_string(),
            built: statement.created,
        };
        Ok(VerifiedReference { reference, proxy })
    }

    /// Verifies what is cached, else what the registry has: signatures may have been added.
    async fn verified<T>(
        &self,
        repository: &Repository,
        digest: &Digest,
        verify: impl Fn(&[bytes::Bytes]) -> Verdict<T>,
    ) -> Result<T> {
        let cached = self.source.cached_bundles(digest);
        if let Some(bundles) = &cached
            && let Ok(verified) = verify(bundles).result
        {
            return Ok(verified);
        }
        if let (None, Some(bundles)) = (self.source.registry, &cached) {
            return verify(bundles).result;
        }
        let enough = |bundles: &[bytes::Bytes]| verify(bundles).result.is_ok();
        let attached = self.source.attached(repository, digest, enough).await?;
        let verdict = verify(&attached.bundles);
        verdict.result.map_err(|error| {
            let passed_over = attached.passed_over.into_iter();
            passed_over.fold(error, Error::detail)
        })
    }

    /// An image whose digest is signed, with the Ids that may stand for it: on the classic image
    /// store the digest of the configuration, on the containerd store that of the manifest or of
    /// the index. And what an index offers, by architecture.
    async fn runnable(
        &self,
        repository: &Repository,
        digest: Digest,
        version: String,
    ) -> Result<Image> {
        let image = |accepted, architectures, defaults| Image {
            repository: repository.clone(),
            digest,
            accepted,
            architectures,
            version,
            source: desired::Source::Reference,
            defaults,
        };
        let index = match self.content(repository, &digest).await? {
            Content::Image(manifest) => {
                let defaults = self.configuration(repository, &manifest).await?.defaults();
                return Ok(image(
                    vec![manifest.config.digest, digest],
                    Vec::new(),
                    defaults,
                ));
            }
            Content::Index(index) => index,
        };
        let (mut accepted, mut architectures) = (Vec::new(), Vec::new());
        let mut defaults = ImageDefaults::default();
        for child in &index.manifests {
            let Some(platform) = child.platform.as_ref().filter(|it| it.os == "linux") else {
                continue;
            };
            if let Content::Image(manifest) = self.content(repository, &child.digest).await? {
                let own = self.configuration(repository, &manifest).await?.defaults();
                defaults.has_health |= own.has_health;
                defaults.volumes.extend(own.volumes);
                accepted.extend([manifest.config.digest, child.digest]);
                architectures.push(platform.architecture.clone());
            }
        }
        accepted.push(digest);
        Ok(image(accepted, architectures, defaults))
    }

    /// The configuration of an image, as its signed manifest names it.
    pub async fn configuration(
        &self,
        repository: &Repository,
        manifest: &ImageManifest,
    ) -> Result<ImageConfiguration> {
        let config = &manifest.config;
        let limit = image_configuration::LARGEST;
        let bytes = self.source.blob(repository, config, limit).await?;
        ImageConfiguration::parse(&bytes).map_err(|why| {
            let image = repository.at(&config.digest);
            Error::registry(format!("the configuration {image} cannot be read: {why}"))
        })
    }

    async fn content(&self, repository: &Repository, digest: &Digest) -> Result<Content> {
        let bytes = self.source.manifest(repository, digest).await?;
        Content::parse(&bytes)
            .map_err(|why| Error::trust(format!("{}: {why}", repository.at(digest))))
    }

    /// The reference file in the last layer of a proxy image.
    async fn embedded(&self, repository: &Repository, digest: &Digest) -> Result<Vec<u8>> {
        let image = repository.at(digest);
        let refuse = |why: &str| Error::trust(format!("{image}: {why}"));
        let Content::Image(manifest) = self.content(repository, digest).await? else {
            return Err(refuse("a proxy is one image, not an index"));
        };
        let last = manifest
            .layers
            .last()
            .ok_or_else(|| refuse("it has no layers"))?;
        if last.size > layer::LARGEST {
            return Err(refuse(&format!(
                "its last layer has {} bytes: it holds more than a reference",
                last.size
            )));
        }
        let blob = self.source.blob(repository, last, layer::LARGEST).await?;
        layer::reference(&blob).map_err(|why| refuse(&why))
    }
}
