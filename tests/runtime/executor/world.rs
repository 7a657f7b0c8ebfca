//! A platform, a fake engine for it, and the command that brings it up.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::sync::atomic::{AtomicU8, Ordering};
use std::time::Duration;

use devenv::converge::apply::Options;
use devenv::converge::apply::{self, Event, Failure, Reliance, Reporter, Watch};
use devenv::converge::desired::ports::Ports;
use devenv::converge::desired::{Filling, Image, Placement, Secrets, Source};
use devenv::converge::goal::{Goal, Planned};
use devenv::converge::observe::Observation;
use devenv::converge::ready::{Ready, Waiting};
use devenv::converge::select::{Request, Selection, select};
use devenv::engine::Labels;
use devenv::model::digest::Digest;
use devenv::model::host_profile::Host;
use devenv::model::identity::Identity;
use devenv::model::name::{ConfigurationName, ContainerName};
use devenv::model::observed::{ContainerState, Health, ObservedImage};
use devenv::model::overrides::Overrides;
use devenv::model::reference::Reference;
use devenv::model::secret::Secret;

use crate::support::fake_engine::FakeEngine;
use crate::support::fake_state::Play;

/// Hears nothing.
pub struct Silent;

impl Reporter for Silent {
    fn event(&self, _: Event<'_>) {}
}

/// What should run, and what decides it.
#[derive(Clone)]
pub struct World {
    pub reference: Reference,
    pub identity: Identity,
    pub options: Options,
    request: Request,
    selection: Selection,
    images: BTreeMap<ContainerName, Image>,
    overrides: Overrides,
    chosen_ports: BTreeMap<u16, u16>,
    remembered: Ports,
    forwarded: BTreeSet<u16>,
    /// What fills empty volumes.
    pub fillings: BTreeMap<ContainerName, Filling>,
    pub host: Host,
    configuration: ConfigurationName,
    pub secrets: Secrets,
}

/// A loopback address that no other test, in this process or another, binds ports of.
fn own_address() -> IpAddr {
    static MADE: AtomicU8 = AtomicU8::new(1);
    let [_, _, high, low] = std::process::id().to_be_bytes();
    IpAddr::from([127, high, low, MADE.fetch_add(1, Ordering::Relaxed)])
}

/// How long everything takes that takes time.
pub const SOON: Duration = Duration::from_millis(2);

impl World {
    pub fn asking_for(names: &[&str]) -> Self {
        let text = include_bytes!("reference.yaml");
        let mut world = Self {
            reference: Reference::parse("reference.yaml", text).unwrap(),
            identity: Identity {
                owner: "me".to_owned(),
                platform: "acme".parse().unwrap(),
                instance: "default".parse().unwrap(),
            },
            options: Options {
                concurrency: 4,
                wait: Duration::from_secs(20),
                ..Options::default()
            },
            request: Request {
                proxy: true,
                ..Request::default()
            },
            selection: Selection::default(),
            images: BTreeMap::new(),
            overrides: Overrides::default(),
            chosen_ports: BTreeMap::new(),
            fillings: BTreeMap::new(),
            remembered: Ports::default(),
            forwarded: BTreeSet::new(),
            host: Host {
                publish_address: own_address(),
                ..Host::unknown().unwrap()
            },
            configuration: "recette".parse().unwrap(),
            secrets: Secrets {
                values: BTreeMap::from([("DB_PASSWORD".to_owned(), Secret::new("hunter2"))]),
                key: Secret::new("key"),
            },
        };
        world.ask(names);
        world
    }

    /// Other names are asked for.
    pub fn ask(&mut self, names: &[&str]) {
        self.request.names = names.iter().map(ToString::to_string).collect();
        self.selection = select(&self.reference, &self.request).unwrap();
        let images = self.selection.order.iter();
        self.images = images.map(|it| (it.clone(), self.image(it))).collect();
    }

    pub fn without_proxy(&mut self) {
        self.request.proxy = false;
        let names = self.request.names.clone();
        self.ask(&names.iter().map(String::as_str).collect::<Vec<_>>());
    }

    pub fn release(&mut self, container: &str, version: &str) {
        self.reference.number += 1;
        let entry = self.reference.containers.get_mut(container).unwrap();
        entry.version = Some(version.parse().unwrap());
        entry.digest = Some(Digest::of(format!("{container} {version}").as_bytes()));
        let names = self.request.names.clone();
        self.ask(&names.iter().map(String::as_str).collect::<Vec<_>>());
    }

    pub fn object(&self, container: &str) -> String {
        self.identity.object(&container.parse().unwrap())
    }

    pub fn image(&self, name: &ContainerName) -> Image {
        let (entry, number) = (&self.reference.containers[name], self.reference.number);
        let digest = entry.digest;
        let digest = digest.unwrap_or_else(|| Digest::of(format!("{name} {number}").as_bytes()));
        let version = entry.version.as_ref().map(ToString::to_string);
        Image {
            architectures: Vec::new(),
            repository: entry.repository.clone(),
            digest,
            accepted: vec![Digest::of(digest.hex().as_bytes())],
            version: version.unwrap_or_else(|| number.to_string()),
            source: Source::Reference,
            defaults: devenv::model::image_configuration::ImageDefaults::default(),
        }
    }

    /// Publishes the images of this reference, and lets checks pass and one-shots end soon.
    pub fn publish(&self, engine: &FakeEngine) {
        for (name, entry) in &self.reference.containers {
            let image = self.image(name);
            let published = ObservedImage {
                id: image.accepted[0],
                architecture: "amd64".to_owned(),
                os: "linux".to_owned(),
                size: 100,
                tags: Vec::new(),
                layers: Vec::new(),
                labels: Labels::new(),
                defaults: devenv::model::image_configuration::ImageDefaults::default(),
            };
            engine.publish(&image.repository.at(&image.digest), published);
            let play = Play {
                health: entry
                    .run
                    .health
                    .is_some()
                    .then_some((SOON, Health::Healthy)),
                exit: entry.run.once.then_some((SOON, 0)),
                out_of_memory: None,
            };
            engine.behave(&self.identity.object(name), play);
        }
    }

    /// An engine that can pull everything.
    pub fn engine(&self) -> FakeEngine {
        let engine = FakeEngine::new();
        self.publish(&engine);
        engine
    }

    pub fn goal(&self) -> Goal<'_> {
        Goal {
            reference: &self.reference,
            selection: &self.selection,
            images: &self.images,
            identity: &self.identity,
            configuration: &self.configuration,
            host: &self.host,
            overrides: &self.overrides,
            secrets: &self.secrets,
            chosen_ports: &self.chosen_ports,
            remembered_ports: &self.remembered,
            forwarded_ports: &self.forwarded,
            placement: &Placement::Published,
            fillings: &self.fillings,
        }
    }

    /// What an `up` would do.
    pub async fn plan(&self, engine: &FakeEngine) -> Result<Planned, Failure> {
        let observation = Observation::take(engine, &self.identity).await;
        let (goal, observation) = (self.goal(), observation.map_err(Failure::Other)?);
        let planned = goal.plan(engine, observation);
        planned.await.map_err(Failure::Other)
    }

    /// `up --no-wait`
    pub async fn up(&self, engine: &FakeEngine) -> Result<Planned, Failure> {
        let planned = self.plan(engine).await?;
        self.carry_out(engine, planned).await
    }

    /// From a plan on.
    pub async fn carry_out(
        &self,
        engine: &FakeEngine,
        planned: Planned,
    ) -> Result<Planned, Failure> {
        self.telling(&Silent, engine, planned).await
    }

    /// The same, heard by a reporter.
    pub async fn telling(
        &self,
        reporter: &dyn Reporter,
        engine: &FakeEngine,
        planned: Planned,
    ) -> Result<Planned, Failure> {
        let watch = Watch::new(Reliance::of(&self.host.profile));
        let goal = self.goal();
        let work = goal.converge(engine, reporter, &self.options, &watch, planned);
        self.watched(engine, &watch, work).await
    }

    /// Waits until what was planned is ready.
    pub async fn ready(
        &self,
        engine: &FakeEngine,
        planned: &Planned,
    ) -> Result<BTreeMap<ContainerName, Ready>, Failure> {
        let watch = Watch::new(Reliance::of(&self.host.profile));
        let waiting = Waiting {
            engine,
            watch: &watch,
            identity: &self.identity,
            reference: &self.reference,
            address: self.host.address(),
            limit: self.options.wait,
        };
        self.watched(engine, &watch, waiting.all(planned)).await
    }

    async fn watched<T>(
        &self,
        engine: &FakeEngine,
        watch: &Watch,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<T, Failure> {
        let label = apply::event_label(&self.identity);
        let following = watch.follow(engine, &label).await;
        let following = following.map_err(|fault| Failure::Other(fault.into()))?;
        tokio::select! {
            result = work => result,
            never = following => match never {},
        }
    }
}

/// Everything on an engine that a user could tell apart, in words.
pub fn end_state(engine: &FakeEngine) -> String {
    engine.tamper(|state| {
        let mut lines: Vec<String> = Vec::new();
        for container in &state.containers {
            let mut body = container.body.clone();
            body.host_config.network_mode.clear();
            body.networking_config.endpoints_config.clear();
            let mut networks: Vec<String> = container
                .networks
                .iter()
                .map(|(name, endpoint)| format!("{name} {:?}", endpoint.aliases))
                .collect();
            networks.extend(
                container
                    .pending
                    .iter()
                    .map(|(name, _)| format!("{name} pending")),
            );
            lines.push(format!(
                "container {} {:?} {:?} {networks:?} {:?} {}",
                container.object,
                container.state,
                container.health,
                container.secrets.len(),
                serde_json::to_string(&body).unwrap(),
            ));
        }
        let networks = state.networks.iter();
        lines.extend(networks.map(|it| format!("network {}", it.name)));
        let volumes = state.volumes.iter();
        lines.extend(volumes.map(|it| format!("volume {} {:?}", it.name, it.labels)));
        let images = state.images.iter();
        lines.extend(images.map(|it| format!("image {} {:?}", it.id, it.tags)));
        lines.sort();
        lines.join("\n")
    })
}

/// Once the last checks have passed and the last one-shots have ended.
pub async fn settled(engine: &FakeEngine) -> String {
    let undecided = |engine: &FakeEngine| {
        engine.tamper(|state| {
            state.containers.iter().any(|it| {
                it.state == ContainerState::Running
                    && (matches!(it.health, Some(Health::Starting | Health::Unhealthy))
                        || it.object.ends_with("migration"))
            })
        })
    };
    for _ in 0..500 {
        if !undecided(engine) {
            break;
        }
        tokio::time::sleep(SOON).await;
    }
    end_state(engine)
}
