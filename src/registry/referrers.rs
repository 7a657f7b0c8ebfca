//! What is attached to a manifest: signatures and other artifacts that name it as their subject
//! (distribution-spec 1.1, "Listing Referrers").

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::Registry;
use super::content::{Content, Descriptor, ImageIndex, OCI_INDEX, Tag};
use super::fault::Fault;
use super::manifests::{Artifact, MANIFEST_LIMIT, found};
use crate::model::digest::Digest;
use crate::model::image::Repository;

/// The most referrers that are listed.
const REFERRERS: usize = 10_000;
/// How often an index at the fallback tag is written before others win for good.
const ATTEMPTS: usize = 8;

/// One document to attach to a manifest.
#[derive(Debug, Clone)]
pub struct Attachment {
    /// The `artifactType` of the manifest.
    pub artifact_type: String,
    /// The type of its only layer.
    pub media_type: String,
    pub bytes: Bytes,
    pub annotations: BTreeMap<String, String>,
}

impl Registry {
    /// Everything attached to `subject`, of whatever type: fallback indexes name wrong types. Only
    /// a 404 of the referrers API leads to the fallback tag, and only a 404 there means none. The
    /// list proves nothing: whoever uses a manifest from it looks at that manifest's own subject.
    pub async fn referrers(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Vec<Descriptor>, Fault> {
        let below = format!("referrers/{subject}");
        let mut call = self.call(Method::GET, repository, &below, "pull")?;
        call.what = format!("the referrers of {}", repository.at(subject));
        let call = call.header(ACCEPT, OCI_INDEX);
        let listed = self
            .list(call, REFERRERS, |body| {
                Ok(serde_json::from_slice::<ImageIndex>(body)?.manifests)
            })
            .await;
        if let Some(listed) = found(listed)? {
            return Ok(listed);
        }
        let tag = Tag::referrers_of(subject);
        let Some(index) = found(self.manifest(repository, &tag, MANIFEST_LIMIT).await)? else {
            return Ok(Vec::new());
        };
        match index.content() {
            Ok(Content::Index(index)) => Ok(index.manifests),
            Ok(Content::Image(_)) => Err(no_index(repository, &tag, "an image")),
            Err(text) => Err(no_index(repository, &tag, &text)),
        }
    }

    /// Attaches a document to `subject` and gives the descriptor of its manifest, which gets a tag
    /// of its own ([`Tag::of_referrer`]): garbage collection deletes untagged manifests. Where the
    /// registry has no referrers API, the manifest is also entered in the index at
    /// [`Tag::referrers_of`]. Attaching the same again changes nothing.
    pub async fn attach(
        &self,
        repository: &Repository,
        subject: &Descriptor,
        attachment: Attachment,
    ) -> Result<Descriptor, Fault> {
        let layer = self
            .put_blob(repository, &attachment.media_type, attachment.bytes)
            .await?;
        let artifact = Artifact {
            artifact_type: attachment.artifact_type,
            layers: vec![layer],
            subject: Some(Descriptor::new(
                &subject.media_type,
                subject.digest,
                subject.size,
            )),
            annotations: attachment.annotations,
        };
        let tag = Tag::of_referrer(&subject.digest, &Digest::of(&artifact.manifest()));
        let (descriptor, listed) = self
            .store_artifact(repository, Some(&tag), &artifact)
            .await?;
        if !listed {
            self.enter(repository, &subject.digest, &descriptor).await?;
        }
        Ok(descriptor)
    }

    /// Enters `referrer` in the index at the fallback tag. Registries have no compare-and-swap:
    /// read, add, write, read again, until it stays.
    async fn enter(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrer: &Descriptor,
    ) -> Result<(), Fault> {
        let tag = Tag::referrers_of(subject);
        let digest = Value::from(referrer.digest.to_string());
        for attempt in 0..=ATTEMPTS {
            let mut index = self.fallback_index(repository, &tag).await?;
            let Some(entries) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
                return Err(no_index(repository, &tag, "no list of manifests"));
            };
            if entries
                .iter()
                .any(|entry| entry.get("digest") == Some(&digest))
            {
                return Ok(());
            }
            if attempt == ATTEMPTS {
                break;
            }
            entries.push(json!(referrer));
            let bytes = index.to_string().into();
            self.put_manifest(repository, &tag, OCI_INDEX, bytes)
                .await?;
            // Long enough for one who read before to have written; different for each writer, so
            // that two do not stay in step.
            let spread = u64::from(referrer.digest.hex().as_bytes()[attempt] % 16);
            tokio::time::sleep(Duration::from_millis(60 + 5 * spread)).await;
        }
        Err(Fault::Answer {
            what: repository.tagged(tag.as_str()),
            text: "others keep overwriting the list of referrers".to_owned(),
        })
    }

    /// The index at the fallback tag with all that others put into it, or an empty one.
    async fn fallback_index(&self, repository: &Repository, tag: &Tag) -> Result<Value, Fault> {
        let Some(manifest) = found(self.manifest(repository, tag, MANIFEST_LIMIT).await)? else {
            return Ok(json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] }));
        };
        match manifest.content() {
            Ok(Content::Index(_)) => {}
            Ok(Content::Image(_)) => return Err(no_index(repository, tag, "an image")),
            Err(text) => return Err(no_index(repository, tag, &text)),
        }
        serde_json::from_slice(&manifest.bytes)
            .map_err(|error| no_index(repository, tag, &error.to_string()))
    }
}

fn no_index(repository: &Repository, tag: &Tag, text: &str) -> Fault {
    Fault::Answer {
        what: repository.tagged(tag.as_str()),
        text: format!("not a list of referrers: {text}"),
    }
}
