//! `release sign`: one more signature over exactly what another operator signed.

use std::str::FromStr;

use bytes::Bytes;

use super::Desk;
use super::checkout::{Checkout, checkout};
use super::document::Document;
use crate::error::{Error, Result};
use crate::home::file;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::{ContainerName, EnvironmentName, Version};
use crate::model::predicate::Predicate;
use crate::model::released::Released;
use crate::model::trust_file::TrustFile;
use crate::registry::{MANIFEST_LIMIT, Tag};
use crate::verify::evidence::ledger::{sequence_of, sequence_tag};
use crate::verify::evidence::succession::{self, versions};
use crate::verify::trust::bundle::sign_payload;
use crate::verify::trust::keys::SigningKey;
use crate::verify::trust::policy::{
    ExpectedBuild, ExpectedReference, LedgerSeen, Pending, Policy, Verified,
};

/// What a signature can be added to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Signable {
    /// A version, a reference or a ledger.
    Release(Released),
    /// The next trust file.
    Trust,
}

/// How it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The operator said no.
    Declined,
    /// This key had signed it already; so many signatures are missing.
    Already(usize),
    /// The signature was added; so many are missing.
    Signed(usize),
}

/// What is signed already and what it says.
struct Found {
    title: String,
    /// In words, a line each.
    words: Vec<String>,
    pending: Pending,
    place: Place,
}

/// Where the signature goes.
enum Place {
    /// Attached to an image.
    Image(Repository, Digest, &'static str),
    /// One more layer of a document with this tag, which another may point to.
    Document(Repository, Document, Tag, Option<Tag>),
}

impl FromStr for Signable {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        match text {
            "trust" => Ok(Self::Trust),
            other => other.parse().map(Self::Release),
        }
    }
}

impl Desk<'_> {
    /// Shows what others signed, asks, and adds this key's signature over the same bytes.
    pub async fn countersign(&mut self, key: &SigningKey, wanted: &Signable) -> Result<Outcome> {
        let signer = self.signer(key)?.name.clone();
        self.fetch().await?;
        let head = self.definitions.head_id()?;
        let checkout = checkout(&self.definitions, head, &self.trust.platform)?;
        let found = self.signed_by_others(&checkout, wanted).await?;
        self.reporter.note(&found.title);
        for line in &found.words {
            self.reporter.note(&format!("  {line}"));
        }
        let signers = found.pending.signers.join(", ");
        self.reporter.note(&format!("  signed by {signers}"));
        if found.pending.signers.contains(&signer) {
            return Ok(Outcome::Already(found.pending.missing));
        }
        if !self.reporter.confirm("Sign this?", "--yes")? {
            return Ok(Outcome::Declined);
        }
        let bundle = sign_payload(&found.pending.payload, key)?;
        match found.place {
            Place::Image(repository, digest, kind) => {
                let manifest = self
                    .online()?
                    .manifest(&repository, &digest, MANIFEST_LIMIT)
                    .await?;
                self.attach(&repository, &manifest.descriptor(), bundle, kind)
                    .await?;
            }
            Place::Document(repository, document, tag, pointer) => {
                let pointer = pointer.as_ref();
                self.add_signature(&repository, &document, bundle, &tag, pointer)
                    .await?;
            }
        }
        Ok(Outcome::Signed(found.pending.missing.saturating_sub(1)))
    }

    async fn signed_by_others(&self, checkout: &Checkout, wanted: &Signable) -> Result<Found> {
        let platform = &checkout.catalogue.platform;
        match wanted {
            Signable::Release(Released::Build(name, version)) => {
                let repository = platform.repository(name.as_str())?;
                self.build_to_sign(&repository, name, version).await
            }
            Signable::Release(Released::Reference(number)) => {
                let repository = platform.repository(platform.proxy.as_str())?;
                self.reference_to_sign(checkout, &repository, *number).await
            }
            Signable::Release(Released::Environment(environment)) => {
                let repository = platform.environments_repository()?;
                self.ledger_to_sign(&repository, environment).await
            }
            Signable::Trust => self.trust_to_sign(&platform.trust_repository()?).await,
        }
    }

    async fn build_to_sign(
        &self,
        repository: &Repository,
        container: &ContainerName,
        version: &Version,
    ) -> Result<Found> {
        let digest = self.tagged_image(repository, version.as_str()).await?;
        let expected = ExpectedBuild {
            container,
            version: Some(version),
            digest,
        };
        let bundles = self.signatures(repository, &digest).await?;
        let one = one_of(self.trust);
        let verified = self.alone(&one).verify_build(&expected, &bundles).result?;
        let claim = &verified.predicate;
        let mut words = vec![
            format!("image    {}", repository.at(&digest)),
            format!("commit   {}", self.commit_in_words(claim.commit.as_str())),
            format!("built    {}", claim.built),
        ];
        let more = claim.more().into_iter();
        words.extend(more.map(|(name, value)| format!("{name:<8} {value}")));
        Ok(Found {
            title: format!("{container} {version}:"),
            words,
            pending: self.pending(&verified, &bundles)?,
            place: image(&verified, repository, digest),
        })
    }

    async fn reference_to_sign(
        &self,
        checkout: &Checkout,
        repository: &Repository,
        number: u64,
    ) -> Result<Found> {
        let platform = &checkout.catalogue.platform;
        let digest = self.tagged_image(repository, &number.to_string()).await?;
        let one = one_of(self.trust);
        let mut verifier = self.verifier();
        verifier.trust = &one;
        let next = verifier
            .reference(&platform.proxy, repository, digest, Some(number))
            .await?;
        let expected = ExpectedReference {
            proxy: &platform.proxy,
            number: Some(number),
            digest,
        };
        let bundles = self.signatures(repository, &digest).await?;
        let verified = self
            .alone(&one)
            .verify_reference(&expected, &bundles)
            .result?;
        let commit = verified.predicate.commit.as_str();
        let mut words = vec![
            format!("image    {}", repository.at(&digest)),
            format!("commit   {}", self.commit_in_words(commit)),
            format!("created  {}", verified.predicate.created),
        ];
        if let Some(before) = self.newest_reference(platform).await? {
            words.push(format!(
                "what changes since reference {}:",
                before.reference.number
            ));
            let changed = super::changes::between(&before.reference, &next.reference)?;
            words.extend(changed.iter().map(|change| format!("  {change}")));
        }
        Ok(Found {
            title: format!("reference {number}:"),
            words,
            pending: self.pending(&verified, &bundles)?,
            place: image(&verified, repository, digest),
        })
    }

    async fn ledger_to_sign(
        &self,
        repository: &Repository,
        environment: &EnvironmentName,
    ) -> Result<Found> {
        let nothing = || Error::usage(format!("nothing was ever promoted to {environment}"));
        let tags = self.online()?.tags(repository).await?;
        let sequence = tags
            .iter()
            .filter_map(|tag| sequence_of(environment, tag))
            .max();
        let sequence = sequence.ok_or_else(nothing)?;
        let tag = Tag::new(sequence_tag(environment, sequence)).map_err(Error::bug)?;
        let plain = Tag::new(environment.as_str()).map_err(Error::bug)?;
        let document = self.document(repository, &tag).await?.ok_or_else(nothing)?;
        let path = self.paths.ledger_seen(&self.trust.platform, environment);
        let seen: Option<LedgerSeen> = file::load(&path)?;
        let one = one_of(self.trust);
        let verdict = self
            .alone(&one)
            .verify_ledger(environment, seen.as_ref(), &document.bundles);
        let verified = verdict.result?;
        let ledger = &verified.predicate;
        let mut words = vec![
            format!("sequence {}", ledger.sequence),
            format!("expires  {}", ledger.expires),
        ];
        words.extend(ledger.entries.iter().rev().take(3).map(|entry| {
            let (number, at, by) = (entry.number, entry.at, &entry.by);
            format!(
                "runs     reference {number} since {at}, by {by}: {}",
                entry.reason
            )
        }));
        Ok(Found {
            title: format!("the ledger of {environment}:"),
            words,
            pending: self.pending(&verified, &document.bundles)?,
            place: Place::Document(repository.clone(), document, tag, Some(plain)),
        })
    }

    async fn trust_to_sign(&self, repository: &Repository) -> Result<Found> {
        let nothing = || {
            Error::usage("no trust file is published beyond the pinned one")
                .hint("`devenv release trust` makes the next one")
        };
        let versions = versions(&succession::tags(self.online()?, repository).await?);
        let later = |version: &u64| *version > self.trust.root_version;
        let version = versions.into_iter().rfind(later).ok_or_else(nothing)?;
        let tag = Tag::new(version.to_string()).map_err(Error::bug)?;
        let document = self.document(repository, &tag).await?.ok_or_else(nothing)?;
        let one = one_of(self.trust);
        let verified = self.alone(&one).verify_trust(&document.bundles).result?;
        let next = &verified.predicate.trust;
        let mut words: Vec<String> = self.trust.changes(next)?;
        words.extend(next.in_words().lines().map(ToOwned::to_owned));
        Ok(Found {
            title: format!("the trust file with root version {}:", next.root_version),
            words,
            pending: self.pending(&verified, &document.bundles)?,
            place: Place::Document(repository.clone(), document, tag, None),
        })
    }

    /// All that is attached to an image, by every way: others may have signed what one way hides.
    async fn signatures(&self, repository: &Repository, image: &Digest) -> Result<Vec<Bytes>> {
        let source = self.verifier().source;
        source.bundles(repository, image, |_| false).await
    }

    async fn tagged_image(&self, repository: &Repository, tag: &str) -> Result<Digest> {
        let tag = Tag::new(tag).map_err(Error::usage)?;
        let digest = self.online()?.resolve(repository, &tag).await?;
        digest.ok_or_else(|| {
            Error::usage(format!(
                "{} is not published",
                repository.tagged(tag.as_str())
            ))
        })
    }

    /// The rules with one signature as enough: all else must hold before another is added.
    fn alone<'a>(&self, one: &'a TrustFile) -> Policy<'a> {
        Policy {
            trust: one,
            now: self.now(),
        }
    }

    fn pending<P, B: AsRef<[u8]>>(&self, verified: &Verified<P>, bundles: &[B]) -> Result<Pending> {
        let same = |pending: &Pending| Digest::of(&pending.payload) == verified.payload;
        let mut all = self.policy().pending(bundles).into_iter();
        all.find(same)
            .ok_or_else(|| Error::bug("what was verified is not among the signed payloads"))
    }
}

/// The same keys, where one of them is enough.
fn one_of(trust: &TrustFile) -> TrustFile {
    TrustFile {
        threshold: 1,
        ..trust.clone()
    }
}

fn image<P: Predicate>(_: &Verified<P>, repository: &Repository, digest: Digest) -> Place {
    Place::Image(repository.clone(), digest, P::TYPE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn four_forms() {
        let parse = |text: &str| text.parse::<Signable>();
        assert_eq!(parse("trust"), Ok(Signable::Trust));
        assert_eq!(parse("42"), Ok(Signable::Release(Released::Reference(42))));
        assert!(matches!(
            parse("billing:1.4.2"),
            Ok(Signable::Release(Released::Build(..)))
        ));
        assert!(parse("Billing").is_err());
    }
}
