//! A snapshot: the volumes of an instance as one thing, bound to what wrote them. Pure.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chunking::LARGEST;
use super::digest::Digest;
use super::name::{
    ConfigurationName, ContainerName, EnvironmentName, InstanceName, LOGS, PlatformName,
    SnapshotName, VolumeName,
};
use crate::error::{Error, Result};

/// The form of manifests that this program reads and writes. In the first one the names in a volume's
/// archive began with the volume's.
const SCHEMA: u32 = 2;

/// What a snapshot holds and where it is from; its content is in chunks, by digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Snapshot {
    schema: u32,
    /// Its name, once per platform.
    pub name: SnapshotName,
    /// The platform.
    pub platform: PlatformName,
    /// The instance whose volumes they were.
    pub instance: InstanceName,
    /// When it was taken.
    pub taken: Timestamp,
    /// Whose versions ran.
    pub environment: EnvironmentName,
    /// Which settings they used.
    pub configuration: ConfigurationName,
    /// The number of the reference that ran.
    pub reference: u64,
    /// The digest of its proxy image.
    pub digest: Digest,
    /// What wrote the volumes, as far as it is known.
    pub writers: BTreeMap<ContainerName, Writer>,
    /// The volumes, as files.
    pub volumes: Vec<SavedVolume>,
    /// What containers wrote of their data while they ran.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub dumps: Vec<SavedDump>,
}

/// What a snapshot is about, before its volumes were read.
#[derive(Debug, Clone)]
pub struct Origin {
    /// The platform.
    pub platform: PlatformName,
    /// The instance.
    pub instance: InstanceName,
    /// Whose versions run.
    pub environment: EnvironmentName,
    /// Which settings they use.
    pub configuration: ConfigurationName,
    /// The number of the reference that runs.
    pub reference: u64,
    /// The digest of its proxy image.
    pub digest: Digest,
    /// What wrote the volumes.
    pub writers: BTreeMap<ContainerName, Writer>,
}

/// One volume, as the tar stream that the engine gave of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedVolume {
    /// Whose.
    pub container: ContainerName,
    /// Its name in the definition.
    pub volume: VolumeName,
    /// The stream, in this order.
    pub chunks: Vec<Chunk>,
}

/// The data of one container as its own command wrote it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SavedDump {
    /// The container whose command wrote it, and whose command reads it.
    pub container: ContainerName,
    /// The volumes that it stands for.
    pub volumes: Vec<VolumeName>,
    /// What was written, in this order.
    pub chunks: Vec<Chunk>,
}

/// A piece of content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chunk {
    /// Of its bytes, uncompressed.
    pub digest: Digest,
    /// Bytes, uncompressed.
    pub size: u32,
}

/// The version of a container that wrote its data.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Writer {
    /// What people call it.
    pub version: String,
    /// The image that ran.
    pub digest: Digest,
    /// The number of the reference that ran.
    pub reference: u64,
}

impl Snapshot {
    /// A snapshot of these volumes.
    pub fn new(
        name: SnapshotName,
        taken: Timestamp,
        origin: Origin,
        (volumes, dumps): (Vec<SavedVolume>, Vec<SavedDump>),
    ) -> Self {
        Self {
            schema: SCHEMA,
            name,
            platform: origin.platform,
            instance: origin.instance,
            taken,
            environment: origin.environment,
            configuration: origin.configuration,
            reference: origin.reference,
            digest: origin.digest,
            writers: origin.writers,
            volumes,
            dumps,
        }
    }

    /// Whether it can be what it says: of a form that is known, each volume once, no chunk too large.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`], with what is wrong.
    pub fn check(&self) -> Result<()> {
        let (mut seen, mut wrote) = (BTreeSet::new(), BTreeSet::new());
        let twice = self.data().find(|it| !seen.insert(*it));
        let wrong = if self.schema != SCHEMA {
            format!("its schema is {}, this devenv knows {SCHEMA}", self.schema)
        } else if let Some((container, volume)) = twice {
            format!("it has {volume} of {container} twice")
        } else if seen.is_empty() {
            "it has no volume".to_owned()
        } else if self.data().any(|(_, it)| it.as_str() == LOGS) {
            "it has a volume of log files".to_owned()
        } else if let Some(dump) = self.dumps.iter().find(|it| it.volumes.is_empty()) {
            format!("what {} wrote is of no volume", dump.container)
        } else if let Some(dump) = self.dumps.iter().find(|it| it.chunks.is_empty()) {
            format!("what {} wrote is empty", dump.container)
        } else if let Some(dump) = self.dumps.iter().find(|it| !wrote.insert(&it.container)) {
            format!("it has what {} wrote twice", dump.container)
        } else if self
            .chunks()
            .any(|it| !(1..=LARGEST).contains(&(it.size as usize)))
        {
            "one of its chunks has a size that none can have".to_owned()
        } else {
            return Ok(());
        };
        let text = format!("the snapshot {} cannot be used: {wrong}", self.name);
        Err(Error::usage(text))
    }

    /// The volumes that it holds the data of, in either form.
    pub fn data(&self) -> impl Iterator<Item = (&ContainerName, &VolumeName)> {
        let files = self.volumes.iter().map(|it| (&it.container, &it.volume));
        let dumps = self.dumps.iter();
        let dumps = dumps.flat_map(|it| it.volumes.iter().map(|volume| (&it.container, volume)));
        files.chain(dumps)
    }

    /// All chunks, as often as they are needed.
    pub fn chunks(&self) -> impl Iterator<Item = &Chunk> {
        let files = self.volumes.iter().flat_map(|it| &it.chunks);
        files.chain(self.dumps.iter().flat_map(|it| &it.chunks))
    }

    /// The digests of its chunks.
    pub fn digests(&self) -> BTreeSet<Digest> {
        self.chunks().map(|it| it.digest).collect()
    }

    /// Bytes of its content, uncompressed.
    pub fn size(&self) -> u64 {
        self.chunks().map(|it| u64::from(it.size)).sum()
    }
}

impl SavedVolume {
    /// Bytes, uncompressed.
    pub fn size(&self) -> u64 {
        self.chunks.iter().map(|it| u64::from(it.size)).sum()
    }
}

impl fmt::Display for SavedVolume {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} of {}", self.volume, self.container)
    }
}

impl Writer {
    /// Whether what runs next is older than what wrote the data: by the numbers of the versions, else by
    /// those of the references.
    pub fn is_newer_than(&self, next: &Self) -> bool {
        if self.digest == next.digest {
            return false;
        }
        let (wrote, runs) = (numbers(&self.version), numbers(&next.version));
        if wrote.is_empty() || runs.is_empty() || wrote == runs {
            return self.reference > next.reference;
        }
        wrote > runs
    }

    /// Whether the data is of another major version: a database does not read that of another.
    pub fn is_of_another_major(&self, next: &Self) -> bool {
        let (wrote, runs) = (numbers(&self.version), numbers(&next.version));
        matches!((wrote.first(), runs.first()), (Some(a), Some(b)) if a != b)
    }

    /// `ledger-db 15.3 of reference 7`
    pub fn of(&self, container: &ContainerName) -> String {
        let (version, reference) = (&self.version, self.reference);
        format!("{container} {version} of reference {reference}")
    }
}

/// The numbers that a version begins with: `15.3-alpine` → 15, 3; none of what begins with a word.
fn numbers(version: &str) -> Vec<u64> {
    let end = version.find(|c: char| !c.is_ascii_digit() && c != '.');
    let parts = version[..end.unwrap_or(version.len())].split('.');
    parts.map_while(|it| it.parse().ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn writer(version: &str, reference: u64) -> Writer {
        Writer {
            version: version.to_owned(),
            digest: Digest::of(format!("{version} {reference}").as_bytes()),
            reference,
        }
    }

    #[test]
    fn older_code_is_known_by_its_version_then_by_its_reference() {
        let newer = |wrote: (&str, u64), runs: (&str, u64)| {
            writer(wrote.0, wrote.1).is_newer_than(&writer(runs.0, runs.1))
        };
        assert!(newer(("15.3", 7), ("15.2", 7)));
        assert!(newer(("15.10", 7), ("15.9", 8)));
        assert!(!newer(("15.3", 7), ("16.0", 6)));
        assert!(!newer(("15.3", 7), ("15.3", 7)), "the very same image");
        assert!(newer(("15.3", 7), ("15.3", 6)), "another image");
        assert!(newer(("local-a", 7), ("15.3", 6)));
        assert!(!newer(("local-a", 7), ("local-b", 7)));
    }

    #[test]
    fn only_numbers_tell_major_versions_apart() {
        let other =
            |wrote: &str, runs: &str| writer(wrote, 1).is_of_another_major(&writer(runs, 1));
        assert!(other("15.3", "16.0") && other("16", "15") && other("15-alpine", "16-alpine"));
        assert!(!other("15.3", "15.9") && !other("local-a", "16.0"));
    }

    fn snapshot(volumes: &[(&str, u32)]) -> Snapshot {
        let name = |text: &str| ContainerName::new(text).unwrap();
        let origin = Origin {
            platform: PlatformName::new("acme").unwrap(),
            instance: InstanceName::new("default").unwrap(),
            environment: EnvironmentName::new("production").unwrap(),
            configuration: ConfigurationName::new("recette").unwrap(),
            reference: 7,
            digest: Digest::of(b"7"),
            writers: BTreeMap::new(),
        };
        let volumes = volumes.iter().map(|(container, size)| SavedVolume {
            container: name(container),
            volume: VolumeName::new("data").unwrap(),
            chunks: vec![Chunk {
                digest: Digest::of(b""),
                size: *size,
            }],
        });
        let snapshot = SnapshotName::new("a").unwrap();
        let volumes = (volumes.collect(), Vec::new());
        Snapshot::new(snapshot, Timestamp::UNIX_EPOCH, origin, volumes)
    }

    #[test]
    fn a_manifest_that_cannot_be_true_is_refused() {
        assert!(snapshot(&[("db", 9), ("billing", 9)]).check().is_ok());
        let wrong = |it: &Snapshot| it.check().unwrap_err().to_string();
        assert!(wrong(&snapshot(&[("db", 9), ("db", 9)])).contains("data of db twice"));
        assert!(wrong(&snapshot(&[])).contains("no volume"));
        assert!(wrong(&snapshot(&[("db", 0)])).contains("a size"));
        assert!(wrong(&snapshot(&[("db", 5 << 20)])).contains("a size"));
        let dump = |container: &str, volumes: &[&str]| {
            let mut it = snapshot(&[("db", 9)]);
            it.dumps.push(SavedDump {
                container: ContainerName::new(container).unwrap(),
                volumes: volumes
                    .iter()
                    .map(|it| VolumeName::new(*it).unwrap())
                    .collect(),
                chunks: it.volumes[0].chunks.clone(),
            });
            it
        };
        assert!(dump("billing", &["data"]).check().is_ok());
        assert_eq!(dump("billing", &["data"]).size(), 18);
        assert!(wrong(&dump("db", &["data"])).contains("data of db twice"));
        assert!(wrong(&dump("billing", &[])).contains("of no volume"));
        let mut other = snapshot(&[("db", 9)]);
        other.schema = 1;
        assert!(wrong(&other).contains("its schema is 1"));
    }
}
