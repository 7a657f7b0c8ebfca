//! Which engine: the docker client's own rule.
//!
//! `--host`, then `DOCKER_HOST`, then `DOCKER_CONTEXT`, then `currentContext` of `config.json`, then
//! the default. Source: docker/cli `cli/command/cli.go` (`resolveContextName`) and `opts/hosts.go`
//! (`ParseHost`).

use std::fmt;
use std::path::{Path, PathBuf};

use crate::engine::connect::context;
use crate::engine::connect::endpoint::{Endpoint, TlsMaterial, default_endpoint, parse_host};
use crate::error::{Error, Result};
use crate::model::visible::visible;

/// The name of the context that is made of environment and defaults.
pub const DEFAULT_CONTEXT: &str = "default";

/// The values that decide, read by `settings`. Empty texts count as absent, as for docker.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineEnvironment {
    /// `--host`, or `host` in the settings file.
    pub host_argument: Option<String>,
    /// The settings file, where that is from it.
    pub host_file: Option<PathBuf>,
    /// `DOCKER_HOST`
    pub docker_host: Option<String>,
    /// `DOCKER_CONTEXT`
    pub docker_context: Option<String>,
    /// `DOCKER_CONFIG`; absent is `.docker` in the home folder.
    pub docker_config: Option<PathBuf>,
    /// `DOCKER_TLS`
    pub docker_tls: Option<String>,
    /// `DOCKER_TLS_VERIFY`
    pub docker_tls_verify: Option<String>,
    /// `DOCKER_CERT_PATH`; absent is the configuration folder.
    pub docker_cert_path: Option<PathBuf>,
    /// The user's home folder.
    pub home: Option<PathBuf>,
    /// Where connections through ssh may be shared; absent, each is made anew.
    pub ssh_folder: Option<PathBuf>,
}

/// What decided.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChosenBy {
    /// `--host`
    HostArgument,
    /// `host` in this settings file.
    Setting(PathBuf),
    /// `DOCKER_HOST`
    DockerHost,
    /// `DOCKER_CONTEXT` named this context.
    DockerContext(String),
    /// `currentContext` in this `config.json` named this context.
    CurrentContext(String, PathBuf),
    /// Nothing was configured.
    Default,
    /// Nothing was configured and the default did not answer; this host's engine did.
    Probed(String),
}

/// An engine's place and why it is that one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// Where it is reached.
    pub endpoint: Endpoint,
    /// What decided.
    pub chosen_by: ChosenBy,
}

/// Which name the rule arrives at, before any context is read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    /// A host, as text.
    Host(String, ChosenBy),
    /// A stored context.
    Context(String, ChosenBy),
    /// The platform's default address.
    Default(ChosenBy),
}

impl EngineEnvironment {
    /// The docker client's configuration folder.
    pub fn configuration_folder(&self) -> Option<PathBuf> {
        let configured = self.docker_config.clone();
        configured
            .filter(|path| !path.as_os_str().is_empty())
            .or_else(|| Some(self.home.as_ref()?.join(".docker")))
    }

    fn wants_tls(&self) -> Option<TlsMaterial> {
        let verify = present(self.docker_tls_verify.as_deref()).is_some();
        let tls = verify || present(self.docker_tls.as_deref()).is_some();
        let folder = self
            .docker_cert_path
            .clone()
            .filter(|path| !path.as_os_str().is_empty())
            .or_else(|| self.configuration_folder());
        tls.then(|| TlsMaterial {
            ca: folder.as_ref().map(|folder| folder.join("ca.pem")),
            certificate: folder.as_ref().map(|folder| folder.join("cert.pem")),
            key: folder.as_ref().map(|folder| folder.join("key.pem")),
            skip_verify: !verify,
        })
    }
}

/// Finds the engine, reading `config.json` and the chosen context where the rule asks for them.
///
/// # Errors
/// An address that is none, a missing or broken context, an unreadable file:
/// [`crate::error::Kind::Engine`]. Never falls back from what was named.
pub fn choose(environment: &EngineEnvironment) -> Result<Choice> {
    let folder = environment.configuration_folder();
    let current = || match &folder {
        Some(folder) => context::current(folder),
        None => Ok(None),
    };
    let tls = environment.wants_tls();
    let (endpoint, chosen_by) = match select(environment, current)? {
        Selection::Host(text, chosen_by) => (parse_host(&text, tls)?, chosen_by),
        Selection::Default(chosen_by) => (default_endpoint(tls), chosen_by),
        Selection::Context(name, chosen_by) => {
            let read = match &folder {
                Some(folder) => context::endpoint(folder, &name),
                None => Err(Error::engine("there is no home folder to look for it")),
            };
            let whole = format!("docker context `{}` ({chosen_by})", visible(&name));
            (read.map_err(|error| error.within(whole))?, chosen_by)
        }
    };
    let mut endpoint = endpoint;
    if let Endpoint::Ssh { control, .. } = &mut endpoint {
        control.clone_from(&environment.ssh_folder);
    }
    Ok(Choice {
        endpoint,
        chosen_by,
    })
}

/// The rule itself. `current` is asked last: it reads a file.
pub(crate) fn select(
    environment: &EngineEnvironment,
    current: impl FnOnce() -> Result<Option<(String, PathBuf)>>,
) -> Result<Selection> {
    let given = present(environment.host_argument.as_deref());
    let (given, set) = match &environment.host_file {
        Some(file) => (None, given.map(|host| (host, file.clone()))),
        None => (given, None),
    };
    if let Some(host) = given {
        return Ok(Selection::Host(host, ChosenBy::HostArgument));
    }
    if let Some(host) = present(environment.docker_host.as_deref()) {
        return Ok(Selection::Host(host, ChosenBy::DockerHost));
    }
    let named = |name: String, chosen_by: ChosenBy| {
        if name == DEFAULT_CONTEXT {
            Selection::Default(chosen_by)
        } else {
            Selection::Context(name, chosen_by)
        }
    };
    if let Some(name) = present(environment.docker_context.as_deref()) {
        return Ok(named(name.clone(), ChosenBy::DockerContext(name)));
    }
    // What a file says is for where nothing else is said; the docker CLI's own file comes last.
    if let Some((host, file)) = set {
        return Ok(Selection::Host(host, ChosenBy::Setting(file)));
    }
    Ok(match current()? {
        Some((name, file)) if !name.is_empty() => {
            named(name.clone(), ChosenBy::CurrentContext(name, file))
        }
        _ => Selection::Default(ChosenBy::Default),
    })
}

fn present(text: Option<&str>) -> Option<String> {
    text.filter(|text| !text.is_empty()).map(ToOwned::to_owned)
}

impl fmt::Display for ChosenBy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let at = |file: &Path| file.display().to_string();
        match self {
            Self::HostArgument => f.write_str("--host or DEVENV_HOST"),
            Self::Setting(file) => write!(f, "`host` in {}", at(file)),
            Self::DockerHost => f.write_str("DOCKER_HOST"),
            Self::DockerContext(name) => {
                write!(f, "DOCKER_CONTEXT={}", visible(name))
            }
            Self::CurrentContext(name, file) => {
                write!(f, "currentContext {} in {}", visible(name), at(file))
            }
            Self::Default => f.write_str("the default, nothing is configured"),
            Self::Probed(what) => {
                write!(f, "looking around, nothing is configured: {what}")
            }
        }
    }
}

#[cfg(test)]
mod tests;
