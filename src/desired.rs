//! From a reference and a selection to the objects that should be on the engine. Pure.

mod body;
pub mod budget;
pub mod ports;

use std::collections::{BTreeMap, BTreeSet};

use crate::model::by_name::ByName;
use crate::model::container::Until;
use crate::model::create_body::{CreateBody, VOLUME};
use crate::model::digest::Digest;
use crate::model::host_profile::Host;
use crate::model::identity::{self, Identity};
use crate::model::image::Repository;
use crate::model::name::{ConfigurationName, ContainerName};
use crate::model::overrides::Overrides;
use crate::model::reference::{Reference, ReferenceContainer};
use crate::model::run_specification::ResolvedNeed;
use crate::model::secret::Secret;
use crate::select::Selection;

use body::Hasher;
use ports::Ports;

/// What is known about a container's image once its signature was verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Image {
    /// Where it is pulled from.
    pub repository: Repository,
    /// The signed digest.
    pub digest: Digest,
    /// Image Ids that may stand for it on an engine.
    pub accepted: Vec<Digest>,
    /// What an index offers for Linux (`arm64`); empty for a single image.
    pub architectures: Vec<String>,
    /// What people call it.
    pub version: String,
    /// Where it came from.
    pub source: Source,
}

/// Where a container's image and specification come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Production's signed reference.
    Reference,
    /// A proposal on this machine, which nobody signed.
    Local,
}

impl Source {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Local => "local",
        }
    }
}

/// All that decides what should be there.
#[derive(Debug, Clone, Copy)]
pub struct Inputs<'a> {
    /// Production's decision.
    pub reference: &'a Reference,
    /// The subset.
    pub selection: &'a Selection,
    /// Verified images of the selected containers.
    pub images: &'a BTreeMap<ContainerName, Image>,
    /// Whose objects.
    pub identity: &'a Identity,
    /// Which settings the images use.
    pub configuration: &'a ConfigurationName,
    /// The host.
    pub host: &'a Host,
    /// The user's own changes.
    pub overrides: &'a Overrides,
    /// Host ports.
    pub ports: &'a Ports,
    /// Values of the secret variables.
    pub secrets: &'a Secrets,
}

/// Secret values of one configuration, and a key that hides them in hashes.
#[derive(Debug, Clone)]
pub struct Secrets {
    /// By variable.
    pub values: BTreeMap<String, Secret>,
    /// Random, kept in state.
    pub key: Secret,
}

/// What should be on the engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Desired {
    /// Name of the network that all join.
    pub network: String,
    /// Name of the network for absent names.
    pub absent_network: String,
    /// Labels of networks and volumes.
    pub labels: BTreeMap<String, String>,
    /// Volumes by the engine's names, in the order of their containers.
    pub volumes: Vec<String>,
    /// In start order.
    pub containers: Vec<DesiredContainer>,
    /// Those of the containers that should not run.
    pub dependencies: Dependencies,
}

/// Whom each container needs or uses, as far as it is known.
pub type Dependencies = BTreeMap<ContainerName, Vec<ContainerName>>;

/// One container that should run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DesiredContainer {
    /// Its name in the platform.
    pub name: ContainerName,
    /// Its name on the engine.
    pub object: String,
    /// What it is created from, labels included.
    pub body: CreateBody,
    /// The hash of the body, as in the label.
    pub spec: String,
    /// Added to the environment by the executor.
    pub secrets: Vec<(String, Secret)>,
    /// Its verified image.
    pub image: Image,
    /// Selected containers that must be there first.
    pub needs: Vec<ResolvedNeed>,
    /// Selected containers that start before it.
    pub uses: Vec<ContainerName>,
    /// Names it answers to on the network for absent names; `None`: it is not on it.
    pub absent: Option<BTreeSet<String>>,
    /// Whether it must exit 0.
    pub once: bool,
    /// Whether the engine checks it.
    pub has_health: bool,
}

impl DesiredContainer {
    /// How far it must come for the instance to be ready.
    pub fn ready(&self) -> Until {
        if self.once {
            Until::Completed
        } else if self.has_health {
            Until::Healthy
        } else {
            Until::Started
        }
    }
}

/// Computes what should be there. Every selected container has an entry in `images`.
pub fn desired(inputs: &Inputs<'_>) -> Desired {
    let identity = inputs.identity;
    let mut desired = Desired {
        network: identity.network(),
        absent_network: identity.absent_network(),
        dependencies: dependencies(inputs.reference, &inputs.selection.absent),
        labels: identity.labels(),
        containers: Vec::with_capacity(inputs.selection.order.len()),
        ..Desired::default()
    };
    let proxy_runs = inputs.selection.why.contains_key(&inputs.reference.proxy);
    let mut hasher = Hasher::new(inputs.secrets);
    // Both in the order of names, which is far quicker than in any other.
    let known: ByName<&ContainerName, (&ReferenceContainer, &Image)> = inputs
        .images
        .iter()
        .filter_map(|(name, image)| Some((name, (inputs.reference.containers.get(name)?, image))))
        .collect();
    let selected = inputs.selection.order.iter().filter_map(|name| {
        let (entry, image) = known.get(name)?;
        Some(one(inputs, name, entry, image, proxy_runs, &mut hasher))
    });
    desired.containers.extend(selected);
    let volumes = desired.containers.iter().flat_map(|container| {
        let mounts = container.body.host_config.mounts.iter();
        let named = mounts.filter(|mount| mount.kind == VOLUME);
        named.map(|mount| mount.source.clone())
    });
    desired.volumes = volumes.collect();
    desired
}

/// Whom these containers need or use.
pub fn dependencies<'a>(
    reference: &Reference,
    names: impl IntoIterator<Item = &'a ContainerName>,
) -> Dependencies {
    let of = |name: &ContainerName| {
        let entry = reference.containers.get(name)?;
        let needs = entry.needs.iter().map(|need| &need.container);
        Some((name.clone(), needs.chain(&entry.uses).cloned().collect()))
    };
    names.into_iter().filter_map(of).collect()
}

fn one(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    entry: &ReferenceContainer,
    image: &Image,
    proxy_runs: bool,
    hasher: &mut Hasher<'_>,
) -> DesiredContainer {
    let proxy = &inputs.reference.proxy;
    let running = |other: &&ContainerName| match *other {
        other if other == proxy => proxy_runs,
        other => !inputs.selection.absent.contains(other),
    };
    let named = entry
        .needs
        .iter()
        .map(|need| &need.container)
        .chain(&entry.uses);
    let missing: Vec<&ContainerName> = named.filter(|other| !running(other)).collect();
    let is_proxy = name == proxy;
    let unreachable = if proxy_runs {
        Vec::new()
    } else {
        missing.clone()
    };
    let mut body = body::body(inputs, name, entry, image, &unreachable);
    let secrets: Vec<_> = entry
        .run
        .secrets
        .iter()
        .filter_map(|secret| {
            Some((
                secret.to_string(),
                inputs.secrets.values.get(secret.as_str())?.clone(),
            ))
        })
        .collect();
    let spec = hasher.spec(&body, &secrets);
    body.labels.insert(identity::SPEC.into(), spec.clone());
    body.labels.insert(
        identity::REFERENCE.into(),
        inputs.reference.number.to_string(),
    );
    DesiredContainer {
        name: name.clone(),
        object: inputs.identity.object(name),
        body,
        spec,
        secrets,
        image: image.clone(),
        needs: entry
            .needs
            .iter()
            .filter(|need| running(&&need.container))
            .cloned()
            .collect(),
        uses: entry.uses.iter().filter(running).cloned().collect(),
        absent: absent_names(inputs, is_proxy, proxy_runs && !missing.is_empty()),
        once: entry.run.once,
        has_health: entry.run.health.is_some(),
    }
}

/// The proxy answers to every absent name, on a port where nothing listens; users of absent
/// names only join that network to find it.
fn absent_names(
    inputs: &Inputs<'_>,
    is_proxy: bool,
    uses_absent: bool,
) -> Option<BTreeSet<String>> {
    let absent = &inputs.selection.absent;
    if is_proxy {
        (!absent.is_empty()).then(|| absent.iter().map(ToString::to_string).collect())
    } else {
        uses_absent.then(BTreeSet::new)
    }
}
