//! What an instance is doing, as `status` shows it and `--json` prints it.

use std::collections::BTreeSet;
use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;

use crate::converge::desired::secret_files;
use crate::converge::plan::Observed;
use crate::home::state::{InstanceRecord, LogMirror, ReferenceRecord};
use crate::instance::pin::{Pin, VersionPin};
use crate::model::container::Kind;
use crate::model::digest::Digest;
use crate::model::host_profile::Host;
use crate::model::identity;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, Health, ObservedContainer};
use crate::model::reference::Reference;
use crate::model::urls;

/// An instance at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct Status {
    /// The platform.
    pub platform: String,
    /// The copy.
    pub instance: String,
    /// Whose versions it runs.
    pub environment: Option<String>,
    /// Which settings its images use.
    pub configuration: Option<String>,
    /// The reference it runs.
    pub reference: Option<ReferenceRecord>,
    /// What it is pinned to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pinned: Option<Pin>,
    /// Containers on versions of their own.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mixed: Vec<VersionPin>,
    /// The engine.
    pub engine: EngineStatus,
    /// The folder of this machine that has its log files, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub logs_to: Option<LogFolder>,
    /// Its containers, by name.
    pub containers: Vec<ContainerStatus>,
}

/// A folder of this machine that has log files, one folder a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct LogFolder {
    /// Where.
    pub folder: PathBuf,
    /// Whether containers write there; else the files are copied.
    pub shared: bool,
}

impl From<&LogMirror> for LogFolder {
    fn from(mirror: &LogMirror) -> Self {
        Self {
            folder: mirror.folder.clone(),
            shared: mirror.engine.is_some(),
        }
    }
}

impl fmt::Display for LogFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let folder = self.folder.display();
        if self.shared {
            return write!(f, "log files go to {folder}");
        }
        write!(
            f,
            "log files are copied to {folder} at each `up`, `down` and `logs`: the engine does not see it"
        )
    }
}

/// The engine.
#[derive(Debug, Clone, Serialize)]
pub struct EngineStatus {
    /// Which kind of host.
    pub profile: String,
    /// The engine's version.
    pub version: String,
    /// The process that brings its ports to this machine, where one does.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub forwarder: Option<ForwarderStatus>,
}

/// The process that brings ports to this machine.
#[derive(Debug, Clone, Serialize)]
pub struct ForwarderStatus {
    /// Its id; `None`: it ended, and the ports do not get here.
    pub pid: Option<u32>,
    /// The ports that it carries, the same here and there.
    pub ports: BTreeSet<u16>,
    /// The ports that it could not have here: they lead nowhere.
    pub failed: Vec<FailedPort>,
    /// The address there.
    pub to: IpAddr,
    /// The host that ssh leads to, where it goes through ssh.
    pub through: Option<String>,
}

/// A port of this machine that the forwarder could not have.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct FailedPort {
    /// Its number.
    pub port: u16,
    /// Why not.
    pub why: String,
}

/// One container at one moment.
#[derive(Debug, Clone, Serialize)]
pub struct ContainerStatus {
    /// Its name in the platform.
    pub name: String,
    /// The container that it is a copy of: itself, where it is none.
    #[serde(skip)]
    pub of: String,
    /// `app`, `proxy` or `service`; empty where the reference is not known.
    pub kind: &'static str,
    /// `reference`, `pinned` or `local`.
    pub source: String,
    /// The version that runs.
    pub version: String,
    /// The signed digest that runs.
    pub digest: Option<Digest>,
    /// `running`, `paused`, `created`, `restarting`, `exited`, `removing`, `dead`.
    pub state: &'static str,
    /// The exit code, where it exited.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub exit_code: Option<i64>,
    /// `healthy`, `unhealthy`, `starting`, or nothing.
    pub health: Option<&'static str>,
    /// The keys of the user's own changes that it was made with.
    pub overrides: Vec<String>,
    /// Where its routes are reached.
    pub urls: Vec<String>,
    /// Published ports.
    pub ports: Vec<PortStatus>,
    /// Named volumes.
    pub volumes: Vec<VolumeStatus>,
}

/// A published port.
#[derive(Debug, Clone, Serialize)]
pub struct PortStatus {
    /// Inside.
    pub container: u16,
    /// On the host.
    pub host: u16,
    /// The host's address.
    pub address: IpAddr,
}

/// A volume at a path.
#[derive(Debug, Clone, Serialize)]
pub struct VolumeStatus {
    /// Its name in the definition.
    pub name: String,
    /// Where it is mounted.
    pub path: String,
}

impl ContainerStatus {
    /// What is to be said of a container that does not run as production's does.
    pub fn overridden(&self) -> Option<String> {
        let keys = self.overrides.join(", ");
        let name = &self.name;
        (!keys.is_empty()).then(|| format!("{name} runs with your overrides: {keys}"))
    }
}

/// Puts together what was observed, remembered and released.
pub fn status(
    identity: &identity::Identity,
    (host, engine): (&Host, EngineStatus),
    record: Option<&InstanceRecord>,
    reference: Option<&Reference>,
    observed: &Observed,
) -> Status {
    let port = reference.zip(record).and_then(|(reference, record)| {
        let runs = observed.containers.contains_key(&reference.proxy);
        runs.then(|| record.remembered().proxy(reference))?
    });
    let containers = observed
        .containers
        .iter()
        .filter_map(|(name, all)| {
            let object = identity.object(name);
            all.iter()
                .find(|it| it.object == object)
                .or(all.first())
                .map(|it| container(name, it, reference, port, host))
        })
        .collect();
    Status {
        platform: identity.platform.to_string(),
        instance: identity.instance.to_string(),
        environment: record.map(|record| record.environment.to_string()),
        configuration: record.map(|record| record.configuration.to_string()),
        reference: record.map(|record| record.reference),
        pinned: None,
        mixed: record
            .zip(reference)
            .map(|(record, reference)| VersionPin::all(record, reference))
            .unwrap_or_default(),
        engine,
        logs_to: record.and_then(|record| record.logs_to.as_ref().map(LogFolder::from)),
        containers,
    }
}

fn container(
    name: &ContainerName,
    observed: &ObservedContainer,
    reference: Option<&Reference>,
    port: Option<u16>,
    host: &Host,
) -> ContainerStatus {
    let label = |key: &str| observed.labels.get(key).cloned().unwrap_or_default();
    let kind = reference
        .and_then(|it| it.containers.get(name))
        .map(|it| it.run.kind);
    let version = match kind {
        Some(Kind::Proxy) => reference
            .map(|it| it.number.to_string())
            .unwrap_or_default(),
        _ => label(identity::VERSION),
    };
    let prefix = format!("{}.", observed.object);
    let secrets = observed.labels.get(identity::SECRET_FILES);
    let secrets = secret_files::places(secrets.map(String::as_str));
    let folders = secrets.values().filter_map(|file| file.rsplit_once('/'));
    let in_memory: BTreeSet<&str> = folders.map(|(folder, _)| folder).collect();
    let mut ports: Vec<PortStatus> = observed
        .ports
        .iter()
        .map(|it| PortStatus {
            container: it.container,
            host: it.host,
            address: it.address,
        })
        .collect();
    ports.sort_by_key(|it| (it.container, it.host));
    ContainerStatus {
        name: name.to_string(),
        of: reference.map_or(name, |it| it.origin(name)).to_string(),
        kind: kind.map_or("", Kind::as_str),
        source: label(identity::SOURCE),
        version,
        digest: label(identity::DIGEST).parse().ok(),
        state: observed.state.as_str(),
        exit_code: match observed.state {
            ContainerState::Exited(code) => code,
            _ => None,
        },
        health: observed
            .health
            .filter(|_| observed.state == ContainerState::Running)
            .map(Health::as_str),
        overrides: label(identity::OVERRIDES)
            .split_terminator(',')
            .map(ToOwned::to_owned)
            .collect(),
        urls: reference
            .map(|it| urls::urls(it, name, port, host))
            .unwrap_or_default(),
        ports,
        volumes: observed
            .volumes
            .iter()
            .filter(|(_, path)| !in_memory.contains(path.as_str()))
            .map(|(volume, path)| VolumeStatus {
                name: volume.strip_prefix(&prefix).unwrap_or(volume).to_owned(),
                path: path.clone(),
            })
            .collect(),
    }
}
