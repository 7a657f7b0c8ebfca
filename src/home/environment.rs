//! The process's environment, read once.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

/// The environment variables that devenv reads, besides those of its flags.
#[derive(Debug, Clone, Default)]
pub struct Environment {
    /// All of them, for the few rules that need several.
    variables: BTreeMap<String, OsString>,
    /// `DEVENV_HOME`: relocates everything that devenv keeps.
    pub devenv_home: Option<PathBuf>,
    /// `HOME`: the user's folder.
    pub home: Option<PathBuf>,
}

impl Environment {
    /// Reads the process's environment, once.
    pub fn read() -> Self {
        Self::from_variables(
            std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value))),
        )
    }

    /// From given variables: for tests.
    pub fn from_variables(variables: impl IntoIterator<Item = (String, OsString)>) -> Self {
        let variables: BTreeMap<_, _> = variables.into_iter().collect();
        let path = |name: &str| {
            variables
                .get(name)
                .filter(|value| !value.is_empty())
                .map(PathBuf::from)
        };
        Self {
            devenv_home: path("DEVENV_HOME"),
            home: path("HOME"),
            variables,
        }
    }

    /// A variable that is set, not empty, and UTF-8.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.variables
            .get(name)?
            .to_str()
            .filter(|value| !value.is_empty())
    }

    /// All variables, for programs that are started.
    pub fn all(&self) -> impl Iterator<Item = (OsString, OsString)> {
        self.variables
            .iter()
            .map(|(name, value)| (OsString::from(name), value.clone()))
    }

    /// Whether a variable is set, even to nothing.
    pub fn is_set(&self, name: &str) -> bool {
        self.variables.contains_key(name)
    }

    /// The folder of docker's `config.json`: `DOCKER_CONFIG`, else `~/.docker`.
    pub fn docker_config(&self) -> Option<PathBuf> {
        self.get("DOCKER_CONFIG")
            .map(PathBuf::from)
            .or_else(|| Some(self.home.as_ref()?.join(".docker")))
    }
}
