//! What the fake engine holds, and how its objects behave.

mod lives;
mod networks;
mod shown;
pub use lives::code;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use devenv::engine::{Fault, FaultKind, Labels, SecretFile};
use devenv::model::create_body::CreateBody;
use devenv::model::digest::Digest;
use devenv::model::observed::{
    ContainerChange, ContainerDetails, ContainerEvent, ContainerState, Endpoint, Health,
    ObservedContainer, ObservedImage, ObservedNetwork, ObservedVolume, Probe, PublishedPort,
};
use devenv::model::secret::Secret;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

/// What a container does after each start.
#[derive(Debug, Clone, Default)]
pub struct Play {
    /// The engine's check decides after this long.
    pub health: Option<(Duration, Health)>,
    /// It ends by itself.
    pub exit: Option<(Duration, i64)>,
    /// It is killed for memory.
    pub out_of_memory: Option<Duration>,
}

/// What happens to a running container.
#[derive(Debug, Clone, Copy)]
pub enum Motion {
    Health(Health),
    Exit(i64),
    OutOfMemory,
}

/// A container of the fake's.
#[derive(Debug, Clone)]
pub struct FakeContainer {
    pub id: String,
    pub object: String,
    pub body: CreateBody,
    pub secrets: Vec<(String, Secret)>,
    pub image: Digest,
    pub state: ContainerState,
    pub health: Option<Health>,
    pub probes: Vec<Probe>,
    pub out_of_memory: bool,
    pub networks: BTreeMap<String, Endpoint>,
    /// Networks named by the body and not looked up before the first start.
    pub pending: Vec<(String, Vec<String>)>,
    pub created: i64,
    pub starts: u64,
    /// Whether it is started again by itself.
    pub restarts: bool,
    /// What was unpacked into it: whether each path is a file.
    pub unpacked: BTreeMap<String, bool>,
}

/// One who listens to events.
pub struct Subscriber {
    label: String,
    sender: UnboundedSender<ContainerEvent>,
}

/// The objects.
#[derive(Default)]
pub struct State {
    pub containers: Vec<FakeContainer>,
    pub networks: Vec<ObservedNetwork>,
    pub volumes: Vec<ObservedVolume>,
    pub images: Vec<ObservedImage>,
    /// By `repository@digest`.
    pub registry: HashMap<String, ObservedImage>,
    pub plays: HashMap<String, Play>,
    pub taken: BTreeSet<u16>,
    /// What containers have in memory, by Id, until they end.
    pub files: HashMap<String, Vec<SecretFile>>,
    /// Files in volumes, by the volume's name.
    pub kept: HashMap<String, BTreeSet<String>>,
    pub subscribers: Vec<Subscriber>,
    past: Vec<(i64, BTreeMap<String, String>, ContainerEvent)>,
    made: u64,
}

fn fault(kind: FaultKind, text: impl Into<String>) -> Fault {
    Fault::new(kind, text)
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    i64::try_from(since.unwrap().as_secs()).unwrap()
}

fn carries(labels: &BTreeMap<String, String>, label: &str) -> bool {
    let (name, value) = label.split_once('=').unwrap_or((label, ""));
    labels
        .get(name)
        .is_some_and(|found| value.is_empty() || found == value)
}

impl State {
    /// By name, Id or the Id's beginning.
    pub fn find(&self, container: &str) -> Result<&FakeContainer, Fault> {
        self.containers
            .iter()
            .find(|found| found.object == container || found.id.starts_with(container))
            .ok_or_else(|| {
                fault(
                    FaultKind::NotFound,
                    format!("No such container: {container}"),
                )
            })
    }

    fn place(&self, container: &str) -> Result<usize, Fault> {
        let id = self.find(container)?.id.clone();
        Ok(self.containers.iter().position(|c| c.id == id).unwrap())
    }

    fn new_id(&mut self, kind: &str) -> String {
        self.made += 1;
        Digest::of(format!("{kind} {}", self.made).as_bytes()).hex()
    }

    pub fn containers_by(&self, label: &str) -> Vec<ObservedContainer> {
        let all = self.containers.iter().map(FakeContainer::listed);
        all.filter(|container| carries(&container.labels, label))
            .collect()
    }

    pub fn image(&self, id: &Digest) -> Option<ObservedImage> {
        self.images.iter().find(|image| image.id == *id).cloned()
    }

    pub fn pull(&mut self, reference: &str) -> Result<u64, Fault> {
        let image = self
            .registry
            .get(reference)
            .cloned()
            .ok_or_else(|| fault(FaultKind::Internal, format!("cannot pull {reference}")))?;
        let size = image.size;
        if self.image(&image.id).is_none() {
            self.images.push(image);
        }
        Ok(size)
    }

    pub fn tag(&mut self, id: &Digest, name: &str) -> Result<(), Fault> {
        if self.image(id).is_none() {
            return Err(fault(FaultKind::NotFound, format!("No such image: {id}")));
        }
        for image in &mut self.images {
            image.tags.retain(|tag| tag != name);
            if image.id == *id {
                image.tags.push(name.to_owned());
            }
        }
        Ok(())
    }

    pub fn create(
        &mut self,
        object: &str,
        body: &CreateBody,
        secrets: &[(String, Secret)],
    ) -> Result<String, Fault> {
        if self.containers.iter().any(|other| other.object == object) {
            let text = format!("the container name /{object} is already in use");
            return Err(fault(FaultKind::Conflict, text));
        }
        let known = |image: &&ObservedImage| {
            image.id.to_string() == body.image || image.tags.contains(&body.image)
        };
        let image = self.images.iter().find(known).map(|image| image.id);
        let image = image.ok_or_else(|| {
            fault(
                FaultKind::NotFound,
                format!("No such image: {}", body.image),
            )
        })?;
        let mut pending: Vec<(String, Vec<String>)> = body
            .networking_config
            .endpoints_config
            .iter()
            .map(|(network, endpoint)| (self.name_of(network), endpoint.aliases.clone()))
            .collect();
        if pending.len() > 1 {
            let text = "Container cannot be connected to network endpoints";
            return Err(fault(FaultKind::Failed, text));
        }
        let mode = body.host_config.network_mode.clone();
        if pending.is_empty() && !["", "none", "host", "bridge", "default"].contains(&mode.as_str())
        {
            pending.push((self.name_of(&mode), Vec::new()));
        }
        let named = body.host_config.mounts.iter();
        for mount in named.filter(|it| !it.source.is_empty()) {
            self.create_volume(&mount.source, &Labels::new());
        }
        let id = self.new_id("container");
        self.containers.push(FakeContainer {
            id: id.clone(),
            object: object.to_owned(),
            body: body.clone(),
            secrets: secrets.to_vec(),
            image,
            state: ContainerState::Created,
            health: None,
            probes: Vec::new(),
            out_of_memory: false,
            networks: BTreeMap::new(),
            pending,
            created: now(),
            starts: 0,
            restarts: false,
            unpacked: BTreeMap::new(),
        });
        self.tell(&id, ContainerChange::Other);
        Ok(id)
    }

    pub fn subscribe(
        &mut self,
        label: &str,
        since: Option<i64>,
    ) -> UnboundedReceiver<ContainerEvent> {
        let (sender, receiver) = unbounded_channel();
        for (time, labels, event) in &self.past {
            if since.is_some_and(|since| *time >= since) && carries(labels, label) {
                let _ = sender.send(event.clone());
            }
        }
        self.subscribers.push(Subscriber {
            label: label.to_owned(),
            sender,
        });
        receiver
    }

    fn tell(&mut self, id: &str, change: ContainerChange) {
        let Ok(container) = self.find(id) else { return };
        let labels: BTreeMap<String, String> = (container.body.labels.iter())
            .map(|(name, value)| (name.to_string(), value.clone()))
            .collect();
        let event = ContainerEvent {
            id: container.id.clone(),
            change,
        };
        self.subscribers.retain(|subscriber| {
            !carries(&labels, &subscriber.label) || subscriber.sender.send(event.clone()).is_ok()
        });
        self.past.push((now(), labels, event));
    }
}

fn address(place: usize) -> IpAddr {
    let last = u8::try_from(place % 250).unwrap() + 2;
    IpAddr::from([172, 30, 0, last])
}
