//! What statements claim: each kind of predicate with its own fields and rules.

use std::collections::BTreeMap;
use std::fmt;

use jiff::Timestamp;
use jiff::civil::Date;
use serde::de::{DeserializeOwned, Error, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::commit::Commit;
use super::digest::Digest;
use super::ledger::{LARGEST_NUMBER, Ledger};
use super::name::{ContainerName, FileName, PlatformName, Version};
use super::subject::{Part, Subject};
use super::trust_file::TrustFile;
use super::visible::visible;

/// More artifacts in one image than this are refused.
pub const MOST_ARTIFACTS: usize = 100;
/// More findings of a policy about one image than this are refused.
pub const MOST_FINDINGS: usize = 5000;

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
    /// What it was taken over from, where production did not build it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imported: Option<Imported>,
    /// The SHA-256 of the list of its packages, which is attached to it ([`super::sbom`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<Digest>,
    /// What the commit's policy said, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyVerdict>,
}

/// An image that others built.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Imported {
    /// A repository, or `archive` and the file's name.
    pub from: String,
    /// Of the manifest there, or of the archive.
    pub digest: Digest,
}

/// What a policy said about an image that it did not refuse.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PolicyVerdict {
    /// The SHA-256 of `policy.yaml`.
    pub sha256: Digest,
    /// What the operator was warned of.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned: Vec<String>,
    /// What somebody let pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub waived: Vec<WaivedFinding>,
}

/// A finding that somebody let pass.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WaivedFinding {
    /// The rule and what was found.
    pub finding: String,
    /// The last day of the waiver.
    pub until: Date,
    /// Who answers for it.
    pub name: String,
    /// Why.
    pub reason: String,
}

impl BuildPredicate {
    /// What it says besides version, commit and time: by name, a line each.
    pub fn more(&self) -> Vec<(&'static str, String)> {
        let mut more: Vec<(&str, String)> = Vec::new();
        let artifacts = self.artifacts.iter();
        more.extend(artifacts.map(|(name, digest)| ("artifact", format!("{name} {digest}"))));
        let base = self.base.iter();
        more.extend(base.map(|it| ("base", format!("{} {}", it.container, it.digest))));
        let imported = self.imported.iter();
        more.extend(
            imported.map(|it| ("imported", format!("{} {}", visible(&it.from), it.digest))),
        );
        more.extend(judged(self.sbom.as_ref(), self.policy.as_ref()));
        more
    }
}

impl ReferencePredicate {
    /// The same of a reference.
    pub fn more(&self) -> Vec<(&'static str, String)> {
        judged(self.sbom.as_ref(), self.policy.as_ref())
    }
}

fn judged(sbom: Option<&Digest>, policy: Option<&PolicyVerdict>) -> Vec<(&'static str, String)> {
    let mut more: Vec<(&str, String)> = Vec::new();
    more.extend(sbom.map(|it| ("sbom", it.to_string())));
    if let Some(policy) = policy {
        more.push(("policy", policy.sha256.to_string()));
        let warned = policy.warned.iter();
        more.extend(warned.map(|it| ("warned", visible(it))));
        more.extend(policy.waived.iter().map(|it| {
            let (finding, name) = (visible(&it.finding), visible(&it.name));
            let reason = visible(&it.reason);
            let text = format!("{finding}, until {} by {name}: {reason}", it.until);
            ("waived", text)
        }));
    }
    more
}

fn check_findings(policy: Option<&PolicyVerdict>) -> Result<(), String> {
    let findings = policy.map_or(0, |it| it.warned.len() + it.waived.len());
    if findings <= MOST_FINDINGS {
        return Ok(());
    }
    Err(format!(
        "it lists {findings} findings; there may be {MOST_FINDINGS}"
    ))
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
    /// The SHA-256 of the list of its packages, which is attached to it ([`super::sbom`]).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sbom: Option<Digest>,
    /// What the commit's policy said, where it had one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub policy: Option<PolicyVerdict>,
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
        check_findings(self.policy.as_ref())
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
            check_findings(self.policy.as_ref())
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
