//! Which git is used, in which environment, with whose configuration.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use git2::{Config, ConfigLevel};
use tokio::sync::OnceCell;

use super::transport::{Transport, builtin::BuiltIn, program::GitProgram};
use crate::error::{Error, Result};
use crate::system::{Here, System as _};

/// How the network is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GitChoice {
    /// The `git` program where it is present and at least 2.30, else what is built in.
    #[default]
    Auto,
    /// The `git` program; its absence is an error.
    Program,
    /// The git library that is built in.
    BuiltIn,
}

/// git as the user's environment sets it up. Cheap to clone; nothing runs before it is needed.
#[derive(Clone)]
pub struct Git(Arc<Inner>);

struct Inner {
    choice: GitChoice,
    environment: Environment,
    patience: Duration,
    transport: OnceCell<Arc<dyn Transport>>,
    signers: Option<PathBuf>,
}

impl Git {
    /// `environment` is the whole environment that git and its helpers get (variables that would
    /// lead git into another repository are taken out); `patience` is how long a server may show
    /// no sign of life; `signers` lists who may sign commits, where only signed ones are taken.
    pub fn new(
        choice: GitChoice,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        patience: Duration,
        signers: Option<PathBuf>,
    ) -> Self {
        Self(Arc::new(Inner {
            choice,
            environment: Environment(environment.into_iter().collect()),
            patience,
            transport: OnceCell::new(),
            signers,
        }))
    }

    /// The way to the network. Fails with [`crate::error::Kind::Git`] where the program is asked
    /// for and missing or too old.
    pub async fn transport(&self) -> Result<Arc<dyn Transport>> {
        let transport = self.0.transport.get_or_try_init(|| self.choose()).await?;
        Ok(Arc::clone(transport))
    }

    async fn choose(&self) -> Result<Arc<dyn Transport>> {
        let Inner {
            choice,
            environment,
            patience,
            ..
        } = &*self.0;
        let built_in = || Arc::new(BuiltIn::new(environment.clone(), *patience));
        if *choice == GitChoice::BuiltIn {
            return Ok(built_in());
        }
        match GitProgram::find(environment.clone(), *patience).await {
            Ok(program) => Ok(Arc::new(program)),
            Err(_) if *choice == GitChoice::Auto => Ok(built_in()),
            Err(why) => Err(Error::git(why)
                .hint("install git 2.30 or newer, or let devenv use the git that is built in")),
        }
    }

    /// The list of those who may sign commits, where only signed ones are taken.
    pub(super) fn signers(&self) -> Option<&Path> {
        self.0.signers.as_deref()
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.0.environment
    }
}

/// The environment as it was given.
#[derive(Clone)]
pub(super) struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// A variable that is set and not empty.
    pub(super) fn get(&self, name: &str) -> Option<&OsStr> {
        self.0
            .iter()
            .find(|(key, _)| Here::is_variable(key, name))
            .map(|(_, value)| value.as_os_str())
            .filter(|value| !value.is_empty())
    }

    /// The same as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.get(name).map(|value| value.to_string_lossy().into())
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (&OsString, &OsString)> {
        self.0.iter()
    }

    pub(super) fn home(&self) -> Option<PathBuf> {
        self.get("HOME")
            .or_else(|| self.get("USERPROFILE"))
            .map(PathBuf::from)
    }

    /// The user's git configuration, found from this environment (not the process's), with that
    /// of the repository at `repository` above it.
    pub(super) fn configuration(
        &self,
        repository: Option<&Path>,
    ) -> std::result::Result<Config, git2::Error> {
        let mut config = Config::new()?;
        let mut add = |path: PathBuf, level| {
            if path.is_file() {
                config.add_file(&path, level, false)
            } else {
                Ok(())
            }
        };
        if self.get("GIT_CONFIG_NOSYSTEM").is_none() {
            let system = self
                .get("GIT_CONFIG_SYSTEM")
                .unwrap_or("/etc/gitconfig".as_ref());
            add(system.into(), ConfigLevel::System)?;
        }
        if let Some(global) = self.get("GIT_CONFIG_GLOBAL") {
            add(global.into(), ConfigLevel::Global)?;
        } else if let Some(home) = self.home() {
            let xdg = self.get("XDG_CONFIG_HOME").map(PathBuf::from);
            let xdg = xdg.unwrap_or_else(|| home.join(".config"));
            add(xdg.join("git/config"), ConfigLevel::XDG)?;
            add(home.join(".gitconfig"), ConfigLevel::Global)?;
        }
        if let Some(repository) = repository {
            add(repository.join("config"), ConfigLevel::Local)?;
        }
        Ok(config)
    }
}
