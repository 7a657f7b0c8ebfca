//! From a reference and a selection to the objects that should be on the engine. Pure.

mod body;
pub mod budget;
mod compile;
pub mod ports;
pub mod probe;
pub mod secret_files;

use std::collections::{BTreeMap, BTreeSet};

use crate::converge::select::Selection;
use crate::model::container::Until;
use crate::model::create_body::{AddressBody, CreateBody, VOLUME};
use crate::model::digest::Digest;
use crate::model::filling::FilledFrom;
use crate::model::host_profile::Host;
use crate::model::identity::Identity;
use crate::model::image::Repository;
use crate::model::image_configuration::ImageDefaults;
use crate::model::name::{ConfigurationName, ContainerName, InstanceName, LOGS, VolumeName};
use crate::model::overrides::Overrides;
use crate::model::reference::Reference;
use crate::model::run_specification::ResolvedNeed;
use crate::model::secret::Secret;

pub use compile::{dependencies, desired};
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
    /// What it says itself about running it, from its verified configuration.
    pub defaults: ImageDefaults,
}

/// Where a container's image and specification come from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Production's signed reference.
    Reference,
    /// A released version that the user chose instead of the reference's.
    Pinned,
    /// A proposal on this machine, which nobody signed.
    Local,
}

impl Source {
    /// The label's value.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reference => "reference",
            Self::Pinned => "pinned",
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
    /// How containers are reached, and whose volumes they have.
    pub placement: &'a Placement,
    /// What fills empty volumes, by container.
    pub fillings: &'a BTreeMap<ContainerName, Filling>,
}

/// What fills the volumes of a container once it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Filling {
    /// What its command reads.
    pub from: FilledFrom,
    /// Whether volumes that are there are filled too.
    pub due: Due,
}

/// When volumes are filled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Due {
    /// Where the engine has none of them yet.
    WhereNew,
    /// In any case: it is remembered that nothing in them counts.
    Now,
}

/// How containers are reached, and whose volumes they have.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Placement {
    /// The engine publishes their ports; volumes are the instance's.
    #[default]
    Published,
    /// A server's: the engine publishes nothing, what is reached from outside has a fixed address.
    Addressed {
        /// Of those that are reached from outside.
        addresses: BTreeMap<ContainerName, AddressBody>,
        /// Whose volumes they have: those outlive the instance.
        volumes: InstanceName,
    },
}

impl Placement {
    /// The address that a container is to have.
    pub fn address(&self, container: &ContainerName) -> Option<AddressBody> {
        match self {
            Self::Published => None,
            Self::Addressed { addresses, .. } => addresses.get(container).copied(),
        }
    }

    /// A volume's name on the engine.
    pub fn volume(
        &self,
        identity: &Identity,
        container: &ContainerName,
        volume: &VolumeName,
    ) -> String {
        match self {
            Self::Published => identity.volume(container, volume),
            Self::Addressed { volumes, .. } => {
                let keeper = Identity {
                    instance: volumes.clone(),
                    ..identity.clone()
                };
                keeper.volume(container, volume)
            }
        }
    }
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

impl Desired {
    /// The volume, by the engine's name, that a container is to have at a path.
    pub fn volume(&self, container: &ContainerName, path: &str) -> Option<&str> {
        let container = self.containers.iter().find(|it| it.name == *container)?;
        let mut mounts = container.body.host_config.mounts.iter();
        let found = mounts.find(|it| it.kind == VOLUME && it.target == path)?;
        Some(found.source.as_str())
    }
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
    /// What fills its volumes.
    pub filling: Option<Filling>,
}

impl DesiredContainer {
    /// The volumes, by the engine's names, that hold its data: log files are none.
    pub fn data_volumes(&self) -> impl Iterator<Item = &str> {
        let logs = format!(".{LOGS}");
        let mounts = self.body.host_config.mounts.iter();
        let named = mounts.filter(move |it| {
            it.kind == VOLUME && !it.source.is_empty() && !it.source.ends_with(&logs)
        });
        named.map(|it| it.source.as_str())
    }

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
