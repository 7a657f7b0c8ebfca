//! `release verify`: who signed what, when, from which commit.

use std::str::FromStr;

use serde::Serialize;

use super::Desk;
use super::checkout::checkout;
use crate::definitions::CommitId;
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::name::{ContainerName, EnvironmentName, Version};
use crate::model::platform::Platform;
use crate::registry::Tag;
use crate::trust::policy::{Check, ExpectedReference, Outcome};

/// What is to be verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Subject {
    /// `NAME:VERSION`
    Build(ContainerName, Version),
    /// `N`
    Reference(u64),
    /// An environment's name.
    Environment(EnvironmentName),
}

/// What was found, all of it verified.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// What it is about.
    pub subject: String,
    /// The signed digest: of an image, for an environment of what runs there.
    pub digest: Digest,
    /// The names of the keys that signed.
    pub signers: Vec<String>,
    /// The rest, by name: `commit`, `built`, …
    pub facts: Vec<Fact>,
    /// Every check that was made, in words.
    pub checks: Vec<String>,
}

/// One thing that was signed.
#[derive(Debug, Clone, Serialize)]
pub struct Fact {
    /// What.
    pub name: &'static str,
    /// The value.
    pub value: String,
}

impl FromStr for Subject {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((name, version)) = text.split_once(':') {
            return Ok(Self::Build(
                ContainerName::new(name)?,
                Version::new(version)?,
            ));
        }
        match text.parse() {
            Ok(number) => Ok(Self::Reference(number)),
            Err(_) => EnvironmentName::new(text).map(Self::Environment),
        }
    }
}

impl Desk<'_> {
    /// Verifies what the registry has now. Fails with [`crate::error::Kind::Trust`], naming the
    /// check that does not hold.
    pub async fn verify(&self, subject: &Subject) -> Result<Report> {
        let head = self.definitions.head_id()?;
        let checkout = checkout(self.definitions, head, &self.trust.platform)?;
        let platform = &checkout.catalogue.platform;
        match subject {
            Subject::Build(container, version) => {
                checkout.definition(container)?;
                self.verify_version(platform, container, version).await
            }
            Subject::Reference(number) => self.verify_number(platform, *number).await,
            Subject::Environment(environment) => {
                let found = self.ledger(&checkout, environment).await?;
                let found = found.ok_or_else(|| {
                    Error::usage(format!("nothing was ever promoted to {environment}"))
                })?;
                let ledger = &found.predicate;
                let mut facts = vec![
                    fact("sequence", ledger.sequence),
                    fact("issued", ledger.issued),
                    fact("expires", ledger.expires),
                ];
                facts.extend(ledger.entries.iter().rev().map(|entry| {
                    let (number, at, by) = (entry.number, entry.at, &entry.by);
                    fact(
                        "promotion",
                        format!("{number} at {at} by {by}: {}", entry.reason),
                    )
                }));
                Ok(Report {
                    subject: format!("the ledger of {environment}"),
                    digest: found.subject.digest,
                    signers: found.signers.clone(),
                    facts,
                    checks: Vec::new(),
                })
            }
        }
    }

    async fn verify_version(
        &self,
        platform: &Platform,
        container: &ContainerName,
        version: &Version,
    ) -> Result<Report> {
        let found = self.find(platform, container, version).await?;
        let found =
            found.ok_or_else(|| Error::usage(format!("{container} {version} is not published")))?;
        let verified = found.verdict.result?;
        let claim = &verified.predicate;
        let mut facts = vec![
            fact("built", claim.built),
            self.commit_fact(claim.commit.as_str()),
        ];
        let artifacts = claim.artifacts.iter();
        facts.extend(artifacts.map(|(name, digest)| fact("artifact", format!("{name} {digest}"))));
        let base = claim.base.iter();
        facts.extend(base.map(|base| fact("base", format!("{} {}", base.container, base.digest))));
        Ok(Report {
            subject: found.repository.tagged(version.as_str()),
            digest: found.digest,
            signers: verified.signers,
            facts,
            checks: in_words(&found.verdict.checks),
        })
    }

    async fn verify_number(&self, platform: &Platform, number: u64) -> Result<Report> {
        let repository = platform.repository(platform.proxy.as_str())?;
        let tag = Tag::new(number.to_string()).map_err(Error::usage)?;
        let digest = self.registry.resolve(&repository, &tag).await?;
        let digest =
            digest.ok_or_else(|| Error::usage(format!("there is no reference {number}")))?;
        let bundles = self.verifier().source.bundles(&repository, &digest).await?;
        let expected = ExpectedReference {
            proxy: &platform.proxy,
            number: Some(number),
            digest,
        };
        let verdict = self.policy().verify_reference(&expected, &bundles);
        let verified = verdict.result?;
        // What the signature says of the file in the image has to hold as well.
        self.verifier()
            .reference(&platform.proxy, &repository, digest, Some(number))
            .await?;
        let claim = &verified.predicate;
        Ok(Report {
            subject: repository.tagged(tag.as_str()),
            digest,
            signers: verified.signers,
            facts: vec![
                fact("created", claim.created),
                self.commit_fact(claim.commit.as_str()),
                fact("reference.yaml", claim.reference_sha256),
            ],
            checks: in_words(&verdict.checks),
        })
    }

    /// The commit with its author and subject, as far as this clone has it.
    fn commit_fact(&self, commit: &str) -> Fact {
        let known = commit
            .parse::<CommitId>()
            .ok()
            .and_then(|id| self.definitions.resolve(id).ok());
        match known {
            Some(known) => fact(
                "commit",
                format!("{commit} ({}: {})", known.author, known.subject),
            ),
            None => fact("commit", commit),
        }
    }
}

fn fact(name: &'static str, value: impl std::fmt::Display) -> Fact {
    Fact {
        name,
        value: format!("{value}"),
    }
}

fn in_words(checks: &[Check]) -> Vec<String> {
    let passed = checks
        .iter()
        .filter(|check| check.outcome == Outcome::Passed);
    passed.map(|check| check.text.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn three_forms() {
        let parse = |text: &str| text.parse::<Subject>();
        assert!(matches!(parse("billing:1.4.2"), Ok(Subject::Build(..))));
        assert_eq!(parse("42"), Ok(Subject::Reference(42)));
        assert!(matches!(parse("production"), Ok(Subject::Environment(_))));
        assert!(parse("Billing:1").is_err() && parse("a:").is_err() && parse("").is_err());
    }
}
