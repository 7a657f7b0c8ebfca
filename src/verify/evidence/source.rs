//! Where documents come from: the cache by digest, else the registry, which is then kept.

use std::collections::BTreeSet;

use bytes::Bytes;
use futures_util::future::try_join_all;

use crate::error::{Error, Result};
use crate::home::cache::Cache;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::sbom;
use crate::model::visible::visible;
use crate::registry::{Content, Descriptor, Fault, Listing, MANIFEST_LIMIT, Registry, Tag, Way};
use crate::verify::trust::bundle::{LARGEST as LARGEST_BUNDLE, MEDIA_TYPE};
use crate::verify::trust::policy::MOST_BUNDLES;

/// The most bytes that a manifest may have.
pub const LARGEST_MANIFEST: u64 = MANIFEST_LIMIT;

/// What devenv and cosign note on a bundle that they attach: the type of its statement. It proves
/// nothing, and spares fetching what is not asked for.
pub const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";

/// What is looked for among the bundles attached to an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    /// What may say where it comes from: all but lists of packages.
    Evidence,
    /// Lists of packages alone.
    Sboms,
}

/// The cache, and the registry unless offline.
#[derive(Debug, Clone, Copy)]
pub struct Source<'a> {
    /// What was fetched before.
    pub cache: &'a Cache,
    /// Where the rest is.
    pub registry: Option<&'a Registry>,
}

/// What is attached to an image.
#[derive(Debug, Default)]
pub struct Attached {
    /// What may be evidence.
    pub bundles: Vec<Bytes>,
    /// What is none, and why.
    pub passed_over: Vec<String>,
}

/// How many referrers of one image are looked at; most are other things than signatures.
const MOST_REFERRERS: usize = 64;

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

    /// The bundles in several documents, each once.
    pub async fn documents(
        &self,
        repository: &Repository,
        manifests: &[Digest],
    ) -> Result<Vec<Bytes>> {
        let read = manifests.iter().map(|it| self.document(repository, it));
        let mut known = BTreeSet::new();
        let mut bundles = try_join_all(read).await?.concat();
        bundles.retain(|bundle| known.insert(Digest::of(bundle)));
        Ok(bundles)
    }

    /// What was added to the document at `tag` where that tag could not move: signatures that were
    /// made later. `tags` is the repository's list.
    pub async fn additions(
        &self,
        repository: &Repository,
        tag: &Tag,
        tags: &[String],
    ) -> Result<Vec<Digest>> {
        let registry = self.online(&repository.tagged(tag.as_str()))?;
        let added: Vec<Tag> = tag.additions(tags).take(MOST_BUNDLES).collect();
        let named = added.iter().map(|tag| registry.resolve(repository, tag));
        Ok(try_join_all(named).await?.into_iter().flatten().collect())
    }

    /// The bundles attached to an image when it was last looked at; `None` if one is missing.
    pub fn cached_bundles(&self, image: &Digest) -> Option<Vec<Bytes>> {
        let digests: Vec<Digest> = self.cache.hint("bundles", &image.hex())?;
        digests
            .iter()
            .map(|digest| self.cache.content(digest))
            .collect()
    }

    /// The bundles attached to an image now, looked for by one way after the other until `enough`
    /// are found.
    pub async fn bundles(
        &self,
        repository: &Repository,
        image: &Digest,
        enough: impl Fn(&[Bytes]) -> bool,
    ) -> Result<Vec<Bytes>> {
        let attached = self.attached(repository, image, enough).await?;
        Ok(attached.bundles)
    }

    /// The lists of packages attached to an image, fetched until `enough` are there; none of them
    /// proves anything before its digest is that of a verified statement.
    pub async fn sboms(
        &self,
        repository: &Repository,
        image: &Digest,
        enough: impl Fn(&[Bytes]) -> bool,
    ) -> Result<Vec<Bytes>> {
        let found = self.look(repository, image, Wanted::Sboms, enough).await?;
        Ok(found.bundles)
    }

    /// The same as [`Source::bundles`], and what else is attached. One bundle more than may count is enough to refuse them
    /// all.
    pub async fn attached(
        &self,
        repository: &Repository,
        image: &Digest,
        enough: impl Fn(&[Bytes]) -> bool,
    ) -> Result<Attached> {
        let attached = self
            .look(repository, image, Wanted::Evidence, enough)
            .await?;
        let digests = attached
            .bundles
            .iter()
            .map(|bundle| self.cache.keep(bundle))
            .collect::<Result<Vec<_>>>()?;
        self.cache.keep_hint("bundles", &image.hex(), &digests)?;
        Ok(attached)
    }

    async fn look(
        &self,
        repository: &Repository,
        image: &Digest,
        wanted: Wanted,
        enough: impl Fn(&[Bytes]) -> bool,
    ) -> Result<Attached> {
        let registry = self.online(&format!("the signatures of {}", repository.at(image)))?;
        let mut attached = Attached::default();
        let mut known = BTreeSet::new();
        for way in Way::ALL {
            let mut listed = match registry.referrers(way, repository, image).await? {
                Listing::Listed(listed) => listed,
                Listing::Nothing(why) => {
                    attached.passed_over.push(why);
                    continue;
                }
                Listing::Emptied => {
                    let why = "the index at the fallback tag was emptied";
                    attached.passed_over.push(why.to_owned());
                    break;
                }
            };
            listed.truncate(MOST_REFERRERS);
            listed.retain(|referrer| known.insert(referrer.digest));
            self.look_at(registry, repository, image, wanted, &listed, &mut attached)
                .await?;
            if attached.bundles.len() > MOST_BUNDLES || enough(&attached.bundles) {
                break;
            }
        }
        Ok(attached)
    }

    /// Fetches what some referrers hold.
    async fn look_at(
        &self,
        registry: &Registry,
        repository: &Repository,
        image: &Digest,
        wanted: Wanted,
        referrers: &[Descriptor],
        attached: &mut Attached,
    ) -> Result<()> {
        let looked_at = referrers
            .iter()
            .map(|referrer| self.layer(registry, repository, image, wanted, referrer));
        let mut layers = Vec::new();
        for (referrer, layer) in referrers.iter().zip(try_join_all(looked_at).await?) {
            match layer {
                Ok(layer) => layers.push(layer),
                Err(why) => attached.pass_over(&referrer.digest, &why),
            }
        }
        layers.truncate(MOST_BUNDLES + 1);
        let fetched = layers
            .iter()
            .map(|layer| self.bundle(registry, repository, layer));
        for (layer, bundle) in layers.iter().zip(try_join_all(fetched).await?) {
            match bundle {
                Some(bundle) => attached.bundles.push(bundle),
                None => attached.pass_over(&layer.digest, "it cannot be fetched"),
            }
        }
        Ok(())
    }

    /// The bundle's place in one referrer, or why it is none: anybody who may push can attach what
    /// he likes. The referrer itself is not cached: offline, nothing reads it.
    async fn layer(
        &self,
        registry: &Registry,
        repository: &Repository,
        image: &Digest,
        wanted: Wanted,
        referrer: &Descriptor,
    ) -> Result<Result<Descriptor, String>> {
        if referrer.size > LARGEST_MANIFEST {
            return Ok(Err(format!("its manifest has {} bytes", referrer.size)));
        }
        let manifest = registry
            .manifest(repository, &referrer.digest, LARGEST_MANIFEST)
            .await;
        let Some(manifest) = usable(manifest)? else {
            return Ok(Err("its manifest cannot be fetched".to_owned()));
        };
        let Ok(Content::Image(manifest)) = Content::parse(&manifest.bytes) else {
            return Ok(Err("it is no manifest of an artifact".to_owned()));
        };
        let attached = manifest
            .subject
            .as_ref()
            .is_some_and(|subject| subject.digest == *image);
        let [layer] = manifest.layers.as_slice() else {
            return Ok(Err("it has not one layer".to_owned()));
        };
        let named = manifest.annotations.get(BUNDLE_PREDICATE);
        let is_sbom = named.is_some_and(|named| named == sbom::TYPE);
        Ok(match layer {
            _ if is_sbom != (wanted == Wanted::Sboms) => Err(if is_sbom {
                "it is a list of packages".to_owned()
            } else {
                "it is no list of packages".to_owned()
            }),
            _ if !attached => Err("it is attached to another image".to_owned()),
            layer if layer.media_type != MEDIA_TYPE => {
                Err(format!("it holds a `{}`", visible(&layer.media_type)))
            }
            layer if layer.size > LARGEST_BUNDLE as u64 => Err(format!(
                "its bundle has {} bytes; there may be {LARGEST_BUNDLE}",
                layer.size
            )),
            layer => Ok(layer.clone()),
        })
    }

    async fn bundle(
        &self,
        registry: &Registry,
        repository: &Repository,
        layer: &Descriptor,
    ) -> Result<Option<Bytes>> {
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

impl Attached {
    fn pass_over(&mut self, digest: &Digest, why: &str) {
        self.passed_over
            .push(format!("sha256:{}… is passed over: {why}", digest.short()));
    }
}

/// `None` where the registry answered with something that is no evidence; errors where it did not.
fn usable<T>(answer: Result<T, Fault>) -> Result<Option<T>> {
    match answer {
        Ok(found) => Ok(Some(found)),
        Err(Fault::NotFound { .. } | Fault::TooLarge { .. } | Fault::Answer { .. }) => Ok(None),
        Err(fault) => Err(fault.into()),
    }
}
