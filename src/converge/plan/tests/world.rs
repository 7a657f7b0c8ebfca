//! A platform, an instance of it, and an engine that does exactly what a plan says.

use std::collections::{BTreeMap, BTreeSet};

use crate::converge::desired::ports::Ports;
use crate::converge::desired::{
    Desired, DesiredContainer, Filling, Image, Inputs, Placement, Secrets, Source, desired,
};
use crate::converge::plan::difference::difference;
use crate::converge::plan::{Network, Observed, Plan, Step};
use crate::converge::select::{Request, select};
use crate::model::container::Until;
use crate::model::digest::Digest;
use crate::model::host_profile::Host;
use crate::model::identity::Identity;
use crate::model::image_configuration::ImageDefaults;
use crate::model::name::{ConfigurationName, ContainerName, InstanceName};
use crate::model::observed::{
    ContainerState, Endpoint, Health, ObservedContainer, ObservedNetwork, PublishedPort,
};
use crate::model::overrides::Overrides;
use crate::model::reference::Reference;
use crate::model::secret::Secret;

/// Everything that decides what should be there.
#[derive(Debug, Clone)]
pub(super) struct World {
    pub(super) reference: Reference,
    pub(super) request: Request,
    pub(super) configuration: ConfigurationName,
    pub(super) overrides: Overrides,
    pub(super) secrets: Secrets,
    pub(super) fillings: BTreeMap<ContainerName, Filling>,
    /// What every image says of itself.
    pub(super) image: ImageDefaults,
}

pub(super) fn name(text: &str) -> ContainerName {
    ContainerName::new(text).unwrap()
}

pub(super) fn identity() -> Identity {
    Identity {
        owner: "me".to_owned(),
        platform: "acme".parse().unwrap(),
        instance: InstanceName::new("default").unwrap(),
    }
}

impl World {
    /// The platform of `tests/runtime/executor/reference.yaml`.
    pub(super) fn asking_for(names: &[&str]) -> Self {
        let text = include_bytes!("../../../../tests/runtime/executor/reference.yaml");
        Self::of(Reference::parse("reference.yaml", text).unwrap(), names)
    }

    pub(super) fn of(reference: Reference, names: &[&str]) -> Self {
        Self {
            reference,
            request: Request {
                names: names.iter().map(ToString::to_string).collect(),
                proxy: true,
                ..Request::default()
            },
            configuration: ConfigurationName::new("production").unwrap(),
            overrides: Overrides::default(),
            secrets: Secrets {
                values: BTreeMap::from([("DB_PASSWORD".to_owned(), Secret::new("hunter2"))]),
                key: Secret::new("key"),
            },
            fillings: BTreeMap::new(),
            image: ImageDefaults::default(),
        }
    }

    /// A new version of a container in a new reference.
    pub(super) fn release(&mut self, container: &str, version: &str) {
        self.reference.number += 1;
        let entry = self.reference.containers.get_mut(container).unwrap();
        entry.version = Some(version.parse().unwrap());
        entry.digest = Some(Digest::of(format!("{container} {version}").as_bytes()));
    }

    pub(super) fn desired(&self) -> Desired {
        let selection = select(&self.reference, &self.request).unwrap();
        let image = |(name, entry): (&ContainerName, _)| (name.clone(), self.image(name, entry));
        desired(&Inputs {
            reference: &self.reference,
            selection: &selection,
            images: &self.reference.containers.iter().map(image).collect(),
            identity: &identity(),
            configuration: &self.configuration,
            host: &Host::unknown().unwrap(),
            overrides: &self.overrides,
            ports: &Ports::default(),
            secrets: &self.secrets,
            placement: &Placement::Published,
            fillings: &self.fillings,
        })
    }

    fn image(
        &self,
        name: &ContainerName,
        entry: &crate::model::reference::ReferenceContainer,
    ) -> Image {
        let number = self.reference.number;
        let digest = entry
            .digest
            .unwrap_or_else(|| Digest::of(format!("{name} {number}").as_bytes()));
        Image {
            repository: entry.repository.clone(),
            digest,
            accepted: vec![Digest::of(digest.hex().as_bytes()), digest],
            architectures: Vec::new(),
            version: entry
                .version
                .as_ref()
                .map_or_else(|| number.to_string(), ToString::to_string),
            source: Source::Reference,
            defaults: self.image.clone(),
        }
    }

    pub(super) fn plan(&self, engine: &Engine) -> Plan {
        difference(&self.desired(), &engine.observed)
    }

    /// Walks the plan to its end, in the order it is written.
    pub(super) fn up(&self, engine: &mut Engine) {
        let (desired, plan) = (self.desired(), self.plan(engine));
        for node in &plan.nodes {
            engine.perform(&desired, &node.step).unwrap();
        }
    }
}

/// Plays a plan's steps as a perfect engine, and refuses what a real one would.
#[derive(Debug, Clone, Default)]
pub(super) struct Engine {
    pub(super) observed: Observed,
    pub(super) made: usize,
}

impl Engine {
    pub(super) fn container(&mut self, container: &str) -> &mut ObservedContainer {
        let all = self.observed.containers.get_mut(container).unwrap();
        let own = identity().object(&name(container));
        all.iter_mut().find(|it| it.object == own).unwrap()
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &ObservedContainer> {
        self.observed.containers.values().flatten()
    }

    fn by_id(&mut self, id: &str) -> Result<&mut ObservedContainer, String> {
        let mut all = self.observed.containers.values_mut().flatten();
        all.find(|it| it.id == id)
            .ok_or(format!("no container {id}"))
    }

    fn new_id(&mut self, kind: &str) -> String {
        self.made += 1;
        format!("{kind}{:012}", self.made)
    }

    /// One step.
    #[expect(clippy::too_many_lines, reason = "one match over all steps")]
    pub(super) fn perform(&mut self, desired: &Desired, step: &Step) -> Result<(), String> {
        let of = |name: &ContainerName| {
            desired
                .containers
                .iter()
                .find(|it| it.name == *name)
                .unwrap()
        };
        match step {
            Step::CreateNetwork(network) => {
                let name = match network {
                    Network::Main => &desired.network,
                    Network::Absent => &desired.absent_network,
                };
                let id = self.new_id("n");
                self.observed.networks.push(ObservedNetwork {
                    id,
                    name: name.clone(),
                    labels: desired.labels.clone(),
                });
            }
            Step::CreateVolume(name) => drop(self.observed.volumes.insert(name.clone())),
            Step::Pull(name) => drop(self.observed.images.insert(of(name).image.accepted[0])),
            Step::Bind(name) => {
                let mut accepted = of(name).image.accepted.iter();
                if !accepted.any(|id| self.observed.images.contains(id)) {
                    return Err(format!("no image for {name}"));
                }
            }
            Step::Rename { container, id } => {
                let object = format!("{}-old-{id}", identity().object(container));
                self.by_id(id)?.object = object;
            }
            Step::Create(name) => self.create(desired, of(name))?,
            Step::Connect(name) => self.connect(desired, of(name))?,
            Step::Disconnect { id, .. } => {
                self.observed.aliases.remove(id).ok_or("not connected")?;
                let network = &desired.absent_network;
                self.by_id(id)?.networks.remove(network);
            }
            Step::Start(name) => self.start(desired, of(name))?,
            Step::Pause { container, .. } => {
                self.container(container.as_str()).state = ContainerState::Paused;
            }
            Step::Unpause(name) => self.container(name.as_str()).state = ContainerState::Running,
            Step::Wait(name, until) => {
                let container = self.container(name.as_str());
                if !has_come(container, *until) {
                    return Err(format!("{name} is not {}", until.as_str()));
                }
            }
            Step::Stop { id, .. } => {
                let container = self.by_id(id)?;
                container.state = ContainerState::Exited(Some(143));
                container.health = None;
                container.ports.clear();
            }
            Step::Remove { container, id } => {
                if self.by_id(id)?.state.is_alive() {
                    return Err(format!("{container} was not stopped"));
                }
                self.observed.aliases.remove(id);
                let all = self.observed.containers.get_mut(container).unwrap();
                all.retain(|it| it.id != *id);
                if all.is_empty() {
                    self.observed.containers.remove(container);
                }
            }
            Step::CarryOver { container, id, .. } => {
                let old = self.all().find(|it| it.id == *id).ok_or("it is gone")?;
                if old.state.is_alive() {
                    return Err(format!("{container} still writes"));
                }
                if self.container(container.as_str()).state != ContainerState::Created {
                    return Err(format!("{container} has started"));
                }
            }
            Step::Fill { container, .. } => {
                let container = self.container(container.as_str());
                if container.state != ContainerState::Running {
                    return Err("nothing runs that could read it".to_owned());
                }
            }
            Step::RemoveVolume(name) => {
                if self.all().any(|it| it.volumes.contains_key(name)) {
                    return Err(format!("volume {name} is in use"));
                }
                self.observed.volumes.remove(name);
            }
            Step::RemoveNetwork { id, .. } => {
                let alive = |it: &&ObservedContainer| it.state.is_alive();
                let on = |it: &ObservedContainer| it.networks.values().any(|at| at.network == *id);
                if self.all().filter(alive).any(on) {
                    return Err("the network has active endpoints".to_owned());
                }
                self.observed.networks.retain(|it| it.id != *id);
            }
        }
        Ok(())
    }

    fn create(&mut self, desired: &Desired, wanted: &DesiredContainer) -> Result<(), String> {
        if self.all().any(|it| it.object == wanted.object) {
            return Err(format!("the name {} is taken", wanted.object));
        }
        self.observed
            .network(&desired.network)
            .ok_or("no network")?;
        let mounts = &wanted.body.host_config.mounts;
        if mounts
            .iter()
            .any(|it| !self.observed.volumes.contains(&it.source))
        {
            return Err("a volume is missing".to_owned());
        }
        let container = ObservedContainer {
            id: self.new_id("c"),
            object: wanted.object.clone(),
            labels: (wanted.body.labels.iter())
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect(),
            image: Some(wanted.image.accepted[0]),
            state: ContainerState::Created,
            health: None,
            ports: Vec::new(),
            networks: BTreeMap::from([(desired.network.clone(), endpoint(""))]),
            volumes: mounts
                .iter()
                .map(|it| (it.source.clone(), it.target.clone()))
                .collect(),
            created: 0,
            status: String::new(),
        };
        let all = self.observed.containers.entry(wanted.name.clone());
        all.or_default().push(container);
        Ok(())
    }

    fn connect(&mut self, desired: &Desired, wanted: &DesiredContainer) -> Result<(), String> {
        let network = self.observed.network(&desired.absent_network);
        let network = network.ok_or("no network for absent names")?.to_owned();
        let container = self.container(wanted.name.as_str());
        let id = container.id.clone();
        let old = container
            .networks
            .insert(desired.absent_network.clone(), endpoint(&network));
        if old.is_some() {
            return Err("already connected".to_owned());
        }
        let names: BTreeSet<String> = wanted.absent.clone().unwrap_or_default();
        self.observed.aliases.insert(id, names);
        Ok(())
    }

    fn start(&mut self, desired: &Desired, wanted: &DesiredContainer) -> Result<(), String> {
        for need in &wanted.needs {
            let needed = self.container(need.container.as_str());
            let come = match need.until {
                Until::Started => needed.state != ContainerState::Created,
                until => has_come(needed, until),
            };
            if !come {
                return Err(format!("{} starts before {}", wanted.name, need.container));
            }
        }
        for name in [&desired.network, &desired.absent_network] {
            let networks = self.observed.networks.iter();
            if networks.filter(|it| it.name == *name).count() > 1 {
                return Err(format!("network {name} is ambiguous"));
            }
        }
        let ports = self.own_ports(wanted)?;
        let network = self
            .observed
            .network(&desired.network)
            .ok_or("no network")?;
        let main = endpoint(network);
        let container = self.container(wanted.name.as_str());
        container.networks.insert(desired.network.clone(), main);
        if wanted.once {
            container.state = ContainerState::Exited(Some(0));
        } else {
            container.state = ContainerState::Running;
            container.health = wanted.has_health.then_some(Health::Healthy);
            container.ports = ports;
        }
        Ok(())
    }

    /// The ports that a container is about to publish; nobody else has them, nor its volumes.
    fn own_ports(&mut self, wanted: &DesiredContainer) -> Result<Vec<PublishedPort>, String> {
        let bindings = wanted.body.host_config.port_bindings.values().flatten();
        let ports: Vec<PublishedPort> = bindings
            .map(|binding| PublishedPort {
                container: 0,
                host: binding.host_port.parse().unwrap(),
                address: binding.host_ip.parse().unwrap(),
            })
            .collect();
        let own = self.container(wanted.name.as_str()).clone();
        let others = self.all().filter(|it| it.id != own.id);
        for other in others.filter(|it| it.state.is_alive()) {
            if other.ports.iter().any(|port| ports.contains(port)) {
                return Err(format!("a port of {} is taken", wanted.name));
            }
            let mut volumes = own.volumes.keys();
            if volumes.any(|volume| other.volumes.contains_key(volume)) {
                return Err(format!("two write to a volume of {}", wanted.name));
            }
        }
        Ok(ports)
    }
}

fn endpoint(network: &str) -> Endpoint {
    Endpoint {
        network: network.to_owned(),
        address: None,
        aliases: Vec::new(),
    }
}

fn has_come(container: &ObservedContainer, until: Until) -> bool {
    match until {
        Until::Started => container.state == ContainerState::Running,
        Until::Healthy => container.health == Some(Health::Healthy),
        Until::Completed => container.state == ContainerState::Exited(Some(0)),
    }
}
