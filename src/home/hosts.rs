//! Which kind of host an engine is on: asked once, remembered, settled by the user's settings.

use std::io::ErrorKind;
use std::net::{IpAddr, TcpListener};

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::engine::docker::{Docker, EngineInfo};
use crate::engine::{self, Choice, Endpoint};
use crate::error::{Error, Result};
use crate::home::file;
use crate::home::paths::Paths;
use crate::home::session::Session;
use crate::model::digest::Digest;
use crate::model::facets::value::Facts;
use crate::model::host_profile::{
    Appears, Host, HostFacts, HostProfile, PublishAddress, built_in, recognise,
};
use crate::model::nearest::nearest;
use crate::model::visible::visible;
use crate::system::{Here, System as _};

/// After this an engine is asked again.
const FRESH: SignedDuration = SignedDuration::from_hours(24);

/// What an engine told of itself, remembered by its address.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct HostRecord {
    /// When it was asked.
    pub asked: Timestamp,
    /// The engine's version then, as its answers name it.
    pub version: String,
    /// The profile that fits, and why.
    pub profile: String,
    /// Why it fits, in words.
    pub why: String,
    /// What that was decided by.
    pub facts: HostFacts,
    /// Processors.
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    /// Its facets; none of an engine that an earlier version asked.
    #[serde(default)]
    pub engine: Facts,
}

/// The host of an engine. An engine that was asked within a day, and says the same version since, is
/// not asked again; but another one may have taken its place: whoever begins something uses
/// [`ask_host`].
pub async fn host(session: &Session, engine: &Docker, choice: &Choice) -> Result<Host> {
    let own = session.home.own_profiles()?;
    let record = match remembered(&session.home.paths, &choice.endpoint) {
        Some(record) if is_fresh(&record, engine, session.home.now()) => record,
        _ => ask(session, engine, &choice.endpoint).await?.0,
    };
    settle(session, own, &record, &choice.endpoint).await
}

/// The same, but the engine is asked in any case; with its whole description.
pub async fn ask_host(
    session: &Session,
    engine: &Docker,
    choice: &Choice,
) -> Result<(Host, EngineInfo)> {
    let own = session.home.own_profiles()?;
    let (record, info) = ask(session, engine, &choice.endpoint).await?;
    let host = settle(session, own, &record, &choice.endpoint).await?;
    Ok((host, info))
}

/// What is remembered of the engine at an address. Nobody is asked.
pub fn remembered(paths: &Paths, endpoint: &Endpoint) -> Option<HostRecord> {
    file::load(&record_of(paths, endpoint)).ok().flatten()
}

/// Whether anything is remembered of the engine that is asked.
pub fn is_known(session: &Session) -> bool {
    let engine = session.engine();
    engine.is_ok_and(|(_, choice)| remembered(&session.home.paths, &choice.endpoint).is_some())
}

/// Forgets what the engine is, with the folders that this leaves empty.
pub fn forget(session: &Session) {
    let Ok((_, choice)) = session.engine() else {
        return;
    };
    let record = record_of(&session.home.paths, &choice.endpoint);
    // What cannot be removed is asked for again when it is old.
    let _ = std::fs::remove_file(&record);
    for folder in record.ancestors().skip(1).take(2) {
        let _ = std::fs::remove_dir(folder);
    }
}

/// The profile that settings or memory say, and why; `None` where the engine was never asked.
pub fn known_profile(session: &Session, endpoint: &Endpoint) -> Result<Option<(String, String)>> {
    let own = session.home.own_profiles()?;
    let record = remembered(&session.home.paths, endpoint);
    if record.is_none() && session.home.settings.profile.value.is_none() {
        return Ok(None);
    }
    let facts = record.unwrap_or_else(|| HostRecord {
        asked: Timestamp::UNIX_EPOCH,
        version: String::new(),
        profile: String::new(),
        why: String::new(),
        facts: HostFacts::default(),
        cpus: 0,
        memory: 0,
        engine: Facts::new(),
    });
    let (profile, why) = chosen(session, own, &facts)?;
    Ok(Some((profile.name, why)))
}

fn record_of(paths: &Paths, endpoint: &Endpoint) -> std::path::PathBuf {
    let digest = Digest::of(endpoint.to_string().as_bytes()).hex();
    paths.host(&digest[..16])
}

fn is_fresh(record: &HostRecord, engine: &Docker, now: Timestamp) -> bool {
    let age = now.duration_since(record.asked);
    let version = engine.version();
    let same = !version.is_empty() && version == record.version;
    same && !age.is_negative() && age < FRESH
}

async fn ask(
    session: &Session,
    engine: &Docker,
    endpoint: &Endpoint,
) -> Result<(HostRecord, EngineInfo)> {
    let info = engine.info().await?;
    let machine = Here::machine_name();
    let facts = engine::facts(&info, endpoint, std::env::consts::OS, machine.as_deref());
    let all = HostProfile::all(session.home.own_profiles()?)?;
    let (profile, why) = recognise(&all, &facts)
        .ok_or_else(|| Error::usage("no host profile fits, not even the last one"))?;
    let record = HostRecord {
        asked: session.home.now(),
        version: engine.version(),
        profile: profile.name.clone(),
        why,
        facts,
        cpus: info.cpus,
        memory: info.memory,
        engine: info.facts(),
    };
    file::save(&record_of(&session.home.paths, endpoint), &record)?;
    Ok((record, info))
}

/// The profile that is named in the settings, else the one that fits what is known.
fn chosen(
    session: &Session,
    own: Vec<HostProfile>,
    record: &HostRecord,
) -> Result<(HostProfile, String)> {
    let setting = &session.home.settings.profile;
    if let Some(name) = &setting.value {
        let all = HostProfile::all(own)?;
        let why = format!("`profile` in {}", setting.origin);
        return match all.iter().find(|it| it.name == *name) {
            Some(profile) => Ok((profile.clone(), why)),
            None => Err(unknown(name, &all)),
        };
    }
    // What was recognised holds as long as no profile of the user's own can say otherwise.
    if own.is_empty()
        && let Some(profile) = built_in(&record.profile)?
    {
        return Ok((profile, record.why.clone()));
    }
    let all = HostProfile::all(own)?;
    let found = recognise(&all, &record.facts).map(|(profile, why)| (profile.clone(), why));
    found.ok_or_else(|| Error::usage("no host profile fits, not even the last one"))
}

fn unknown(name: &str, all: &[HostProfile]) -> Error {
    let names: Vec<&str> = all.iter().map(|it| it.name.as_str()).collect();
    let error = Error::usage(format!(
        "there is no host profile `{}`, which settings.yaml names",
        visible(name)
    ));
    match nearest(name, names.iter().copied()) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint(format!("there are: {}", names.join(", "))),
    }
}

async fn settle(
    session: &Session,
    own: Vec<HostProfile>,
    record: &HostRecord,
    endpoint: &Endpoint,
) -> Result<Host> {
    let (profile, why) = chosen(session, own, record)?;
    let needs_address = profile.published.address == PublishAddress::Engine
        || matches!(profile.published.appears, Appears::Engine | Appears::Host);
    let address = if needs_address {
        address(endpoint).await?
    } else {
        None
    };
    let wanted = session.home.settings.publish_address.value;
    let forward = session.home.settings.forward.value;
    Host::new(profile, why, address, wanted, forward)
}

/// Before anything is published: warns of what everybody will reach, and refuses a `publish_address`
/// that this machine has not, where the engine is on it. Engines notice that only when what ran before
/// is gone.
///
/// # Errors
/// The setting and where it is from: [`crate::error::Kind::Usage`].
pub fn check_publishing(session: &Session, host: &Host, choice: &Choice) -> Result<()> {
    if let Some((text, advice)) = host.exposed() {
        session.reporter.warn(&format!("{text} ({advice})"));
    }
    let setting = &session.home.settings.publish_address;
    match setting.value {
        Some(address) if is_here(session, choice) => bindable(address).map_err(|error| {
            let origin = &setting.origin;
            Error::usage(format!(
                "`publish_address` in {origin} is {address}, which is no address of this machine"
            ))
            .because(error)
            .hint("without the setting, ports are published at 127.0.0.1, for this machine only")
        }),
        _ => Ok(()),
    }
}

/// Whether the engine runs on this machine itself, by the name that it told.
fn is_here(session: &Session, choice: &Choice) -> bool {
    let record = remembered(&session.home.paths, &choice.endpoint);
    let name = record.map(|record| record.facts.name);
    choice.endpoint.host().is_none() && name.is_some() && name == Here::machine_name()
}

fn bindable(address: IpAddr) -> std::io::Result<()> {
    match TcpListener::bind((address, 0)) {
        Err(error) if error.kind() == ErrorKind::AddrNotAvailable => Err(error),
        _ => Ok(()),
    }
}

/// The engine's address, an IPv4 one where there are several.
async fn address(endpoint: &Endpoint) -> Result<Option<IpAddr>> {
    let Some(host) = endpoint.host() else {
        return Ok(None);
    };
    let unknown = || Error::engine(format!("the address of `{}` is not known", visible(host)));
    let found = tokio::net::lookup_host((host, 0)).await;
    let found = found.map_err(|error| unknown().because(error))?;
    let mut all: Vec<IpAddr> = found.map(|it| it.ip()).collect();
    all.sort_by_key(IpAddr::is_ipv6);
    all.first().copied().map(Some).ok_or_else(unknown)
}
