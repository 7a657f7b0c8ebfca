//! The journal: what a server has done, and how far it got with what it is doing. Each change is
//! saved before the step that it announces, so that the next command completes or undoes it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::made::Made;
use super::route::RouteRecord;
use super::ruleset::{Lead, Ports};
use crate::error::{Error, Kind, Result};
use crate::home::state::ReferenceRecord;
use crate::model::create_body::AddressBody;
use crate::model::ipv6;
use crate::model::name::{ContainerName, InstanceName, PlatformName};
use crate::model::server::ServerFile;

/// Everything that a server remembers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct State {
    /// Whose containers and networks it is about; `None` before the first.
    pub of: Option<Of>,
    /// The number of the last generation that was begun.
    pub last: u64,
    /// The generation that requests are led to; `None` before the first.
    pub serving: Option<u64>,
    /// All that are kept, and the one that is being made.
    pub generations: BTreeMap<u64, Generation>,
    /// Networks that were made, by the generation that made them: shared containers may outlive it.
    pub networks: BTreeMap<u64, Ipv4Net>,
    /// Specifications of one-shots that were completed.
    pub completed: BTreeMap<ContainerName, BTreeSet<String>>,
    /// Milliseconds that it took last time to replace a container that cannot run twice.
    pub stops: BTreeMap<ContainerName, u64>,
    /// The reference that could not be brought up.
    pub failed: Option<Failed>,
    /// Set by a rollback.
    pub held: Option<Held>,
    /// The last look at the ledger.
    pub looked: Option<Looked>,
    /// Why a look at the ledger gave nothing, since the last that did.
    pub blind: Option<String>,
}

/// The keys of `server.yaml` that everything on the engine is found by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Of {
    /// The platform.
    pub platform: PlatformName,
    /// What all is named after.
    pub name: InstanceName,
}

/// One reference as this server runs it, or has run it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Generation {
    /// What it runs.
    pub reference: ReferenceRecord,
    /// Its entry point.
    pub proxy: ContainerName,
    /// When it was begun.
    pub begun: Timestamp,
    /// When requests were led to it for the last time; `None`: never.
    pub since: Option<Timestamp>,
    /// How far it has come.
    pub stage: Stage,
    /// Its containers, shared ones among them.
    pub containers: BTreeMap<ContainerName, Place>,
    /// What is reached from outside.
    pub ports: Vec<Port>,
    /// Containers of the generation before that were stopped for this one's sake.
    #[serde(default)]
    pub stopped: BTreeSet<ContainerName>,
    /// Where requests are asked for while it is proven.
    pub routes: Vec<RouteRecord>,
    /// A hash of the settings that it was made with, besides the reference.
    pub inputs: String,
    /// Whether its proxy ends kept connections when it is told to; `None`: it did not answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drains: Option<bool>,
    /// Whether a rollback holds no longer once requests are led to it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ends_hold: bool,
}

/// How far a generation has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Stage {
    /// Its containers are being made; whatever interrupts that undoes it.
    Starting,
    /// It was kept and is to serve again; whatever interrupts that stops it.
    Waking,
    /// It is proven; requests are about to be led to it. What was interrupted is completed.
    Switching,
    /// Requests are led to it.
    Serving,
    /// Requests are led elsewhere; its connections may end.
    Draining,
    /// Its own containers are frozen since then, and can serve at once.
    Paused(Timestamp),
    /// Its own containers are stopped.
    Stopped,
}

/// A container of a generation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The generation that made it.
    pub origin: u64,
    /// Hash of what it is created from, whatever the generation.
    pub spec: String,
    /// Whom it needs and uses.
    pub reaches: BTreeSet<ContainerName>,
    /// Names that it is reached by besides its own.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub aliases: BTreeSet<String>,
    /// Whether it ends by itself.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub once: bool,
    /// Whether it has data of its own, so that it cannot run twice.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub single: bool,
    /// Whether it has secrets as files in memory: only devenv can start it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub filled: bool,
    /// Whether the engine checks it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub checked: bool,
    /// How the engine made it; `None`: it is not ready yet.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub made: Option<Made>,
}

/// A port of this machine, and where it leads.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Port {
    /// On this machine.
    pub host: u16,
    /// Whose.
    pub of: ContainerName,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its port there.
    pub container: u16,
    /// Whether it is reached by IPv6 too, at the address that belongs to this one.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ipv6: bool,
}

impl Generation {
    /// Where the ports of the machine lead while it serves.
    pub fn led(&self) -> Ports {
        let ports = self.ports.iter();
        ports.map(|port| (port.host, port.lead())).collect()
    }
}

impl Port {
    /// Where requests to it are led.
    pub fn lead(&self) -> Lead {
        Lead {
            address: self.address,
            port: self.container,
            ipv6: self.ipv6,
        }
    }

    /// Its addresses.
    pub fn addresses(&self) -> AddressBody {
        AddressBody {
            v4: self.address,
            v6: self.ipv6.then(|| ipv6::address(self.address)),
        }
    }
}

impl Place {
    /// All names that this container is reached by.
    pub fn names(&self, name: &ContainerName) -> Vec<String> {
        let own = [name.to_string()].into_iter();
        own.chain(self.aliases.iter().cloned()).collect()
    }
}

/// A reference that could not be brought up.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Failed {
    /// Which.
    pub reference: ReferenceRecord,
    /// In words, for people.
    pub why: String,
    /// The exit code.
    pub code: u8,
    /// How often it was tried.
    pub tries: u32,
    /// From then on it is tried again; `None`: only `--retry` or a newer reference does.
    pub again: Option<Timestamp>,
    /// When it was tried last.
    pub at: Timestamp,
}

/// A rollback by hand: the ledger does not count until it has another entry.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Held {
    /// How many entries the ledger had.
    pub entries: usize,
    /// Who did it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// A look at the ledger.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Looked {
    /// When the registry last confirmed it.
    pub confirmed: Timestamp,
    /// Its sequence.
    pub sequence: u64,
    /// How many entries it has.
    pub entries: usize,
    /// What it says runs.
    pub number: u64,
    /// From when on it vouches for nothing.
    pub expires: Timestamp,
    /// Why there was no look, where that failed last time.
    pub failed: Option<String>,
}

impl State {
    /// What runs is found by keys of `server.yaml`: refused where they are not those that it was made with.
    ///
    /// # Errors
    /// [`Kind::Usage`], with what to set back.
    pub fn refuse_another(&self, file: &ServerFile) -> Result<()> {
        let keys = |of: &Of| format!("platform: {}, name: {}", of.platform, of.name);
        let says = Of {
            platform: file.platform.clone(),
            name: file.name.clone(),
        };
        if self.generations.is_empty() && self.networks.is_empty() {
            return Ok(());
        }
        let made = match &self.of {
            Some(of) if *of != says => Some((keys(of), keys(&says))),
            _ => {
                let mut networks = self.networks.values();
                let outside = networks.find(|it| !file.addresses.contains(*it));
                outside.map(|it| {
                    let made = format!("`addresses` with {it} in them");
                    (made, format!("addresses: {}", file.addresses))
                })
            }
        };
        let Some((made, says)) = made else {
            return Ok(());
        };
        let text = format!("what runs was made with {made}, and server.yaml says {says}");
        let hint =
            "set it back; to change it: `devenv server remove` first, then `devenv server init`";
        Err(Error::new(Kind::Usage, text).hint(hint))
    }

    /// The generation that requests are led to.
    pub fn current(&self) -> Option<(u64, &Generation)> {
        let number = self.serving?;
        Some((number, self.generations.get(&number)?))
    }

    /// Whether a container is one of a generation that is kept.
    pub fn keeps(&self, origin: u64, container: &ContainerName) -> bool {
        self.generations.values().any(|it| {
            it.containers
                .get(container)
                .is_some_and(|place| place.origin == origin)
        })
    }

    /// Whether a network is needed: by its generation, or by a container that outlived it.
    pub fn needs_network(&self, origin: u64) -> bool {
        let mut places = self
            .generations
            .values()
            .flat_map(|it| it.containers.values());
        self.generations.contains_key(&origin) || places.any(|place| place.origin == origin)
    }

    /// Addresses for the next generation: none that a network of this server has.
    pub fn free_network(&self, file: &ServerFile) -> Option<Ipv4Net> {
        let all: Vec<Ipv4Net> = file.networks().collect();
        let first = usize::try_from(self.last).unwrap_or_default() % all.len().max(1);
        let mut candidates = all[first..].iter().chain(&all[..first]);
        candidates
            .find(|it| !self.networks.values().any(|used| used == *it))
            .copied()
    }

    /// The containers of a generation that no other of these runs too.
    pub fn own(&self, number: u64, others: &[u64]) -> BTreeMap<&ContainerName, &Place> {
        let shared = |name: &ContainerName, place: &Place| {
            others.iter().any(|other| {
                let other = self.generations.get(other);
                let same = other.and_then(|it| it.containers.get(name));
                same.is_some_and(|it| it.origin == place.origin)
            })
        };
        let generation = self.generations.get(&number).into_iter();
        generation
            .flat_map(|it| &it.containers)
            .filter(|(name, place)| !shared(name, place))
            .collect()
    }

    /// Those that are kept and do not serve, the one that served last first: its connections may not
    /// have ended yet.
    pub fn kept(&self) -> Vec<u64> {
        let mut kept: Vec<_> = self
            .generations
            .iter()
            .filter(|(number, it)| {
                Some(**number) != self.serving
                    && matches!(
                        it.stage,
                        Stage::Draining | Stage::Paused(_) | Stage::Stopped
                    )
            })
            .map(|(number, it)| (it.since, *number))
            .collect();
        kept.sort_unstable();
        kept.into_iter().rev().map(|(_, number)| number).collect()
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
