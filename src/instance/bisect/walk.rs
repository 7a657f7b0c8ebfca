//! A search on the engine: bring a candidate up, have it judged, write down what was found.

use std::collections::{BTreeMap, BTreeSet};

use super::candidate::{is_its_own, request};
use super::search::{Found, Next, Search};
use super::trial::{Change, Trial, Tried};
use crate::converge::select::{Request, select};
use crate::error::{Error, Kind, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, ReferenceRecord, VersionRecord};
use crate::instance::intent::{self, Addition, Intent, RunFrom, Until};
use crate::instance::{Brought, Instance, snapshot};
use crate::model::bisection::Verdict;
use crate::model::name::ContainerName;
use crate::model::reference::Reference;
use crate::verify::choose::{Preparation, Versions};

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
    if let Some(why) = unfit(session, open, search, &trial).await? {
        return Ok(Tried {
            trial,
            verdict: Verdict::Skip,
            codes: Vec::new(),
            why: Some(why),
        });
    }
    let intent = intent(session, open, search, &trial)?;
    let until = intent::Manner {
        until: Until::Ready,
        limit: search.timeout.duration(),
    };
    let instance = Instance::new(session, open)?;
    let brought = match &search.snapshot {
        Some(name) => Box::pin(instance.up_on(name, &intent, until)).await,
        None => Box::pin(instance.up(&intent, until)).await,
    };
    let (verdict, codes, why) = match brought {
        Ok(brought) => {
            let answer = judge(&trial).await?;
            refuse_other(session, open, &trial, &brought)?;
            (answer.verdict, answer.codes, None)
        }
        Err(error) => {
            let verdict = match error.kind() {
                Kind::NotHealthy => search.unready(&trial),
                // It says nothing about the fault that is searched.
                Kind::Usage if !trial.versions.is_empty() => Verdict::Skip,
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

/// A verdict counts only where the instance still is what was brought up.
fn refuse_other(
    session: &Session,
    open: &OpenPlatform,
    trial: &Trial,
    brought: &Brought,
) -> Result<()> {
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let verified = &brought.chosen.verified;
    let reference = ReferenceRecord {
        number: verified.reference.number,
        digest: verified.proxy.image.digest,
    };
    let runs = |name: &ContainerName| brought.versions.iter().any(|it| it.container == *name);
    if record.is_some_and(|it| is_still(&it, reference, trial, runs)) {
        return Ok(());
    }
    let instance = &session.instance;
    let text = format!(
        "the verdict on {trial} does not count: the instance {instance} was changed while it was judged"
    );
    Err(Error::usage(text)
        .hint("`devenv bisect` tries it again; leave the instance alone until the search is over"))
}

fn is_still(
    record: &InstanceRecord,
    reference: ReferenceRecord,
    trial: &Trial,
    runs: impl Fn(&ContainerName) -> bool,
) -> bool {
    let wanted = trial.versions.iter().filter(|(name, _)| runs(name));
    record.reference == reference && record.local.is_empty() && record.versions.iter().eq(wanted)
}

/// Why a candidate cannot be tried, although others can.
async fn unfit(
    session: &Session,
    open: &OpenPlatform,
    search: &Search,
    trial: &Trial,
) -> Result<Option<String>> {
    let registry = session.registry();
    let preparation = Preparation::new(session, open, registry.as_ref());
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let request = request(&search.names, record.as_ref());
    let candidate = search.candidate(trial.reference);
    let saved = search.snapshot.as_ref();
    let saved = saved.map(|it| snapshot::load(session, open, it));
    let saved = saved.transpose()?;
    match candidate.with(&preparation, &request).await {
        Ok(verified) => {
            Ok(saved.and_then(|it| snapshot::unread(&it, &verified.reference, &trial.versions)))
        }
        Err(error) if is_its_own(&error) => Ok(Some(error.chain().join(": "))),
        Err(error) => Err(error.within(format!("cannot try {trial}"))),
    }
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
    sources.extend(chosen.map(|(name, it)| (name.clone(), RunFrom::Exactly(it.clone()))));
    Ok(Intent::Add(Box::new(Addition {
        names: search.names.clone(),
        versions: search
            .candidate(trial.reference)
            .versions(&search.environment),
        unpromoted: true,
        over_newer_data: true,
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
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let request = request(&search.names, record.as_ref());
    let good = search.candidate(good).with(&preparation, &request).await?;
    let bad = search.candidate(bad).with(&preparation, &request).await?;
    changes(&good.reference, &bad.reference, &request)
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
        let version = |it: &Reference| {
            let entry = &it.containers[name];
            let (version, digest) = (entry.version.clone()?, entry.digest?);
            Some(VersionRecord { version, digest })
        };
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
    use crate::model::digest::Digest;
    use crate::model::name::Version;
    use crate::model::reference::tests::{container, reference};

    #[test]
    fn a_verdict_is_about_what_was_brought_up() {
        let digest = Digest::of(b"7");
        let version = |text: &str| VersionRecord {
            version: Version::new(text).unwrap(),
            digest,
        };
        let billing = || ContainerName::new("billing").unwrap();
        let mut trial = Trial::of(7);
        trial.versions.insert(billing(), version("2"));
        let reference = ReferenceRecord { number: 7, digest };
        let record = serde_json::json!({
            "asked": [], "proxy": true, "environment": "production", "reference": reference,
            "configuration": "workstation", "versions": trial.versions,
        });
        let record: InstanceRecord = serde_json::from_value(record).unwrap();
        let is_still = |record: &InstanceRecord| is_still(record, reference, &trial, |_| true);
        assert!(is_still(&record));
        let mut other = record.clone();
        other.versions.insert(billing(), version("1"));
        assert!(!is_still(&other));
        let mut other = record.clone();
        other.local.insert(billing());
        assert!(!is_still(&other));
        let mut other = record;
        other.reference.number = 8;
        assert!(!is_still(&other));
    }

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

        let mut again = good.clone();
        let customers = ContainerName::new("customers").unwrap();
        let entry = again.containers.get_mut(&customers).unwrap();
        entry.digest = Some(Digest::of(b"another"));
        let names = vec!["customers".to_owned()];
        let request = Request {
            names,
            ..Request::default()
        };
        let changes = changes(&good, &again, &request).unwrap();
        assert_eq!(changes[0].to_string(), "customers 1 → 1 with another image");
    }
}
