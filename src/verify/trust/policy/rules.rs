//! The rules for one platform at one moment, and what passed them.

use jiff::{SignedDuration, Timestamp};

use crate::model::digest::Digest;
use crate::model::statement::Subject;
use crate::model::trust_file::{TrustFile, TrustedKey};

/// How far another machine's clock may be ahead of this one's.
pub const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_hours(1);

/// The rules for one platform at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// Whose signatures count: the pinned trust file.
    pub trust: &'a TrustFile,
    /// The present.
    pub now: Timestamp,
}

/// What passed every check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified<P> {
    /// What is claimed.
    pub predicate: P,
    /// About which image.
    pub subject: Subject,
    /// The names of the keys that signed and count.
    pub signers: Vec<String>,
    /// The SHA-256 of the signed payload.
    pub payload: Digest,
}

pub(super) fn names(keys: &[&TrustedKey]) -> Vec<String> {
    keys.iter().map(|key| key.name.clone()).collect()
}
