//! Every path that devenv reads or writes, in one place.

use std::path::{Path, PathBuf};

use crate::error::{Error, Kind, PathContext, Result};
use crate::home::environment::Environment;
use crate::model::digest::Digest;
use crate::model::identity::Identity;
use crate::model::name::{ContainerName, EnvironmentName, FileName, InstanceName, PlatformName};

/// Where systems keep the certificate authorities that they trust, as one PEM file: Debian, Fedora,
/// SUSE, and Alpine or macOS.
pub const AUTHORITIES: [&str; 4] = [
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
];

/// The four folders, and what is where in them.
#[derive(Debug, Clone)]
pub struct Paths {
    config: PathBuf,
    data: PathBuf,
    cache: PathBuf,
    state: PathBuf,
    home: Option<PathBuf>,
}

impl Paths {
    /// Below `DEVENV_HOME` where it is set, else where this system keeps such things.
    pub fn locate(environment: &Environment) -> Result<Self> {
        if let Some(home) = &environment.devenv_home {
            // The forwarder leaves the folder that it was started in.
            let home = std::path::absolute(home).at(Kind::Usage, "find", home)?;
            return Ok(Self {
                config: home.join("config"),
                data: home.join("data"),
                cache: home.join("cache"),
                state: home.join("state"),
                home: Some(home),
            });
        }
        let folders = directories::ProjectDirs::from("", "", "devenv").ok_or_else(|| {
            Error::usage("the home folder is unknown").hint("set HOME or DEVENV_HOME")
        })?;
        Ok(Self {
            config: folders.config_dir().to_owned(),
            data: folders.data_dir().to_owned(),
            cache: folders.cache_dir().to_owned(),
            state: folders
                .state_dir()
                .unwrap_or_else(|| folders.data_local_dir())
                .join("state"),
            home: None,
        })
    }

    /// A server's, which are the machine's: below `DEVENV_HOME` where it is set, else in `/etc` and `/var`.
    pub fn of_machine(environment: &Environment) -> Result<Self> {
        if environment.devenv_home.is_some() {
            return Self::locate(environment);
        }
        let state = PathBuf::from("/var/lib/devenv");
        Ok(Self {
            config: "/etc/devenv".into(),
            data: state.clone(),
            cache: "/var/cache/devenv".into(),
            state,
            home: None,
        })
    }

    /// What makes this machine a server.
    pub fn server(&self) -> PathBuf {
        self.config.join("server.yaml")
    }

    /// What a server signs its records with.
    pub fn server_key(&self) -> PathBuf {
        self.config.join("server.key")
    }

    /// A server's journal.
    pub fn server_journal(&self) -> PathBuf {
        self.state.join("server").join("journal.json")
    }

    /// Held while a command works on the server.
    pub fn server_lock(&self) -> PathBuf {
        self.state.join("server").join("journal.lock")
    }

    /// Held by a rollback while it waits for that lock.
    pub fn server_rollback_lock(&self) -> PathBuf {
        self.state.join("server").join("rollback.lock")
    }

    /// What happened on the server, as JSON lines.
    pub fn server_events(&self) -> PathBuf {
        match &self.home {
            Some(home) => home.join("log").join("events.jsonl"),
            None => "/var/log/devenv/events.jsonl".into(),
        }
    }

    /// Where a server's units of systemd are.
    pub fn units(&self) -> PathBuf {
        match &self.home {
            Some(_) => self.config.join("systemd"),
            None => "/etc/systemd/system".into(),
        }
    }

    /// What the server's checks found before, to be told once it is not a passing moment.
    pub fn server_seen(&self) -> PathBuf {
        self.state.join("server").join("seen.json")
    }

    /// A path and those above it, up to the folder that is devenv's own: `DEVENV_HOME`, or the
    /// folder of configuration, data, cache or state.
    pub fn up_to_own<'a>(&'a self, path: &'a Path) -> impl Iterator<Item = &'a Path> {
        let own = [&self.config, &self.data, &self.cache, &self.state];
        let own = self.home.iter().chain(own);
        let within = move |it: &&Path| own.clone().any(|own| it.starts_with(own));
        path.ancestors().take_while(within)
    }

    /// The user's settings.
    pub fn settings(&self) -> PathBuf {
        self.config.join("settings.yaml")
    }

    /// The user's own host profiles.
    pub fn profiles(&self) -> PathBuf {
        self.config.join("profiles")
    }

    /// What is known of the host of an engine.
    pub fn host(&self, key: &str) -> PathBuf {
        self.state.join("hosts").join(format!("{key}.json"))
    }

    /// The pinned trust file of a platform.
    pub fn trust(&self, platform: &PlatformName) -> PathBuf {
        self.config.join("trust").join(format!("{platform}.yaml"))
    }

    /// The folder of pinned trust files: one for each platform that was initialised.
    pub fn trust_folder(&self) -> PathBuf {
        self.config.join("trust")
    }

    /// The values of secret variables, by configuration.
    pub fn secrets(&self, platform: &PlatformName) -> PathBuf {
        self.config.join("secrets").join(format!("{platform}.yaml"))
    }

    /// The user's own changes to how containers run.
    pub fn overrides(&self, platform: &PlatformName) -> PathBuf {
        self.config
            .join("overrides")
            .join(format!("{platform}.yaml"))
    }

    /// The bare clone of a platform's definitions.
    pub fn definitions(&self, platform: &PlatformName) -> PathBuf {
        self.data
            .join("platforms")
            .join(platform.as_str())
            .join("definitions.git")
    }

    /// The work tree of a proposal.
    pub fn worktree(&self, platform: &PlatformName, container: &ContainerName) -> PathBuf {
        self.worktrees(platform).join(container.as_str())
    }

    /// The folder of the work trees of proposals.
    pub fn worktrees(&self, platform: &PlatformName) -> PathBuf {
        self.data
            .join("platforms")
            .join(platform.as_str())
            .join("proposals")
    }

    /// What is kept of proposals.
    pub fn proposals(&self, platform: &PlatformName) -> PathBuf {
        self.state.join("proposals").join(platform.as_str())
    }

    /// What is kept of one proposal.
    pub fn proposal(&self, platform: &PlatformName, container: &ContainerName) -> PathBuf {
        self.proposals(platform).join(format!("{container}.json"))
    }

    /// Held while that is read and written.
    pub fn proposal_lock(&self, platform: &PlatformName, container: &ContainerName) -> PathBuf {
        self.proposals(platform).join(format!("{container}.lock"))
    }

    /// Where an editor writes the words of a proposal.
    pub fn proposal_words(&self, platform: &PlatformName, container: &ContainerName) -> PathBuf {
        self.proposals(platform).join(format!("{container}.md"))
    }

    /// Requests as text and patch files, where the server knows none.
    pub fn requests(&self, platform: &PlatformName, container: &ContainerName) -> PathBuf {
        self.data
            .join("platforms")
            .join(platform.as_str())
            .join("requests")
            .join(container.as_str())
    }

    /// The folder of platforms.
    pub fn platforms(&self) -> PathBuf {
        self.data.join("platforms")
    }

    /// Content that the registry gave, by digest.
    pub fn content(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.contents().join(&hex[..2]).join(hex)
    }

    /// The folder of [`Self::content`], in folders by the digest's first two digits.
    pub fn contents(&self) -> PathBuf {
        self.cache.join("content")
    }

    /// An artifact that production received, for local builds.
    pub fn artifact(&self, digest: &Digest, name: &FileName) -> PathBuf {
        self.cache
            .join("artifacts")
            .join(digest.hex())
            .join(name.as_str())
    }

    /// What was seen beside content: unverified hints, by kind and key.
    pub fn hint(&self, kind: &str, key: &str) -> PathBuf {
        self.cache.join(kind).join(format!("{key}.json"))
    }

    /// The system's certificate authorities with one more, for git.
    pub fn authorities(&self, digest: &Digest) -> PathBuf {
        let name = format!("{}.pem", &digest.hex()[..16]);
        self.cache.join("authorities").join(name)
    }

    /// The cache folder.
    pub fn cache(&self) -> &Path {
        &self.cache
    }

    /// The folder of what was seen and done.
    pub fn state(&self) -> &Path {
        &self.state
    }

    /// The sockets of shared ssh connections; short, for a socket's path may not be long.
    pub fn ssh(&self) -> PathBuf {
        self.state.join("ssh")
    }

    /// This home's identity on engines.
    pub fn owner(&self) -> PathBuf {
        self.state.join("owner.json")
    }

    /// Records of a platform's instances.
    pub fn instances(&self, platform: &PlatformName) -> PathBuf {
        self.state.join("instances").join(platform.as_str())
    }

    /// The record of one instance.
    pub fn instance(&self, platform: &PlatformName, instance: &InstanceName) -> PathBuf {
        self.instances(platform).join(format!("{instance}.json"))
    }

    /// What the engine was told about an instance's containers and is not known to have done.
    pub fn unfinished(&self, identity: &Identity) -> PathBuf {
        let name = format!("{}.unfinished", identity.instance);
        self.instances(&identity.platform).join(name)
    }

    /// What is remembered of the data of an instance.
    pub fn instance_data(&self, platform: &PlatformName, instance: &InstanceName) -> PathBuf {
        self.instances(platform).join(format!("{instance}.data"))
    }

    /// Snapshots of a platform's data: manifests, and the chunks that they share.
    pub fn snapshots(&self, platform: &PlatformName) -> PathBuf {
        self.data.join("snapshots").join(platform.as_str())
    }

    /// What capsules held that were opened here: a folder for the instance of each.
    pub fn capsules(&self, platform: &PlatformName) -> PathBuf {
        self.data.join("capsules").join(platform.as_str())
    }

    /// The search for a change that goes on in an instance.
    pub fn bisection(&self, platform: &PlatformName, instance: &InstanceName) -> PathBuf {
        self.bisections(platform).join(format!("{instance}.json"))
    }

    fn bisections(&self, platform: &PlatformName) -> PathBuf {
        self.state.join("bisections").join(platform.as_str())
    }

    /// The engine of the record that the platform's containers were last compared with.
    pub fn compared(&self, platform: &PlatformName) -> PathBuf {
        self.state.join("compared").join(format!("{platform}.json"))
    }

    /// The instances that a replay made beside this one.
    pub fn replay(&self, platform: &PlatformName, instance: &InstanceName) -> PathBuf {
        self.replays(platform).join(format!("{instance}.json"))
    }

    fn replays(&self, platform: &PlatformName) -> PathBuf {
        self.state.join("replays").join(platform.as_str())
    }

    /// What workstations run by default, as it was when the platform was first used here.
    pub fn workstation(&self, platform: &PlatformName) -> PathBuf {
        self.state.join("defaults").join(format!("{platform}.json"))
    }

    /// The lock of one instance.
    pub fn lock(&self, platform: &PlatformName, instance: &InstanceName) -> PathBuf {
        self.instances(platform).join(format!("{instance}.lock"))
    }

    /// The highest ledger seen of an environment.
    pub fn ledger_seen(&self, platform: &PlatformName, environment: &EnvironmentName) -> PathBuf {
        self.ledgers(platform).join(format!("{environment}.json"))
    }

    fn ledgers(&self, platform: &PlatformName) -> PathBuf {
        self.state.join("ledgers").join(platform.as_str())
    }

    /// Everything that is about one platform alone, and what it is, in the order in which it goes.
    pub fn of_platform(&self, platform: &PlatformName) -> [(&'static str, PathBuf); 15] {
        let clone = self.data.join("platforms").join(platform.as_str());
        [
            ("definitions and work trees of proposals", clone),
            ("snapshots of data", self.snapshots(platform)),
            ("what capsules held", self.capsules(platform)),
            ("what is kept of proposals", self.proposals(platform)),
            ("what instances remember", self.instances(platform)),
            ("searches of `bisect`", self.bisections(platform)),
            ("the engine of the last record", self.compared(platform)),
            ("instances of `replay`", self.replays(platform)),
            ("forwarders", self.forwarders(platform)),
            ("releases in progress", self.releases(platform)),
            ("the highest ledgers seen", self.ledgers(platform)),
            ("defaults of workstations", self.workstation(platform)),
            ("overrides", self.overrides(platform)),
            ("secrets", self.secrets(platform)),
            ("pinned keys", self.trust(platform)),
        ]
    }

    /// What forwarders of a platform's instances are told, and tell.
    pub fn forwarders(&self, platform: &PlatformName) -> PathBuf {
        self.state.join("forwarders").join(platform.as_str())
    }

    /// Images as folders while something looks at them; what is in it can go at any time.
    pub fn scratch(&self) -> PathBuf {
        self.cache().join("images")
    }

    /// What releases in progress remember.
    pub fn releases(&self, platform: &PlatformName) -> PathBuf {
        self.state.join("releases").join(platform.as_str())
    }
}
