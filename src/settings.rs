//! Settings: defaults, the user's file, the environment, flags; each value knows where it is from.

pub mod variables;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::error::{Error, Kind, PathContext, Result};
use crate::model::mirrors::Mirrors;
use crate::model::name::{ConfigurationName, PlatformName, VariableName};
use crate::model::yaml;
use crate::paths::Paths;

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

/// Where a setting's value is from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Origin {
    /// Built in.
    Default,
    /// The user's `settings.yaml`.
    File(PathBuf),
    /// A flag or its environment variable.
    Flag,
}

impl std::fmt::Display for Origin {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "{}", path.display()),
            Self::Flag => f.write_str("flag or variable"),
        }
    }
}

/// A value with its origin.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setting<T> {
    /// What holds.
    pub value: T,
    /// Where it is from.
    pub origin: Origin,
}

/// `settings.yaml` as it is written.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct File {
    platform: Option<PlatformName>,
    host: Option<String>,
    git: Option<Git>,
    registry_ca: Option<PathBuf>,
    concurrency: Option<usize>,
    ledger_grace_days: Option<u32>,
    registry_mirrors: BTreeMap<String, String>,
    definitions_signers: Option<PathBuf>,
    forges: BTreeMap<PlatformName, String>,
    secrets:
        BTreeMap<PlatformName, BTreeMap<ConfigurationName, BTreeMap<VariableName, SecretSource>>>,
}

/// Which git talks to servers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Git {
    /// The program where there is one, else the one built in.
    #[default]
    Auto,
    /// The `git` program.
    Program,
    /// libgit2.
    BuiltIn,
}

impl std::fmt::Display for Git {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Program => "program",
            Self::BuiltIn => "built-in",
        })
    }
}

/// A command whose output is a secret's value.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SecretSource {
    /// Program and arguments.
    pub command: Vec<String>,
}

/// What holds for this run.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The user's file, where there is one.
    pub file: Option<PathBuf>,
    /// The platform where several are initialised and none is named.
    pub platform: Setting<Option<PlatformName>>,
    /// The engine, in docker's notation.
    pub host: Setting<Option<String>>,
    /// Which git talks to servers.
    pub git: Setting<Git>,
    /// One more certificate authority for registries (a PEM file).
    pub registry_ca: Setting<Option<PathBuf>>,
    /// Engine calls in flight at most.
    pub concurrency: Setting<usize>,
    /// How long after its expiry a ledger that was not seen before is taken; `ledger_grace_days`.
    pub ledger_grace: Setting<SignedDuration>,
    /// Where a registry's content is fetched from instead: `host[:port]` or a longer prefix, by the
    /// prefix that it stands for.
    pub registry_mirrors: Setting<Mirrors>,
    /// Who may sign commits of the definitions, as git's `gpg.ssh.allowedSignersFile`; with it,
    /// unsigned ones are refused.
    pub definitions_signers: Setting<Option<PathBuf>>,
    /// The root of a forge's REST interface where it is not on git's own host, by platform. Only
    /// this leads a token there, never what definitions say.
    pub forges: BTreeMap<PlatformName, String>,
    /// Commands that give secrets, by platform and configuration.
    pub secrets:
        BTreeMap<PlatformName, BTreeMap<ConfigurationName, BTreeMap<VariableName, SecretSource>>>,
}

/// Flags that settle a setting.
#[derive(Debug, Clone, Default)]
pub struct Flags {
    /// `--platform`
    pub platform: Option<PlatformName>,
    /// `--host`
    pub host: Option<String>,
}

impl Settings {
    /// Reads the user's file, if there is one, and lays flags over it.
    pub fn resolve(paths: &Paths, flags: &Flags) -> Result<Self> {
        let path = paths.settings();
        let (there, file): (bool, File) = match std::fs::read(&path) {
            Ok(text) => (
                true,
                yaml::read(Kind::Usage, &path.display().to_string(), &text)?,
            ),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => (false, File::default()),
            Err(error) => return Err(error).at(Kind::Usage, "read", &path),
        };
        if file.concurrency == Some(0) {
            return Err(Error::usage(format!(
                "{}: `concurrency` is at least 1",
                path.display()
            )));
        }
        Ok(Self {
            platform: layer(
                None,
                file.platform.map(Some),
                flags.platform.clone().map(Some),
                &path,
            ),
            host: layer(
                None,
                file.host.map(Some),
                flags.host.clone().map(Some),
                &path,
            ),
            git: layer(Git::Auto, file.git, None, &path),
            registry_ca: layer(None, file.registry_ca.map(Some), None, &path),
            concurrency: layer(default_concurrency(), file.concurrency, None, &path),
            ledger_grace: layer(
                GRACE,
                file.ledger_grace_days
                    .map(|days| SignedDuration::from_hours(24 * i64::from(days))),
                None,
                &path,
            ),
            registry_mirrors: layer(
                Mirrors::default(),
                mirrors(&path, file.registry_mirrors)?,
                None,
                &path,
            ),
            definitions_signers: layer(None, file.definitions_signers.map(Some), None, &path),
            forges: file.forges,
            secrets: file.secrets,
            file: there.then_some(path),
        })
    }
}

/// Three weeks beyond the 90 days that a ledger vouches for.
const GRACE: SignedDuration = SignedDuration::from_hours(24 * 21);

fn mirrors(path: &std::path::Path, table: BTreeMap<String, String>) -> Result<Option<Mirrors>> {
    if table.is_empty() {
        return Ok(None);
    }
    Mirrors::new(table)
        .map(Some)
        .map_err(|wrong| Error::usage(format!("{}: `registry_mirrors`: {wrong}", path.display())))
}

fn layer<T>(default: T, file: Option<T>, flag: Option<T>, path: &std::path::Path) -> Setting<T> {
    match (flag, file) {
        (Some(value), _) => Setting {
            value,
            origin: Origin::Flag,
        },
        (None, Some(value)) => Setting {
            value,
            origin: Origin::File(path.to_owned()),
        },
        (None, None) => Setting {
            value: default,
            origin: Origin::Default,
        },
    }
}

/// Four to five calls per core keep an engine busiest (measured).
fn default_concurrency() -> usize {
    std::thread::available_parallelism()
        .map_or(8, |cores| cores.get() * 5)
        .clamp(4, 40)
}
