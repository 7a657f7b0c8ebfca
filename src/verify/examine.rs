//! Who signed what, when, from which commit, and every check of it in words.

use serde::Serialize;

use crate::definitions::{CommitId, Definitions};
use crate::error::Result;
use crate::model::digest::Digest;
use crate::model::name::{ContainerName, EnvironmentName, Version};
use crate::model::released::Released;
use crate::verify::choose::{Choice, Preparation};
use crate::verify::evidence::{VerifiedImage, VerifiedReference, Wanted};
use crate::verify::trust::policy::{Check, ExpectedBuild, ExpectedReference};

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
    /// Every check that was made, in words: `passed: …`, `note: …`.
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

/// Looks at what a platform's registry or this machine's cache has.
pub struct Examination<'a> {
    /// Reads and verifies.
    pub preparation: &'a Preparation<'a>,
    /// Knows the commits.
    pub definitions: &'a Definitions,
}

impl Examination<'_> {
    /// Verifies one thing. Fails with [`crate::error::Kind::Trust`], with all checks as details.
    pub async fn of(&self, subject: &Released) -> Result<Report> {
        match subject {
            Released::Build(container, version) => self.version(container, version).await,
            Released::Reference(number) => {
                let choice = Choice::Number(*number);
                let chosen = self.preparation.choose(&choice).await?;
                Ok(self.reference(&chosen.verified))
            }
            Released::Environment(environment) => self.ledger(environment).await,
        }
    }

    /// What an environment runs: its ledger, the reference, and every image in it.
    pub async fn everything(&self, environment: &EnvironmentName) -> Result<Vec<Report>> {
        let mut reports = vec![self.ledger(environment).await?];
        let choice = Choice::Environment(environment.clone());
        let chosen = self.preparation.choose(&choice).await?;
        reports.push(self.reference(&chosen.verified));
        for (container, entry) in &chosen.verified.reference.containers {
            if let (Some(version), Some(digest)) = (&entry.version, entry.digest) {
                let repository = &entry.repository;
                let wanted = Wanted {
                    container,
                    version,
                    repository,
                    digest,
                };
                reports.push(self.image(&wanted).await?);
            }
        }
        Ok(reports)
    }

    async fn ledger(&self, environment: &EnvironmentName) -> Result<Report> {
        let look = self.preparation.ledger(environment).await?;
        let found = &look.ledger;
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
            checks: in_words(&look.checks),
        })
    }

    async fn version(&self, container: &ContainerName, version: &Version) -> Result<Report> {
        let (repository, digest) = self.preparation.published(container, version).await?;
        let repository = &repository;
        let wanted = Wanted {
            container,
            version,
            repository,
            digest,
        };
        self.image(&wanted).await
    }

    /// Verifies one image by its digest.
    pub async fn image(&self, wanted: &Wanted<'_>) -> Result<Report> {
        let verifier = self.preparation.verifier();
        verifier.image(wanted).await?;
        let expected = ExpectedBuild {
            container: wanted.container,
            version: Some(wanted.version),
            digest: wanted.digest,
        };
        let bundles = verifier.source.cached_bundles(&wanted.digest);
        let verdict = verifier
            .policy()
            .verify_build(&expected, &bundles.unwrap_or_default());
        let verified = verdict.result?;
        let claim = &verified.predicate;
        let mut facts = vec![
            fact("built", claim.built),
            self.commit_fact(claim.commit.as_str()),
        ];
        facts.extend(
            claim
                .more()
                .into_iter()
                .map(|(name, value)| fact(name, value)),
        );
        Ok(Report {
            subject: wanted.repository.tagged(wanted.version.as_str()),
            digest: wanted.digest,
            signers: verified.signers,
            facts,
            checks: in_words(&verdict.checks),
        })
    }

    /// What is known of a verified reference.
    pub fn reference(&self, found: &VerifiedReference) -> Report {
        let VerifiedImage {
            image,
            signers,
            commit,
            built,
        } = &found.proxy;
        let number = found.reference.number;
        let verifier = self.preparation.verifier();
        let expected = ExpectedReference {
            proxy: &found.reference.proxy,
            number: Some(number),
            digest: image.digest,
        };
        let bundles = verifier.source.cached_bundles(&image.digest);
        let verdict = verifier
            .policy()
            .verify_reference(&expected, &bundles.unwrap_or_default());
        let claim = verdict.result.as_ref().ok();
        let more = claim.map_or_else(Vec::new, |it| it.predicate.more());
        let mut checks = in_words(&verdict.checks);
        checks.push("passed: the file in the image is the one that was signed".to_owned());
        Report {
            subject: image.repository.tagged(&number.to_string()),
            digest: image.digest,
            signers: signers.clone(),
            facts: [
                fact("created", built),
                self.commit_fact(commit),
                fact("containers", found.reference.containers.len()),
            ]
            .into_iter()
            .chain(more.into_iter().map(|(name, value)| fact(name, value)))
            .collect(),
            checks,
        }
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

impl Report {
    /// For people, a line each; the checks where `verbose`.
    pub fn in_words(&self, verbose: bool) -> String {
        let mut lines = vec![
            format!("{:<14} {}", "verified", self.subject),
            format!("{:<14} {}", "digest", self.digest),
            format!("{:<14} {}", "signed by", self.signers.join(", ")),
        ];
        let facts = self.facts.iter();
        lines.extend(facts.map(|fact| format!("{:<14} {}", fact.name, fact.value)));
        if verbose {
            lines.extend(self.checks.iter().map(|check| format!("  {check}")));
        }
        lines.join("\n")
    }
}

fn fact(name: &'static str, value: impl std::fmt::Display) -> Fact {
    Fact {
        name,
        value: format!("{value}"),
    }
}

fn in_words(checks: &[Check]) -> Vec<String> {
    checks.iter().map(ToString::to_string).collect()
}
