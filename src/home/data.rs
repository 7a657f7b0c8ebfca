//! What is remembered of an instance's data: which volumes it is in, what wrote it last, and what a
//! command that was killed had begun with it. One file: it changes at one moment.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::file::{load, save};
use super::paths::Paths;
use crate::error::{Kind, PathContext, Result};
use crate::model::name::{ContainerName, InstanceName, PlatformName};
use crate::model::snapshot::Writer;

/// The data of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DataRecord {
    /// The volumes that take the places of others, by the names that these would have: an engine can
    /// neither rename nor swap volumes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<String, String>,
    /// What ran last on the volumes of each container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub written: BTreeMap<ContainerName, Writer>,
    /// What is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
}

/// What a command does with the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase", tag = "what")]
pub enum Unfinished {
    /// These were stopped to be saved, and are to start again.
    Saving { stopped: Vec<ContainerName> },
    /// New volumes are filled, or tried out; until that is over the data is what it was before.
    Restoring {
        before: BTreeMap<String, String>,
        written: BTreeMap<ContainerName, Writer>,
        new: Vec<String>,
    },
    /// New volumes have taken the places of these, which nobody needs any more.
    Restored { old: Vec<String> },
}

impl DataRecord {
    /// Reads it; nothing is remembered of an instance without data.
    pub fn load(paths: &Paths, platform: &PlatformName, instance: &InstanceName) -> Result<Self> {
        Ok(load(&paths.instance_data(platform, instance))?.unwrap_or_default())
    }

    /// Writes it.
    pub fn save(
        &self,
        paths: &Paths,
        platform: &PlatformName,
        instance: &InstanceName,
    ) -> Result<()> {
        let path = paths.instance_data(platform, instance);
        if *self == Self::default() {
            let removed = std::fs::remove_file(&path).if_there(Kind::Usage, "remove", &path);
            return removed.map(drop);
        }
        save(&path, self)
    }

    /// The volume that holds what a volume of this name would hold.
    pub fn in_use<'a>(&'a self, volume: &'a str) -> &'a str {
        self.volumes.get(volume).map_or(volume, String::as_str)
    }
}
