//! What an engine was seen to hold. Pure data, filled by `engine`, read by `plan`.

use std::collections::BTreeMap;
use std::net::IpAddr;

use super::create_body::HealthcheckBody;
use super::digest::Digest;
use super::image_configuration::ImageDefaults;

/// A container as a list call shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedContainer {
    /// The engine's Id.
    pub id: String,
    /// Its name on the engine, without the slash.
    pub object: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
    /// The Id of its image.
    pub image: Option<Digest>,
    /// Life-cycle state.
    pub state: ContainerState,
    /// Result of the engine's check, where there is one.
    pub health: Option<Health>,
    /// Ports published on the host.
    pub ports: Vec<PublishedPort>,
    /// Networks it is attached to: name → endpoint.
    pub networks: BTreeMap<String, Endpoint>,
    /// What it mounts: the engine's volume name, or the path of a folder of its host → path.
    pub volumes: BTreeMap<String, String>,
    /// Seconds since 1970 of its creation.
    pub created: i64,
    /// The engine's own words: `Up 3 minutes (healthy)`.
    pub status: String,
}

/// Life-cycle state of a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerState {
    /// Never started.
    Created,
    /// Running.
    Running,
    /// Frozen.
    Paused,
    /// Between two runs.
    Restarting,
    /// Going away.
    Removing,
    /// Ended with this code, as far as it is known.
    Exited(Option<i64>),
    /// Half removed.
    Dead,
}

impl ContainerState {
    /// Whether it runs, is frozen, or is about to run again: it is to be stopped before it is removed.
    pub fn is_alive(self) -> bool {
        matches!(self, Self::Running | Self::Paused | Self::Restarting)
    }

    /// The word that `status` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Removing => "removing",
            Self::Exited(_) => "exited",
            Self::Dead => "dead",
        }
    }
}

/// Result of a health check.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Health {
    /// Not decided yet.
    Starting,
    /// Passing.
    Healthy,
    /// Failing.
    Unhealthy,
}

impl Health {
    /// The word that `status` shows.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Healthy => "healthy",
            Self::Unhealthy => "unhealthy",
        }
    }
}

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishedPort {
    /// Inside.
    pub container: u16,
    /// On the host.
    pub host: u16,
    /// The host's address.
    pub address: IpAddr,
}

/// A container's place in a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// The network's Id.
    pub network: String,
    /// Address inside, when running.
    pub address: Option<IpAddr>,
    /// Names; empty in a list, filled by an inspect.
    pub aliases: Vec<String>,
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedNetwork {
    /// The engine's Id.
    pub id: String,
    /// Its name.
    pub name: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedVolume {
    /// Its name.
    pub name: String,
    /// All labels.
    pub labels: BTreeMap<String, String>,
}

/// What only an inspect tells of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerDetails {
    /// The engine's Id.
    pub id: String,
    /// The Id of its image.
    pub image: Option<Digest>,
    /// Life-cycle state.
    pub state: ContainerState,
    /// Result of the engine's check.
    pub health: Option<Health>,
    /// The check, as it was created with or as its image brings it.
    pub check: Option<HealthcheckBody>,
    /// The last probes, oldest first.
    pub probes: Vec<Probe>,
    /// Whether the kernel killed it for memory.
    pub out_of_memory: bool,
    /// The engine's words on why it could not start.
    pub error: String,
    /// Memory limit in bytes; 0 is none.
    pub memory: u64,
    /// What it mounts: the engine's volume name, or the path of a folder of its host → path.
    pub volumes: BTreeMap<String, String>,
    /// Networks with aliases.
    pub networks: BTreeMap<String, Endpoint>,
    /// RFC 3339, empty when it never ran.
    pub started: String,
    /// Its first process, as the engine's host counts; `None` where it does not run.
    pub process: Option<u32>,
    /// How often the engine has started it again by itself.
    pub restarts: u64,
}

impl ContainerDetails {
    /// A pause leaves `unhealthy` behind, whatever the last probe found, and nothing says otherwise until
    /// the engine's next one. Source: moby `container/health.go`, `CloseMonitorChannel`.
    pub fn is_left_by_a_pause(&self) -> bool {
        let last = self.probes.last();
        self.health == Some(Health::Unhealthy) && last.is_none_or(|it| it.exit_code == 0)
    }
}

/// One run of a health check.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Probe {
    /// RFC 3339.
    pub at: String,
    /// 0 is a pass.
    pub exit_code: i64,
    /// What it printed, cut by the engine at 4 KiB.
    pub output: String,
}

/// An image on the engine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObservedImage {
    /// Config digest on the classic store, manifest or index digest on the containerd one.
    pub id: Digest,
    /// `amd64`, `arm64`, …
    pub architecture: String,
    /// `linux`
    pub os: String,
    /// Bytes.
    pub size: u64,
    /// Tags, which prove nothing.
    pub tags: Vec<String>,
    /// Digests of the uncompressed layers, lowest first.
    pub layers: Vec<Digest>,
    /// Labels of its configuration.
    pub labels: BTreeMap<String, String>,
    /// What it says about running it; the engine's word.
    pub defaults: ImageDefaults,
}

/// A change that the engine reported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerEvent {
    /// The container's Id.
    pub id: String,
    /// What happened.
    pub change: ContainerChange,
}

/// What happened to a container.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ContainerChange {
    /// It runs.
    Started,
    /// It ended with this code.
    Died(i64),
    /// The kernel killed a process of it for memory.
    OutOfMemory,
    /// The engine's check changed its mind.
    Health(Health),
    /// It was removed.
    Removed,
    /// Anything else.
    Other,
}
