//! The loopback forwarder: a process of devenv's own that brings ports which appear at an engine's
//! address, or behind ssh, to the same numbers of this machine's loopback address.
//!
//! Three files of an instance make it: what is wanted (written by `up`, removed by `down`, read again
//! and again by the forwarder), a lock that the forwarder holds while it lives, and what it serves
//! (written by the forwarder). Whoever holds the lock is the forwarder, whatever a process id says.

mod carry;
mod log;
mod process;
mod service;
mod ssh;

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Kind, PathContext, Result};
use crate::home::file;
use crate::home::lock;
use crate::home::paths::Paths;
use crate::home::state;
use crate::model::name::{InstanceName, PlatformName};

pub use process::{Ensured, Forwarder};
pub use service::{Service, serve};
pub use ssh::Through;

/// What is to be carried. Another version's may have more fields, as what is in it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Wanted {
    /// The engine that the instance is on: it tells the forwarder when nothing is left there.
    #[serde(default)]
    pub engine: String,
    /// Ports, the same here and there.
    pub ports: BTreeSet<u16>,
    /// The address there.
    pub to: IpAddr,
    /// The ssh connection that leads there, where one is needed.
    pub through: Option<Through>,
}

/// What a forwarder does. Another version's may have more fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Serving {
    /// The process.
    pub pid: u32,
    /// Which devenv it is.
    pub version: String,
    /// What it was asked for last.
    pub wanted: Wanted,
    /// Ports that it could not have, and why.
    pub failed: BTreeMap<u16, String>,
}

impl Serving {
    /// The ports of this machine that it has.
    pub fn ports(&self) -> BTreeSet<u16> {
        let wanted = self.wanted.ports.iter().copied();
        wanted
            .filter(|port| !self.failed.contains_key(port))
            .collect()
    }
}

/// The instances for which a forwarder is wanted.
pub fn instances(paths: &Paths, platform: &PlatformName) -> Result<Vec<InstanceName>> {
    state::recorded(&paths.forwarders(platform))
}

/// The files of one instance's forwarder.
#[derive(Debug, Clone)]
pub struct Files {
    folder: PathBuf,
    name: String,
}

impl Files {
    /// Those of an instance; they need not exist.
    pub fn new(paths: &Paths, platform: &PlatformName, instance: &InstanceName) -> Self {
        Self {
            folder: paths.forwarders(platform),
            name: instance.to_string(),
        }
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.folder.join(format!("{}.{kind}", self.name))
    }

    /// What it tells while it works.
    pub fn log(&self) -> PathBuf {
        self.path("log")
    }

    /// What is to be carried; `None`: nothing.
    pub fn wanted(&self) -> Result<Option<Wanted>> {
        file::load(&self.path("json"))
    }

    /// What the forwarder that runs does; `None` where none runs.
    pub fn serving(&self) -> Result<Option<Serving>> {
        // The usual case costs one look.
        if !self.path("lock").exists() || !self.is_held()? {
            return Ok(None);
        }
        file::load(&self.path("serving.json"))
    }

    /// Whether a forwarder holds the lock; those who only look do not disturb each other.
    fn is_held(&self) -> Result<bool> {
        lock::is_held(&self.path("lock"))
    }

    /// The lock, unless a forwarder holds it.
    fn lock(&self) -> Result<Option<File>> {
        let path = self.path("lock");
        let file = lock::open(&path)?;
        Ok(lock::try_lock(&file, &path)?.then_some(file))
    }

    fn remove(&self, kind: &str) -> Result<()> {
        let path = self.path(kind);
        let removed = std::fs::remove_file(&path);
        removed.if_there(Kind::Usage, "remove", &path).map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_version_serves_can_be_read() {
        let folder = tempfile::tempdir().unwrap();
        let files = Files {
            folder: folder.path().to_owned(),
            name: "x".to_owned(),
        };
        assert_eq!(files.serving().unwrap(), None);
        let lock = files.lock().unwrap().unwrap();
        let wanted = r#"{"ports":[80],"to":"127.0.0.2","through":null,"more":1}"#;
        let text =
            format!(r#"{{"pid":7,"version":"99.0.0","wanted":{wanted},"failed":{{}},"since":0}}"#);
        std::fs::write(files.path("serving.json"), text).unwrap();
        let serving = files.serving().unwrap().unwrap();
        assert_eq!((serving.pid, serving.version.as_str()), (7, "99.0.0"));
        drop(lock);
        assert_eq!(files.serving().unwrap(), None);
    }
}
