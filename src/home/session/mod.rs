//! One command: its home, the engine, the registry and git as it opens them, and whom it tells.

mod company;
mod docker_config;
mod remote;

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::{Arc, OnceLock};

pub use self::remote::Remote;
use crate::definitions::known::{Known, KnownContainer};
use crate::definitions::{self, CommitId, Definitions, Git, GitChoice, Tell};
use crate::engine::connect::choice::{Choice, ChosenBy, EngineEnvironment};
use crate::engine::connect::find::find;
use crate::engine::docker::{Docker, Patience};
use crate::error::{Error, Result};
use crate::home::Home;
use crate::home::cache::Cache;
use crate::home::file;
use crate::home::lock::Lock;
use crate::home::reporter::Reporter;
use crate::home::settings::{self};
use crate::model::container::Kind as ContainerKind;
use crate::model::mirrors::Mirrors;
use crate::model::name::{ContainerName, InstanceName, PlatformName};
use crate::model::platform::{Platform, Workstation};
use crate::model::trust_file::TrustFile;
use crate::registry::{Options, Patience as RegistryPatience, Registry};

/// One command's home, the connections that it opens, and whom it tells.
#[derive(Debug)]
pub struct Session {
    /// Files, settings, clock.
    pub home: Home,
    /// The copy of the platform that is meant.
    pub instance: InstanceName,
    /// Whether the network must not be used.
    pub offline: bool,
    /// Who is told and asked.
    pub reporter: Arc<dyn Reporter>,
    /// The engine, once it was asked for.
    engine: OnceLock<(Docker, Choice)>,
    /// The folder of docker's `config.json`, once it was looked at.
    docker_config: OnceLock<Option<PathBuf>>,
}

/// A platform that was initialised here.
#[derive(Debug)]
pub struct OpenPlatform {
    /// Its name.
    pub name: PlatformName,
    /// Whose signatures count: the pinned copy.
    pub trust: TrustFile,
    /// The commit that is read.
    pub commit: CommitId,
    /// What is defined at that commit.
    pub containers: Vec<KnownContainer>,
    /// `platform.yaml` at that commit.
    pub platform: Platform,
    /// What a workstation runs by default: as `platform.yaml` had it when the platform was first used here, since
    /// git is not signed.
    pub workstation: Workstation,
}

impl OpenPlatform {
    /// What a container is, where it is defined.
    pub fn kind(&self, name: &ContainerName) -> Option<ContainerKind> {
        let found = self.containers.iter().find(|it| it.name == *name)?;
        Some(found.kind)
    }
}

impl Session {
    /// Nothing is opened yet.
    pub fn new(
        home: Home,
        instance: InstanceName,
        offline: bool,
        reporter: Arc<dyn Reporter>,
    ) -> Self {
        Self {
            home,
            instance,
            offline,
            reporter,
            engine: OnceLock::new(),
            docker_config: OnceLock::new(),
        }
    }

    /// The same for another copy of the platform, over the same connections.
    #[must_use]
    pub fn beside(&self, instance: InstanceName) -> Self {
        Self {
            home: self.home.clone(),
            instance,
            offline: self.offline,
            reporter: Arc::clone(&self.reporter),
            engine: self.engine.clone(),
            docker_config: self.docker_config.clone(),
        }
    }

    /// What was fetched before.
    pub fn cache(&self) -> Cache {
        Cache::new(&self.home.paths)
    }

    /// The registries, or the mirrors that are set for them, unless offline.
    pub fn registry(&self) -> Option<Registry> {
        self.registry_through(&self.home.settings.registry_mirrors.value)
    }

    /// The registries themselves, unless offline: for whoever publishes there.
    pub fn registry_itself(&self) -> Option<Registry> {
        self.registry_through(&Mirrors::default())
    }

    fn registry_through(&self, mirrors: &Mirrors) -> Option<Registry> {
        let reporter = Arc::clone(&self.reporter);
        (!self.offline).then(|| {
            Registry::new(Options {
                mirrors: mirrors.clone(),
                docker_config: self.docker_config(),
                ca_file: self.home.settings.extra_ca.value.clone(),
                proxies: self.home.proxies(),
                insecure: self.home.settings.insecure_registries.value.clone(),
                patience: RegistryPatience {
                    tell: Arc::new(move |text| reporter.note(text)),
                    ..RegistryPatience::default()
                },
                ..Options::default()
            })
        })
    }

    /// git as the user has it, on the way to `remote`.
    ///
    /// # Errors
    /// An `extra_ca` that cannot be read.
    pub fn git_to(&self, remote: Remote<'_>) -> Result<Git> {
        Ok(self.git_with(self.git_environment_to(remote)?))
    }

    /// The same for what is here.
    pub fn git(&self) -> Git {
        self.git_with(self.git_environment())
    }

    fn git_with(&self, environment: Vec<(OsString, OsString)>) -> Git {
        let choice = match self.home.settings.git.value {
            settings::Git::Auto => GitChoice::Auto,
            settings::Git::Program => GitChoice::Program,
            settings::Git::BuiltIn => GitChoice::BuiltIn,
        };
        let reporter = Arc::clone(&self.reporter);
        let tell: Tell = Arc::new(move |line: &str| reporter.note(line));
        Git::new(
            environment,
            definitions::Options {
                choice,
                signers: self.home.settings.definitions_signers.value.clone(),
                passed: self.home.settings.git_variables.value.clone(),
                largest: self.home.settings.definitions_limit.value.get(),
                waiting: self.reporter.is_interactive().then_some(tell),
                ..definitions::Options::default()
            },
        )
    }

    /// The engine and why it is that one. Only where nothing names one and the default does not answer
    /// are others looked for, which is said.
    pub fn engine(&self) -> Result<(Docker, Choice)> {
        if let Some(found) = self.engine.get() {
            return Ok(found.clone());
        }
        self.docker_config();
        let get = |name: &str| self.home.environment.get(name).map(ToOwned::to_owned);
        let environment = EngineEnvironment {
            host_argument: self.home.settings.host.value.clone(),
            host_file: match &self.home.settings.host.origin {
                settings::Origin::File(file) => Some(file.clone()),
                _ => None,
            },
            docker_host: get("DOCKER_HOST"),
            docker_context: get("DOCKER_CONTEXT"),
            docker_config: get("DOCKER_CONFIG").map(Into::into),
            docker_tls: get("DOCKER_TLS"),
            docker_tls_verify: get("DOCKER_TLS_VERIFY"),
            docker_cert_path: get("DOCKER_CERT_PATH").map(Into::into),
            home: self.home.environment.home.clone(),
            ssh_folder: Some(self.home.paths.ssh()),
        };
        let choice = find(&environment, &get, || self.home.places())?;
        if let ChosenBy::Probed(_) = choice.chosen_by {
            let (at, why) = (&choice.endpoint, &choice.chosen_by);
            self.reporter
                .note(&format!("using the engine at {at}, found by {why}"));
        }
        let reporter = Arc::clone(&self.reporter);
        let patience =
            Patience::telling(move |at| reporter.note(&format!("waiting for the engine at {at}")));
        let found = (Docker::patient(&choice.endpoint, patience)?, choice);
        Ok(self.engine.get_or_init(|| found).clone())
    }

    /// The clone of a platform's definitions.
    pub fn definitions(&self, name: &PlatformName) -> Result<Definitions> {
        let path = self.home.paths.definitions(name);
        Definitions::open(&path, &self.git_to(Remote::Clone(&path))?)
    }

    /// Opens the platform that is meant.
    pub fn open(&self) -> Result<OpenPlatform> {
        self.open_named(&self.home.platform_name()?)
    }

    /// Opens a platform that was initialised here.
    pub fn open_named(&self, name: &PlatformName) -> Result<OpenPlatform> {
        let trust = self.home.trust(name)?;
        let known = Known::of(&self.home.paths.definitions(name), &self.git())?;
        let platform = Platform::parse("platform.yaml", known.platform.as_bytes())?;
        if platform.platform != *name {
            return Err(Error::definitions(format!(
                "the definitions of `{name}` now call themselves `{}`",
                platform.platform
            )));
        }
        let pinned = file::load(&self.home.paths.workstation(name))?;
        Ok(OpenPlatform {
            name: name.clone(),
            workstation: pinned.unwrap_or_else(|| platform.workstation.clone()),
            trust,
            commit: known.commit,
            containers: known.containers,
            platform,
        })
    }

    /// The lock of the instance that is meant; says so when another command holds it.
    pub async fn lock(&self, platform: &PlatformName) -> Result<Lock> {
        let waiting = || {
            self.reporter
                .note("waiting for another devenv command on this instance");
        };
        Lock::take(&self.home.paths, platform, &self.instance, waiting).await
    }
}
