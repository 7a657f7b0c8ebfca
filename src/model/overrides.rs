//! `overrides/<platform>.yaml`: the user's own changes to how containers run here.

use std::collections::BTreeMap;

use serde::Deserialize;

use super::container::Publish;
use super::name::{ContainerName, VariableName};
use super::quantity::ByteSize;
use super::yaml;
use crate::error::{Kind, Result};

/// All overrides of one platform.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Overrides {
    /// By container.
    pub containers: BTreeMap<ContainerName, Override>,
    /// The folder, by its path on the engine's side, that holds a folder for the log files of each
    /// container; `None`: they are in volumes. Not of the file: `up --logs-to` says it.
    #[serde(skip)]
    pub logs_to: Option<String>,
}

/// What is different for one container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Override {
    /// Added to, or replacing, its environment.
    pub environment: BTreeMap<VariableName, String>,
    /// Its limit.
    pub memory: Option<ByteSize>,
    /// Ports published in addition, as in `container.yaml`.
    pub publish: Vec<Publish>,
}

impl Overrides {
    /// Reads the file.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self> {
        yaml::read(Kind::Usage, source, text)
    }

    /// What is different for a container, if anything is.
    pub fn of(&self, container: &ContainerName) -> Option<&Override> {
        self.containers.get(container)
    }
}
