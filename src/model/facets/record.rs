//! A file of facets: written on one machine, read on another, where it is anybody's word.

use std::collections::BTreeMap;
use std::fmt;
use std::marker::PhantomData;

use jiff::Timestamp;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde::{Deserialize as Derived, Serialize};

use super::facet::{Facet, Source};
use super::value::Facts;
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::name::{ConfigurationName, ContainerName, EnvironmentName, PlatformName};

/// The version of the format.
pub const SCHEMA: u32 = 1;

/// Bytes of a file at most: more is refused before it is read.
pub const LARGEST: u64 = 4 * 1024 * 1024;

/// Containers, facets of one, and bytes of a value or a name at most.
const MOST_CONTAINERS: usize = 500;
const MOST_FACETS: usize = 2000;
const LONGEST: usize = 16 * 1024;

/// The facets of containers at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Derived)]
#[serde(deny_unknown_fields)]
pub struct Record {
    /// [`SCHEMA`]
    pub schema: u32,
    /// Whose containers.
    pub platform: PlatformName,
    /// Where they run.
    pub place: Place,
    /// When they were looked at.
    pub taken: Timestamp,
    /// The version of devenv that did.
    pub devenv: String,
    /// Whose versions they are to be.
    pub environment: EnvironmentName,
    /// Which settings the images use.
    pub configuration: ConfigurationName,
    /// What is run; `None`: not known.
    pub reference: Option<Reference>,
    /// Random, of this record alone: the key of its hashes.
    pub key: String,
    /// What the engine is.
    #[serde(deserialize_with = "once")]
    pub engine: Facts,
    /// The containers.
    #[serde(deserialize_with = "once")]
    pub containers: BTreeMap<ContainerName, Container>,
}

/// Where containers run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Derived)]
#[serde(rename_all = "lowercase")]
pub enum Place {
    /// An instance of a developer's.
    Workstation,
    /// An environment's server.
    Server,
}

/// A reference, by number and proxy image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Derived)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Its number.
    pub number: u64,
    /// The digest of the proxy's image.
    pub digest: Digest,
}

/// One container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Derived)]
#[serde(deny_unknown_fields)]
pub struct Container {
    /// The container that it is a copy of: itself, where it is none.
    pub of: ContainerName,
    /// What it was made from.
    pub runs: Runs,
    /// What was found.
    #[serde(deserialize_with = "once")]
    pub facets: Facts,
}

/// What a container was made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Derived)]
#[serde(rename_all = "lowercase")]
pub enum Runs {
    /// What the reference says.
    Reference,
    /// A released version that somebody chose in its place.
    Pinned,
    /// A proposal, or what no label tells.
    Local,
}

impl Runs {
    /// What the label `devenv.source` says. Of a container without one nothing is known from the reference.
    pub fn of(label: Option<&str>) -> Self {
        match label {
            Some("reference") => Self::Reference,
            Some("pinned") => Self::Pinned,
            _ => Self::Local,
        }
    }
}

impl Record {
    /// Reads a file that anybody may have written. `source` names it in errors.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self> {
        let refuse = |why: String| {
            Error::usage(format!("{source} is no record of facets: {why}"))
                .hint("`devenv facts --output FILE` writes one")
        };
        if text.len() as u64 > LARGEST {
            return Err(refuse(format!("it is larger than {LARGEST} bytes")));
        }
        let record: Self =
            serde_json::from_slice(text).map_err(|error| refuse(error.to_string()))?;
        match record.fault() {
            Some(why) => Err(refuse(why)),
            None => Ok(record),
        }
    }

    /// What no type refuses.
    fn fault(&self) -> Option<String> {
        if self.schema != SCHEMA {
            return Some(format!("its schema is {}, not {SCHEMA}", self.schema));
        }
        if self.containers.len() > MOST_CONTAINERS {
            return Some(format!("it has more than {MOST_CONTAINERS} containers"));
        }
        if self.key.len() > LONGEST || self.devenv.len() > LONGEST {
            return Some("a text in it is too long".to_owned());
        }
        let engine = facts_fault(&self.engine, |it| it == Source::Engine);
        let mut containers = self.containers.values();
        engine.or_else(|| {
            containers.find_map(|it| facts_fault(&it.facets, |it| it != Source::Engine))
        })
    }

    /// The container of this name, else the first copy of the same one.
    pub fn container(
        &self,
        name: &ContainerName,
        of: &ContainerName,
    ) -> Option<(&ContainerName, &Container)> {
        let mut copies = self.containers.iter();
        let same = self.containers.get_key_value(name);
        same.or_else(|| copies.find(|(_, it)| it.of == *of))
    }
}

fn facts_fault(facts: &Facts, is_of: impl Fn(Source) -> bool) -> Option<String> {
    if facts.len() > MOST_FACETS {
        return Some(format!(
            "a container in it has more than {MOST_FACETS} facets"
        ));
    }
    facts.iter().find_map(|(key, value)| {
        let text = match value {
            super::value::Value::Is(text) | super::value::Value::Unknown(text) => text.len(),
            _ => 0,
        };
        if key.len().max(text) > LONGEST {
            return Some("a text in it is too long".to_owned());
        }
        let facet = Facet::of(key).filter(|it| is_of(it.source));
        facet
            .is_none()
            .then(|| format!("`{key}` is no facet of it that this devenv knows"))
    })
}

/// A map in which no key is there twice.
fn once<'de, D, K, V>(deserializer: D) -> Result<BTreeMap<K, V>, D::Error>
where
    D: Deserializer<'de>,
    K: Deserialize<'de> + Ord,
    V: Deserialize<'de>,
{
    struct Once<K, V>(PhantomData<(K, V)>);
    impl<'de, K: Deserialize<'de> + Ord, V: Deserialize<'de>> Visitor<'de> for Once<K, V> {
        type Value = BTreeMap<K, V>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("a map")
        }

        fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Self::Value, A::Error> {
            let mut map = BTreeMap::new();
            while let Some((key, value)) = access.next_entry()? {
                if map.insert(key, value).is_some() {
                    return Err(A::Error::custom("a key is in one map twice"));
                }
            }
            Ok(map)
        }
    }
    deserializer.deserialize_map(Once(PhantomData))
}

#[cfg(test)]
mod tests {
    use super::*;

    const RECORD: &str = r#"{"schema":1,"platform":"acme","place":"server","taken":"2026-11-29T12:00:00Z",
        "devenv":"1.0.0","environment":"production","configuration":"production","reference":null,"key":"00","engine":{"kernel":{"is":"6.1"}},
        "containers":{"billing":{"of":"billing","runs":"pinned","facets":{"memory":{"is":"none"},"environment/A":{"withheld":"unsaid"}}}}}"#;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let record = Record::parse("r", RECORD.as_bytes()).unwrap();
        let again = serde_json::to_vec_pretty(&record).unwrap();
        assert_eq!(Record::parse("r", &again).unwrap(), record);
    }

    #[test]
    fn what_no_label_calls_the_references_is_not() {
        for (label, runs) in [
            (Some("reference"), Runs::Reference),
            (Some("pinned"), Runs::Pinned),
            (Some("local"), Runs::Local),
            (None, Runs::Local),
        ] {
            assert_eq!(Runs::of(label), runs, "{label:?}");
        }
    }

    #[test]
    fn what_no_devenv_writes_is_refused() {
        for (from, to, why) in [
            ("\"schema\":1", "\"schema\":2", "its schema is 2"),
            ("\"key\"", "\"keys\"", "unknown field"),
            ("\"memory\":{", "\"heap\":{", "`heap` is no facet"),
            ("\"memory\":{", "\"kernel\":{", "`kernel` is no facet"),
            ("\"memory\":{", "\"memory/x\":{", "`memory/x` is no facet"),
            (
                "\"memory\":{",
                "\"memory\":{\"is\":\"1\"},\"memory\":{",
                "twice",
            ),
            (
                "{\"is\":\"none\"}",
                "{\"is\":\"none\",\"hash\":\"\"}",
                "is no record",
            ),
            ("\"billing\":{", "\"../x\":{", "is no record"),
            ("\"pinned\"", "\"mixed\"", "unknown variant"),
            ("\"runs\":\"pinned\",", "", "missing field"),
        ] {
            let text = RECORD.replacen(from, to, 1);
            let error = Record::parse("r", text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(why), "{to}: {error}");
        }
        let long = RECORD.replace("\"none\"", &format!("\"{}\"", "x".repeat(LONGEST + 1)));
        assert!(Record::parse("r", long.as_bytes()).is_err());
        let larger = [RECORD.as_bytes(), &vec![b' '; 4 * 1024 * 1024]].concat();
        let error = Record::parse("r", &larger).unwrap_err();
        assert!(error.to_string().contains("larger than"), "{error}");
    }
}
