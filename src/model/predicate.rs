//! What statements claim: each kind of predicate with its own fields and rules.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::commit::Commit;
use super::digest::Digest;
use super::ledger::{LARGEST_NUMBER, Ledger};
use super::name::{ContainerName, FileName, PlatformName, Version};
use super::statement::{Part, Subject};
use super::trust_file::TrustFile;

/// More artifacts in one image than this are refused.
pub const MOST_ARTIFACTS: usize = 100;

/// What can be claimed, each with its own type of predicate.
pub trait Predicate: Serialize + DeserializeOwned {
    /// The in-toto `predicateType`.
    const TYPE: &'static str;

    /// The platform that the predicate itself names.
    fn platform(&self) -> &PlatformName;

    /// When the claim was made, by its own account.
    fn time(&self) -> Timestamp;

    /// Whether the predicate agrees with itself and its subject; the error says where not.
    fn validate(&self, subject: &Subject) -> Result<(), String>;
}

/// An image was built by production. `urn:devenv:build:1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BuildPredicate {
    /// The platform.
    pub platform: PlatformName,
    /// The container.
    pub container: ContainerName,
    /// The version that the image is.
    pub version: Version,
    /// The definitions' commit that it was built from.
    pub commit: Commit,
    /// What was received and built in, with the SHA-256 of each.
    #[serde(deserialize_with = "each_once")]
    pub artifacts: BTreeMap<FileName, Digest>,
    /// When it was built.
    pub built: Timestamp,
    /// The platform's own base image beneath it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base: Option<Base>,
}

/// A base image of the platform.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Base {
    /// The base's container.
    pub container: ContainerName,
    /// Its digest.
    pub digest: Digest,
}

/// A proxy image embeds this reference. `urn:devenv:reference:1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferencePredicate {
    /// The platform.
    pub platform: PlatformName,
    /// The reference's number; from 1.
    pub number: u64,
    /// The definitions' commit that the proxy was built from.
    pub commit: Commit,
    /// The SHA-256 of the embedded `reference.yaml`.
    pub reference_sha256: Digest,
    /// When it was made.
    pub created: Timestamp,
}

/// This trust file follows the one before it. `urn:devenv:trust:1`
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustPredicate {
    /// When it was made.
    pub issued: Timestamp,
    /// The whole file.
    pub trust: TrustFile,
}

impl Predicate for BuildPredicate {
    const TYPE: &'static str = "urn:devenv:build:1";

    fn platform(&self) -> &PlatformName {
        &self.platform
    }

    fn time(&self) -> Timestamp {
        self.built
    }

    fn validate(&self, subject: &Subject) -> Result<(), String> {
        if subject.name.part != Part::Container(self.container.clone()) {
            return Err(format!(
                "its subject is `{}`, but it tells of container `{}`",
                subject.name, self.container
            ));
        }
        if self.artifacts.len() > MOST_ARTIFACTS {
            return Err(format!(
                "it lists {} artifacts; there may be {MOST_ARTIFACTS}",
                self.artifacts.len()
            ));
        }
        Ok(())
    }
}

impl Predicate for ReferencePredicate {
    const TYPE: &'static str = "urn:devenv:reference:1";

    fn platform(&self) -> &PlatformName {
        &self.platform
    }

    fn time(&self) -> Timestamp {
        self.created
    }

    fn validate(&self, _: &Subject) -> Result<(), String> {
        if (1..=LARGEST_NUMBER).contains(&self.number) {
            Ok(())
        } else {
            Err(format!("`{}` is not a reference's number", self.number))
        }
    }
}

impl Predicate for TrustPredicate {
    const TYPE: &'static str = "urn:devenv:trust:1";

    fn platform(&self) -> &PlatformName {
        &self.trust.platform
    }

    fn time(&self) -> Timestamp {
        self.issued
    }

    /// The subject's digest is that of the file's text, so that the file can be verified alone.
    fn validate(&self, subject: &Subject) -> Result<(), String> {
        self.trust.validate()?;
        let text = self.trust.to_yaml().map_err(|error| error.to_string())?;
        let digest = Digest::of(text.as_bytes());
        if subject.name.part != Part::Trust {
            return Err(format!(
                "its subject is `{}`, but it tells of a trust file",
                subject.name
            ));
        }
        if digest != subject.digest {
            return Err(format!(
                "its subject is {}, but the trust file in it is {digest}",
                subject.digest
            ));
        }
        Ok(())
    }
}

impl Predicate for Ledger {
    const TYPE: &'static str = "urn:devenv:environment:1";

    fn platform(&self) -> &PlatformName {
        &self.platform
    }

    fn time(&self) -> Timestamp {
        self.issued
    }

    fn validate(&self, subject: &Subject) -> Result<(), String> {
        Ledger::validate(self)?;
        match self.current() {
            Some(entry) if entry.digest != subject.digest => Err(format!(
                "its subject is {}, but its last promotion is {}",
                subject.digest, entry.digest
            )),
            _ => Ok(()),
        }
    }
}

/// Reads artifacts; a name that occurs twice is refused, where serde would take the last.
fn each_once<'de, D: Deserializer<'de>>(source: D) -> Result<BTreeMap<FileName, Digest>, D::Error> {
    struct EachOnce;

    impl<'de> Visitor<'de> for EachOnce {
        type Value = BTreeMap<FileName, Digest>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("artifacts with their digests")
        }

        fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Self::Value, M::Error> {
            let mut artifacts = BTreeMap::new();
            while let Some((name, digest)) = map.next_entry::<FileName, Digest>()? {
                if artifacts.insert(name.clone(), digest).is_some() {
                    return Err(M::Error::custom(format!(
                        "artifact `{name}` is listed twice"
                    )));
                }
            }
            Ok(artifacts)
        }
    }

    source.deserialize_map(EachOnce)
}
