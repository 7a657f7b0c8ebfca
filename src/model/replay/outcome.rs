//! What a replay found, as it is shown and printed. Pure.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::model::digest::Digest;
use crate::model::name::ContainerName;

/// Of one replay.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// The platform.
    pub platform: String,
    /// What was replayed against.
    pub old: Side,
    /// What was compared with it.
    pub new: Side,
    /// The containers that ran, with what they need besides.
    pub containers: Vec<ContainerName>,
    /// How many requests each instance got.
    pub requests: usize,
    /// Of how many sessions.
    pub sessions: usize,
    /// How many requests were left out, by the reason.
    pub skipped: BTreeMap<String, usize>,
    /// What differs beyond the noise.
    pub differences: Vec<Difference>,
    /// Which endpoints became slower or faster.
    pub times: Vec<Slower>,
    /// Lines of logs that only one of the references writes.
    pub logs: Vec<LogChange>,
    /// Where two runs of the older reference differ.
    pub mask: Vec<Masked>,
    /// Header fields that are never compared.
    pub never_compared: Vec<&'static str>,
}

/// A reference.
#[derive(Debug, Clone, Serialize)]
pub struct Side {
    /// Its number.
    pub reference: u64,
    /// The digest of its proxy image.
    pub digest: Digest,
}

/// A place in which answers differ.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// Method and path.
    pub endpoint: String,
    /// `status`, `header vary`, `json /items/0/price`, `html html/body/p`.
    pub place: String,
    /// What the older has there, of one request; `None`: nothing.
    pub old: Option<String>,
    /// What the newer has there.
    pub new: Option<String>,
    /// In how many requests they differ.
    pub differs: u32,
    /// In how many two runs of the older differ.
    pub noise: u32,
    /// Of how many.
    pub of: usize,
}

/// An endpoint that takes another time.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Slower {
    /// Method and path.
    pub endpoint: String,
    /// The median of the older, in milliseconds.
    pub old: f64,
    /// The median of the newer, in milliseconds.
    pub new: f64,
    /// How probable that is by chance, from 0 to 1.
    pub chance: f64,
    /// How many requests the newer got.
    pub of: usize,
}

/// A line that only one of the references writes.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct LogChange {
    /// Whose log.
    pub container: ContainerName,
    /// `added` or `removed`.
    pub change: &'static str,
    /// The line; whatever has a digit in it as `#`.
    pub line: String,
}

/// A place that is noise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Masked {
    /// Method and path.
    pub endpoint: String,
    /// Where.
    pub place: String,
    /// In how many requests two runs of the older differ.
    pub noise: u32,
    /// Of how many.
    pub of: usize,
}

impl Outcome {
    /// Whether anything differs beyond the noise.
    pub fn differs(&self) -> bool {
        !(self.differences.is_empty() && self.times.is_empty() && self.logs.is_empty())
    }
}
