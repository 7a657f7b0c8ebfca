//! All definitions of one commit.

use std::collections::BTreeMap;

use super::container::Definition;
use super::name::ContainerName;
use super::nearest::nearest;
use super::platform::Platform;
use super::yaml::{self, Step};
use crate::error::{Error, Kind};

mod definition;
mod examination;
mod load;

/// The configuration that developers may define for themselves.
pub const WORKSTATION: &str = "workstation";

/// A platform and its containers.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// `platform.yaml`
    pub platform: Platform,
    /// `containers/<name>/container.yaml`
    pub definitions: BTreeMap<ContainerName, Definition>,
}

/// Definitions with all that is wrong with them.
#[derive(Debug)]
pub struct Examined {
    /// What can be read; `None` without a platform.
    pub catalogue: Option<Catalogue>,
    /// Every fault, with its place.
    pub faults: Vec<Error>,
}

/// A file of the definitions, for error messages.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path in the repository.
    pub path: String,
    /// Content.
    pub text: Vec<u8>,
}

impl Source {
    fn refuse(&self, place: &[Step<'_>], message: &str) -> Error {
        let text = String::from_utf8_lossy(&self.text);
        yaml::at(Kind::Definitions, &self.path, &text, place, message)
    }
}

impl Catalogue {
    /// The names that a configuration may have.
    pub fn configurations(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .platform
            .environments
            .iter()
            .map(AsRef::as_ref)
            .collect();
        if !names.contains(&WORKSTATION) {
            names.push(WORKSTATION);
        }
        names
    }

    fn unknown(&self, name: &ContainerName) -> String {
        let known = self.definitions.keys().map(ContainerName::as_str);
        match nearest(name.as_str(), known) {
            Some(near) => format!("no container is called `{name}`; did you mean `{near}`?"),
            None => format!("no container is called `{name}`"),
        }
    }
}

#[cfg(test)]
mod tests;
