//! What a definitions repository has at one commit, as far as checks look at it.

use std::collections::BTreeMap;

use crate::definitions::{CommitId, Definitions, TreeFile};
use crate::error::{Error, Kind, Place, Result};
use crate::model::catalogue::Source;
use crate::model::name::ContainerName;

const PLATFORM: &str = "platform.yaml";
const TRUST: &str = "trust.yaml";
/// The norms.
pub const POLICY: &str = "policy.yaml";

/// The content of one commit.
#[derive(Debug)]
pub struct Gathered {
    /// Which commit.
    pub commit: CommitId,
    /// `platform.yaml`
    pub platform: Option<Source>,
    /// `trust.yaml`
    pub trust: Option<Source>,
    /// `policy.yaml`
    pub policy: Option<Source>,
    /// `containers/<name>/container.yaml`
    pub containers: BTreeMap<ContainerName, Source>,
    /// The other files of each folder; without those that cannot be read.
    pub folders: BTreeMap<ContainerName, Vec<TreeFile>>,
    /// What is missing, or is no plain file.
    pub faults: Vec<Error>,
}

impl Gathered {
    /// Reads it. What is missing or odd is a fault; an error is a repository that cannot be read.
    pub fn at(definitions: &Definitions, commit: CommitId) -> Result<Self> {
        let mut gathered = Self {
            commit,
            platform: None,
            trust: None,
            policy: None,
            containers: BTreeMap::new(),
            folders: BTreeMap::new(),
            faults: Vec::new(),
        };
        gathered.platform = gathered.source(definitions, PLATFORM)?;
        if gathered.platform.is_none() && gathered.faults.is_empty() {
            gathered.miss(PLATFORM);
        }
        let before = gathered.faults.len();
        gathered.trust = gathered.source(definitions, TRUST)?;
        if gathered.trust.is_none() && gathered.faults.len() == before {
            gathered.miss(TRUST);
        }
        gathered.policy = gathered.source(definitions, POLICY)?;
        for container in definitions.each_container(commit)? {
            match container {
                Ok(name) => gathered.container(definitions, name)?,
                Err(fault) => gathered.faults.push(fault),
            }
        }
        Ok(gathered)
    }

    fn container(&mut self, definitions: &Definitions, name: ContainerName) -> Result<()> {
        let folder = format!("containers/{name}");
        let path = format!("{folder}/container.yaml");
        let files = fault_of(definitions.folder(self.commit, &folder))?;
        match files {
            Ok(mut files) => {
                let definition = files.iter().position(|file| file.path == "container.yaml");
                match definition.map(|at| files.swap_remove(at)) {
                    Some(file) => drop(self.containers.insert(
                        name.clone(),
                        Source {
                            path,
                            text: file.bytes,
                        },
                    )),
                    None => self.miss(&path),
                }
                files.sort_by(|a, b| a.path.cmp(&b.path));
                self.folders.insert(name, files);
            }
            Err(fault) => {
                self.faults.push(fault);
                if let Some(source) = self.source(definitions, &path)? {
                    self.containers.insert(name, source);
                }
            }
        }
        Ok(())
    }

    fn source(&mut self, definitions: &Definitions, path: &str) -> Result<Option<Source>> {
        match fault_of(definitions.read(self.commit, path))? {
            Ok(text) => Ok(text.map(|text| Source {
                path: path.to_owned(),
                text,
            })),
            Err(fault) => {
                self.faults.push(fault);
                Ok(None)
            }
        }
    }

    fn miss(&mut self, path: &str) {
        let fault = Error::at(
            Kind::Definitions,
            Place::file(path),
            "there is no such file",
        );
        self.faults.push(fault);
    }
}

/// Tells a fault of the definitions from a repository that cannot be read.
fn fault_of<T>(read: Result<T>) -> Result<Result<T>> {
    match read {
        Err(error) if error.kind() != Kind::Definitions => Err(error),
        other => Ok(other),
    }
}
