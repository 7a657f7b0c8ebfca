//! A server: a machine that configures itself from the signed reference of its environment, goes over
//! to another one and back without losing a request, and tells whether all is well.
//!
//! - [`follow`]: ledger → reference → evidence. [`plan`]: what a generation shares; pure.
//! - [`state`]: the journal. [`settle`]: what an interrupted command left is completed or undone.
//! - [`raise`]: a generation starts beside the one that serves. [`switch`]: requests are led to it.
//! - [`turns`]: who gives way to a rollback, and when. [`due`]: what is to be done. [`machine`]: the kernel's tables ([`ruleset`], [`iptables`]), connections, probes; [`ground`] says what
//!   it has. [`apply`]: the whole story.

mod apply;
mod away;
mod bring;
mod calm;
mod changed;
mod check;
mod drift;
mod due;
pub mod events;
mod facts;
pub mod follow;
mod gated;
pub mod ground;
mod growth;
mod init;
mod iptables;
mod key;
pub mod level;
mod logs;
pub mod machine;
mod made;
pub mod open;
pub mod plan;
mod plugin;
mod proc;
mod program;
mod prometheus;
mod prove;
mod raise;
mod rollback;
mod room;
pub mod route;
pub mod ruleset;
mod settle;
pub mod state;
pub mod status;
mod sweep;
mod switch;
pub mod turns;
pub mod units;
pub mod verdict;
pub mod whole;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use crate::converge::apply::Options;
use crate::converge::desired::{self, Desired, Image, Inputs, Placement, Secrets};
use crate::converge::select::{Selection, Why};
use crate::engine::{Docker, Engine};
use crate::error::Result;
use crate::home::file;
use crate::home::reporter::Reporter;
use crate::home::state::{Owner, ReferenceRecord};
use crate::model::create_body::VOLUME;
use crate::model::host_profile::Host;
use crate::model::identity::{self, Identity};
use crate::model::name::{
    ConfigurationName, ContainerName, InstanceName, LOGS, VariableName, VolumeName,
};
use crate::model::overrides::Overrides;
use crate::model::reference::Reference;
use crate::model::secret::Secret;
use crate::model::server::ServerFile;
use crate::registry::Registry;
use machine::Machine;
use plan::Wanted;
use state::{Place, State};

pub use apply::apply;
pub use bring::{Applied, Manner};
pub use check::{check, metrics};
pub use due::Due;
pub use facts::facts;
pub use gated::Gated;
pub use init::{Made, Removed, Settings, init, remove};
pub use key::signed;
pub use logs::log_places;
pub use rollback::{Back, WentBack, candidate, choose, rollback};

/// Where values of secrets are from.
pub trait SecretValues: Sync {
    /// The values of these, by name.
    fn of(&self, wanted: BTreeSet<VariableName>)
    -> BoxFuture<'_, Result<BTreeMap<String, Secret>>>;
}

/// A server on its engine and its machine.
pub struct Server<'a, E, M> {
    /// What it is to be.
    pub file: &'a ServerFile,
    /// Whose objects.
    pub owner: &'a Owner,
    /// Where containers run.
    pub engine: &'a E,
    /// The same engine, for what only a real one tells of a container that does not get ready.
    pub docker: Option<&'a Docker>,
    /// Where ports are led.
    pub machine: &'a M,
    /// The kind of host.
    pub host: &'a Host,
    /// Where images are pulled from; `None`: only what is there runs.
    pub registry: Option<&'a Registry>,
    /// How plans are walked.
    pub options: Options,
    /// Values of secrets, for containers that are started again.
    pub secrets: &'a dyn SecretValues,
    /// The engine's data folder, whose disk must not get full; `None`: not known.
    pub data: Option<PathBuf>,
    /// Who is told.
    pub reporter: &'a dyn Reporter,
    /// Where the journal is.
    pub journal: &'a Path,
    /// The present.
    pub now: &'a (dyn Fn() -> Timestamp + Sync),
    /// Whose time maintenance windows are in.
    pub zone: TimeZone,
}

/// A verified reference, with all that running it takes.
#[derive(Debug)]
pub struct Target {
    /// Which.
    pub record: ReferenceRecord,
    /// The whole platform.
    pub reference: Reference,
    /// All of it, in start order.
    pub order: Vec<ContainerName>,
    /// Verified images.
    pub images: BTreeMap<ContainerName, Image>,
    /// Values of secret variables.
    pub secrets: Secrets,
    /// Which settings the images use.
    pub configuration: ConfigurationName,
    /// A hash of configuration and secrets.
    pub inputs: String,
}

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Whose objects those of a generation are.
    pub fn identity(&self, generation: u64) -> Identity {
        let name = format!("{}_{generation}", self.file.name);
        Identity {
            owner: self.owner.id.clone(),
            platform: self.file.platform.clone(),
            instance: InstanceName::new(name).unwrap_or_else(|_| self.file.name.clone()),
        }
    }

    /// Whose objects those are that outlive generations: volumes.
    fn keeper(&self) -> Identity {
        Identity {
            owner: self.owner.id.clone(),
            platform: self.file.platform.clone(),
            instance: self.file.name.clone(),
        }
    }

    /// The generation that an object with these labels was made by; `None`: it is not this server's.
    fn generation_of(&self, labels: &BTreeMap<String, String>) -> Option<u64> {
        let keeper = self.keeper();
        let ours = keeper.owns(labels)
            && labels.get(identity::PLATFORM).map(String::as_str) == Some(keeper.platform.as_str());
        let instance = labels.get(identity::INSTANCE).filter(|_| ours)?;
        let number = instance
            .strip_prefix(self.file.name.as_str())?
            .strip_prefix('_')?;
        number.parse().ok()
    }

    /// A container's log volume, which outlives generations.
    fn log_volume(&self, name: &ContainerName) -> Option<String> {
        let logs = VolumeName::new(LOGS).ok()?;
        Some(self.keeper().volume(name, &logs))
    }

    /// A container's name on the engine.
    fn object(&self, name: &ContainerName, place: &Place) -> String {
        self.identity(place.origin).object(name)
    }

    /// What should be there of these containers, for one identity.
    fn desired(
        &self,
        target: &Target,
        order: &[ContainerName],
        identity: &Identity,
        placement: &Placement,
    ) -> Desired {
        desired::desired(&Inputs {
            reference: &target.reference,
            selection: &selection(order, &target.reference.proxy),
            images: &target.images,
            identity,
            configuration: &target.configuration,
            host: self.host,
            overrides: &Overrides::default(),
            ports: &desired::ports::Ports::default(),
            secrets: &target.secrets,
            placement,
            fillings: &BTreeMap::new(),
        })
    }

    /// Every container of a reference, as a generation wants it: comparable over generations.
    fn wanted(&self, target: &Target, origin: u64) -> Vec<Wanted> {
        let keeper = self.keeper();
        let placement = Placement::Addressed {
            addresses: BTreeMap::new(),
            volumes: self.file.name.clone(),
        };
        let desired = self.desired(target, &target.order, &keeper, &placement);
        let one = |it: &desired::DesiredContainer| {
            let logs = self.log_volume(&it.name);
            let mut mounts = it.body.host_config.mounts.iter();
            let entry = target.reference.containers.get(&it.name);
            let reaches = entry.into_iter().flat_map(|entry| {
                let needs = entry.needs.iter().map(|need| &need.container);
                needs.chain(&entry.uses).cloned()
            });
            Wanted {
                name: it.name.clone(),
                place: Place {
                    origin,
                    spec: it.spec.clone(),
                    reaches: reaches.collect(),
                    aliases: target.reference.aliases(&it.name),
                    once: it.once,
                    single: mounts.any(|it| {
                        let named = it.kind == VOLUME && !it.source.is_empty();
                        named && Some(&it.source) != logs.as_ref()
                    }),
                    filled: it.body.labels.contains_key(identity::SECRET_FILES),
                    checked: it.has_health,
                    made: None,
                },
            }
        };
        desired.containers.iter().map(one).collect()
    }

    /// Writes the journal, as it is after a loss of power as well.
    fn save(&self, state: &State) -> Result<()> {
        file::save_durably(self.journal, state)
    }
}

/// These containers, in this order, and nothing absent: the proxy runs, if not yet, and containers must
/// not be told otherwise.
fn selection(order: &[ContainerName], proxy: &ContainerName) -> Selection {
    let names = order.iter().chain([proxy]);
    Selection {
        order: order.to_vec(),
        why: names.map(|it| (it.clone(), Why::Asked)).collect(),
        absent: BTreeSet::new(),
        missing: BTreeSet::new(),
    }
}
