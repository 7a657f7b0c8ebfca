//! What is remembered of an instance's data: which volumes it is in, what wrote it last, and what a
//! command that was killed had begun with it. One file: it changes at one moment.

use std::collections::{BTreeMap, BTreeSet};

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
    /// Volumes that take the places of others, each with the name that it would have: an engine can
    /// neither rename nor swap volumes. One counts where it is: those of other engines are here too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, String>,
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
    /// Volumes that nobody needs any more, each with the one that has taken its place.
    Restored { old: BTreeMap<String, String> },
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

    /// Those of an engine's volumes that take the places of others, by the names that these would have.
    pub fn places_on(&self, volumes: &BTreeSet<String>) -> BTreeMap<String, String> {
        let here = self.places.iter().filter(|(it, _)| volumes.contains(*it));
        here.map(|(it, own)| (own.clone(), it.clone())).collect()
    }

    /// Lets volumes take the places of others on an engine with these `volumes`.
    pub fn replace(&mut self, new: &BTreeMap<String, String>, volumes: &BTreeSet<String>) {
        self.places
            .retain(|it, own| !(new.contains_key(own) && volumes.contains(it)));
        let new = new.iter().map(|(own, it)| (it.clone(), own.clone()));
        self.places.extend(new);
    }

    /// Forgets what an engine with these `volumes` has lost.
    pub fn forget(&mut self, volumes: &BTreeSet<String>) {
        let mut places = std::mem::take(&mut self.places);
        places.retain(|it, _| !volumes.contains(it));
        *self = Self {
            places,
            ..Self::default()
        };
    }
}
