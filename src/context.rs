//! What every command is given: settings, paths, clock, environment and the user interface.

mod company;
mod docker_config;
mod profiles;

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::time::Duration;

use jiff::Timestamp;

pub use self::company::Remote;
use crate::cache::Cache;
use crate::definitions::known::{Known, KnownContainer};
use crate::definitions::{CommitId, Definitions, Git, GitChoice};
use crate::engine::docker::{Docker, Patience};
use crate::engine::find::find;
use crate::engine::host::{Choice, ChosenBy, EngineEnvironment};
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::container::Kind as ContainerKind;
use crate::model::mirrors::Mirrors;
use crate::model::name::{ContainerName, InstanceName, PlatformName};
use crate::model::platform::Platform;
use crate::model::trust_file::TrustFile;
use crate::paths::Paths;
use crate::registry::{Options, Registry};
use crate::settings::{self, Environment, Settings};
use crate::state::Lock;
use crate::ui::Ui;

/// What a command works with.
#[derive(Debug)]
pub struct Context {
    /// The process's environment.
    pub environment: Environment,
    /// Where things are.
    pub paths: Paths,
    /// What holds for this run.
    pub settings: Settings,
    /// The copy that is meant.
    pub instance: InstanceName,
    /// Whether the network must not be used.
    pub offline: bool,
    /// The user.
    pub ui: Ui,
    /// The engine, once it was asked for.
    pub found: OnceLock<(Docker, Choice)>,
    /// The folder of docker's `config.json`, once it was looked at.
    pub docker_config: OnceLock<Option<PathBuf>>,
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
}

impl OpenPlatform {
    /// What a container is, where it is defined.
    pub fn kind(&self, name: &ContainerName) -> Option<ContainerKind> {
        let found = self.containers.iter().find(|it| it.name == *name)?;
        Some(found.kind)
    }
}

impl Context {
    /// The present.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// The user's own folder; empty where there is none.
    pub fn home(&self) -> &Path {
        self.environment.home.as_deref().unwrap_or(Path::new(""))
    }

    /// What was fetched before.
    pub fn cache(&self) -> Cache {
        Cache::new(&self.paths)
    }

    /// The registries, or the mirrors that are set for them, unless offline.
    pub fn registry(&self) -> Option<Registry> {
        self.registry_through(&self.settings.registry_mirrors.value)
    }

    /// The registries themselves, unless offline: for whoever publishes there.
    pub fn registry_itself(&self) -> Option<Registry> {
        self.registry_through(&Mirrors::default())
    }

    fn registry_through(&self, mirrors: &Mirrors) -> Option<Registry> {
        (!self.offline).then(|| {
            Registry::new(Options {
                mirrors: mirrors.clone(),
                docker_config: self.docker_config(),
                ca_file: self.settings.extra_ca.value.clone(),
                proxies: self.proxies(),
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
        let choice = match self.settings.git.value {
            settings::Git::Auto => GitChoice::Auto,
            settings::Git::Program => GitChoice::Program,
            settings::Git::BuiltIn => GitChoice::BuiltIn,
        };
        Git::new(
            choice,
            environment,
            Duration::from_secs(60),
            self.settings.definitions_signers.value.clone(),
        )
    }

    /// The engine and why it is that one. Only where nothing names one and the default does not answer
    /// are others looked for, which is said.
    pub fn engine(&self) -> Result<(Docker, Choice)> {
        if let Some(found) = self.found.get() {
            return Ok(found.clone());
        }
        self.docker_config();
        let get = |name: &str| self.environment.get(name).map(ToOwned::to_owned);
        let environment = EngineEnvironment {
            host_argument: self.settings.host.value.clone(),
            host_file: match &self.settings.host.origin {
                settings::Origin::File(file) => Some(file.clone()),
                _ => None,
            },
            docker_host: get("DOCKER_HOST"),
            docker_context: get("DOCKER_CONTEXT"),
            docker_config: get("DOCKER_CONFIG").map(Into::into),
            docker_tls: get("DOCKER_TLS"),
            docker_tls_verify: get("DOCKER_TLS_VERIFY"),
            docker_cert_path: get("DOCKER_CERT_PATH").map(Into::into),
            home: self.environment.home.clone(),
            ssh_folder: Some(self.paths.ssh()),
        };
        let choice = find(&environment, &get, || self.places())?;
        if let ChosenBy::Probed(_) = choice.chosen_by {
            let (at, why) = (&choice.endpoint, &choice.chosen_by);
            self.ui
                .note(&format!("using the engine at {at}, found by {why}"));
        }
        let ui = self.ui.clone();
        let patience =
            Patience::telling(move |at| ui.note(&format!("waiting for the engine at {at}")));
        let found = (Docker::patient(&choice.endpoint, patience)?, choice);
        Ok(self.found.get_or_init(|| found).clone())
    }

    /// The platforms that were initialised here.
    pub fn platforms(&self) -> Result<Vec<PlatformName>> {
        let folder = self.paths.platforms();
        let entries = match std::fs::read_dir(&folder) {
            Ok(entries) => entries,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
            Err(error) => return Err(error).at(Kind::Usage, "read", &folder),
        };
        let mut names: Vec<PlatformName> = entries
            .filter_map(|entry| PlatformName::new(entry.ok()?.file_name().into_string().ok()?).ok())
            .filter(|name| {
                self.paths.definitions(name).is_dir() && self.paths.trust(name).is_file()
            })
            .collect();
        names.sort();
        Ok(names)
    }

    /// The clone of a platform's definitions.
    pub fn definitions(&self, name: &PlatformName) -> Result<Definitions> {
        let path = self.paths.definitions(name);
        Definitions::open(&path, &self.git_to(Remote::Clone(&path))?)
    }

    /// The platform that is meant: named, or the only one.
    pub fn platform_name(&self) -> Result<PlatformName> {
        let known = self.platforms()?;
        if let Some(name) = &self.settings.platform.value {
            if known.contains(name) {
                return Ok(name.clone());
            }
            return Err(
                Error::usage(format!("the platform `{name}` is not initialised here"))
                    .hint("`devenv init URL` clones its definitions"),
            );
        }
        match known.as_slice() {
            [only] => Ok(only.clone()),
            [] => Err(Error::usage("no platform is initialised here").hint(
                "`devenv init URL` clones the definitions of one; ask a colleague for the URL",
            )),
            several => {
                let names: Vec<_> = several.iter().map(PlatformName::as_str).collect();
                Err(Error::usage(format!(
                    "several platforms are initialised here: {}",
                    names.join(", ")
                ))
                .hint("name one with `--platform` or in settings.yaml"))
            }
        }
    }

    /// Opens the platform that is meant.
    pub fn open(&self) -> Result<OpenPlatform> {
        self.open_named(&self.platform_name()?)
    }

    /// Opens a platform that was initialised here.
    pub fn open_named(&self, name: &PlatformName) -> Result<OpenPlatform> {
        let trust = self.trust(name)?;
        let known = Known::of(&self.paths.definitions(name), &self.git())?;
        let platform = Platform::parse("platform.yaml", known.platform.as_bytes())?;
        if platform.platform != *name {
            return Err(Error::definitions(format!(
                "the definitions of `{name}` now call themselves `{}`",
                platform.platform
            )));
        }
        Ok(OpenPlatform {
            name: name.clone(),
            trust,
            commit: known.commit,
            containers: known.containers,
            platform,
        })
    }

    /// The lock of the instance that is meant; says so when another command holds it.
    pub async fn lock(&self, platform: &PlatformName) -> Result<Lock> {
        let waiting = || {
            self.ui
                .note("waiting for another devenv command on this instance");
        };
        Lock::take(&self.paths, platform, &self.instance, waiting).await
    }

    /// The pinned trust file of a platform.
    pub fn trust(&self, platform: &PlatformName) -> Result<TrustFile> {
        let path = self.paths.trust(platform);
        let text = std::fs::read(&path).at(Kind::Trust, "read", &path)?;
        let trust = TrustFile::parse(&path.display().to_string(), &text)?;
        if trust.platform != *platform {
            return Err(Error::trust(format!(
                "{} is about the platform `{}`",
                path.display(),
                trust.platform
            )));
        }
        Ok(trust)
    }
}
