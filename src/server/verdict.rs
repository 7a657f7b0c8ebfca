//! What is wrong with a server, by what was seen of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::level::Level;
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

    /// Containers that are down, but those that only need one that is.
    fn causes(&self) -> Vec<String> {
        let mut found = Vec::new();
        let wrong: BTreeSet<&ContainerName> = self
            .containers
            .iter()
            .filter(|(_, it)| it.wrong.is_some())
            .map(|(name, _)| name)
            .collect();
        let mut roots = 0;
        for (name, it) in &self.containers {
            let Some(why) = &it.wrong else { continue };
            if it
                .reaches
                .iter()
                .any(|other| other != name && wrong.contains(other))
            {
                continue;
            }
            roots += 1;
            found.push(format!("{name} {why}"));
        }
        if roots > 0 && wrong.len() > roots {
            let others = wrong.len() - roots;
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

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    pub(crate) fn facts(wrong: &[&str]) -> Facts {
        let seen = |name: &str, reaches: &[&str]| {
            let seen = Seen {
                wrong: wrong.contains(&name).then(|| "is unhealthy".to_owned()),
                reaches: reaches.iter().map(|it| it.parse().unwrap()).collect(),
            };
            (name.parse().unwrap(), seen)
        };
        Facts {
            reference: Some(42),
            containers: BTreeMap::from([
                seen("ledger-db", &[]),
                seen("billing", &["ledger-db"]),
                seen("invoices", &["billing"]),
                seen("front", &[]),
            ]),
            ledger_age: Some(30),
            ledger_left: Some(30 * 86_400),
            disk: Some((5 << 30, 1 << 30)),
            ..Facts::default()
        }
    }

    #[test]
    fn a_database_that_is_down_is_one_cause() {
        let mut facts = facts(&["ledger-db", "billing", "invoices"]);
        facts.routes = vec!["/billing of billing answers 503".to_owned()];
        facts.failed = Some("reference 43: no | space".to_owned());
        assert_eq!(facts.level(), Level::Critical);
        let line = facts.lines(Level::Critical);
        let text = line.split(" | ").next().unwrap();
        assert_eq!(
            text,
            "CRITICAL - ledger-db is unhealthy; 2 that need it are down too; reference 43: no   space"
        );
    }

    #[test]
    fn what_expires_and_what_grows_is_told_with_its_numbers() {
        let mut facts = facts(&[]);
        facts.certificates = BTreeMap::from([(443, 3 * DAY + 5), (8443, 90 * DAY)]);
        facts.logs = Some((7 << 20, Some(1 << 30)));
        assert_eq!(facts.level(), Level::Warning);
        let line = facts.lines(Level::Warning);
        let (text, numbers) = line.split_once(" | ").unwrap();
        assert_eq!(
            text,
            "WARNING - the certificate of port 443 expires in 3 days; \
             logs grow by 1024 MB an hour: the disk is full in 5 hours"
        );
        let wanted = "'certificate_days'=3;14:;0: 'logs'=7340032B 'logs_per_hour'=1073741824B";
        assert!(numbers.ends_with(wanted), "{numbers}");
        facts.certificates.insert(443, -1);
        assert_eq!(facts.level(), Level::Critical);
        facts.certificates.clear();
        facts.logs = Some((7 << 20, Some(1 << 20)));
        assert_eq!(facts.level(), Level::Ok, "{:?}", facts.findings());
    }

    #[test]
    fn what_is_added_by_hand_is_critical_where_it_is_not_mended() {
        let mut facts = facts(&[]);
        facts.intruders = vec!["debugging".to_owned()];
        assert_eq!(facts.level(), Level::Warning);
        facts.tells = true;
        assert_eq!(facts.level(), Level::Critical);
        facts.changing = true;
        assert_eq!(facts.level(), Level::Ok);
    }

    #[test]
    fn a_first_roll_out_is_no_alarm() {
        let mut facts = Facts {
            changing: true,
            ..Facts::default()
        };
        assert_eq!(facts.level(), Level::Ok);
        facts.changing = false;
        assert_eq!(facts.level(), Level::Critical);
    }
}
