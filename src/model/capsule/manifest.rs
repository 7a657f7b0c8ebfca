//! What a capsule says of itself: what ran, when, and what was taken out.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::facets::record::{Reference, Runs};
use crate::model::name::{
    ConfigurationName, ContainerName, EnvironmentName, InstanceName, PlatformName, Version,
};
use crate::model::visible::visible;

/// The form that this program reads and writes.
pub const SCHEMA: u32 = 1;

/// Bytes of a manifest.
pub const LARGEST: u64 = 4 << 20;

/// Entries of a list or a map in it.
const MOST: usize = 1000;

/// Bytes of a text in it.
const LONGEST: usize = 4000;

/// A capsule's manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The version of devenv that made it.
    pub devenv: String,
    /// The version of the engine that the containers ran on.
    pub engine: String,
    /// The platform.
    pub platform: PlatformName,
    /// The instance that it was made of.
    pub instance: InstanceName,
    /// Whose versions ran.
    pub environment: EnvironmentName,
    /// Which settings they used.
    pub configuration: ConfigurationName,
    /// The reference that ran.
    pub reference: Reference,
    /// The highest sequence of the environment's ledger that was seen; `None`: none was.
    pub sequence: Option<u64>,
    /// What was asked of the instance.
    pub asked: Asked,
    /// When what it is about happened.
    pub moment: Timestamp,
    /// Logs and requests are in it from then on.
    pub since: Timestamp,
    /// When it was made, by the clock of the workstation.
    pub taken: Timestamp,
    /// The same by the clock of the engine, where it tells.
    pub engine_clock: Option<Timestamp>,
    /// It is not opened from then on.
    pub expires: Timestamp,
    /// What it is about, in the words of who made it.
    pub reason: Option<String>,
    /// The containers that it is about.
    pub containers: BTreeMap<ContainerName, Ran>,
    /// How often the value of each secret was taken out, by its name.
    pub removed: BTreeMap<String, u64>,
    /// Secrets that were too short to be taken out.
    pub too_short: Vec<String>,
    /// Secrets whose values were found in the data, and stay there; how often.
    pub in_data: BTreeMap<String, u64>,
    /// Bytes of the data, unpacked; `None`: it has none.
    pub data: Option<u64>,
    /// What is not in it, and why.
    pub left_out: Vec<String>,
}

/// What an instance was asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Asked {
    /// Containers and bundles.
    pub names: Vec<String>,
    /// Everything.
    pub all: bool,
    /// What was left out.
    pub without: Vec<String>,
    /// Whether the proxy ran.
    pub proxy: bool,
    /// Versions in place of the reference's.
    pub versions: BTreeMap<ContainerName, Pinned>,
    /// Copies, where there were several.
    pub replicas: BTreeMap<ContainerName, u16>,
}

/// A version by its name and image.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pinned {
    /// Its name.
    pub version: Version,
    /// The digest that was published under it.
    pub digest: Digest,
}

/// How one container ran.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// From where it came.
    pub source: Runs,
    /// What people call it.
    pub version: Option<String>,
    /// The signed digest.
    pub digest: Option<Digest>,
    /// The Id of its image on the engine.
    pub image: Option<Digest>,
    /// `running`, `exited`, …
    pub state: String,
    /// When it was started last.
    pub started: Option<Timestamp>,
    /// How often the engine had started it again by itself.
    pub restarts: u64,
    /// Whether the kernel killed it for memory.
    pub out_of_memory: bool,
}

impl Manifest {
    /// Reads what anybody may have written.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`]: what is no manifest, or of a form that is not known here.
    pub fn parse(bytes: &[u8]) -> Result<Self> {
        let refuse = |why: String| Error::usage(format!("its manifest cannot be read: {why}"));
        let manifest: Self =
            serde_json::from_slice(bytes).map_err(|error| refuse(visible(&error.to_string())))?;
        if manifest.schema != SCHEMA {
            let schema = manifest.schema;
            return Err(refuse(format!(
                "its schema is {schema}, this devenv knows {SCHEMA}"
            )));
        }
        if manifest.is_beyond_limits() {
            return Err(refuse("a list or a text in it is too long".to_owned()));
        }
        Ok(manifest)
    }

    fn is_beyond_limits(&self) -> bool {
        let asked = &self.asked;
        let counts = [
            asked.names.len(),
            asked.without.len(),
            asked.versions.len(),
            asked.replicas.len(),
            self.containers.len(),
            self.removed.len(),
            self.too_short.len(),
            self.in_data.len(),
            self.left_out.len(),
        ];
        let lists = [
            &asked.names,
            &asked.without,
            &self.too_short,
            &self.left_out,
        ];
        let mut texts = lists.into_iter().flatten().chain(&self.reason);
        counts.into_iter().any(|it| it > MOST) || texts.any(|it| it.len() > LONGEST)
    }

    /// It is not opened for another platform, nor once it expired.
    ///
    /// # Errors
    /// [`crate::error::Kind::Usage`], with which of the two it is.
    pub fn refuse_foreign(&self, platform: &PlatformName, now: Timestamp) -> Result<()> {
        if self.platform != *platform {
            let text = format!("it is of the platform {}, not of {platform}", self.platform);
            return Err(Error::usage(text)
                .hint("`--platform NAME` means another one that was initialised here"));
        }
        if self.expires <= now {
            let text = format!("it expired at {}", self.expires);
            return Err(Error::usage(text)
                .hint("what it holds of people is not to be kept longer: remove the file"));
        }
        Ok(())
    }
}

#[cfg(test)]
pub(crate) mod testing {
    use super::*;
    use crate::model::testing::{platform, time};

    /// One of reference 7.
    pub(crate) fn manifest() -> Manifest {
        Manifest {
            schema: SCHEMA,
            devenv: "0.1.0".to_owned(),
            engine: "28.5".to_owned(),
            platform: platform(),
            instance: "default".parse().unwrap(),
            environment: "production".parse().unwrap(),
            configuration: "production".parse().unwrap(),
            reference: Reference {
                number: 7,
                digest: Digest::of(b"7"),
            },
            sequence: Some(9),
            asked: Asked::default(),
            moment: time(5),
            since: time(0),
            taken: time(6),
            engine_clock: Some(time(6)),
            expires: time(10),
            reason: None,
            containers: BTreeMap::new(),
            removed: BTreeMap::from([("DB_PASSWORD".to_owned(), 3)]),
            too_short: Vec::new(),
            in_data: BTreeMap::new(),
            data: None,
            left_out: Vec::new(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::testing::manifest;
    use super::*;
    use crate::model::testing::time;

    fn parsed(change: impl FnOnce(&mut serde_json::Value)) -> Result<Manifest, String> {
        let mut value = serde_json::to_value(manifest()).unwrap();
        change(&mut value);
        Manifest::parse(value.to_string().as_bytes()).map_err(|error| error.to_string())
    }

    #[test]
    fn what_was_written_is_read_and_nothing_else() {
        assert_eq!(parsed(|_| ()).unwrap(), manifest());
        let refused = |change: fn(&mut serde_json::Value), why: &str| {
            let said = parsed(change).unwrap_err();
            assert!(said.contains(why), "{said}");
        };
        refused(|it| it["schema"] = 2.into(), "its schema is 2");
        refused(|it| it["more"] = 2.into(), "unknown field");
        refused(|it| it["platform"] = "../x".into(), "platform name");
        refused(|it| it["reason"] = "x".repeat(5000).into(), "too long");
        let many: Vec<String> = vec!["a".to_owned(); 1001];
        let many = serde_json::to_value(many).unwrap();
        let said = parsed(|it| it["left_out"] = many).unwrap_err();
        assert!(said.contains("too long"), "{said}");
    }

    #[test]
    fn another_platform_and_an_end_are_refused() {
        let own = manifest();
        assert!(own.refuse_foreign(&own.platform, time(9)).is_ok());
        let said = |platform: &PlatformName, now| {
            let refused = own.refuse_foreign(platform, now);
            refused.unwrap_err().to_string()
        };
        let other = PlatformName::new("other").unwrap();
        assert!(said(&other, time(9)).contains("not of other"));
        assert!(said(&own.platform, time(10)).starts_with("it expired at"));
    }
}
