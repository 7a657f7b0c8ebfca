//! Settings: defaults, the user's file, the environment, flags; each value knows where it is from.

pub mod variables;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use jiff::SignedDuration;
use serde::Deserialize;

use crate::error::{Error, Kind, Result};
use crate::home::file::read_trusted;
use crate::home::paths::Paths;
use crate::model::insecure_registries::InsecureRegistries;
use crate::model::mirrors::Mirrors;
use crate::model::name::{ConfigurationName, PlatformName, VariableName};
use crate::model::quantity::ByteSize;
use crate::model::yaml;

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
    profile: Option<String>,
    publish_address: Option<IpAddr>,
    forward: Option<bool>,
    git: Option<Git>,
    #[serde(alias = "registry_ca")]
    extra_ca: Option<PathBuf>,
    concurrency: Option<usize>,
    ledger_grace_days: Option<u32>,
    registry_mirrors: BTreeMap<String, String>,
    insecure_registries: Vec<String>,
    definitions_signers: Option<PathBuf>,
    definitions_limit: Option<ByteSize>,
    git_variables: Option<Vec<String>>,
    scanners: Option<Vec<Vec<String>>>,
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
    /// The host profile, where what the engine tells is not to decide.
    pub profile: Setting<Option<String>>,
    /// The address that ports are published on, where the profile's is not to decide.
    pub publish_address: Setting<Option<IpAddr>>,
    /// Whether ports that appear elsewhere are carried to this machine's loopback address.
    pub forward: Setting<bool>,
    /// Which git talks to servers.
    pub git: Setting<Git>,
    /// One more certificate authority for registries, git servers and forges (a PEM file).
    pub extra_ca: Setting<Option<PathBuf>>,
    /// Engine calls in flight at most.
    pub concurrency: Setting<usize>,
    /// How long after its expiry a ledger that was not seen before is taken; `ledger_grace_days`.
    pub ledger_grace: Setting<SignedDuration>,
    /// Where a registry's content is fetched from instead: `host[:port]` or a longer prefix, by the
    /// prefix that it stands for.
    pub registry_mirrors: Setting<Mirrors>,
    /// Registries that are spoken to without TLS, or whatever their certificate is.
    pub insecure_registries: Setting<InsecureRegistries>,
    /// Who may sign commits of the definitions, as git's `gpg.ssh.allowedSignersFile`; with it,
    /// unsigned ones are refused.
    pub definitions_signers: Setting<Option<PathBuf>>,
    /// How large the clone of the definitions may become.
    pub definitions_limit: Setting<ByteSize>,
    /// Variables that git's credential helpers need. Git and its helpers get what they need by
    /// themselves, and no token that is there for devenv.
    pub git_variables: Setting<Vec<String>>,
    /// Commands of scanners that a policy may have run here, word for word.
    pub scanners: Setting<Vec<Vec<String>>>,
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
        // It names commands that are run.
        let (there, file): (bool, File) = match read_trusted(Kind::Usage, paths, &path)? {
            Some(text) => (
                true,
                yaml::read(Kind::Usage, &path.display().to_string(), &text)?,
            ),
            None => (false, File::default()),
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
            profile: layer(None, file.profile.map(Some), None, &path),
            publish_address: layer(None, file.publish_address.map(Some), None, &path),
            forward: layer(true, file.forward, None, &path),
            git: layer(Git::Auto, file.git, None, &path),
            extra_ca: layer(None, file.extra_ca.map(Some), None, &path),
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
            insecure_registries: layer(
                InsecureRegistries::default(),
                insecure(&path, file.insecure_registries)?,
                None,
                &path,
            ),
            definitions_signers: layer(None, file.definitions_signers.map(Some), None, &path),
            definitions_limit: layer(LARGEST, file.definitions_limit, None, &path),
            git_variables: layer(Vec::new(), file.git_variables, None, &path),
            scanners: layer(Vec::new(), file.scanners, None, &path),
            forges: file.forges,
            secrets: file.secrets,
            file: there.then_some(path),
        })
    }
}

/// Definitions are text: this is room for a hundred times what a platform of thirty has.
const LARGEST: ByteSize = ByteSize::bytes(1 << 30);

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

fn insecure(path: &std::path::Path, list: Vec<String>) -> Result<Option<InsecureRegistries>> {
    if list.is_empty() {
        return Ok(None);
    }
    InsecureRegistries::new(list).map(Some).map_err(|wrong| {
        Error::usage(format!(
            "{}: `insecure_registries`: {wrong}",
            path.display()
        ))
    })
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
