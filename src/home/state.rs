//! What an instance remembers, and whose objects it makes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::converge::desired::ports::Ports;
use crate::converge::select::Request;
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::file::{self, load, save, save_new};
use crate::home::paths::Paths;
use crate::model::container::Publish;
use crate::model::digest::Digest;
use crate::model::name::{
    ConfigurationName, ContainerName, EnvironmentName, InstanceName, PlatformName, Version,
};
use crate::model::reference::Reference;
use crate::model::secret::Secret;

/// What an instance was asked to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceRecord {
    /// Containers and bundles asked for, by name.
    pub asked: Vec<String>,
    /// Whether everything was asked for.
    #[serde(default)]
    pub all: bool,
    /// Left out on request.
    #[serde(default)]
    pub without: Vec<String>,
    /// Whether the proxy runs.
    pub proxy: bool,
    /// Whose versions it runs.
    pub environment: EnvironmentName,
    /// The reference it runs.
    pub reference: ReferenceRecord,
    /// Whether the reference stays until another environment is asked for.
    #[serde(default)]
    pub pinned: bool,
    /// Containers whose version was chosen by itself, instead of the reference's.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub versions: BTreeMap<ContainerName, VersionRecord>,
    /// Which settings its images use.
    pub configuration: ConfigurationName,
    /// Containers that run from a proposal.
    #[serde(default)]
    pub local: BTreeSet<ContainerName>,
    /// Containers that run as they were released although there is a proposal: when it began.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declined: BTreeMap<ContainerName, jiff::Timestamp>,
    /// Copies of containers, where more than one was asked for.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<ContainerName, u16>,
    /// The folder that log files are mirrored to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs_to: Option<LogMirror>,
    /// Containers that were started and whose routes have not answered since; with the proxy among
    /// them, those of all.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub unproven: BTreeSet<ContainerName>,
    /// Host ports by container and `host:container` as published.
    #[serde(default)]
    pub ports: BTreeMap<ContainerName, Vec<PortRecord>>,
}

/// A folder of this machine that has the log files of each container in a folder of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogMirror {
    /// Absolute.
    pub folder: PathBuf,
    /// Its path on the engine's side; `None`: the engine does not see it, files are copied.
    #[serde(default)]
    pub engine: Option<String>,
}

/// A reference, by number and proxy image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceRecord {
    /// Its number.
    pub number: u64,
    /// The proxy image's digest.
    pub digest: Digest,
}

/// A released version of one container, by its name and image.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VersionRecord {
    /// Its name.
    pub version: Version,
    /// The digest that was published under it.
    pub digest: Digest,
}

/// A host port that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRecord {
    /// Wanted on the host.
    pub wanted: u16,
    /// Inside.
    pub container: u16,
    /// Given.
    pub host: u16,
    /// Whether the user asked for it by `--port`: then it outlives `down`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub chosen: bool,
}

impl InstanceRecord {
    /// A reference with an entry for each copy of a container that this instance runs.
    pub fn spread(&self, reference: &Reference) -> Reference {
        reference.spread(|name, _| self.replicas.get(name).copied().unwrap_or(1))
    }

    /// Reads the record, if the instance has one.
    pub fn load(
        paths: &Paths,
        platform: &PlatformName,
        instance: &InstanceName,
    ) -> Result<Option<Self>> {
        load(&paths.instance(platform, instance))
    }

    /// Writes the record.
    pub fn save(
        &self,
        paths: &Paths,
        platform: &PlatformName,
        instance: &InstanceName,
    ) -> Result<()> {
        save(&paths.instance(platform, instance), self)
    }

    /// Forgets the instance.
    pub fn remove(paths: &Paths, platform: &PlatformName, instance: &InstanceName) -> Result<()> {
        let path = paths.instance(platform, instance);
        std::fs::remove_file(&path).at(Kind::Usage, "remove", &path)
    }

    /// Whether anything is to run.
    pub fn asks_for_something(&self) -> bool {
        self.all || !self.asked.is_empty()
    }

    /// The ports it remembers.
    pub fn remembered(&self) -> Ports {
        let mut ports = Ports::default();
        for (container, records) in &self.ports {
            for record in records {
                let publish = Publish {
                    host: record.wanted,
                    container: record.container,
                };
                ports.insert(container.clone(), publish, record.host);
            }
        }
        ports
    }

    /// Remembers these ports, and those of containers that do not run now; `chosen` are the host ports
    /// that the user asks for now, by the wanted one.
    pub fn remember(&mut self, ports: &Ports, chosen: &BTreeMap<u16, u16>) {
        let before: BTreeSet<(u16, u16)> = self
            .ports
            .values()
            .flatten()
            .filter(|it| it.chosen)
            .map(|it| (it.wanted, it.host))
            .collect();
        let mut all = self.remembered();
        for (container, publish, host) in ports.iter() {
            all.insert(container.clone(), publish, host);
        }
        self.ports.clear();
        for (container, publish, host) in all.iter() {
            let record = PortRecord {
                wanted: publish.host,
                container: publish.container,
                host,
                chosen: chosen.get(&publish.host) == Some(&host)
                    || before.contains(&(publish.host, host)),
            };
            self.ports
                .entry(container.clone())
                .or_default()
                .push(record);
        }
    }
}

impl From<&InstanceRecord> for Request {
    fn from(record: &InstanceRecord) -> Self {
        Self {
            names: record.asked.clone(),
            all: record.all,
            without: record.without.clone(),
            proxy: record.proxy,
        }
    }
}

impl InstanceRecord {
    /// What stays once the instance ended: ports that the user chose, whose versions and settings.
    pub fn end(&mut self) {
        self.asked.clear();
        self.without.clear();
        self.local.clear();
        self.unproven.clear();
        self.replicas.clear();
        self.all = false;
        self.pinned = false;
        self.versions.clear();
        for ports in self.ports.values_mut() {
            ports.retain(|it| it.chosen);
        }
        self.ports.retain(|_, ports| !ports.is_empty());
    }
}

/// The names of the instances that have a record.
pub fn instances(paths: &Paths, platform: &PlatformName) -> Result<Vec<InstanceName>> {
    recorded(&paths.instances(platform))
}

/// The names of the instances that have a file `<instance>.json` in a folder, in order.
pub fn recorded(folder: &Path) -> Result<Vec<InstanceName>> {
    let mut names: Vec<InstanceName> = file::names(folder)?
        .iter()
        .filter_map(|name| InstanceName::new(name.strip_suffix(".json")?).ok())
        .collect();
    names.sort();
    Ok(names)
}

/// This home's identity on engines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Owner {
    /// For the label.
    pub id: String,
    #[serde(serialize_with = "expose", deserialize_with = "hide")]
    /// Hides secrets in hashes.
    pub key: Secret,
}

impl Owner {
    fn new() -> Result<Self> {
        Ok(Self {
            id: random_hex(8)?,
            key: Secret::new(random_hex(32)?),
        })
    }

    /// Reads it, or makes one up for what only looks: nothing is saved.
    pub fn peek(paths: &Paths) -> Result<Self> {
        load(&paths.owner())?.map_or_else(Self::new, Ok)
    }

    /// Reads it, or makes it at the first call.
    pub fn load(paths: &Paths) -> Result<Self> {
        let path = paths.owner();
        if let Some(owner) = load(&path)? {
            return Ok(owner);
        }
        let owner = Self::new()?;
        // Two first commands at once: whoever wrote first is right.
        if save_new(&path, &owner)? {
            Ok(owner)
        } else {
            load(&path)?.ok_or_else(|| Error::bug(format!("{} vanished", path.display())))
        }
    }
}

fn expose<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn hide<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// Random bytes in hexadecimal digits.
pub fn random_hex(bytes: usize) -> Result<String> {
    let mut value = vec![0; bytes];
    SystemRandom::new()
        .fill(&mut value)
        .map_err(|_| Error::bug("the system gives no random numbers"))?;
    Ok(value
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}
