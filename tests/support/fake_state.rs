//! What the fake engine holds, and how its objects behave.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::net::IpAddr;
use std::time::{Duration, SystemTime};

use devenv::engine::{Fault, FaultKind, Labels};
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

impl FakeContainer {
    fn is_up(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Paused)
    }

    fn ports(&self) -> Vec<PublishedPort> {
        let bindings = self.body.host_config.port_bindings.iter();
        bindings
            .flat_map(|(port, places)| {
                let container = port.split('/').next().unwrap().parse().unwrap();
                places.iter().map(move |place| PublishedPort {
                    container,
                    host: place.host_port.parse().unwrap(),
                    address: place.host_ip.parse().unwrap(),
                })
            })
            .collect()
    }

    /// As a list shows it.
    pub fn listed(&self) -> ObservedContainer {
        let mut networks = self.networks.clone();
        for endpoint in networks.values_mut() {
            endpoint.aliases.clear();
        }
        for (name, _) in &self.pending {
            let endpoint = Endpoint {
                network: String::new(),
                address: None,
                aliases: Vec::new(),
            };
            networks.insert(name.clone(), endpoint);
        }
        let mounts = self.body.host_config.mounts.iter();
        ObservedContainer {
            id: self.id.clone(),
            object: self.object.clone(),
            labels: (self.body.labels.iter())
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect(),
            image: Some(self.image),
            state: self.state,
            health: self
                .health
                .filter(|_| self.state == ContainerState::Running),
            ports: if self.is_up() {
                self.ports()
            } else {
                Vec::new()
            },
            networks,
            volumes: mounts
                .map(|mount| (mount.source.clone(), mount.target.clone()))
                .collect(),
            created: self.created,
            status: format!("{:?}", self.state),
        }
    }

    /// As an inspect shows it.
    pub fn details(&self) -> ContainerDetails {
        let mut networks = self.networks.clone();
        for (name, aliases) in &self.pending {
            let endpoint = Endpoint {
                network: String::new(),
                address: None,
                aliases: aliases.clone(),
            };
            networks.insert(name.clone(), endpoint);
        }
        ContainerDetails {
            id: self.id.clone(),
            image: Some(self.image),
            state: self.state,
            health: self.health,
            check: self.body.healthcheck.clone(),
            probes: self.probes.clone(),
            out_of_memory: self.out_of_memory,
            error: String::new(),
            memory: self.body.host_config.memory,
            volumes: self.listed().volumes,
            networks,
            started: if self.starts == 0 {
                String::new()
            } else {
                "2026-11-23T09:00:00Z".to_owned()
            },
        }
    }
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

    pub fn networks_by(&self, label: &str) -> Vec<ObservedNetwork> {
        let all = self.networks.iter();
        all.filter(|network| carries(&network.labels, label))
            .cloned()
            .collect()
    }

    pub fn volumes_by(&self, label: &str) -> Vec<ObservedVolume> {
        let all = self.volumes.iter();
        all.filter(|volume| carries(&volume.labels, label))
            .cloned()
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

    pub fn create_network(&mut self, name: &str, labels: &Labels) -> String {
        let id = self.new_id("network");
        self.networks.push(ObservedNetwork {
            id: id.clone(),
            name: name.to_owned(),
            labels: labels.clone(),
        });
        id
    }

    fn network(&self, name_or_id: &str) -> Result<&ObservedNetwork, Fault> {
        if let Some(found) = self.networks.iter().find(|n| n.id == name_or_id) {
            return Ok(found);
        }
        let named: Vec<_> = self
            .networks
            .iter()
            .filter(|network| network.name == name_or_id)
            .collect();
        match named.as_slice() {
            [one] => Ok(one),
            [] => Err(fault(
                FaultKind::NotFound,
                format!("network {name_or_id} not found"),
            )),
            _ => Err(fault(
                FaultKind::Conflict,
                format!("network {name_or_id} is ambiguous"),
            )),
        }
    }

    /// A container that never ran knows its networks by name, whatever it was told.
    fn name_of(&self, network: &str) -> String {
        let mut all = self.networks.iter();
        let found = all.find(|it| it.id == network);
        found.map_or(network, |it| it.name.as_str()).to_owned()
    }

    pub fn remove_network(&mut self, id: &str) -> Result<(), Fault> {
        let network = self.network(id)?.clone();
        let used = self.containers.iter().any(|container| {
            let attached = container.networks.values();
            container.is_up()
                && attached
                    .into_iter()
                    .any(|endpoint| endpoint.network == network.id)
        });
        if used {
            let text = format!("network {} has active endpoints", network.name);
            return Err(fault(FaultKind::Conflict, text));
        }
        self.networks.retain(|other| other.id != network.id);
        Ok(())
    }

    pub fn create_volume(&mut self, name: &str, labels: &Labels) {
        if !self.volumes.iter().any(|volume| volume.name == name) {
            self.volumes.push(ObservedVolume {
                name: name.to_owned(),
                labels: labels.clone(),
            });
        }
    }

    pub fn remove_volume(&mut self, name: &str) -> Result<(), Fault> {
        let mounts = |container: &FakeContainer| {
            let mut mounts = container.body.host_config.mounts.iter();
            mounts.any(|mount| mount.source == name)
        };
        if self.containers.iter().any(mounts) {
            return Err(fault(FaultKind::Conflict, "volume is in use"));
        }
        let before = self.volumes.len();
        self.volumes.retain(|volume| volume.name != name);
        if self.volumes.len() == before {
            return Err(fault(
                FaultKind::NotFound,
                format!("no such volume: {name}"),
            ));
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
        for mount in &body.host_config.mounts {
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
        });
        self.tell(&id, ContainerChange::Other);
        Ok(id)
    }

    pub fn connect(
        &mut self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), Fault> {
        let network = self.network(network)?.clone();
        let place = self.place(container)?;
        let container = &mut self.containers[place];
        if container.is_up() && container.networks.contains_key(&network.name) {
            let text = format!("endpoint already exists in network {}", network.name);
            return Err(fault(FaultKind::Conflict, text));
        }
        let up = container.is_up();
        if container.starts == 0 {
            container.pending.push((network.name, aliases.to_vec()));
            return Ok(());
        }
        let endpoint = Endpoint {
            network: network.id,
            address: up.then(|| address(place)),
            aliases: aliases.to_vec(),
        };
        container.networks.insert(network.name, endpoint);
        Ok(())
    }

    pub fn disconnect(&mut self, network: &str, container: &str) -> Result<(), Fault> {
        let network = self.network(network)?.clone();
        let place = self.place(container)?;
        let container = &mut self.containers[place];
        let before = container.pending.len();
        container.pending.retain(|(name, _)| *name != network.name);
        if container.pending.len() < before {
            return Ok(());
        }
        match container.networks.remove(&network.name) {
            Some(_) => Ok(()),
            None => Err(fault(
                FaultKind::NotFound,
                format!("container is not connected to network {}", network.name),
            )),
        }
    }

    /// The Id when it was started by this.
    pub fn start(&mut self, container: &str) -> Result<Option<String>, Fault> {
        let place = self.place(container)?;
        let wanted = self.containers[place].clone();
        match wanted.state {
            ContainerState::Running => return Ok(None),
            ContainerState::Paused => {
                let text = "cannot start a paused container, try unpause instead";
                return Err(fault(FaultKind::Conflict, text));
            }
            _ => {}
        }
        let mut networks = wanted.networks.clone();
        for (name, aliases) in &wanted.pending {
            let endpoint = Endpoint {
                network: self.network(name)?.id.clone(),
                address: None,
                aliases: aliases.clone(),
            };
            networks.insert(name.clone(), endpoint);
        }
        for endpoint in networks.values() {
            self.network(&endpoint.network)?;
        }
        for port in wanted.ports() {
            let mut others = self.containers.iter().filter(|other| other.is_up());
            let taken = self.taken.contains(&port.host)
                || others.any(|other| other.ports().iter().any(|p| p.host == port.host));
            if taken {
                let text = format!("Bind for {} failed: port is already allocated", port.host);
                return Err(fault(FaultKind::PortTaken, text));
            }
        }
        for endpoint in networks.values_mut() {
            endpoint.address = Some(address(place));
        }
        let checked = wanted.body.healthcheck.is_some()
            || self
                .plays
                .get(&wanted.object)
                .is_some_and(|play| play.health.is_some());
        let container = &mut self.containers[place];
        container.networks = networks;
        container.pending.clear();
        container.state = ContainerState::Running;
        container.health = checked.then_some(Health::Starting);
        container.out_of_memory = false;
        container.starts += 1;
        let id = container.id.clone();
        self.tell(&id, ContainerChange::Started);
        Ok(Some(id))
    }

    /// What a start sets in motion.
    pub fn motions(&self, id: &str) -> Vec<(Duration, Motion)> {
        let Ok(container) = self.find(id) else {
            return Vec::new();
        };
        let play = match self.plays.get(&container.object) {
            Some(play) => play.clone(),
            None => by_body(&container.body),
        };
        let health = play
            .health
            .map(|(after, health)| (after, Motion::Health(health)));
        let exit = play.exit.map(|(after, code)| (after, Motion::Exit(code)));
        let memory = play.out_of_memory.map(|after| (after, Motion::OutOfMemory));
        [health, exit, memory].into_iter().flatten().collect()
    }

    /// Something happens to a running container; to another it does not.
    pub fn happen(&mut self, id: &str, motion: Motion) {
        let Ok(place) = self.place(id) else { return };
        let container = &mut self.containers[place];
        if container.state != ContainerState::Running {
            return;
        }
        match motion {
            Motion::Health(health) => {
                container.health = Some(health);
                let healthy = health == Health::Healthy;
                container.probes.push(Probe {
                    at: "2026-11-23T09:00:01Z".to_owned(),
                    exit_code: i64::from(!healthy),
                    output: if healthy { "ok" } else { "refused" }.to_owned(),
                });
                self.tell(id, ContainerChange::Health(health));
            }
            Motion::Exit(code) => self.end(place, code),
            Motion::OutOfMemory => {
                container.out_of_memory = true;
                self.tell(id, ContainerChange::OutOfMemory);
                self.end(place, 137);
            }
        }
    }

    fn end(&mut self, place: usize, code: i64) {
        let container = &mut self.containers[place];
        container.state = ContainerState::Exited(Some(code));
        for endpoint in container.networks.values_mut() {
            endpoint.address = None;
        }
        if container.health.is_some() {
            container.health = Some(Health::Unhealthy);
        }
        let id = container.id.clone();
        self.tell(&id, ContainerChange::Died(code));
    }

    pub fn stop(&mut self, container: &str) -> Result<(), Fault> {
        let place = self.place(container)?;
        if self.containers[place].is_up() {
            self.end(place, 143);
        }
        Ok(())
    }

    pub fn remove(&mut self, container: &str) {
        let Ok(place) = self.place(container) else {
            return;
        };
        if self.containers[place].is_up() {
            self.end(place, 137);
        }
        let id = self.containers[place].id.clone();
        self.tell(&id, ContainerChange::Removed);
        self.containers.remove(place);
    }

    pub fn rename(&mut self, container: &str, object: &str) -> Result<(), Fault> {
        if self.containers.iter().any(|other| other.object == object) {
            let text = format!("the container name /{object} is already in use");
            return Err(fault(FaultKind::Conflict, text));
        }
        let place = self.place(container)?;
        object.clone_into(&mut self.containers[place].object);
        Ok(())
    }

    pub fn pause(&mut self, container: &str) -> Result<(), Fault> {
        self.swap(container, ContainerState::Running, ContainerState::Paused)?;
        // As the engine does, whatever the last probe found.
        let place = self.place(container)?;
        let health = &mut self.containers[place].health;
        *health = health.map(|_| Health::Unhealthy);
        Ok(())
    }

    pub fn unpause(&mut self, container: &str) -> Result<(), Fault> {
        self.swap(container, ContainerState::Paused, ContainerState::Running)
    }

    fn swap(
        &mut self,
        container: &str,
        from: ContainerState,
        to: ContainerState,
    ) -> Result<(), Fault> {
        let place = self.place(container)?;
        let container = &mut self.containers[place];
        if container.state != from {
            let text = format!("container is not {from:?}");
            return Err(fault(FaultKind::Conflict, text));
        }
        container.state = to;
        let id = container.id.clone();
        self.tell(&id, ContainerChange::Other);
        Ok(())
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

/// The exit code that a command names: `… exit 3`.
pub fn code(command: &[String]) -> Option<i64> {
    let [.., verb, code] = command else {
        return None;
    };
    (verb == "exit").then(|| code.parse().ok())?
}

fn by_body(body: &CreateBody) -> Play {
    let soon = Duration::from_millis(20);
    let command = body.cmd.as_deref().unwrap_or_default();
    let health = body.healthcheck.as_ref().map(|check| {
        let passes = code(&check.test).unwrap_or(0) == 0;
        let health = if passes {
            Health::Healthy
        } else {
            Health::Unhealthy
        };
        (soon, health)
    });
    let eats = command.last().is_some_and(|word| word == "eat");
    Play {
        health,
        exit: code(command).map(|code| (soon, code)),
        out_of_memory: eats.then_some(soon),
    }
}

fn address(place: usize) -> IpAddr {
    let last = u8::try_from(place % 250).unwrap() + 2;
    IpAddr::from([172, 30, 0, last])
}
