//! Where documents come from: the cache by digest, else the registry, which is then kept.

use bytes::Bytes;
use futures_util::future::try_join_all;

use super::LARGEST_MANIFEST;
use crate::cache::Cache;
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::registry::{Content, Descriptor, Fault, Registry};
use crate::trust::bundle::{LARGEST as LARGEST_BUNDLE, MEDIA_TYPE};
use crate::trust::policy::MOST_BUNDLES;

/// The cache, and the registry unless offline.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What was fetched before.
    pub cache: &'a Cache,
    /// Where the rest is.
    pub registry: Option<&'a Registry>,
}

impl Source<'_> {
    fn online(&self, what: &str) -> Result<&Registry> {
        self.registry.ok_or_else(|| {
            Error::trust(format!(
                "{what} is not in the cache, and the network is not to be used"
            ))
            .hint("`devenv pull` fetches everything while there is a network")
        })
    }

    /// A manifest by its digest.
    pub async fn manifest(&self, repository: &Repository, digest: &Digest) -> Result<Bytes> {
        if let Some(bytes) = self.cache.content(digest) {
            return Ok(bytes);
        }
        let registry = self.online(&format!("the manifest of {}", repository.at(digest)))?;
        let manifest = registry
            .manifest(repository, digest, LARGEST_MANIFEST)
            .await?;
        self.cache.keep(&manifest.bytes)?;
        Ok(manifest.bytes)
    }

    /// A blob by its descriptor, at most `limit` bytes.
    pub async fn blob(
        &self,
        repository: &Repository,
        descriptor: &Descriptor,
        limit: u64,
    ) -> Result<Bytes> {
        if let Some(bytes) = self.cache.content(&descriptor.digest) {
            return Ok(bytes);
        }
        let registry = self.online(&format!("a blob of {repository}"))?;
        let bytes = registry.blob(repository, descriptor, limit).await?;
        self.cache.keep(&bytes)?;
        Ok(bytes)
    }

    /// The bundles in one signed document (a ledger, a trust file): one layer per signature.
    /// What is no document holds none.
    pub async fn document(&self, repository: &Repository, manifest: &Digest) -> Result<Vec<Bytes>> {
        let bytes = self.manifest(repository, manifest).await?;
        let Ok(Content::Image(manifest)) = Content::parse(&bytes) else {
            return Ok(Vec::new());
        };
        let fits = |layer: &&Descriptor| {
            layer.media_type == MEDIA_TYPE && layer.size <= LARGEST_BUNDLE as u64
        };
        let layers = manifest.layers.iter().filter(fits).take(MOST_BUNDLES);
        let limit = LARGEST_BUNDLE as u64;
        try_join_all(layers.map(|layer| self.blob(repository, layer, limit))).await
    }

    /// The bundles attached to an image when it was last looked at; `None` if one is missing.
    pub fn cached_bundles(&self, image: &Digest) -> Option<Vec<Bytes>> {
        let digests: Vec<Digest> = self.cache.hint("bundles", &image.hex())?;
        digests
            .iter()
            .map(|digest| self.cache.content(digest))
            .collect()
    }

    /// The bundles attached to an image now.
    pub async fn bundles(&self, repository: &Repository, image: &Digest) -> Result<Vec<Bytes>> {
        let registry = self.online(&format!("the signatures of {}", repository.at(image)))?;
        let referrers = registry.referrers(repository, image).await?;
        let fetched = try_join_all(
            referrers
                .iter()
                .take(MOST_BUNDLES)
                .map(|referrer| self.bundle(registry, repository, image, referrer)),
        )
        .await?;
        let bundles: Vec<Bytes> = fetched.into_iter().flatten().collect();
        let digests = bundles
            .iter()
            .map(|bundle| self.cache.keep(bundle))
            .collect::<Result<Vec<_>>>()?;
        self.cache.keep_hint("bundles", &image.hex(), &digests)?;
        Ok(bundles)
    }

    /// The bundle in one referrer; `None` where it is something else or broken, which anybody who
    /// may push can attach. Only the bundle is cached: offline, nothing reads the referrer.
    async fn bundle(
        &self,
        registry: &Registry,
        repository: &Repository,
        image: &Digest,
        referrer: &Descriptor,
    ) -> Result<Option<Bytes>> {
        if referrer.size > LARGEST_MANIFEST {
            return Ok(None);
        }
        let manifest = registry
            .manifest(repository, &referrer.digest, LARGEST_MANIFEST)
            .await;
        let Some(manifest) = usable(manifest)? else {
            return Ok(None);
        };
        let Ok(Content::Image(manifest)) = Content::parse(&manifest.bytes) else {
            return Ok(None);
        };
        let attached = manifest
            .subject
            .as_ref()
            .is_some_and(|subject| subject.digest == *image);
        let [layer] = manifest.layers.as_slice() else {
            return Ok(None);
        };
        let fits = layer.media_type == MEDIA_TYPE && layer.size <= LARGEST_BUNDLE as u64;
        if !(attached && fits) {
            return Ok(None);
        }
        if let Some(bytes) = self.cache.content(&layer.digest) {
            return Ok(Some(bytes));
        }
        usable(
            registry
                .blob(repository, layer, LARGEST_BUNDLE as u64)
                .await,
        )
    }
}

/// `None` where the registry answered with something that is no evidence; errors where it did not.
fn usable<T>(answer: Result<T, Fault>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(
            Fault::NotFound { .. }
            | Fault::Tampered { .. }
            | Fault::TooLarge { .. }
            | Fault::Answer { .. },
        ) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}
