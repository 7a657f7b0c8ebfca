//! The ledger: every promotion of one environment, in one signed document.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::name::{EnvironmentName, PlatformName};
use super::visible::visible;

/// Numbers and sequences stay below 2^53, which every JSON reader represents exactly
/// (cosign rounds above it).
pub const LARGEST_NUMBER: u64 = (1 << 53) - 1;

/// More promotions than this are refused.
pub const MOST_ENTRIES: usize = 10_000;

/// The longest `by`, in characters.
const LONGEST_NAME: usize = 200;

/// The longest `reason`, in characters.
const LONGEST_REASON: usize = 1000;

/// The predicate of `urn:devenv:environment:1`. A value that came through
/// [`Ledger::validate`] has at least one entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ledger {
    /// The platform.
    pub platform: PlatformName,
    /// The environment whose promotions these are.
    pub environment: EnvironmentName,
    /// Counts signed documents; from 1, with gaps.
    pub sequence: u64,
    /// When this document was made.
    pub issued: Timestamp,
    /// From when on it no longer vouches for being the latest.
    pub expires: Timestamp,
    /// The promotions, oldest first; the last one is what runs.
    pub entries: Vec<LedgerEntry>,
}

/// One promotion.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LedgerEntry {
    /// The reference's number.
    pub number: u64,
    /// The proxy image's digest.
    pub digest: Digest,
    /// When it was promoted.
    pub at: Timestamp,
    /// Who promoted it.
    pub by: String,
    /// Why; may be empty.
    pub reason: String,
}

/// Whether a ledger still vouches for being the latest.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Freshness {
    /// It does.
    Current {
        /// Until then.
        until: Timestamp,
    },
    /// It does not: production has not renewed it, or somebody withholds newer ones.
    Expired {
        /// Since then.
        since: Timestamp,
    },
}

impl Ledger {
    /// The first ledger of an environment, issued when its first promotion was made.
    pub fn first(
        platform: PlatformName,
        environment: EnvironmentName,
        sequence: u64,
        entry: LedgerEntry,
        expires: Timestamp,
    ) -> Result<Self, String> {
        let ledger = Self {
            platform,
            environment,
            sequence,
            issued: entry.at,
            expires,
            entries: vec![entry],
        };
        ledger.validate().map(|()| ledger)
    }

    /// The next document, with one more promotion. `sequence` was reserved before; gaps are
    /// allowed.
    pub fn append(
        &self,
        sequence: u64,
        entry: LedgerEntry,
        expires: Timestamp,
    ) -> Result<Self, String> {
        let mut entries = self.entries.clone();
        let issued = entry.at;
        entries.push(entry);
        self.followed_by(sequence, issued, expires, entries)
    }

    /// The next document with the same promotions, vouched for until `expires`.
    pub fn renew(
        &self,
        sequence: u64,
        issued: Timestamp,
        expires: Timestamp,
    ) -> Result<Self, String> {
        self.followed_by(sequence, issued, expires, self.entries.clone())
    }

    fn followed_by(
        &self,
        sequence: u64,
        issued: Timestamp,
        expires: Timestamp,
        entries: Vec<LedgerEntry>,
    ) -> Result<Self, String> {
        let next = Self {
            sequence,
            issued,
            expires,
            entries,
            ..self.clone()
        };
        next.validate()?;
        next.extends(self.sequence, self.issued, &self.entries)?;
        Ok(next)
    }

    /// The promotion in force.
    pub fn current(&self) -> Option<&LedgerEntry> {
        self.entries.last()
    }

    /// The promotion that was in force at `time`; none before the first.
    pub fn as_of(&self, time: Timestamp) -> Option<&LedgerEntry> {
        self.entries.iter().rev().find(|entry| entry.at <= time)
    }

    /// Whether the document still vouches for being the latest at `now`.
    pub fn freshness(&self, now: Timestamp) -> Freshness {
        if now < self.expires {
            Freshness::Current {
                until: self.expires,
            }
        } else {
            Freshness::Expired {
                since: self.expires,
            }
        }
    }

    /// Whether this document may follow one with the given sequence, time of issue and
    /// entries; the error says why not.
    pub fn extends(
        &self,
        sequence: u64,
        issued: Timestamp,
        entries: &[LedgerEntry],
    ) -> Result<(), String> {
        if self.sequence <= sequence {
            return Err(format!(
                "sequence {} does not follow sequence {sequence}",
                self.sequence
            ));
        }
        if self.issued < issued {
            return Err(format!(
                "sequence {} was issued at {}, before sequence {sequence} at {issued}",
                self.sequence, self.issued
            ));
        }
        if self.entries.len() < entries.len() {
            return Err(format!(
                "sequence {} has {} promotions, but sequence {sequence} had {} already",
                self.sequence,
                self.entries.len(),
                entries.len()
            ));
        }
        let differs = |(mine, known): &(&LedgerEntry, &LedgerEntry)| mine != known;
        match self
            .entries
            .iter()
            .zip(entries)
            .position(|pair| differs(&pair))
        {
            None => Ok(()),
            Some(index) => Err(format!(
                "promotion {} of sequence {} is reference {} ({}), but in sequence {sequence} \
                 it was reference {} ({}): history was rewritten",
                index + 1,
                self.sequence,
                self.entries[index].number,
                self.entries[index].at,
                entries[index].number,
                entries[index].at,
            )),
        }
    }

    /// Whether the document agrees with itself; the error says where it does not.
    pub fn validate(&self) -> Result<(), String> {
        let count = self.entries.len();
        if count == 0 || count > MOST_ENTRIES {
            return Err(format!(
                "it has {count} promotions; there may be 1 to {MOST_ENTRIES}"
            ));
        }
        // Each promotion took a sequence of its own.
        if self.sequence < count as u64 || self.sequence > LARGEST_NUMBER {
            return Err(format!(
                "sequence {} is impossible with {count} promotions",
                self.sequence
            ));
        }
        if self.expires <= self.issued {
            return Err(format!(
                "it would expire at {}, before it was issued at {}",
                self.expires, self.issued
            ));
        }
        self.entries.iter().try_for_each(LedgerEntry::validate)?;
        let mut times: Vec<_> = self.entries.iter().map(|entry| entry.at).collect();
        times.push(self.issued);
        if !times.is_sorted() {
            return Err("its promotions are not in the order of their times".to_owned());
        }
        Ok(())
    }
}

impl LedgerEntry {
    fn validate(&self) -> Result<(), String> {
        if !(1..=LARGEST_NUMBER).contains(&self.number) {
            return Err(format!("`{}` is not a reference's number", self.number));
        }
        for (what, text, longest) in [
            ("by", &self.by, LONGEST_NAME),
            ("reason", &self.reason, LONGEST_REASON),
        ] {
            if text.chars().count() > longest || text.chars().any(char::is_control) {
                return Err(format!(
                    "`{}` cannot be `{what}` (at most {longest} characters, on one line)",
                    visible(text)
                ));
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests;
