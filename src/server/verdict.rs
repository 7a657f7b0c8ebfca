//! What is wrong with a server, by what was seen of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::level::Level;
use super::state::{Stage, State};
use crate::model::name::ContainerName;

/// One container of the generation that serves, as it was seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// What is wrong with it; `None`: nothing.
    pub wrong: Option<String>,
    /// Whom it needs and uses.
    pub reaches: BTreeSet<ContainerName>,
}

/// Everything that was seen.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Facts {
    /// The reference that serves.
    pub reference: Option<u64>,
    /// Its containers.
    pub containers: BTreeMap<ContainerName, Seen>,
    /// Routes that do not answer, in words.
    pub routes: Vec<String>,
    /// Ports that are led elsewhere, or nowhere.
    pub ports: Vec<u16>,
    /// Containers of this server that no generation knows.
    pub strangers: Vec<String>,
    /// Containers of others in this server's networks.
    pub intruders: Vec<String>,
    /// Whether drift is told, not mended.
    pub tells: bool,
    /// Why the last reference could not be brought up.
    pub failed: Option<String>,
    /// Why the last look at the ledger gave nothing.
    pub blind: Option<String>,
    /// How often the engine started containers again.
    pub restarts: u64,
    /// Seconds since the registry last confirmed the ledger.
    pub ledger_age: Option<i64>,
    /// Seconds until it vouches for nothing; negative since then.
    pub ledger_left: Option<i64>,
    /// Bytes that are free on the engine's disk, and what has to be.
    pub disk: Option<(u64, u64)>,
    /// Seconds until the certificate of a port expires; negative since then.
    pub certificates: BTreeMap<u16, i64>,
    /// Bytes of all logs, and how many of them come in an hour, once that can be known.
    pub logs: Option<(u64, Option<u64>)>,
    /// What is no alarm, and should be known.
    pub notes: Vec<String>,
    /// Names of containers that a change under way stops for a moment, and of those that reach them.
    pub excused: BTreeSet<String>,
    /// Whether a command is working on the server now.
    pub changing: bool,
}

/// After so many seconds without a look at the ledger something is wrong.
pub(super) const OLD: i64 = 3600;

/// So many seconds before it expires, production should have renewed it.
pub(super) const SOON: i64 = 7 * DAY;

/// So many seconds before it expires, a certificate should have been replaced.
pub(super) const CERTIFICATE_SOON: i64 = 14 * DAY;

pub(super) const DAY: i64 = 86_400;

/// Logs that fill the disk within so many hours are too many.
const HOURS: u64 = 24;

impl Facts {
    /// What is wrong, the root cause first: a container that is down counts, those that need it do not.
    pub fn findings(&self) -> Vec<(Level, String)> {
        let mut found = Vec::new();
        if self.reference.is_none() {
            let level = if self.changing {
                Level::Ok
            } else {
                Level::Critical
            };
            found.push((level, "nothing serves yet".to_owned()));
        }
        let causes = self.causes();
        let is_up = causes.is_empty();
        found.extend(causes.into_iter().map(|it| (Level::Critical, it)));
        if !self.ports.is_empty() {
            let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
            let ports = ports.join(", ");
            found.push((
                Level::Critical,
                format!("the kernel does not lead port {ports} to the proxy"),
            ));
        }
        if is_up {
            found.extend(self.routes.iter().map(|it| (Level::Critical, it.clone())));
        }
        found.extend(self.drift());
        found.extend(self.expiring());
        if let Some(why) = &self.failed {
            found.push((Level::Warning, why.clone()));
        }
        if let Some(why) = &self.blind {
            let text = format!("the ledger cannot be followed: {why}");
            found.push((Level::Warning, text));
        }
        found.extend(self.ledger().map(|it| (Level::Warning, it)));
        if let Some((free, wanted)) = self.disk.filter(|(free, wanted)| free < wanted) {
            let text = format!(
                "the engine's disk has {} MB left, less than {}",
                free >> 20,
                wanted >> 20
            );
            found.push((Level::Warning, text));
        }
        if let (Some((free, _)), Some((_, Some(hourly)))) = (self.disk, self.logs)
            && let Some(hours) = free.checked_div(hourly).filter(|hours| *hours < HOURS)
        {
            let text = format!(
                "logs grow by {} MB an hour: the disk is full in {hours} hours",
                hourly >> 20
            );
            found.push((Level::Warning, text));
        }
        // The order of causes stays within a level.
        found.sort_by_key(|(level, _)| std::cmp::Reverse(*level));
        found
    }

    /// Containers that are down, but those that only need one that is, and those that a change under way
    /// explains. Of those that explain each other one is named.
    fn causes(&self) -> Vec<String> {
        let mut left: BTreeMap<&ContainerName, &Seen> = self
            .containers
            .iter()
            .filter(|(name, it)| it.wrong.is_some() && !self.excused.contains(name.as_str()))
            .collect();
        let all = left.len();
        let mut roots = BTreeSet::new();
        while let Some(root) = root(&left) {
            roots.insert(root);
            let explained = hanging(&left, root);
            left.retain(|name, _| !explained.contains(name));
        }
        let named = self.containers.iter();
        let named = named.filter(|(name, _)| roots.contains(name));
        let mut found: Vec<String> = named
            .filter_map(|(name, it)| Some(format!("{name} {}", it.wrong.as_ref()?)))
            .collect();
        let others = all - found.len();
        if others > 0 {
            found.push(format!("{others} that need it are down too"));
        }
        found
    }

    /// What somebody added by hand.
    fn drift(&self) -> Vec<(Level, String)> {
        let level = if self.tells {
            Level::Critical
        } else {
            Level::Warning
        };
        let all = [
            (&self.strangers, "made by hand"),
            (&self.intruders, "put into this server's network by hand"),
        ];
        let seen = all
            .into_iter()
            .filter(|(names, _)| !names.is_empty() && !self.changing);
        seen.map(|(names, what)| (level, format!("{what}: {}", names.join(", "))))
            .collect()
    }

    /// Certificates that expire soon, or have.
    fn expiring(&self) -> Vec<(Level, String)> {
        let soon = self.certificates.iter();
        let soon = soon.filter(|(_, left)| **left < CERTIFICATE_SOON);
        soon.map(|(port, left)| {
            if *left < 0 {
                let text = format!("the certificate of port {port} has expired");
                return (Level::Critical, text);
            }
            let days = left / DAY;
            let text = format!("the certificate of port {port} expires in {days} days");
            (Level::Warning, text)
        })
        .collect()
    }

    /// What is wrong with the ledger, as it was last seen.
    fn ledger(&self) -> impl Iterator<Item = String> {
        let expires = self.ledger_left.filter(|left| *left < SOON).map(|left| {
            if left < 0 {
                "the ledger has expired: production has not renewed it".to_owned()
            } else {
                format!("the ledger expires in {} days", left / DAY)
            }
        });
        let old = self.ledger_age.filter(|age| *age > OLD);
        let old = old.map(|age| format!("the ledger was last seen {} minutes ago", age / 60));
        expires.into_iter().chain(old)
    }

    /// How bad it is.
    pub fn level(&self) -> Level {
        let levels = self.findings().into_iter().map(|(level, _)| level);
        levels.max().unwrap_or(Level::Ok)
    }
}

/// One that reaches no other of these, or else one of a circle.
fn root<'f>(all: &BTreeMap<&'f ContainerName, &'f Seen>) -> Option<&'f ContainerName> {
    let reached = |name: &'f ContainerName| {
        let mut reaches = all[name].reaches.iter();
        reaches.find(|it| *it != name && all.contains_key(it))
    };
    if let Some(free) = all.keys().find(|it| reached(it).is_none()) {
        return Some(free);
    }
    let mut at = *all.keys().next()?;
    let mut passed = BTreeSet::new();
    while passed.insert(at) {
        at = reached(at)?;
    }
    Some(at)
}

/// One of these, and those that reach it.
fn hanging<'f>(
    all: &BTreeMap<&'f ContainerName, &'f Seen>,
    on: &'f ContainerName,
) -> BTreeSet<&'f ContainerName> {
    let mut found = BTreeSet::from([on]);
    loop {
        let reach = |it: &Seen| it.reaches.iter().any(|it| found.contains(it));
        let more = all.iter().filter(|(_, it)| reach(it));
        let more: Vec<&ContainerName> = more.map(|(name, _)| *name).collect();
        let before = found.len();
        found.extend(more);
        if found.len() == before {
            return found;
        }
    }
}

/// The names of containers that may be down for a moment: they are stopped for a generation that is
/// being made or woken, or reach one that is. The proxy answers all the time.
pub fn excused(state: &State) -> BTreeSet<String> {
    let Some((_, serving)) = state.current() else {
        return BTreeSet::new();
    };
    let begun = state.generations.values();
    let begun = begun.filter(|it| matches!(it.stage, Stage::Starting | Stage::Waking));
    let mut found: BTreeSet<&ContainerName> = begun.flat_map(|it| &it.stopped).collect();
    loop {
        let before = found.len();
        let places = serving.containers.iter();
        let more = places.filter(|(name, place)| {
            **name != serving.proxy && place.reaches.iter().any(|it| found.contains(it))
        });
        let more: Vec<&ContainerName> = more.map(|(name, _)| name).collect();
        found.extend(more);
        if found.len() == before {
            break;
        }
    }
    let names = found
        .into_iter()
        .map(|name| match serving.containers.get(name) {
            Some(place) => place.names(name),
            None => vec![name.to_string()],
        });
    names.flatten().collect()
}

#[cfg(test)]
#[path = "verdict_tests.rs"]
pub(super) mod tests;
