//! Verified facts about what is about to run: from the cache by digest, else from the registry.

pub mod layer;
pub mod ledger;
mod source;
pub mod succession;

use jiff::{SignedDuration, Timestamp};

use crate::desired::{self, Image};
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::{ContainerName, Version};
use crate::model::reference::Reference;
use crate::model::trust_file::TrustFile;
use crate::registry::{Content, MANIFEST_LIMIT};
use crate::trust::policy::{ExpectedBuild, ExpectedReference, Policy, Verdict};

pub use source::Source;

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
        let (accepted, architectures) = self.accepted(wanted.repository, &wanted.digest).await?;
        let image = Image {
            repository: wanted.repository.clone(),
            digest: wanted.digest,
            accepted,
            architectures,
            version: wanted.version.to_string(),
            source: desired::Source::Reference,
        };
        Ok(VerifiedImage {
            image,
            signers: statement.signers,
            commit: statement.predicate.commit.to_string(),
            built: statement.predicate.built,
        })
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
        let (accepted, architectures) = self.accepted(repository, &digest).await?;
        let image = Image {
            repository: repository.clone(),
            digest,
            accepted,
            architectures,
            version: reference.number.to_string(),
            source: desired::Source::Reference,
        };
        let proxy = VerifiedImage {
            image,
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
        let attached = self.source.attached(repository, digest).await?;
        let verdict = verify(&attached.bundles);
        verdict.result.map_err(|error| {
            let passed_over = attached.passed_over.into_iter();
            passed_over.fold(error, Error::detail)
        })
    }

    /// The Ids that may stand for a signed digest: on the classic image store the digest of the
    /// configuration, on the containerd store that of the manifest or of the index. And what an
    /// index offers, by architecture.
    async fn accepted(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<(Vec<Digest>, Vec<String>)> {
        let index = match self.content(repository, digest).await? {
            Content::Image(manifest) => {
                return Ok((vec![manifest.config.digest, *digest], Vec::new()));
            }
            Content::Index(index) => index,
        };
        let (mut accepted, mut architectures) = (Vec::new(), Vec::new());
        for child in &index.manifests {
            let Some(platform) = child.platform.as_ref().filter(|it| it.os == "linux") else {
                continue;
            };
            if let Content::Image(manifest) = self.content(repository, &child.digest).await? {
                accepted.extend([manifest.config.digest, child.digest]);
                architectures.push(platform.architecture.clone());
            }
        }
        accepted.push(*digest);
        Ok((accepted, architectures))
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

/// The most bytes that a manifest may have.
pub const LARGEST_MANIFEST: u64 = MANIFEST_LIMIT;
