//! `server check` and `server metrics`: a look at the server that asks no registry.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::path::Path;
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Server;
use super::ground::Ground;
use super::growth::{Sample, log_size};
use super::level::{Level, told};
use super::machine::{Kernel, Machine as _};
use super::open::Open;
use super::route::RouteRecord;
use super::ruleset;
use super::state::{Generation, State};
use super::verdict::{Facts, Seen, excused};
use crate::engine::{Docker, Engine as _, FaultKind};
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::file;
use crate::home::lock;
use crate::home::session::Session;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerDetails, ContainerState, Health, ObservedContainer};
use crate::model::server::{Drift, Patience, ServerFile};
use crate::network::probe;
use crate::system::{Here, System as _};

/// What supervision is told: the level, and the lines.
pub async fn check(session: &Session) -> Result<(Level, String)> {
    let open = Open::new(session)?;
    let facts = facts(session, &open).await?;
    let path = session.home.paths.server_seen();
    let level = patient(&path, &facts, open.file.check);
    Ok((level, facts.lines(level)))
}

/// How bad it is, by what the looks before saw as well. Where this one cannot be remembered, as on a disk
/// that is full, it counts alone.
fn patient(path: &Path, facts: &Facts, patience: Patience) -> Level {
    let mut before = remembered(path);
    let (levels, level) = told(before.levels, facts.level(), patience);
    before.levels = levels;
    before.logs = facts.logs.map(|(bytes, _)| match before.logs {
        Some(then) if then.is_young(Timestamp::now()) => then,
        _ => Sample {
            at: Timestamp::now(),
            bytes,
        },
    });
    match file::save(path, &before) {
        Ok(()) => level,
        Err(_) => facts.level(),
    }
}

/// Writes the facts as a file for Prometheus' textfile collector, which never sees half of one.
pub async fn metrics(session: &Session, to: &Path) -> Result<()> {
    let open = Open::new(session)?;
    let facts = facts(session, &open).await?;
    let folder = to.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let mut new =
        tempfile::NamedTempFile::new_in(folder).at(Kind::Usage, "create a file in", folder)?;
    std::io::Write::write_all(&mut new, facts.metrics().as_bytes()).at(Kind::Usage, "write", to)?;
    Here::set_mode(new.path(), 0o644).at(Kind::Usage, "change", to)?;
    new.persist(to)
        .map_err(|error| error.error)
        .at(Kind::Usage, "write", to)?;
    Ok(())
}

/// What the looks before this one saw.
#[derive(Debug, Default, Serialize, Deserialize)]
struct Remembered {
    /// How bad it was, newest last.
    levels: Vec<u8>,
    /// How large logs were.
    logs: Option<Sample>,
}

/// A file that cannot be read is none: what comes next is as good.
fn remembered(path: &Path) -> Remembered {
    file::load(path).ok().flatten().unwrap_or_default()
}

/// What the journal says.
fn told_by_the_journal(state: &State, file: &ServerFile, now: Timestamp) -> Facts {
    let mut facts = Facts {
        failed: state.failed.as_ref().map(|it| {
            format!(
                "reference {} was not brought up: {}",
                it.reference.number, it.why
            )
        }),
        blind: state.blind.clone(),
        tells: file.drift == Drift::Tell,
        ..Facts::default()
    };
    if let Some(looked) = &state.looked {
        facts.ledger_age = Some(now.duration_since(looked.confirmed).as_secs());
        facts.ledger_left = Some(looked.expires.duration_since(now).as_secs());
    }
    facts
}

async fn facts(session: &Session, open: &Open<'_>) -> Result<Facts> {
    let now = Timestamp::now;
    let server = open.server(&now, None);
    let state = open.state()?;
    let changing = lock::is_held(&session.home.paths.server_lock())?;
    let mut facts = told_by_the_journal(&state, &open.file, now());
    facts.changing = changing;
    if changing {
        facts.excused = excused(&state);
    }
    let everybody = match open.engine.containers().await {
        Ok(all) => all,
        // A server whose engine is down serves nothing: that is the cause, not that it cannot be known.
        Err(fault) => {
            facts.routes = vec![Error::from(fault).chain().join(": ")];
            facts.reference = state.current().map(|(_, it)| it.reference.number);
            return Ok(facts);
        }
    };
    let named = everybody.iter().filter_map(|it| server.named(it));
    let all: Vec<_> = named.collect();
    let intruders = server.intruders(&state, &everybody);
    facts.intruders = intruders.iter().map(|(it, _)| it.object.clone()).collect();
    look_at_disk(session, &server, &state, &all, &mut facts).await;
    facts.strangers = all
        .iter()
        .filter(|(origin, name, _)| !state.keeps(*origin, name))
        .map(|(_, _, it)| it.object.clone())
        .collect();
    let Some((number, serving)) = state.current() else {
        return Ok(facts);
    };
    facts.reference = Some(serving.reference.number);
    let network = server.identity(number).network();
    (facts.containers, facts.restarts) = containers(&server, serving, &network, &all).await;
    let led = server.machine.led(&ruleset::table(&open.file.name)).await?;
    let led = led.unwrap_or_default();
    let astray = serving.ports.iter();
    let astray = astray.filter(|it| led.get(&it.host) != Some(&it.lead()));
    if !changing {
        facts.ports = astray.map(|it| it.host).collect();
    }
    (facts.routes, facts.certificates) = tokio::join!(
        routes(&server, serving, &facts.excused),
        certificates(serving, now()),
    );
    let remarks = Ground::look().await?.remarks();
    facts
        .notes
        .extend(remarks.iter().map(|it| it.short.to_owned()));
    if serving.drains == Some(false) {
        let text = format!("{} has no drain line", serving.proxy);
        facts.notes.push(text);
    }
    Ok(facts)
}

/// Looks at the engine's disk, and at the logs on it.
async fn look_at_disk(
    session: &Session,
    server: &Server<'_, Docker, Kernel>,
    state: &State,
    all: &[(u64, ContainerName, &ObservedContainer)],
    facts: &mut Facts,
) {
    let Ok(info) = server.engine.info().await else {
        return;
    };
    let data = Path::new(&info.data_folder);
    let free = server.machine.disk(data);
    facts.disk = free.map(|free| (free, server.file.free_disk.get()));
    let names = state
        .generations
        .values()
        .flat_map(|it| it.containers.keys());
    let names: BTreeSet<&ContainerName> = names.collect();
    let volumes = names.into_iter().filter_map(|name| server.log_volume(name));
    let ids = all.iter().map(|(_, _, it)| it.id.clone());
    let size = log_size(data.to_owned(), volumes.collect(), ids.collect()).await;
    let before = remembered(&session.home.paths.server_seen()).logs;
    facts.logs = size.map(|bytes| {
        let hourly = before.and_then(|then| then.hourly((server.now)(), bytes));
        (bytes, hourly)
    });
}

/// Seconds until the certificate of each port of the proxy expires. The first port is asked without
/// TLS, as routes are.
async fn certificates(serving: &Generation, now: Timestamp) -> BTreeMap<u16, i64> {
    let ports = serving.ports.iter().filter(|it| it.of == serving.proxy);
    let hosts = serving.routes.iter().map(RouteRecord::host);
    let names: BTreeSet<&str> = hosts.chain(["localhost"]).collect();
    let looks = ports.skip(1).map(async |port| {
        let shown = names.iter().take(NAMES).map(|name| {
            let address = IpAddr::V4(port.address);
            probe::certificate(address, port.container, name)
        });
        let shown = join_all(shown).await.into_iter().flatten();
        let first = shown.map(|it| it.until).min()?;
        Some((port.host, first.duration_since(now).as_secs()))
    });
    join_all(looks).await.into_iter().flatten().collect()
}

/// So many names are asked for at most: a proxy may have a certificate for each.
const NAMES: usize = 8;

/// How the containers that should serve are, and how often they were started again.
async fn containers(
    server: &Server<'_, Docker, Kernel>,
    serving: &Generation,
    network: &str,
    all: &[(u64, ContainerName, &ObservedContainer)],
) -> (BTreeMap<ContainerName, Seen>, u64) {
    let places = serving.containers.iter().filter(|(_, place)| !place.once);
    let looks = places.map(async |(name, place)| {
        let mut found = all.iter();
        let found = found.find(|(origin, it, _)| it == name && *origin == place.origin);
        let (wrong, restarts) = match found {
            None => (Some("is not there".to_owned()), 0),
            Some((_, _, it)) if !it.networks.contains_key(network) => {
                (Some("was taken off its network".to_owned()), 0)
            }
            Some((_, _, it)) => match server.engine.inspect(&it.id).await {
                Ok(details) => {
                    let made = place.made.as_ref();
                    let changed = || made.and_then(|made| made.changed(&details));
                    (wrong(&details).or_else(changed), details.restarts)
                }
                Err(fault) if fault.kind == FaultKind::NotFound => {
                    (Some("is not there".to_owned()), 0)
                }
                Err(fault) => (Some(format!("cannot be looked at: {fault}")), 0),
            },
        };
        let seen = Seen {
            wrong,
            reaches: place.reaches.clone(),
        };
        (name.clone(), seen, restarts)
    });
    let looks = join_all(looks).await;
    let restarts = looks.iter().map(|(.., restarts)| restarts).sum();
    let seen = looks.into_iter().map(|(name, seen, _)| (name, seen));
    (seen.collect(), restarts)
}

/// How slow a page may be: who asks for this check waits 10 s, as `check_nrpe` does.
const SLOW: Duration = Duration::from_secs(6);

/// The routes that do not answer, in words.
async fn routes(
    server: &Server<'_, Docker, Kernel>,
    serving: &Generation,
    excused: &BTreeSet<String>,
) -> Vec<String> {
    let mut ports = serving.ports.iter();
    let Some(proxy) = ports.find(|it| it.of == serving.proxy) else {
        return Vec::new();
    };
    let asked = serving.routes.iter();
    let asked = asked.filter(|route| !excused.contains(route.of.as_str()));
    let asking = asked.map(async |route| {
        let (address, port) = (proxy.address, proxy.container);
        let asked = server.machine.ask(address, port, route, SLOW);
        route.wrong(asked.await.as_ref())
    });
    join_all(asking).await.into_iter().flatten().collect()
}

/// What is wrong with a container, in words.
fn wrong(details: &ContainerDetails) -> Option<String> {
    match (details.state, details.health) {
        (ContainerState::Running, _) if details.is_left_by_a_pause() => None,
        (ContainerState::Running, Some(Health::Unhealthy)) => Some("is unhealthy".to_owned()),
        (ContainerState::Running, _) => None,
        (ContainerState::Exited(Some(code)), _) => Some(format!("has exited with {code}")),
        (state, _) => Some(format!("is {}", state.as_str())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_remembered_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let patience = Patience { bad: 2, of: 3 };
        let facts = Facts::default();
        assert_eq!(facts.level(), Level::Critical, "nothing serves");
        let path = folder.path().join("seen.json");
        assert_eq!(patient(&path, &facts, patience), Level::Ok);
        assert_eq!(patient(&path, &facts, patience), Level::Critical);
        let never = path.join("seen.json");
        assert_eq!(patient(&never, &facts, patience), Level::Critical);
    }
}
