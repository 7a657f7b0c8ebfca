//! `server status`: what serves, what is kept, what the ledger says meanwhile. Nothing changes.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::Serialize;

use super::Server;
use super::machine::{Kernel, Machine as _};
use super::open::Open;
use super::ruleset;
use super::state::{Generation, Stage, State};
use crate::engine::{Docker, Engine as _};
use crate::error::Result;
use crate::home::session::Session;
use crate::model::digest::Digest;
use crate::model::identity;
use crate::model::name::{
    ConfigurationName, ContainerName, EnvironmentName, InstanceName, PlatformName,
};
use crate::model::observed::{ContainerDetails, ContainerState, Health, ObservedContainer};

/// A server, as it is.
#[derive(Debug, Serialize)]
pub struct Status {
    /// Whose reference.
    pub platform: PlatformName,
    /// Whose ledger.
    pub environment: EnvironmentName,
    /// Which settings the images use.
    pub configuration: ConfigurationName,
    /// What its objects are named after.
    pub server: InstanceName,
    /// What serves; `None`: nothing yet.
    pub reference: Option<ReferenceStatus>,
    /// Every generation that is there, the one that serves first.
    pub generations: Vec<GenerationStatus>,
    /// What should serve.
    pub containers: Vec<ContainerStatus>,
    /// Where this machine's ports lead.
    pub ports: Vec<PortStatus>,
    /// What the ledger said at the last look.
    pub ledger: Option<LedgerStatus>,
    /// The reference that could not be brought up.
    pub failed: Option<FailedStatus>,
    /// Who went back, until the ledger has another entry.
    pub held: Option<HeldStatus>,
}

/// A reference that serves.
#[derive(Debug, Serialize)]
pub struct ReferenceStatus {
    /// Its number.
    pub number: u64,
    /// Its image.
    pub digest: Digest,
    /// Since when.
    pub since: Option<Timestamp>,
}

/// A generation.
#[derive(Debug, Serialize)]
pub struct GenerationStatus {
    /// Counts from 1 on this server.
    pub generation: u64,
    /// What it runs.
    pub reference: u64,
    /// `serving`, `paused`, …
    pub stage: &'static str,
    /// When it served last, or began to.
    pub since: Option<Timestamp>,
}

/// A container that should serve.
#[derive(Debug, Serialize)]
pub struct ContainerStatus {
    /// Which.
    pub name: String,
    /// What it is called on the engine.
    pub object: String,
    /// The generation that made it.
    pub generation: u64,
    /// `running`, …; `missing` where it is not there.
    pub state: &'static str,
    /// The version that its image says; `None` where it is not there.
    pub version: Option<String>,
    /// The engine's check; `None` too since a pause, until the engine looks again.
    pub health: Option<&'static str>,
}

/// A port that leads to a container.
#[derive(Debug, Serialize)]
pub struct PortStatus {
    /// On this machine.
    pub port: u16,
    /// To whom.
    pub container: String,
    /// Whether the kernel leads it there.
    pub led: bool,
}

/// The ledger, as last seen.
#[derive(Debug, Serialize)]
pub struct LedgerStatus {
    /// What it says runs.
    pub reference: u64,
    /// Counts signed documents.
    pub sequence: u64,
    /// When the registry last confirmed it.
    pub confirmed: Timestamp,
    /// From when on it vouches for nothing.
    pub expires: Timestamp,
    /// Why the last look failed.
    pub failed: Option<String>,
}

/// A reference that could not be brought up.
#[derive(Debug, Serialize)]
pub struct FailedStatus {
    /// Which.
    pub reference: u64,
    /// In words.
    pub why: String,
    /// How often it was tried.
    pub tries: u32,
    /// When it was tried last.
    pub at: Timestamp,
    /// From then on it is tried again by itself.
    pub again: Option<Timestamp>,
}

/// A rollback that holds.
#[derive(Debug, Serialize)]
pub struct HeldStatus {
    /// Who.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: Timestamp,
}

/// Looks at the server. Nobody waits for it.
pub async fn status(session: &Session) -> Result<Status> {
    let open = Open::new(session)?;
    let now = Timestamp::now;
    let server = open.server(&now, None);
    let state = open.state()?;
    let all = server.containers().await?;
    let led = server.machine.led(&ruleset::table(&open.file.name)).await?;
    let current = state.current().map(|(_, it)| it);
    let woken = woken(&server, &all).await;
    let containers = containers(&server, current, &all, &woken);
    let ports = current
        .into_iter()
        .flat_map(|it| &it.ports)
        .map(|port| PortStatus {
            port: port.host,
            container: port.of.to_string(),
            led: led.as_ref().and_then(|it| it.get(&port.host)) == Some(&port.lead()),
        });
    Ok(Status {
        configuration: open.file.configuration()?,
        reference: current.map(|it| ReferenceStatus {
            number: it.reference.number,
            digest: it.reference.digest,
            since: it.since,
        }),
        generations: generations(&state),
        containers,
        ports: ports.collect(),
        ledger: state.looked.as_ref().map(|it| LedgerStatus {
            reference: it.number,
            sequence: it.sequence,
            confirmed: it.confirmed,
            expires: it.expires,
            failed: it.failed.clone(),
        }),
        failed: state.failed.as_ref().map(|it| FailedStatus {
            reference: it.reference.number,
            why: it.why.clone(),
            tries: it.tries,
            at: it.at,
            again: it.again,
        }),
        held: state.held.as_ref().map(|it| HeldStatus {
            by: it.by.clone(),
            reason: it.reason.clone(),
            at: it.at,
        }),
        platform: open.file.platform.clone(),
        environment: open.file.environment.clone(),
        server: open.file.name.clone(),
    })
}

fn containers(
    server: &Server<'_, Docker, Kernel>,
    serving: Option<&Generation>,
    all: &[(u64, ContainerName, ObservedContainer)],
    woken: &BTreeSet<String>,
) -> Vec<ContainerStatus> {
    let containers = serving.into_iter().flat_map(|it| &it.containers);
    let containers = containers
        .filter(|(_, place)| !place.once)
        .map(|(name, place)| {
            let mut found = all.iter();
            let found = found.find(|(origin, it, _)| it == name && *origin == place.origin);
            let found: Option<&ObservedContainer> = found.map(|(_, _, it)| it);
            ContainerStatus {
                name: name.to_string(),
                object: server.object(name, place),
                generation: place.origin,
                version: found.and_then(|it| it.labels.get(identity::VERSION).cloned()),
                state: found.map_or("missing", |it| it.state.as_str()),
                health: found
                    .filter(|it| !woken.contains(&it.id))
                    .and_then(|it| it.health)
                    .map(Health::as_str),
            }
        });
    containers.collect()
}

/// The Ids of containers whose `unhealthy` is only what a pause left behind.
async fn woken(
    server: &Server<'_, Docker, Kernel>,
    all: &[(u64, ContainerName, ObservedContainer)],
) -> BTreeSet<String> {
    let unhealthy = all.iter().filter(|(_, _, it)| {
        it.state == ContainerState::Running && it.health == Some(Health::Unhealthy)
    });
    let looks = unhealthy.map(async |(_, _, it)| server.engine.inspect(&it.id).await);
    let looks = join_all(looks).await.into_iter().flatten();
    let left = looks.filter(ContainerDetails::is_left_by_a_pause);
    left.map(|it| it.id).collect()
}

fn generations(state: &State) -> Vec<GenerationStatus> {
    let mut numbers: Vec<u64> = state.serving.into_iter().collect();
    numbers.extend(state.kept());
    let others = state.generations.keys().filter(|it| !numbers.contains(it));
    numbers.extend(others.copied().collect::<Vec<_>>());
    let one = |number: &u64| {
        let it = state.generations.get(number)?;
        Some(GenerationStatus {
            generation: *number,
            reference: it.reference.number,
            stage: match it.stage {
                Stage::Starting => "starting",
                Stage::Waking => "waking",
                Stage::Switching => "switching",
                Stage::Serving => "serving",
                Stage::Draining => "draining",
                Stage::Paused(_) => "paused",
                Stage::Stopped => "stopped",
            },
            since: it.since,
        })
    };
    numbers.iter().filter_map(one).collect()
}
