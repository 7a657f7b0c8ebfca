//! Manifests: fetch, resolve, store, delete; artifacts made of them.

use std::collections::BTreeMap;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderValue};

use super::Registry;
use super::call::Call;
use super::content::{
    By, DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, EMPTY, ImageManifest, Manifest, OCI_INDEX,
    OCI_MANIFEST, Tag, named_type,
};
use super::exchange::Payload;
use super::fault::Fault;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::visible::visible;

/// The largest manifest that registries must take, in bytes (distribution-spec 1.1).
pub const MANIFEST_LIMIT: u64 = 4 << 20;

/// An OCI artifact to be stored: an image manifest whose configuration is empty.
#[derive(Debug, Clone)]
pub struct Artifact {
    /// What it is, for those who list referrers.
    pub artifact_type: String,
    /// Its content, already in the repository ([`Registry::put_blob`]).
    pub layers: Vec<Descriptor>,
    /// The manifest that it is about.
    pub subject: Option<Descriptor>,
    pub annotations: BTreeMap<String, String>,
}

impl Artifact {
    /// Of its manifest.
    pub fn digest(&self) -> Digest {
        Digest::of(&self.manifest())
    }

    /// The bytes of its manifest.
    pub(super) fn manifest(&self) -> Bytes {
        let manifest = ImageManifest {
            schema_version: 2,
            media_type: Some(OCI_MANIFEST.to_owned()),
            artifact_type: Some(self.artifact_type.clone()),
            config: Descriptor::of(EMPTY, b"{}"),
            layers: self.layers.clone(),
            subject: self.subject.clone(),
            annotations: self.annotations.clone(),
        };
        // Strings, numbers and maps with string keys always serialize.
        serde_json::to_vec(&manifest).unwrap_or_default().into()
    }
}

impl Registry {
    /// Fetches a manifest of at most `limit` bytes. By digest, other bytes are
    /// [`Fault::Tampered`]; by tag, the digest is computed from what came.
    pub async fn manifest<'a>(
        &self,
        repository: &Repository,
        by: impl Into<By<'a>>,
        limit: u64,
    ) -> Result<Manifest, Fault> {
        let by = by.into();
        let call = self.manifest_call(Method::GET, repository, by)?;
        let (_, headers, bytes) = match self.fetch(&call, limit).await {
            Err(fault) => return Err(self.told_apart(repository, by, call, fault).await),
            answer => answer?,
        };
        let digest = Digest::of(&bytes);
        let promised = match by {
            By::Digest(wanted) => Some(*wanted),
            By::Tag(_) => promised(&headers),
        };
        if let Some(promised) = promised.filter(|promised| *promised != digest) {
            return Err(Fault::Tampered {
                what: call.what,
                text: format!("the bytes have {digest} instead of {promised}"),
            });
        }
        let told = || header(&headers, CONTENT_TYPE.as_str()).unwrap_or_default();
        Ok(Manifest {
            digest,
            media_type: named_type(&bytes).unwrap_or_else(told),
            bytes,
        })
    }

    /// What a tag names, by the registry's word (`HEAD`): a hint, good for "is it there, did it
    /// move". None where there is no such tag.
    pub async fn resolve(
        &self,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Option<Digest>, Fault> {
        let call = self.manifest_call(Method::HEAD, repository, tag.into())?;
        match self.send(&call).await {
            Ok(answer) => {
                if let Some(digest) = promised(answer.headers()) {
                    return Ok(Some(digest));
                }
            }
            Err(Fault::Server { status: 405, .. }) => {}
            Err(fault) => {
                let fault = self.told_apart(repository, tag.into(), call, fault).await;
                return found(Err(fault));
            }
        }
        found(self.manifest(repository, tag, MANIFEST_LIMIT).await)
            .map(|manifest| manifest.map(|manifest| manifest.digest))
    }

    /// Some registries refuse to say that a tag is not there. One that the repository does not list
    /// is missing; where the list is refused too, or the tag is in it, the refusal stands.
    async fn told_apart(
        &self,
        repository: &Repository,
        by: By<'_>,
        call: Call,
        fault: Fault,
    ) -> Fault {
        let is_refusal = matches!(fault, Fault::Unauthorized { .. } | Fault::Forbidden { .. });
        let By::Tag(tag) = by else { return fault };
        if !is_refusal {
            return fault;
        }
        let is_missing = match self.tags(repository).await {
            Ok(tags) => !tags.iter().any(|listed| listed == tag.as_str()),
            Err(Fault::NotFound { .. }) => true,
            Err(_) => false,
        };
        if is_missing {
            let (what, text) = (call.what, fault.to_string());
            return Fault::NotFound { what, text };
        }
        fault
    }

    /// Stores a manifest under a tag or its own digest; gives its digest.
    pub async fn put_manifest<'a>(
        &self,
        repository: &Repository,
        by: impl Into<By<'a>>,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<Digest, Fault> {
        let (digest, _) = self
            .store_manifest(repository, by.into(), media_type, bytes)
            .await?;
        Ok(digest)
    }

    /// As [`Self::put_manifest`]; also tells whether the registry lists it as a referrer.
    pub(super) async fn store_manifest(
        &self,
        repository: &Repository,
        by: By<'_>,
        media_type: &str,
        bytes: Bytes,
    ) -> Result<(Digest, bool), Fault> {
        let digest = Digest::of(&bytes);
        let actions = "pull,push";
        let call = self.call(Method::PUT, repository, &format!("manifests/{by}"), actions)?;
        let mut call = call.about(named(repository, by));
        let kind = HeaderValue::from_str(media_type).map_err(|_| Fault::Answer {
            what: call.what.clone(),
            text: format!("`{}` is no media type", visible(media_type)),
        })?;
        call.headers.insert(CONTENT_TYPE, kind);
        call.body = Payload::Bytes(bytes);
        let answer = match (self.send(&call).await, by) {
            (
                Err(
                    fault @ (Fault::Server {
                        status: 400 | 405 | 409 | 412,
                        ..
                    }
                    | Fault::Forbidden { .. }),
                ),
                By::Tag(tag),
            ) => {
                self.is_there(repository, tag, &digest, fault).await?;
                return Ok((digest, false));
            }
            (answer, _) => answer?,
        };
        if let Some(stored) = promised(answer.headers()).filter(|stored| *stored != digest) {
            return Err(Fault::Tampered {
                what: call.what,
                text: format!("{digest} was sent and {stored} was stored"),
            });
        }
        Ok((digest, answer.headers().contains_key("oci-subject")))
    }

    /// A tag that cannot be pushed may name this already, or something else for good.
    async fn is_there(
        &self,
        repository: &Repository,
        tag: &Tag,
        digest: &Digest,
        fault: Fault,
    ) -> Result<(), Fault> {
        match self.resolve(repository, tag).await? {
            Some(there) if there == *digest => Ok(()),
            Some(_) => Err(Fault::Immovable {
                what: repository.tagged(tag.as_str()),
                text: fault.to_string(),
            }),
            None => Err(fault),
        }
    }

    /// Stores an artifact under `tag`, or untagged; gives its descriptor. A subject is only named
    /// in it: [`Self::attach`] also sees to it that it is listed.
    pub async fn put_artifact(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        artifact: &Artifact,
    ) -> Result<Descriptor, Fault> {
        let (descriptor, _) = self.store_artifact(repository, tag, artifact).await?;
        Ok(descriptor)
    }

    pub(super) async fn store_artifact(
        &self,
        repository: &Repository,
        tag: Option<&Tag>,
        artifact: &Artifact,
    ) -> Result<(Descriptor, bool), Fault> {
        self.put_blob(repository, EMPTY, Bytes::from_static(b"{}"))
            .await?;
        let bytes = artifact.manifest();
        let mut descriptor = Descriptor::of(OCI_MANIFEST, &bytes);
        let by = tag.map_or(By::Digest(&descriptor.digest), By::Tag);
        let (_, listed) = self
            .store_manifest(repository, by, OCI_MANIFEST, bytes)
            .await?;
        descriptor.artifact_type = Some(artifact.artifact_type.clone());
        descriptor.annotations.clone_from(&artifact.annotations);
        Ok((descriptor, listed))
    }

    /// Deletes a tag. False where it is not there or the registry cannot (docker-registry 2.8
    /// deletes manifests only). What it named stays.
    pub async fn delete_tag(&self, repository: &Repository, tag: &Tag) -> Result<bool, Fault> {
        self.delete(repository, tag.into()).await
    }

    /// Deletes a manifest, *with every tag that names it*. False where it is not there or the
    /// registry does not allow deletion.
    pub async fn delete_manifest(
        &self,
        repository: &Repository,
        digest: &Digest,
    ) -> Result<bool, Fault> {
        self.delete(repository, digest.into()).await
    }

    async fn delete(&self, repository: &Repository, by: By<'_>) -> Result<bool, Fault> {
        let below = format!("manifests/{by}");
        let call = self.call(Method::DELETE, repository, &below, "pull,delete")?;
        let call = call.about(named(repository, by));
        match self.send(&call).await {
            Ok(_) => Ok(true),
            Err(
                Fault::NotFound { .. }
                | Fault::Server {
                    status: 400 | 405, ..
                },
            ) => Ok(false),
            Err(fault) => Err(fault),
        }
    }

    fn manifest_call(
        &self,
        method: Method,
        repository: &Repository,
        by: By<'_>,
    ) -> Result<Call, Fault> {
        let call = self.call(method, repository, &format!("manifests/{by}"), "pull")?;
        let mut call = call.about(named(repository, by));
        for kind in [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_INDEX] {
            call = call.header(ACCEPT, kind);
        }
        Ok(call)
    }
}

/// None instead of [`Fault::NotFound`]; every other fault stays one.
pub(super) fn found<T>(result: Result<T, Fault>) -> Result<Option<T>, Fault> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Fault::NotFound { .. }) => Ok(None),
        Err(fault) => Err(fault),
    }
}

fn named(repository: &Repository, by: By<'_>) -> String {
    match by {
        By::Tag(tag) => repository.tagged(tag.as_str()),
        By::Digest(digest) => repository.at(digest),
    }
}

fn promised(headers: &HeaderMap) -> Option<Digest> {
    header(headers, "docker-content-digest")?.parse().ok()
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    Some(headers.get(name)?.to_str().ok()?.to_owned())
}
