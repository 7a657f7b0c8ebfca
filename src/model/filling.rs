//! What a service says of its data: what fills it at first, and how it is saved while it runs. Pure.

use serde::{Deserialize, Serialize};

use super::name::{FileName, SnapshotName};

/// What fills the volumes of a service at its first start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Seed {
    /// The file beside the definition, at the commit that the version was built from.
    pub file: FileName,
    /// What runs in the container and reads it on its standard input.
    pub command: Vec<String>,
}

/// How the data of a service is saved while it runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dumping {
    /// What runs in the container and writes its data to its standard output.
    pub dump: Vec<String>,
    /// What runs in the container, on empty volumes, and reads that on its standard input.
    pub restore: Vec<String>,
}

/// What empty volumes are filled from.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FilledFrom {
    /// A file of the definitions.
    Seed(FileName),
    /// What a command wrote into a snapshot.
    Snapshot(SnapshotName),
}
