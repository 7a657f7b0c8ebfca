//! The parts of a capsule besides its manifest.

use std::fmt;

use crate::model::facets::record;
use crate::model::requests::recorded;

/// One part.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Part {
    /// How the containers ran: a record of `devenv facts`, packed.
    Facts,
    /// Lines of logs, a JSON object each, packed.
    Logs,
    /// Requests, an entry of HAR 1.2 on each line, packed.
    Requests,
    /// The data: what `devenv snapshot export` writes.
    Snapshot,
}

impl Part {
    /// All, in the order in which a capsule has them.
    pub const ALL: [Self; 4] = [Self::Facts, Self::Logs, Self::Requests, Self::Snapshot];

    /// The media type of its layer.
    pub fn media_type(self) -> &'static str {
        match self {
            Self::Facts => "application/vnd.devenv.facets.v1+json+zstd",
            Self::Logs => "application/vnd.devenv.logs.v1+jsonl+zstd",
            Self::Requests => "application/vnd.devenv.requests.v1+jsonl+zstd",
            Self::Snapshot => "application/vnd.devenv.snapshot.v2+tar",
        }
    }

    /// The part with this media type.
    pub fn of(media_type: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|it| it.media_type() == media_type)
    }

    /// Bytes that it may have in a capsule.
    pub fn largest(self) -> u64 {
        match self {
            Self::Facts => 4 << 20,
            Self::Logs | Self::Requests => 1 << 30,
            Self::Snapshot => 1 << 40,
        }
    }

    /// Bytes that it may have unpacked.
    pub fn largest_unpacked(self) -> u64 {
        match self {
            Self::Facts => record::LARGEST,
            Self::Logs => 512 << 20,
            Self::Requests => recorded::LARGEST,
            Self::Snapshot => 1 << 42,
        }
    }

    /// Its word on the command line.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Facts => "facts",
            Self::Logs => "logs",
            Self::Requests => "requests",
            Self::Snapshot => "snapshot",
        }
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}
