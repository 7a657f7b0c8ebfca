//! What is remembered of an instance's data: which volumes it is in, what wrote it last, and what a
//! command that was killed had begun with it. One file: it changes at one moment.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::file::{load, save};
use super::paths::Paths;
use crate::error::{Kind, PathContext, Result};
use crate::model::name::{ContainerName, InstanceName, PlatformName};
use crate::model::snapshot::Writer;

/// The data of one instance.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "Stored")]
pub struct DataRecord {
    /// Volumes that take the places of others, each with the name that it would have: an engine can
    /// neither rename nor swap volumes. One counts where it is: those of other engines are here too.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub places: BTreeMap<String, String>,
    /// What ran last on the volumes of each container.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub written: BTreeMap<ContainerName, Writer>,
    /// Volumes that go where they are found, whichever engine that is.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub unneeded: BTreeMap<String, Unneeded>,
    /// What is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unfinished: Option<Unfinished>,
}

/// As a file has it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct Stored {
    places: BTreeMap<String, String>,
    written: BTreeMap<ContainerName, Writer>,
    unneeded: BTreeMap<String, Unneeded>,
    unfinished: Option<Unfinished>,
    /// What places were to an earlier devenv: by the names that they would have.
    volumes: BTreeMap<String, String>,
}

impl From<Stored> for DataRecord {
    fn from(stored: Stored) -> Self {
        let earlier = stored.volumes.into_iter().map(|(own, it)| (it, own));
        Self {
            places: stored.places.into_iter().chain(earlier).collect(),
            written: stored.written,
            unneeded: stored.unneeded,
            unfinished: stored.unfinished,
        }
    }
}

/// Why a volume goes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Unneeded {
    /// The volume that has taken its place, and is on the same engine; itself: it never counted.
    pub by: String,
    /// When it became unneeded: what is found nowhere for a week after that is forgotten.
    pub since: Timestamp,
}

/// What a command does with the data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "lowercase", tag = "what")]
pub enum Unfinished {
    /// These were stopped to be saved, and are to start again.
    Saving { stopped: Vec<ContainerName> },
    /// New volumes are filled, or tried out; until that is over the data is what it was before, and they
    /// are not needed.
    Restoring {
        before: BTreeMap<String, String>,
        written: BTreeMap<ContainerName, Writer>,
    },
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

    /// Remembers new volumes before they are made.
    pub fn begin<'a>(&mut self, new: impl IntoIterator<Item = &'a String>, since: Timestamp) {
        self.unfinished = match self.unfinished.take() {
            Some(begun @ Unfinished::Restoring { .. }) => Some(begun),
            Some(Unfinished::Saving { .. }) | None => Some(Unfinished::Restoring {
                before: self.places.clone(),
                written: self.written.clone(),
            }),
        };
        let unneeded = |it: &String| {
            let by = it.clone();
            (it.clone(), Unneeded { by, since })
        };
        self.unneeded.extend(new.into_iter().map(unneeded));
    }

    /// Lets volumes take the places of others on an engine with these `volumes`.
    pub fn replace(&mut self, new: &BTreeMap<String, String>, volumes: &BTreeSet<String>) {
        self.places
            .retain(|it, own| !(new.contains_key(own) && volumes.contains(it)));
        let new = new.iter().map(|(own, it)| (it.clone(), own.clone()));
        self.places.extend(new);
    }

    /// Volumes that were filled count from now on, whatever becomes of what else is under way.
    pub fn keep(&mut self, volumes: &[String]) {
        let Some(Unfinished::Restoring { before, .. }) = &mut self.unfinished else {
            return;
        };
        for volume in volumes {
            self.unneeded.remove(volume);
            if let Some(own) = self.places.get(volume) {
                before.insert(volume.clone(), own.clone());
            }
        }
        if !self.places.keys().any(|it| self.unneeded.contains_key(it)) {
            self.unfinished = None;
        }
    }

    /// All new volumes count from now on; those of the engine's whose places they have taken are not needed.
    pub fn settle(&mut self, there: &BTreeSet<String>, now: Timestamp) {
        let Some(Unfinished::Restoring { before, .. }) = self.unfinished.take() else {
            return;
        };
        let gone = |own: &String| {
            let mut before = before.iter().filter(|(_, it)| *it == own);
            before.find(|(it, _)| !self.places.contains_key(*it))
        };
        let of_new = self
            .places
            .iter()
            .filter(|(it, _)| self.unneeded.contains_key(*it));
        let replaced = of_new.map(|(new, own)| {
            let old = gone(own).map_or(own, |(old, _)| old);
            (old.clone(), new.clone())
        });
        let replaced: BTreeMap<String, String> = replaced.collect();
        for (old, new) in replaced {
            self.unneeded.remove(&new);
            // What it had replaced itself goes with it.
            for it in self.unneeded.values_mut().filter(|it| it.by == old) {
                it.by.clone_from(&new);
            }
            if there.contains(&old) {
                let (by, since) = (new, now);
                self.unneeded.insert(old, Unneeded { by, since });
            }
        }
    }

    /// What was there before new volumes is what counts again.
    pub fn undo(&mut self) {
        if let Some(Unfinished::Restoring { before, written }) = self.unfinished.take() {
            (self.places, self.written) = (before, written);
        }
    }

    /// Forgets what an engine with these `volumes` has lost.
    pub fn forget(&mut self, volumes: &BTreeSet<String>) {
        self.places.retain(|it, _| !volumes.contains(it));
        self.unneeded
            .retain(|it, why| !volumes.contains(it) && !volumes.contains(&why.by));
        self.written.clear();
        self.unfinished = None;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn map<const N: usize>(all: [(&str, &str); N]) -> BTreeMap<String, String> {
        all.map(|(a, b)| (a.to_owned(), b.to_owned())).into()
    }

    fn set<const N: usize>(all: [&str; N]) -> BTreeSet<String> {
        all.map(ToOwned::to_owned).into()
    }

    fn unneeded(data: &DataRecord) -> BTreeMap<String, String> {
        let all = data.unneeded.iter();
        all.map(|(it, why)| (it.clone(), why.by.clone())).collect()
    }

    /// A restore as its commands remember it.
    fn restore(data: &mut DataRecord, own: &str, new: &str, there: &BTreeSet<String>) {
        data.begin([&new.to_owned()], Timestamp::UNIX_EPOCH);
        data.replace(&map([(own, new)]), there);
    }

    #[test]
    fn what_an_earlier_devenv_wrote_is_read() {
        let earlier = r#"{ "volumes": { "p": "p.1" } }"#;
        let data: DataRecord = serde_json::from_str(earlier).unwrap();
        assert_eq!(data.places_on(&set(["p", "p.1"])), map([("p", "p.1")]));
        let now = serde_json::to_string(&data).unwrap();
        assert_eq!(now, r#"{"places":{"p.1":"p"}}"#);
        assert_eq!(serde_json::from_str::<DataRecord>(&now).unwrap(), data);
        assert!(serde_json::from_str::<DataRecord>(r#"{ "other": {} }"#).is_err());
    }

    #[test]
    fn what_replaces_what_was_replaced_stands_for_both() {
        let mut data = DataRecord::default();
        restore(&mut data, "p", "p.1", &set(["p"]));
        assert_eq!(unneeded(&data), map([("p.1", "p.1")]));
        data.settle(&set(["p", "p.1"]), Timestamp::UNIX_EPOCH);
        assert_eq!(unneeded(&data), map([("p", "p.1")]));
        // Somebody still uses `p`.
        restore(&mut data, "p", "p.2", &set(["p", "p.1"]));
        data.settle(&set(["p", "p.1", "p.2"]), Timestamp::UNIX_EPOCH);
        assert_eq!(unneeded(&data), map([("p", "p.2"), ("p.1", "p.2")]));
        assert_eq!(data.places_on(&set(["p", "p.2"])), map([("p", "p.2")]));
        assert_eq!(data.unfinished, None);
    }

    #[test]
    fn what_is_undone_is_as_before_and_what_was_new_is_remembered() {
        let mut data = DataRecord::default();
        restore(&mut data, "p", "p.1", &set(["p"]));
        data.settle(&set(["p", "p.1"]), Timestamp::UNIX_EPOCH);
        let before = data.clone();
        restore(&mut data, "p", "p.2", &set(["p.1"]));
        assert_eq!(data.places, map([("p.2", "p")]));
        data.undo();
        assert_eq!(data.places, before.places);
        assert_eq!(unneeded(&data), map([("p", "p.1"), ("p.2", "p.2")]));
    }

    #[test]
    fn another_engine_keeps_what_it_has() {
        let mut data = DataRecord::default();
        restore(&mut data, "p", "p.a", &set([]));
        data.settle(&set(["p.a"]), Timestamp::UNIX_EPOCH);
        assert_eq!(unneeded(&data), map([]));
        // There it is its own `p` that is replaced.
        restore(&mut data, "p", "p.b", &set(["p"]));
        data.settle(&set(["p", "p.b"]), Timestamp::UNIX_EPOCH);
        assert_eq!(unneeded(&data), map([("p", "p.b")]));
        assert_eq!(data.places_on(&set(["p.a"])), map([("p", "p.a")]));
        assert_eq!(data.places_on(&set(["p.b"])), map([("p", "p.b")]));
        data.forget(&set(["p.b"]));
        assert_eq!(unneeded(&data), map([]));
        assert_eq!(data.places, map([("p.a", "p")]));
    }

    #[test]
    fn what_was_filled_counts_whatever_becomes_of_the_rest() {
        let mut data = DataRecord::default();
        let new = map([("p", "p.1"), ("q", "q.1")]);
        data.begin(new.values(), Timestamp::UNIX_EPOCH);
        data.replace(&new, &set([]));
        data.keep(&["p.1".to_owned()]);
        assert!(data.unfinished.is_some());
        let mut undone = data.clone();
        undone.undo();
        assert_eq!(undone.places, map([("p.1", "p")]));
        assert_eq!(unneeded(&undone), map([("q.1", "q.1")]));
        data.keep(&["q.1".to_owned()]);
        assert_eq!(
            (data.unfinished.is_none(), unneeded(&data)),
            (true, map([]))
        );
    }
}
