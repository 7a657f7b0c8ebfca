//! What nearly every command reads of the newest accepted commit, kept beside the clone: opening
//! the clone itself makes the git library load and parse all certificates of the machine first.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::commit_id::CommitId;
use super::git::Git;
use super::repository::{BASE, Definitions};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::container::Kind;
use crate::model::name::ContainerName;
use crate::model::yaml;

/// The file in the clone's folder.
const FILE: &str = "devenv-known.json";

/// The newest accepted commit, as far as most commands want to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Known {
    /// Its name.
    pub commit: CommitId,
    /// Its `platform.yaml`.
    pub platform: String,
    /// What has a folder under `containers/`, by name.
    pub containers: Vec<KnownContainer>,
}

/// A container at a glance; what does not parse has defaults here.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KnownContainer {
    /// Its name.
    pub name: ContainerName,
    /// What it is.
    pub kind: Kind,
    /// What it is for.
    pub description: Option<String>,
}

impl Known {
    /// What is known of the clone at `path`: from the file beside it where that is of the newest
    /// commit, else from the clone, and then kept. Fails like [`Definitions::open`], and with
    /// [`ErrorKind::Definitions`] where `platform.yaml` is missing.
    pub fn of(path: &Path, git: &Git) -> Result<Self> {
        if let Some(known) = kept(path) {
            return Ok(known);
        }
        let known = Definitions::open(path, git)?.known()?;
        // It only spares time.
        let _ = keep(path, &known);
        Ok(known)
    }
}

/// The kept file, if it is of the commit that the clone's loose reference names. Packed references
/// are left to the git library.
fn kept(path: &Path) -> Option<Known> {
    let head = std::fs::read_to_string(path.join(BASE)).ok()?;
    let known: Known = serde_json::from_slice(&std::fs::read(path.join(FILE)).ok()?).ok()?;
    (known.commit.to_string() == head.trim_end()).then_some(known)
}

fn keep(path: &Path, known: &Known) -> std::io::Result<()> {
    let mut file = tempfile::NamedTempFile::new_in(path)?;
    serde_json::to_writer(&mut file, known)?;
    file.persist(path.join(FILE))?;
    Ok(())
}

impl Definitions {
    fn known(&self) -> Result<Known> {
        let commit = self.head_id()?;
        let at = |what: &str| {
            let text = format!("{what} in the definitions at {}", commit.short());
            Error::definitions(text)
        };
        let platform = self
            .read(commit, "platform.yaml")?
            .ok_or_else(|| at("there is no platform.yaml"))?;
        let platform =
            String::from_utf8(platform).map_err(|_| at("platform.yaml is not UTF-8 text"))?;
        // Definitions that do not hold together are for the commands that need all of them.
        let names = self.containers(commit).unwrap_or_default();
        Ok(Known {
            commit,
            platform,
            containers: names
                .into_iter()
                .map(|name| self.glance(commit, name))
                .collect(),
        })
    }

    fn glance(&self, commit: CommitId, name: ContainerName) -> KnownContainer {
        #[derive(Default, Deserialize)]
        #[serde(default)]
        struct Brief {
            kind: Kind,
            description: Option<String>,
        }
        let path = format!("containers/{name}/container.yaml");
        let text = self.read(commit, &path).ok().flatten().unwrap_or_default();
        let brief: Brief = yaml::read(ErrorKind::Definitions, &path, &text).unwrap_or_default();
        KnownContainer {
            name,
            kind: brief.kind,
            description: brief.description,
        }
    }
}
