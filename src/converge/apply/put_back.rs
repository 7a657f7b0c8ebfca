//! What ran before a walk that failed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::start::start;
use super::{Event, Failure, Reporter};
use crate::converge::plan::{Observed, Step};
use crate::engine::{Engine, FaultKind};
use crate::model::identity::{self, Identity};
use crate::model::name::ContainerName;
use crate::model::observed::ContainerState;
use crate::model::secret::Secret;

/// Brings back containers that ran, were set aside for a successor, and are still there: the
/// successor did not start. Gives their names. What was carried over into volumes that were `made` for
/// it goes with the successor: the old ones go on, and the next one gets what they have then.
pub async fn put_back<E: Engine>(
    engine: &E,
    reporter: &dyn Reporter,
    before: &Observed,
    made: &BTreeMap<ContainerName, BTreeSet<String>>,
    identity: &Identity,
    secrets: &BTreeMap<String, Secret>,
) -> Result<Vec<String>, Failure> {
    let label = format!("{}={}", identity::INSTANCE, identity.instance);
    let now = engine.containers_with(&label).await?;
    let mut back = Vec::new();
    for (name, container) in before
        .containers
        .iter()
        .flat_map(|(name, all)| all.iter().map(move |it| (name, it)))
    {
        let Some(old) = now.iter().find(|it| it.id == container.id) else {
            continue;
        };
        let ran = container.state == ContainerState::Running;
        if !ran || old.object == container.object {
            continue;
        }
        if let Some(new) = now.iter().find(|it| it.object == container.object) {
            remove(engine, reporter, name, &new.id).await?;
        }
        for volume in made.get(name).into_iter().flatten() {
            match engine.remove_volume(volume).await {
                Err(fault) if fault.kind != FaultKind::NotFound => return Err(fault.into()),
                _ => {}
            }
        }
        engine.rename(&old.id, &container.object).await?;
        let files = old.labels.get(identity::SECRET_FILES).map(String::as_str);
        start(engine, &old.id, files, secrets).await?;
        back.push(name.to_string());
    }
    Ok(back)
}

/// Removes networks that a walk made which failed before there was any container: engines have few
/// addresses. What fails here is the next command's.
pub async fn remove_idle_networks<E: Engine>(engine: &E, before: &Observed, identity: &Identity) {
    let label = format!("{}={}", identity::INSTANCE, identity.instance);
    let containers = engine.containers_with(&label).await;
    if !containers.is_ok_and(|it| it.is_empty()) {
        return;
    }
    let known = |id: &str| before.networks.iter().any(|it| it.id == id);
    for pause in LATE {
        tokio::time::sleep(pause).await;
        for network in engine.networks(&label).await.unwrap_or_default() {
            if identity.covers(&network.labels) && !known(&network.id) {
                let _ = engine.remove_network(&network.id).await;
            }
        }
    }
}

/// How long to wait before each look: the engine may still be at a network that was asked for beside the one that
/// failed.
const LATE: [Duration; 3] = [
    Duration::ZERO,
    Duration::from_millis(200),
    Duration::from_millis(800),
];

/// Told as a step is: where this command is killed, the engine goes on with it.
async fn remove<E: Engine>(
    engine: &E,
    reporter: &dyn Reporter,
    container: &ContainerName,
    id: &str,
) -> Result<(), Failure> {
    let step = &Step::Remove {
        container: container.clone(),
        id: id.to_owned(),
    };
    let index = 0;
    reporter.event(Event::Begin { index, step });
    match engine.remove(id).await {
        Ok(()) => reporter.event(Event::Done { index, step }),
        Err(fault) => {
            reporter.event(Event::Failed {
                index,
                step,
                message: &fault.to_string(),
                goes_on: fault.is_silence(),
            });
            return Err(fault.into());
        }
    }
    Ok(())
}
