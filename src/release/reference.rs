//! `release reference`: the proxy image that pins the whole platform.

use std::collections::BTreeMap;

use super::attempt::Attempt;
use super::claim::{Claim, Claimed, Wish, taken};
use super::norms::Inspected;
use super::publish::Staged;
use super::survey::Prepared;
use super::version::commit_text;
use super::{Desk, Workshop};
use crate::definitions::Tag;
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::predicate::ReferencePredicate;
use crate::model::reference::Reference;

pub use super::changes::between;

/// How many numbers are tried that others may have taken at the same moment.
const NUMBERS: usize = 50;

/// What is wanted of a new reference.
#[derive(Debug, Clone, Default)]
pub struct Order {
    /// Why; kept with the reservation.
    pub message: Option<String>,
    /// Whether to build without the engine's layer cache.
    pub no_cache: bool,
}

/// How `release reference` ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// Nothing differs from the newest reference, which stays.
    Unchanged {
        /// Its number.
        number: u64,
    },
    /// The operator said no.
    Declined,
    /// It is published.
    Published {
        /// Its number.
        number: u64,
        /// Where.
        repository: Repository,
        /// The signed digest.
        digest: Digest,
        /// How many more signatures the trust file asks for.
        missing_signatures: usize,
    },
}

impl Desk<'_> {
    /// Compiles, builds, signs and publishes the next reference. Run again after an interruption
    /// it ends in the same state.
    pub async fn make_reference(
        &mut self,
        workshop: &Workshop<'_>,
        order: &Order,
    ) -> Result<Outcome> {
        self.signer(workshop.key)?;
        let mut attempt =
            Attempt::begin(self.paths, &self.trust.platform, "reference", "reference")?;
        let prepared = self.prepare_reference().await?;
        if let Some(outcome) = self.finished(&prepared, &mut attempt).await? {
            return Ok(outcome);
        }
        let draft = self.compiled(&prepared, 1)?;
        for warning in &draft.warnings {
            self.reporter.warn(warning);
        }
        if let Some(outcome) = self.reviewed(&prepared, &draft.reference)? {
            return Ok(outcome);
        }
        // Before a number is reserved: what cannot be built is refused.
        let parts = prepared.parts();
        self.proxy_recipe(workshop.docker, &parts, &draft.reference)
            .await?;
        let claim = self.number(&prepared, order, &mut attempt).await?;
        let number = attempt.number().unwrap_or_default();
        let reference = self.compiled(&prepared, number)?.reference;
        let token = attempt.token().to_owned();
        let built = self
            .make_proxy(
                workshop.docker,
                &prepared.parts(),
                &reference,
                &token,
                order.no_cache,
            )
            .await;
        let (id, staged, inspected) = match built {
            Ok(built) => built,
            Err(error) => {
                self.give_back(&claim).await;
                attempt.finish()?;
                return Err(error);
            }
        };
        let missing_signatures = self
            .publish_reference(
                workshop,
                &prepared,
                &reference,
                (&staged, &inspected),
                &claim,
            )
            .await?;
        attempt.finish()?;
        let tag = number.to_string();
        self.clean_up(workshop.docker, &staged, &id, &prepared.proxy, &tag)
            .await;
        Ok(Outcome::Published {
            number,
            repository: prepared.repository,
            digest: staged.manifest.digest,
            missing_signatures,
        })
    }

    /// What an interrupted run published just before it ended.
    async fn finished(
        &mut self,
        prepared: &Prepared,
        attempt: &mut Attempt,
    ) -> Result<Option<Outcome>> {
        let Some(number) = attempt.number().filter(|_| attempt.resumed) else {
            return Ok(None);
        };
        let platform = &prepared.checkout.catalogue.platform;
        let found = match self.reference(platform, number).await {
            Ok(found) => found,
            Err(error) if error.kind() == ErrorKind::Trust => None,
            Err(error) => return Err(error),
        };
        let Some(found) = found else {
            return Ok(None);
        };
        let (tag, head) = (Tag::Reference(number), prepared.checkout.commit);
        let ours = self.is_reserved_by(&tag, head, attempt.token()).await?;
        attempt.finish()?;
        Ok(ours.then(|| Outcome::Published {
            number,
            repository: prepared.repository.clone(),
            digest: found.proxy.image.digest,
            missing_signatures: 0,
        }))
    }

    /// Shows what changes and asks. `None` is a yes.
    fn reviewed(&self, prepared: &Prepared, draft: &Reference) -> Result<Option<Outcome>> {
        let Some(previous) = prepared.previous.as_ref().map(|it| &it.reference) else {
            let text = format!(
                "this is the first reference: {} containers",
                draft.containers.len()
            );
            self.reporter.differences(&text, &[]);
            let yes = self.reporter.confirm("Publish it?", "--yes")?;
            return Ok((!yes).then_some(Outcome::Declined));
        };
        let mut found = between(previous, draft)?;
        found.extend(self.proxy_changes(prepared, previous)?);
        let number = previous.number;
        if found.is_empty() {
            return Ok(Some(Outcome::Unchanged { number }));
        }
        self.reporter
            .differences(&format!("what changes since reference {number}"), &found);
        let yes = self.reporter.confirm("Publish it?", "--yes")?;
        Ok((!yes).then_some(Outcome::Declined))
    }

    /// Reserves the next number; of several operators each gets another.
    async fn number(
        &mut self,
        prepared: &Prepared,
        order: &Order,
        attempt: &mut Attempt,
    ) -> Result<Claim> {
        let resumed = attempt.number().filter(|_| attempt.resumed);
        let mut number = match resumed {
            Some(number) => number,
            None => self.next_number(&prepared.repository).await?,
        };
        let message = order.message.clone().unwrap_or_default();
        for _ in 0..NUMBERS {
            attempt.save(Some(number))?;
            let tag = Tag::Reference(number);
            self.reporter.note(&format!("reserving {tag}"));
            let wish = Wish {
                tag: tag.clone(),
                commit: prepared.checkout.commit,
                inputs: BTreeMap::from([("message".to_owned(), message.clone())]),
                take_over: false,
            };
            match self.claim(&wish, attempt.token()).await {
                Ok(Claimed::Ours(claim)) => return Ok(claim),
                Ok(Claimed::Taken(holder)) => {
                    let next = self.next_number(&prepared.repository).await?;
                    if next <= number {
                        return Err(taken(&tag, &holder));
                    }
                    number = next;
                }
                Err(error) => return Err(error),
            }
        }
        Err(Error::git("too many others make references at this moment").hint("run it again"))
    }

    async fn next_number(&mut self, repository: &Repository) -> Result<u64> {
        let tags = self.definitions.remote_tags("reference/").await?;
        let reserved = tags
            .iter()
            .filter_map(|tag| super::published::number(tag.name.strip_prefix("reference/")?));
        let published = self.reference_numbers(repository).await?;
        Ok(reserved.chain(published).max().unwrap_or(0) + 1)
    }

    async fn publish_reference(
        &mut self,
        workshop: &Workshop<'_>,
        prepared: &Prepared,
        reference: &Reference,
        (staged, inspected): (&Staged, &Inspected),
        claim: &Claim,
    ) -> Result<usize> {
        let predicate = ReferencePredicate {
            platform: self.trust.platform.clone(),
            number: reference.number,
            commit: commit_text(prepared.checkout.commit)?,
            reference_sha256: Digest::of(reference.to_yaml()?.as_bytes()),
            created: reference.created,
            sbom: Some(inspected.sbom.digest()),
            policy: inspected.verdict.clone(),
        };
        self.sign_sbom(workshop, staged, &prepared.proxy, &inspected.sbom)
            .await?;
        let missing = self
            .sign(workshop, staged, &prepared.proxy, predicate)
            .await?;
        self.still_ours(claim).await?;
        self.reporter
            .note(&format!("publishing reference {}", reference.number));
        self.tag(staged, &reference.number.to_string()).await?;
        Ok(missing)
    }
}
