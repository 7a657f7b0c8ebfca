//! The one policy: what must hold, all on the same statement, before anything that claims to
//! come from production is used.
//!
//! - Signatures are verified before a payload is interpreted, and only `threshold` distinct,
//!   unrevoked keys over the *identical* payload make it one that is. A payload without them
//!   decides nothing; it is reported.
//! - A key's `from` and `until` are held against the statement's own time, not against the
//!   clock: a release stays valid when its key is retired. Whoever steals a retired key could
//!   backdate, so a stolen key must be *revoked*, which counts whatever the time.
//! - A statement from the future is refused, with an hour's tolerance for clocks.
//! - Whether an expired ledger may still be used is the caller's decision
//!   ([`Ledger::freshness`]).

mod expected;
mod judge;
mod report;
mod rules;
mod seen;
mod signatures;
#[cfg(test)]
mod tests;

use self::expected::{Expected, ExpectedLedger, ExpectedTrust};
use self::judge::Candidate;
use self::report::{Checks, refusal};
use self::rules::names;
use self::signatures::SignedPayload;
use crate::model::ledger::{Freshness, Ledger};
use crate::model::name::EnvironmentName;
use crate::model::predicate::{BuildPredicate, ReferencePredicate, TrustPredicate};

pub use self::expected::{ExpectedBuild, ExpectedReference};
pub use self::report::{Check, Outcome, Verdict};
pub use self::rules::{CLOCK_TOLERANCE, Policy, Verified};
pub use self::seen::LedgerSeen;
pub use self::signatures::MOST_BUNDLES;

/// A payload that at least one trusted key signed, be it enough or not: what
/// `release sign` shows before it adds a signature to the same bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pending {
    /// The signed bytes.
    pub payload: Vec<u8>,
    /// The names of the keys that signed.
    pub signers: Vec<String>,
    /// How many more are needed.
    pub missing: usize,
}

impl Policy<'_> {
    /// Whether production built this image. `bundles` are the contents of all bundles attached
    /// to it. Of several valid statements the latest counts.
    pub fn verify_build<B: AsRef<[u8]>>(
        &self,
        expected: &ExpectedBuild<'_>,
        bundles: &[B],
    ) -> Verdict<Verified<BuildPredicate>> {
        self.verify(expected, bundles, |_, _, _| {})
    }

    /// Whether this proxy image embeds that reference.
    pub fn verify_reference<B: AsRef<[u8]>>(
        &self,
        expected: &ExpectedReference<'_>,
        bundles: &[B],
    ) -> Verdict<Verified<ReferencePredicate>> {
        self.verify(expected, bundles, |_, _, _| {})
    }

    /// The environment's ledger with the highest sequence among `bundles`, which may come from
    /// several documents. With `seen` it must be that document or extend it. Expiry is noted,
    /// not refused. Remember the outcome with [`LedgerSeen::of`].
    pub fn verify_ledger<B: AsRef<[u8]>>(
        &self,
        environment: &EnvironmentName,
        seen: Option<&LedgerSeen>,
        bundles: &[B],
    ) -> Verdict<Verified<Ledger>> {
        let expected = ExpectedLedger { environment };
        self.verify(&expected, bundles, |ledger, others, checks| {
            let others: Vec<_> = others
                .iter()
                .filter_map(|other| other.verified.as_ref())
                .collect();
            seen::check(ledger, &others, seen, self.trust, checks);
            checks.note(match ledger.predicate.freshness(self.now) {
                Freshness::Current { until } => format!("it is current until {until}"),
                Freshness::Expired { since } => format!("it expired at {since}"),
            });
        })
    }

    /// The trust file that follows the pinned one: signed by as many of the *pinned* keys as the
    /// pinned file demands, with a higher root version.
    pub fn verify_trust<B: AsRef<[u8]>>(&self, bundles: &[B]) -> Verdict<Verified<TrustPredicate>> {
        self.verify(&ExpectedTrust, bundles, |_, _, _| {})
    }

    /// What is signed by somebody trusted, enough or not; keys' times and contents unchecked.
    pub fn pending<B: AsRef<[u8]>>(&self, bundles: &[B]) -> Vec<Pending> {
        let payloads = signatures::collect(self.trust, bundles, &mut Checks::default());
        let pending = |payload: SignedPayload<'_>| Pending {
            missing: self.trust.threshold.saturating_sub(payload.signers.len()),
            signers: names(&payload.signers),
            payload: payload.bytes,
        };
        payloads
            .unwrap_or_default()
            .into_iter()
            .filter(|payload| !payload.signers.is_empty())
            .map(pending)
            .collect()
    }

    fn verify<E: Expected, B: AsRef<[u8]>>(
        &self,
        expected: &E,
        bundles: &[B],
        last: impl FnOnce(&Verified<E::Predicate>, &[Candidate<E::Predicate>], &mut Checks),
    ) -> Verdict<Verified<E::Predicate>> {
        let mut notes = Checks::default();
        let payloads = match signatures::collect(self.trust, bundles, &mut notes) {
            Ok(payloads) => payloads,
            Err(wrong) => {
                notes.fail(wrong);
                return verdict(&expected.title(), notes, None);
            }
        };
        let judged = payloads.iter().map(|payload| self.judge(expected, payload));
        let (mut chosen, others) = choose(expected, judged.collect());
        for other in &others {
            if let Some(failure) = other.checks.first_failure() {
                notes.note(format!("another signed document does not count: {failure}"));
            }
        }
        notes.0.append(&mut chosen.checks.0);
        if let Some(verified) = &chosen.verified {
            last(verified, &others, &mut notes);
        }
        verdict(&expected.title(), notes, chosen.verified)
    }
}

/// The accepted candidate of the highest rank, else the refused one that came furthest; and
/// the others. There is always at least one.
fn choose<E: Expected>(
    expected: &E,
    mut candidates: Vec<Candidate<E::Predicate>>,
) -> (Candidate<E::Predicate>, Vec<Candidate<E::Predicate>>) {
    let rank = |candidate: &Candidate<E::Predicate>| {
        let accepted = candidate.verified.as_ref();
        let accepted = accepted.map(|found| (expected.rank(&found.predicate), found.payload));
        (accepted, candidate.checks.passed())
    };
    let best = (0..candidates.len()).max_by_key(|&index| rank(&candidates[index]));
    let chosen = candidates.swap_remove(best.unwrap_or_default());
    (chosen, candidates)
}

fn verdict<T>(title: &str, checks: Checks, verified: Option<T>) -> Verdict<T> {
    let result = match verified {
        Some(verified) if checks.first_failure().is_none() => Ok(verified),
        _ => Err(refusal(title, &checks)),
    };
    Verdict {
        checks: checks.0,
        result,
    }
}
