//! A search on the engine: bring a candidate up, have it judged, write down what was found.

use std::collections::{BTreeMap, BTreeSet};

use super::search::{Found, Next, Search};
use super::trial::{Change, Trial, Tried};
use crate::converge::select::{Request, select};
use crate::error::{Kind, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::instance::Instance;
use crate::instance::intent::{self, Addition, Intent, RunFrom, Until};
use crate::model::bisection::Verdict;
use crate::model::name::ContainerName;
use crate::model::reference::Reference;
use crate::verify::choose::{Choice, Preparation, Versions};

/// What a judge says of a candidate that runs.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The verdict.
    pub verdict: Verdict,
    /// The exit codes that it comes from.
    pub codes: Vec<i32>,
}

/// Tries candidates until the change is found. Each verdict is written down at once: an interrupted
/// search goes on where it was.
///
/// # Errors
/// Whatever stops it; what was found stays.
pub async fn walk(
    session: &Session,
    open: &OpenPlatform,
    search: &mut Search,
    judge: impl AsyncFn(&Trial) -> Result<Answer>,
    told: impl Fn(&Tried),
) -> Result<Found> {
    loop {
        match search.next()? {
            Next::Try(trial) => {
                let count = search.tried.len() + 1;
                session.reporter.note(&format!("step {count}: {trial}"));
                let tried = attempt(session, open, search, trial, &judge).await?;
                told(&tried);
                search.tried.push(tried);
            }
            Next::Compare(good, bad) => {
                search.changes = Some(compare(session, open, search, (good, bad)).await?);
            }
            Next::Found(found) => return Ok(found),
        }
        search.save(session, open)?;
    }
}

async fn attempt(
    session: &Session,
    open: &OpenPlatform,
    search: &Search,
    trial: Trial,
    judge: &impl AsyncFn(&Trial) -> Result<Answer>,
) -> Result<Tried> {
    let intent = intent(session, open, search, &trial)?;
    let until = intent::Manner {
        until: Until::Ready,
        limit: search.timeout.duration(),
    };
    let brought = Box::pin(Instance::new(session, open)?.up(&intent, until)).await;
    let (verdict, codes, why) = match brought {
        Ok(_) => {
            let answer = judge(&trial).await?;
            (answer.verdict, answer.codes, None)
        }
        Err(error) => {
            let verdict = match error.kind() {
                Kind::NotHealthy => search.unready(&trial),
                // It says nothing about the fault that is searched.
                Kind::Definitions | Kind::Trust => Verdict::Skip,
                _ => return Err(error.within(format!("cannot try {trial}"))),
            };
            (verdict, Vec::new(), Some(error.chain().join(": ")))
        }
    };
    Ok(Tried {
        trial,
        verdict,
        codes,
        why,
    })
}

/// The instance with exactly this reference and these versions.
fn intent(
    session: &Session,
    open: &OpenPlatform,
    search: &Search,
    trial: &Trial,
) -> Result<Intent> {
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let before = record.map(|it| it.versions).unwrap_or_default();
    let ended = before.into_keys().map(|name| {
        let release = RunFrom::Release { declined: None };
        (name, release)
    });
    let mut sources: BTreeMap<ContainerName, RunFrom> = ended.collect();
    let chosen = trial.versions.iter();
    sources.extend(chosen.map(|(name, it)| (name.clone(), RunFrom::Version(it.clone()))));
    Ok(Intent::Add(Box::new(Addition {
        names: search.names.clone(),
        versions: Versions::Number(trial.reference, Some(search.environment.clone())),
        unpromoted: true,
        sources,
        ..Addition::default()
    })))
}

/// What differs between two references in what the instance runs, the proxy last.
async fn compare(
    session: &Session,
    open: &OpenPlatform,
    search: &Search,
    (good, bad): (u64, u64),
) -> Result<Vec<Change>> {
    let registry = session.registry();
    let preparation = Preparation::new(session, open, registry.as_ref());
    let mut references = Vec::new();
    for number in [good, bad] {
        let chosen = preparation.choose(&Choice::Number(number)).await?;
        references.push(chosen.verified.reference);
    }
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let request = record.as_ref().map(Request::from).unwrap_or_default();
    let request = Request {
        names: [&search.names[..], &request.names].concat(),
        ..request
    };
    changes(&references[0], &references[1], &request)
}

fn changes(good: &Reference, bad: &Reference, request: &Request) -> Result<Vec<Change>> {
    let selected = |reference: &Reference| -> Result<BTreeSet<ContainerName>> {
        Ok(select(reference, request)?.order.into_iter().collect())
    };
    let (before, after) = (selected(good)?, selected(bad)?);
    let is_in_both = |name: &ContainerName| {
        good.containers.contains_key(name) && bad.containers.contains_key(name)
    };
    let mut changes = Vec::new();
    for name in before.union(&after).filter(|it| is_in_both(it)) {
        let version = |it: &Reference| it.containers[name].version.clone();
        let versions = version(good).zip(version(bad));
        if versions.as_ref().is_some_and(|(one, other)| one != other) {
            let container = name.clone();
            changes.push(Change {
                container,
                versions,
            });
        }
    }
    if request.proxy || before != after || changes.is_empty() {
        changes.push(Change {
            container: bad.proxy.clone(),
            versions: None,
        });
    }
    Ok(changes)
}

/// Forgets a search and brings the instance back to what it was before.
///
/// # Errors
/// An instance that cannot be brought back: then the search is still known.
pub async fn end(session: &Session, open: &OpenPlatform, search: &Search) -> Result<()> {
    let instance = Instance::new(session, open)?;
    let paths = &session.home.paths;
    match &search.before {
        Some(before) if before.asks_for_something() => {
            {
                let _lock = session.lock(&open.name).await?;
                before.save(paths, &open.name, &session.instance)?;
            }
            let manner = intent::Manner {
                until: Until::Ready,
                limit: search.timeout.duration(),
            };
            Box::pin(instance.up(&as_recorded(), manner)).await?;
        }
        before => {
            instance.down(false).await?;
            if let Some(before) = before {
                before.save(paths, &open.name, &session.instance)?;
            }
        }
    }
    Search::remove(session, open)
}

/// The very reference that ran, whatever its environment runs meanwhile; whether it is followed stays.
fn as_recorded() -> Intent {
    Intent::Add(Box::new(Addition {
        versions: Versions::Same,
        ..Addition::default()
    }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Version;
    use crate::model::reference::tests::{container, reference};

    #[test]
    fn changes_are_those_of_what_runs() {
        let all = |versions: [&str; 3]| {
            let mut containers = [
                container("audit", &[], &[]),
                container("billing", &["customers"], &[]),
                container("customers", &[], &[]),
            ];
            for ((_, entry), version) in containers.iter_mut().zip(versions) {
                entry.version = Some(Version::new(version).unwrap());
            }
            reference(&containers)
        };
        let (good, bad) = (all(["1", "1", "1"]), all(["2", "1", "2"]));
        let told = |names: &[&str], proxy| -> Vec<String> {
            let request = Request {
                names: names.iter().map(ToString::to_string).collect(),
                proxy,
                ..Request::default()
            };
            let changes = changes(&good, &bad, &request).unwrap();
            changes.iter().map(ToString::to_string).collect()
        };
        let front = "front (the proxy, and what only one of them has)";
        assert_eq!(told(&["billing"], true), ["customers 1 → 2", front]);
        assert_eq!(told(&["billing"], false), ["customers 1 → 2"]);
        assert_eq!(
            told(&["audit", "billing"], false),
            ["audit 1 → 2", "customers 1 → 2"]
        );
        assert_eq!(told(&[], false), [front], "there is always something");
    }
}
