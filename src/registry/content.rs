//! Descriptors, image manifests and indexes as registries store them (OCI image-spec 1.1; Docker's
//! schema 2 has the same shape).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::model::digest::Digest;
use crate::model::name::Version;
use crate::model::visible::visible;

/// An OCI image manifest.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// An OCI image index.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's image manifest.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// Docker's manifest list.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// The type of the two bytes `{}`, an artifact's configuration.
pub const EMPTY: &str = "application/vnd.oci.empty.v1+json";

/// A tag: letters, digits, `_`, `.` and `-`, at most 128, from a letter, digit or `_`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Tag(String);

/// Digits of a manifest's digest in [`Tag::addition`].
const ADDITION: usize = 16;

impl Tag {
    /// Parses; the error says what would be right.
    pub fn new(text: impl Into<String>) -> Result<Self, String> {
        let text = text.into();
        let good = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        if (1..=128).contains(&text.len())
            && !text.starts_with(['.', '-'])
            && text.chars().all(good)
        {
            Ok(Self(text))
        } else {
            Err(format!(
                "`{}` is not a tag (letters, digits, `_`, `.`, `-`, at most 128, not from `.` or `-`)",
                visible(&text)
            ))
        }
    }

    /// Where the referrers of `subject` are listed on a registry without the referrers API
    /// (distribution-spec 1.1, "Referrers Tag Schema").
    pub fn referrers_of(subject: &Digest) -> Self {
        Self(format!("sha256-{}", subject.hex()))
    }

    /// The tag of its own that keeps an attached manifest from garbage collection:
    /// `sha256-<64 digits of the subject>.<first 16 of the manifest>`.
    pub fn of_referrer(subject: &Digest, manifest: &Digest) -> Self {
        Self::referrers_of(subject).addition(manifest)
    }

    /// Where more of what this tag names is put, so that no tag has to move:
    /// `<tag>.<first 16 digits of the manifest>`.
    #[must_use]
    pub fn addition(&self, manifest: &Digest) -> Self {
        Self(format!("{self}.{}", &manifest.hex()[..ADDITION]))
    }

    /// Those of `tags` that are additions to this one.
    pub fn additions<'a>(&self, tags: &'a [String]) -> impl Iterator<Item = Self> + use<'a> {
        let stem = format!("{self}.");
        let is_digit = |c: u8| c.is_ascii_digit() || (b'a'..=b'f').contains(&c);
        tags.iter().filter_map(move |tag| {
            let digits = tag.strip_prefix(&stem)?;
            let fits = digits.len() == ADDITION && digits.bytes().all(is_digit);
            fits.then(|| Self(tag.clone()))
        })
    }

    /// The tag as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&Version> for Tag {
    fn from(version: &Version) -> Self {
        Self(version.as_str().to_owned())
    }
}

impl FromStr for Tag {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        Self::new(text)
    }
}

impl TryFrom<String> for Tag {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::new(text)
    }
}

impl From<Tag> for String {
    fn from(tag: Tag) -> Self {
        tag.0
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.0, f)
    }
}

/// What names a manifest in its repository.
#[derive(Debug, Clone, Copy)]
pub enum By<'a> {
    /// Whatever the tag names at the moment.
    Tag(&'a Tag),
    /// Exactly these bytes.
    Digest(&'a Digest),
}

impl<'a> From<&'a Tag> for By<'a> {
    fn from(tag: &'a Tag) -> Self {
        Self::Tag(tag)
    }
}

impl<'a> From<&'a Digest> for By<'a> {
    fn from(digest: &'a Digest) -> Self {
        Self::Digest(digest)
    }
}

impl fmt::Display for By<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// A reference to content: its type, digest and size in bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

impl Descriptor {
    /// Describes `bytes`.
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// Describes content of `size` bytes.
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            artifact_type: None,
            platform: None,
            annotations: BTreeMap::new(),
        }
    }

    /// Adds an annotation.
    #[must_use]
    pub fn annotate(mut self, key: impl Into<String>, value: impl Into<String>) -> Self {
        self.annotations.insert(key.into(), value.into());
        self
    }
}

/// What an index's entry runs on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Platform {
    pub os: String,
    pub architecture: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
}

/// A manifest as fetched: the exact bytes, and the digest computed from them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    pub digest: Digest,
    /// What the bytes say of themselves; the registry's word only where they say nothing.
    pub media_type: String,
    pub bytes: Bytes,
}

impl Manifest {
    /// The descriptor of this manifest: what a signature is attached to.
    pub fn descriptor(&self) -> Descriptor {
        Descriptor::new(&self.media_type, self.digest, self.bytes.len() as u64)
    }

    /// The content, see [`Content::parse`].
    pub fn content(&self) -> Result<Content, String> {
        Content::parse(&self.bytes)
    }
}

/// What a manifest's bytes mean.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Content {
    /// One image or artifact.
    Image(Box<ImageManifest>),
    /// A list of manifests.
    Index(ImageIndex),
}

/// An image or an artifact.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageManifest {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub artifact_type: Option<String>,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub subject: Option<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// A list of manifests: one image for several platforms, or referrers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ImageIndex {
    pub schema_version: u32,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub media_type: Option<String>,
    pub manifests: Vec<Descriptor>,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
}

/// The fields that tell the two kinds apart.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Shape {
    #[serde(default)]
    media_type: Option<String>,
    #[serde(default)]
    manifests: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    layers: Option<serde::de::IgnoredAny>,
    #[serde(default)]
    config: Option<serde::de::IgnoredAny>,
}

impl Content {
    /// Reads a manifest by its bytes alone: a registry's `Content-Type` is covered by no digest.
    /// Bytes that could be read both ways, or that name another type, are refused
    /// (CVE-2021-41190).
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        let wrong = |error: serde_json::Error| format!("not a manifest: {error}");
        let shape: Shape = serde_json::from_slice(bytes).map_err(wrong)?;
        let image = shape.layers.is_some() || shape.config.is_some();
        match (image, shape.manifests.is_some()) {
            (true, true) => return Err("a manifest and an index at once".to_owned()),
            (false, false) => return Err("neither a manifest nor an index".to_owned()),
            _ => {}
        }
        let right = if image {
            [OCI_MANIFEST, DOCKER_MANIFEST]
        } else {
            [OCI_INDEX, DOCKER_INDEX]
        };
        if let Some(named) = shape.media_type.filter(|named| !right.contains(&&**named)) {
            return Err(format!("`{}` does not fit its content", visible(&named)));
        }
        Ok(if image {
            Self::Image(serde_json::from_slice(bytes).map_err(wrong)?)
        } else {
            Self::Index(serde_json::from_slice(bytes).map_err(wrong)?)
        })
    }
}

/// The media type that the bytes of a manifest name.
pub(super) fn named_type(bytes: &[u8]) -> Option<String> {
    serde_json::from_slice::<Shape>(bytes).ok()?.media_type
}
