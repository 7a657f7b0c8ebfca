//! What is attached to a manifest: signatures and other artifacts that name it as their subject
//! (distribution-spec 1.1, "Listing Referrers").

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use futures_util::future::try_join_all;
use reqwest::Method;
use reqwest::header::ACCEPT;
use serde_json::{Value, json};

use super::Registry;
use super::content::{Content, Descriptor, ImageIndex, OCI_INDEX, OCI_MANIFEST, Tag};
use super::fault::Fault;
use super::manifests::{Artifact, MANIFEST_LIMIT, found};
use crate::model::digest::Digest;
use crate::model::image::Repository;

/// The most referrers that are listed.
const REFERRERS: usize = 10_000;
/// How often an index at the fallback tag is written before others win for good.
const ATTEMPTS: usize = 8;
/// The most tags of one image's signatures that are looked at.
const OWN_TAGS: usize = 64;
/// Pauses in which a registry may bring its list of referrers up to date.
const INDEXING: [Duration; 2] = [Duration::from_millis(200), Duration::from_millis(600)];

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

/// How attached manifests are found. Each is tried where those before did not suffice: what is found
/// proves nothing before it verifies, so looking further loses no safety.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    /// `GET /v2/<name>/referrers/<digest>`.
    Api,
    /// The index at the tag `sha256-<hex>` ([`Tag::referrers_of`]).
    FallbackTag,
    /// The tag list: each signature of devenv's has a tag of its own ([`Tag::of_referrer`]).
    OwnTags,
}

impl Way {
    /// The cheapest first.
    pub const ALL: [Self; 3] = [Self::Api, Self::FallbackTag, Self::OwnTags];
}

/// What one way leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listing {
    /// Manifests that may be attached.
    Listed(Vec<Descriptor>),
    /// None, in words.
    Nothing(String),
    /// Somebody emptied the index at the fallback tag: what was attached is withdrawn, and is not
    /// looked for elsewhere.
    Emptied,
}

impl Registry {
    /// What is attached to `subject`, of whatever type, by one way: fallback indexes name wrong types.
    /// A way that the registry does not offer leads to nothing. The list proves nothing: whoever uses
    /// a manifest from it looks at that manifest's own subject.
    ///
    /// # Errors
    /// A registry that does not answer; one that refuses a tag that it lists, or the whole
    /// repository.
    pub async fn referrers(
        &self,
        way: Way,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Listing, Fault> {
        match way {
            Way::Api => self.referrers_of_api(repository, subject).await,
            Way::FallbackTag => self.referrers_at_tag(repository, subject).await,
            Way::OwnTags => self.referrers_by_tags(repository, subject).await,
        }
    }

    async fn referrers_of_api(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Listing, Fault> {
        let below = format!("referrers/{subject}");
        let call = self.call(Method::GET, repository, &below, "pull")?;
        let call = call.about(format!("the referrers of {}", repository.at(subject)));
        let call = call.header(ACCEPT, OCI_INDEX);
        let listed = self
            .list(call, REFERRERS, |body| {
                Ok(serde_json::from_slice::<ImageIndex>(body)?.manifests)
            })
            .await;
        Ok(match listed {
            Ok(listed) if listed.is_empty() => {
                Listing::Nothing("the referrers API lists nothing".to_owned())
            }
            Ok(listed) => Listing::Listed(listed),
            Err(Fault::NotFound { .. }) => Listing::Nothing("no referrers API".to_owned()),
            Err(fault @ Fault::Answer { .. }) => Listing::Nothing(fault.to_string()),
            Err(fault) if fault.is_refusal() => Listing::Nothing(fault.to_string()),
            Err(fault) => return Err(fault),
        })
    }

    async fn referrers_at_tag(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Listing, Fault> {
        let tag = Tag::referrers_of(subject);
        let index = match found(self.manifest(repository, &tag, MANIFEST_LIMIT).await) {
            Err(fault @ Fault::TooLarge { .. }) => return Ok(Listing::Nothing(fault.to_string())),
            index => index?,
        };
        let Some(index) = index else {
            return Ok(Listing::Nothing("no fallback tag".to_owned()));
        };
        match index.content() {
            Ok(Content::Index(index)) if index.manifests.is_empty() => Ok(Listing::Emptied),
            Ok(Content::Index(index)) => Ok(Listing::Listed(index.manifests)),
            Ok(Content::Image(_)) => {
                Ok(Listing::Nothing("the fallback tag is an image".to_owned()))
            }
            Err(text) => match no_index(repository, &tag, &text) {
                fault if is_something_else(&index.bytes) => Ok(Listing::Nothing(fault.to_string())),
                fault => Err(fault),
            },
        }
    }

    async fn referrers_by_tags(
        &self,
        repository: &Repository,
        subject: &Digest,
    ) -> Result<Listing, Fault> {
        let tags = match self.tags(repository).await {
            Err(fault @ (Fault::NotFound { .. } | Fault::Answer { .. })) => {
                return Ok(Listing::Nothing(fault.to_string()));
            }
            Err(fault) if fault.is_refusal() => return Ok(Listing::Nothing(fault.to_string())),
            tags => tags?,
        };
        let own: Vec<Tag> = Tag::referrers_of(subject)
            .additions(&tags)
            .take(OWN_TAGS)
            .collect();
        let asked = own.iter().map(|tag| self.resolve(repository, tag));
        let found = try_join_all(asked).await?;
        // Whoever squats such a tag with something else is passed over.
        let fits = |(tag, digest): (&Tag, Option<Digest>)| {
            let digest = digest.filter(|digest| Tag::of_referrer(subject, digest) == *tag)?;
            Some(Descriptor::new(OCI_MANIFEST, digest, 0))
        };
        let listed: Vec<_> = own.iter().zip(found).filter_map(fits).collect();
        Ok(if listed.is_empty() {
            Listing::Nothing("no signature has a tag of its own".to_owned())
        } else {
            Listing::Listed(listed)
        })
    }

    /// Attaches a document to `subject`; gives the descriptor of its manifest and the way by which it
    /// was found again: nothing is attached that nobody finds. The manifest gets a tag of its own
    /// ([`Tag::of_referrer`]): garbage collection deletes untagged ones. Where the referrers API does
    /// not list it, it is also entered in the index at [`Tag::referrers_of`]. Attaching the same
    /// again changes nothing.
    pub async fn attach(
        &self,
        repository: &Repository,
        subject: &Descriptor,
        attachment: Attachment,
    ) -> Result<(Descriptor, Way), Fault> {
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
        let tag = Tag::of_referrer(&subject.digest, &artifact.digest());
        let (descriptor, promised) = self
            .store_artifact(repository, Some(&tag), &artifact)
            .await?;
        let way = self.list_again(repository, subject, &descriptor, promised);
        Ok((descriptor.clone(), way.await?))
    }

    /// Sees to it that an attached manifest is found again. A registry that promised to list it
    /// (`OCI-Subject`) may take a moment, or may never do so.
    async fn list_again(
        &self,
        repository: &Repository,
        subject: &Descriptor,
        referrer: &Descriptor,
        promised: bool,
    ) -> Result<Way, Fault> {
        let pauses = if promised { &INDEXING[..] } else { &[] };
        let (subject, wanted) = (&subject.digest, &referrer.digest);
        if self.shows(Way::Api, repository, subject, wanted).await? {
            return Ok(Way::Api);
        }
        for pause in pauses {
            tokio::time::sleep(*pause).await;
            if self.shows(Way::Api, repository, subject, wanted).await? {
                return Ok(Way::Api);
            }
        }
        if self.enter(repository, subject, referrer).await? {
            return Ok(Way::FallbackTag);
        }
        if self
            .shows(Way::OwnTags, repository, subject, wanted)
            .await?
        {
            return Ok(Way::OwnTags);
        }
        Err(Fault::Answer {
            what: repository.at(subject),
            text: format!(
                "{wanted} was attached and is not found again: not by the referrers API, not at the \
                 fallback tag, not in the tag list"
            ),
        })
    }

    async fn shows(
        &self,
        way: Way,
        repository: &Repository,
        subject: &Digest,
        wanted: &Digest,
    ) -> Result<bool, Fault> {
        Ok(match self.referrers(way, repository, subject).await? {
            Listing::Listed(listed) => listed.iter().any(|entry| entry.digest == *wanted),
            Listing::Nothing(_) | Listing::Emptied => false,
        })
    }

    /// Enters `referrer` in the index at the fallback tag; false where that tag is an image or does
    /// not move. Registries have no compare-and-swap: read, add, write, read again, until it stays.
    async fn enter(
        &self,
        repository: &Repository,
        subject: &Digest,
        referrer: &Descriptor,
    ) -> Result<bool, Fault> {
        let tag = Tag::referrers_of(subject);
        let digest = Value::from(referrer.digest.to_string());
        for attempt in 0..=ATTEMPTS {
            let Some(mut index) = self.fallback_index(repository, &tag).await? else {
                return Ok(false);
            };
            let Some(entries) = index.get_mut("manifests").and_then(Value::as_array_mut) else {
                return Err(no_index(repository, &tag, "no list of manifests"));
            };
            if entries
                .iter()
                .any(|entry| entry.get("digest") == Some(&digest))
            {
                return Ok(true);
            }
            if attempt == ATTEMPTS {
                break;
            }
            entries.push(json!(referrer));
            let bytes = index.to_string().into();
            match self.put_manifest(repository, &tag, OCI_INDEX, bytes).await {
                Err(Fault::Immovable { .. }) => return Ok(false),
                stored => stored?,
            };
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

    /// The index at the fallback tag with all that others put into it, or an empty one; `None` where
    /// something else is there: GitLab answers with the subject itself, whatever is written.
    async fn fallback_index(
        &self,
        repository: &Repository,
        tag: &Tag,
    ) -> Result<Option<Value>, Fault> {
        let manifest = match found(self.manifest(repository, tag, MANIFEST_LIMIT).await) {
            Err(Fault::TooLarge { .. }) => return Ok(None),
            manifest => manifest?,
        };
        let Some(manifest) = manifest else {
            let empty = json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] });
            return Ok(Some(empty));
        };
        match manifest.content() {
            Ok(Content::Index(_)) => {}
            Ok(Content::Image(_)) => return Ok(None),
            Err(_) if is_something_else(&manifest.bytes) => return Ok(None),
            Err(text) => return Err(no_index(repository, tag, &text)),
        }
        serde_json::from_slice(&manifest.bytes)
            .map(Some)
            .map_err(|error| no_index(repository, tag, &error.to_string()))
    }
}

/// Whether somebody put something else at the tag: no registry takes what is no JSON, so that is an answer
/// of something before it.
fn is_something_else(bytes: &[u8]) -> bool {
    serde_json::from_slice::<serde::de::IgnoredAny>(bytes).is_ok()
}

fn no_index(repository: &Repository, tag: &Tag, text: &str) -> Fault {
    Fault::Answer {
        what: repository.tagged(tag.as_str()),
        text: format!("not a list of referrers: {text}"),
    }
}
