//! How this machine's engine differs from the one of the record that containers were last compared with:
//! a line that `up` says, so that nobody has to remember to compare.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::home::session::{OpenPlatform, Session};
use crate::home::{file, hosts};
use crate::model::facets::compare::{Declarations, Row, Side, Verdict, compare};
use crate::model::facets::facet::{Facet, Source};
use crate::model::facets::record::{Place, Record};
use crate::model::facets::value::{Facts, Value};

/// Differences that are told; the others are counted.
const TOLD: usize = 3;

/// Facets by how often they are the reason of another behaviour.
const FIRST: [&str; 5] = [
    "architecture",
    "host-processors",
    "cgroup",
    "host-memory",
    "storage",
];

/// What is kept of a record.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
struct Other {
    /// When it was taken.
    taken: Timestamp,
    /// Where.
    place: Place,
    /// What its engine is.
    engine: Facts,
}

/// Keeps what the engine of a record is.
pub(super) fn remember(session: &Session, open: &OpenPlatform, record: &Record) -> Result<()> {
    let other = Other {
        taken: record.taken,
        place: record.place,
        engine: record.engine.clone(),
    };
    let path = session.home.paths.compared(&open.name);
    if file::load::<Other>(&path).ok().flatten().as_ref() == Some(&other) {
        return Ok(());
    }
    file::save(&path, &other)
}

/// Says in one line how this engine differs from that of the last record, if one was ever compared with
/// and it does.
pub(in crate::instance) fn say(session: &Session, open: &OpenPlatform) {
    let other: Option<Other> = file::load(&session.home.paths.compared(&open.name))
        .ok()
        .flatten();
    let here = session.engine().ok().and_then(|(_, choice)| {
        // Asked within a day, with what kind of host it is.
        hosts::remembered(&session.home.paths, &choice.endpoint)
    });
    let (Some(other), Some(here)) = (other, here) else {
        return;
    };
    if let Some(differences) = line(&here.engine, &other.engine) {
        let place = match other.place {
            Place::Server => "the server",
            Place::Workstation => "the workstation",
        };
        let taken = other.taken.strftime("%Y-%m-%d");
        session.reporter.note(&format!(
            "this host is not like {place} of the record of {taken}: {differences}"
        ));
    }
}

fn line(here: &Facts, there: &Facts) -> Option<String> {
    let none = Facts::new();
    let side = |found| Side {
        found,
        declared: &none,
    };
    let mut rows = compare(&[Source::Engine], side(here), side(there), &Nobody);
    rows.retain(|it| matches!(it.verdict, Verdict::Different(_)));
    let rank = |row: &Row| FIRST.iter().position(|it| *it == row.key);
    rows.sort_by_key(|it| rank(it).unwrap_or(FIRST.len()));
    let told = rows.iter().take(TOLD).map(|row| {
        let (here, there) = (row.here.as_ref(), row.there.as_ref());
        let (here, there) = (Value::shown(here), Value::shown(there));
        format!("{} {here} (there {there})", row.key)
    });
    let mut told: Vec<String> = told.collect();
    let more = match rows.len().saturating_sub(TOLD) {
        0 => String::new(),
        more => format!("{more} more: "),
    };
    (!told.is_empty()).then(|| {
        told.push(format!("{more}`devenv compare --with FILE`"));
        told.join(" · ")
    })
}

/// Of two engines nothing is declared.
struct Nobody;

impl Declarations for Nobody {
    fn says(&self, _: &Facet, _: &str) -> Option<String> {
        None
    }

    fn unlike(&self) -> Option<&'static str> {
        None
    }

    fn other(&self) -> &'static str {
        "the record"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn facts(of: &[(&str, &str)]) -> Facts {
        let facts = of.iter();
        facts
            .map(|(name, value)| ((*name).to_owned(), Value::is(*value)))
            .collect()
    }

    #[test]
    fn what_matters_most_is_told_first_and_the_rest_is_counted() {
        let here = facts(&[
            ("architecture", "arm64"),
            ("kernel", "6.1"),
            ("cgroup", "1"),
            ("storage", "fuse-overlayfs"),
            ("host-processors", "2"),
            ("host-memory", "16000"),
        ]);
        let there = facts(&[
            ("architecture", "amd64"),
            ("kernel", "5.14"),
            ("cgroup", "2"),
            ("storage", "overlay2"),
            ("host-processors", "8"),
            ("host-memory", "16100"),
        ]);
        assert_eq!(
            line(&here, &there).unwrap(),
            "architecture arm64 (there amd64) · host-processors 2 (there 8) · cgroup 1 (there 2) \
             · 2 more: `devenv compare --with FILE`"
        );
        assert_eq!(line(&here, &here), None);
        assert_eq!(line(&here, &Facts::new()), None);
    }
}
