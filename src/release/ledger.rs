//! `release promote` and `renew`: the ledger of one environment.

use jiff::Timestamp;

pub use super::document::{LIFETIME, Manner};
use super::document::{Next, Place};
use super::{Desk, changes};
use crate::error::{Error, Kind, Result};
use crate::model::digest::Digest;
use crate::model::ledger::{Ledger, LedgerEntry};
use crate::model::name::EnvironmentName;
use crate::model::reference::Reference;
use crate::verify::evidence::VerifiedReference;
use crate::verify::trust::keys::SigningKey;

/// What is to run where.
#[derive(Debug, Clone)]
pub struct Promotion {
    /// The reference.
    pub number: u64,
    /// The environment.
    pub environment: EnvironmentName,
    /// Why; needed for a skip.
    pub reason: String,
    /// Whether an environment may be left out of the order.
    pub skip: bool,
    /// How it is written down.
    pub manner: Manner,
}

/// How a promotion or renewal ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// It runs there already.
    Already(Ledger),
    /// The operator said no.
    Declined,
    /// The document that is published, and how many more signatures it needs.
    Published(Ledger, usize),
}

impl Desk<'_> {
    /// Makes a reference what an environment runs.
    pub async fn promote(&mut self, key: &SigningKey, wanted: &Promotion) -> Result<Outcome> {
        self.signer(key)?;
        let mut place = self.place(&wanted.environment).await?;
        let platform = place.checkout.catalogue.platform.clone();
        let found = self.reference(&platform, wanted.number).await?;
        let target = found.ok_or_else(|| {
            Error::usage(format!("there is no reference {}", wanted.number))
                .hint("devenv release reference makes the next one")
        })?;
        if let Some(outcome) = self.is_there(&mut place, wanted.number).await? {
            return Ok(outcome);
        }
        self.check_order(&place, wanted, target.proxy.image.digest)
            .await?;
        self.advance(key, place, &target, &wanted.reason, &wanted.manner)
            .await
    }

    /// Vouches for longer that the ledger of an environment is the latest.
    pub async fn renew(
        &mut self,
        key: &SigningKey,
        environment: &EnvironmentName,
        manner: &Manner,
    ) -> Result<Outcome> {
        self.signer(key)?;
        let mut place = self.place(environment).await?;
        let Some(ledger) = place.ledger.as_ref().map(|it| it.predicate.clone()) else {
            let text = format!("nothing was ever promoted to {environment}");
            return Err(Error::usage(text));
        };
        if place.finished {
            self.point(&place).await?;
            place.attempt.finish()?;
            return Ok(Outcome::Published(ledger, 0));
        }
        let until = self.now().saturating_add(manner.lifetime);
        if until.is_ok_and(|until| until <= ledger.expires) {
            let text = format!(
                "the ledger of {environment} is current until {}",
                ledger.expires
            );
            return Err(Error::usage(text).hint("a renewal is for longer: --days DAYS"));
        }
        self.write(key, place, Next::Renewal, manner).await
    }

    /// When the environment runs this reference already, by an interrupted run or before.
    pub(super) async fn is_there(&self, place: &mut Place, number: u64) -> Result<Option<Outcome>> {
        let Some(ledger) = place.ledger.as_ref().map(|it| it.predicate.clone()) else {
            return Ok(None);
        };
        let here = ledger.current().is_some_and(|entry| entry.number == number);
        if !here && !place.finished {
            return Ok(None);
        }
        self.point(place).await?;
        let finished = place.finished;
        if finished {
            place.attempt.finish()?;
            place.finished = false;
        }
        Ok(here.then_some(if finished {
            Outcome::Published(ledger, 0)
        } else {
            Outcome::Already(ledger)
        }))
    }

    /// The environment before must have run it, unless it is skipped with a reason.
    async fn check_order(&self, place: &Place, wanted: &Promotion, digest: Digest) -> Result<()> {
        let order = &place.checkout.catalogue.platform.environments;
        let index = order.iter().position(|it| *it == place.environment);
        let Some(before) = index.and_then(|index| order.get(index.checked_sub(1)?)) else {
            return Ok(());
        };
        let ledger = self.ledger(&place.checkout, before).await?;
        let ran = |entry: &LedgerEntry| entry.number == wanted.number && entry.digest == digest;
        if ledger.is_some_and(|ledger| ledger.predicate.entries.iter().any(ran)) {
            return Ok(());
        }
        let text = format!("reference {} was never promoted to {before}", wanted.number);
        if !wanted.skip {
            return Err(Error::usage(text)
                .hint(format!(
                    "devenv release promote {} --to {before}",
                    wanted.number
                ))
                .hint("`--skip --reason WHY` leaves it out, for good reasons"));
        }
        if wanted.reason.trim().is_empty() {
            return Err(Error::usage(text).hint("`--skip` needs `--reason WHY`"));
        }
        self.reporter.warn(&text);
        Ok(())
    }

    /// Shows what changes, asks, and writes the next document.
    pub(super) async fn advance(
        &mut self,
        key: &SigningKey,
        place: Place,
        target: &VerifiedReference,
        reason: &str,
        manner: &Manner,
    ) -> Result<Outcome> {
        let (environment, number) = (place.environment.clone(), target.reference.number);
        let current = place.ledger.as_ref().and_then(|it| it.predicate.current());
        match current {
            None => {
                let title = format!("{environment} runs nothing yet");
                self.reporter.differences(&title, &[]);
            }
            Some(entry) => {
                let platform = &place.checkout.catalogue.platform;
                let repository = platform.repository(platform.proxy.as_str())?;
                let before = self
                    .verifier()
                    .reference(
                        &platform.proxy,
                        &repository,
                        entry.digest,
                        Some(entry.number),
                    )
                    .await?;
                let found = changes::between(&before.reference, &target.reference)?;
                let title = format!(
                    "what changes in {environment}, from reference {} to {number}",
                    entry.number
                );
                self.reporter.differences(&title, &found);
                self.show_packages(&before.reference, &target.reference)
                    .await?;
            }
        }
        let question = format!("Promote reference {number} to {environment}?");
        if !self.reporter.confirm(&question, "--yes")? {
            return Ok(Outcome::Declined);
        }
        let author = self.definitions.author(self.now())?;
        let entry = LedgerEntry {
            number,
            digest: target.proxy.image.digest,
            at: self.now(),
            by: format!("{} <{}>", author.name, author.email),
            reason: reason.to_owned(),
        };
        self.write(key, place, Next::Entry(entry), manner).await
    }

    /// Shows the packages that differ. That no list of them can be had keeps nobody from promoting.
    async fn show_packages(&self, before: &Reference, after: &Reference) -> Result<()> {
        let found = match self.verifier().packages_between(before, after).await {
            Err(error) if error.kind() == Kind::Trust => {
                let text = format!("which packages change is not known: {error}");
                self.reporter.warn(&text);
                return Ok(());
            }
            found => found?,
        };
        for change in &found.changes {
            self.reporter.note(&format!("  package {change}"));
        }
        for container in &found.unknown {
            let text =
                format!("  the packages of {container} were not listed when it was released");
            self.reporter.note(&text);
        }
        Ok(())
    }

    /// Reserves the next sequence and publishes the document.
    async fn write(
        &mut self,
        key: &SigningKey,
        mut place: Place,
        next: Next,
        manner: &Manner,
    ) -> Result<Outcome> {
        let (claim, sequence) = self.sequence(&mut place, &next, manner).await?;
        let before = place.ledger.as_ref().map(|it| &it.predicate);
        // Clocks may differ by a little; times in a ledger never go back.
        let issued = before.map_or(self.now(), |before| before.issued.max(self.now()));
        let expires = issued
            .saturating_add(manner.lifetime)
            .unwrap_or(Timestamp::MAX);
        let ledger = match (before, next) {
            (None, Next::Renewal) => return Err(Error::bug("a renewal of nothing")),
            (Some(before), Next::Renewal) => before.renew(sequence, issued, expires),
            (before, Next::Entry(entry)) => {
                let entry = LedgerEntry {
                    at: issued,
                    ..entry
                };
                match before {
                    Some(before) => before.append(sequence, entry, expires),
                    None => Ledger::first(
                        self.trust.platform.clone(),
                        place.environment.clone(),
                        sequence,
                        entry,
                        expires,
                    ),
                }
            }
        }
        .map_err(Error::usage)?;
        let missing = self.publish_ledger(key, &place, &ledger, &claim).await?;
        place.attempt.finish()?;
        Ok(Outcome::Published(ledger, missing))
    }
}
