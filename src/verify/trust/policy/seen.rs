//! The ratchet: what a machine remembers of a ledger, so that nothing older or other is
//! taken for it later.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::report::Checks;
use super::rules::Verified;
use crate::model::digest::Digest;
use crate::model::ledger::{Ledger, LedgerEntry};
use crate::model::trust_file::TrustFile;

/// The highest verified ledger of one environment; kept as JSON in the state folder.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerSeen {
    /// The trust file's version at that time.
    pub root_version: u64,
    /// What that trust file demanded as the lowest sequence.
    pub minimum_sequence: Option<u64>,
    /// The document's sequence.
    pub sequence: u64,
    /// When it was issued.
    pub issued: Timestamp,
    /// The SHA-256 of the signed payload.
    pub payload: Digest,
    /// Its promotions.
    pub entries: Vec<LedgerEntry>,
}

impl LedgerSeen {
    /// What to remember of a ledger that was just verified under `trust`.
    pub fn of(verified: &Verified<Ledger>, trust: &TrustFile) -> Self {
        let ledger = &verified.predicate;
        Self {
            root_version: trust.root_version,
            minimum_sequence: trust.minimum_sequences.get(&ledger.environment).copied(),
            sequence: ledger.sequence,
            issued: ledger.issued,
            payload: verified.payload,
            entries: ledger.entries.clone(),
        }
    }

    /// A later root version that demands another lowest sequence replaces the ratchet by it:
    /// the way out after a stolen key has signed what it should not. A mere rotation of keys
    /// leaves the ratchet where it is.
    fn is_replaced_by(&self, trust: &TrustFile, ledger: &Ledger) -> bool {
        let minimum = trust.minimum_sequences.get(&ledger.environment).copied();
        trust.root_version > self.root_version
            && minimum.is_some()
            && minimum != self.minimum_sequence
    }

    fn check(&self, found: &Verified<Ledger>, checks: &mut Checks) {
        let (ledger, known) = (&found.predicate, self.sequence);
        if ledger.sequence < known {
            checks.fail(format!(
                "its sequence is {}, but this machine has already seen {known}: an old ledger \
                 is passed off as current",
                ledger.sequence
            ));
        } else if ledger.sequence == known {
            // Another payload is an equivocation, which `check` reports for all documents.
            if found.payload == self.payload {
                checks.pass(format!("it is the document last seen (sequence {known})"));
            }
        } else if let Err(wrong) = ledger.extends(known, self.issued, &self.entries) {
            checks.fail(format!("it does not extend the history last seen: {wrong}"));
        } else {
            checks.pass(format!(
                "it extends the history last seen (sequence {known})"
            ));
        }
    }
}

/// Holds the ledger with the highest sequence against what was seen before and against the
/// other valid documents beside it: all of them must be one history.
pub(super) fn check(
    found: &Verified<Ledger>,
    others: &[&Verified<Ledger>],
    seen: Option<&LedgerSeen>,
    trust: &TrustFile,
    checks: &mut Checks,
) {
    let replaced = |seen: &&LedgerSeen| seen.is_replaced_by(trust, &found.predicate);
    match seen {
        Some(seen) if replaced(&seen) => checks.note(format!(
            "root version {} of the trust file sets the history last seen (sequence {}) aside",
            trust.root_version, seen.sequence
        )),
        Some(seen) => seen.check(found, checks),
        None => checks.note("no ledger of this environment was seen before"),
    }
    let seen = seen.filter(|seen| !replaced(seen));
    for other in others {
        let earlier = &other.predicate;
        if earlier.sequence < found.predicate.sequence
            && let Err(wrong) =
                (found.predicate).extends(earlier.sequence, earlier.issued, &earlier.entries)
        {
            checks.fail(format!("it does not extend a document beside it: {wrong}"));
        }
    }
    let documents = others.iter().chain([&found]);
    let mut documents: Vec<_> = documents
        .map(|document| (document.predicate.sequence, document.payload))
        .chain(seen.map(|seen| (seen.sequence, seen.payload)))
        .collect();
    documents.sort_unstable();
    documents.dedup();
    for pair in documents.windows(2) {
        if pair[0].0 == pair[1].0 {
            checks.fail(equivocation(pair[0].0, &pair[0].1, &pair[1].1));
        }
    }
}

/// How two documents that share a sequence are reported.
fn equivocation(sequence: u64, one: &Digest, other: &Digest) -> String {
    format!(
        "there are two signed documents with sequence {sequence} (payloads {}… and {}…): \
         equivocation, ask production",
        one.short(),
        other.short()
    )
}
