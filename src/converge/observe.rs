//! One look at an engine, and a second one at what a plan depends on besides.

use std::collections::BTreeSet;

use futures_util::future::try_join3;
use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::converge::desired::{Desired, secret_files};
use crate::converge::plan::Observed;
use crate::converge::plan::drift::Drift;
use crate::engine::{Engine, Fault, FaultKind};
use crate::error::Result;
use crate::model::digest::Digest;
use crate::model::identity::{self, Identity};
use crate::model::observed::{ContainerState, ObservedContainer};

/// Questions under way at the same time.
const AT_ONCE: usize = 16;

/// What an engine holds.
#[derive(Debug)]
pub struct Observation {
    /// What belongs to the instance.
    pub observed: Observed,
    /// The containers that were looked at: they hold ports.
    pub everything: Vec<ObservedContainer>,
    /// Whether these are everybody's, or the instance's alone.
    pub is_whole: bool,
}

impl Observation {
    /// What carries the instance's label: three lists at once.
    pub async fn take<E: Engine>(engine: &E, identity: &Identity) -> Result<Self> {
        let label = format!("{}={}", identity::INSTANCE, identity.instance);
        let lists = try_join3(
            engine.containers_with(&label),
            engine.networks(&label),
            engine.volumes(&label),
        );
        let (everything, networks, volumes) = lists.await?;
        let observed = Observed::collect(identity, &everything, networks, &volumes)?;
        Ok(Self {
            observed,
            everything,
            is_whole: false,
        })
    }

    /// The same, once the engine has done what a killed command told it. It answers for a container
    /// that it is starting only when that is done; until then lists show it as created.
    pub async fn settled<E: Engine>(engine: &E, identity: &Identity) -> Result<Self> {
        let seen = Self::take(engine, identity).await?;
        let all = seen.observed.containers.values().flatten();
        let idle: Vec<(String, ContainerState)> = all
            .filter(|it| it.state != ContainerState::Running)
            .map(|it| (it.id.clone(), it.state))
            .collect();
        let changed = stream::iter(idle)
            .map(|(id, state)| has_changed(engine, id, state))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<bool>>();
        if changed.await?.contains(&true) {
            return Self::take(engine, identity).await;
        }
        Ok(seen)
    }

    /// Looks up where volumes are mounted, of containers whose row in the list does not say although
    /// volumes of theirs are there: some engines leave it out.
    pub async fn mounts<E: Engine>(&mut self, engine: &E) -> Result<()> {
        let volumes = &self.observed.volumes;
        let all = self.observed.containers.values_mut().flatten();
        for container in all.filter(|it| it.volumes.is_empty()) {
            let prefix = format!("{}.", container.object);
            if volumes.iter().any(|volume| volume.starts_with(&prefix)) {
                match engine.inspect(&container.id).await {
                    Ok(details) => container.volumes = details.volumes,
                    Err(fault) if fault.kind == FaultKind::NotFound => {}
                    Err(fault) => return Err(fault.into()),
                }
            }
        }
        Ok(())
    }

    /// Looks at everybody's containers too: before anything is created, its names and ports must be
    /// nobody else's.
    pub async fn widen<E: Engine>(&mut self, engine: &E, identity: &Identity) -> Result<()> {
        self.everything = engine.containers().await?;
        self.is_whole = true;
        let found = Observed::collect(identity, &self.everything, Vec::new(), &[])?;
        self.observed.containers = found.containers;
        Ok(())
    }

    /// Whether all that is desired is there, as desired, and up.
    pub fn is_settled(&self, desired: &Desired) -> bool {
        let drift = Drift::new(desired, &self.observed);
        desired.containers.iter().all(|container| {
            let current = self.observed.current(&container.name, &container.object);
            current.is_some_and(|current| drift.of(container, current).is_none())
        })
    }

    /// What lists do not show: aliases on the network for absent names, and which images of
    /// containers that are about to be created are there.
    pub async fn complete<E: Engine>(&mut self, engine: &E, desired: &Desired) -> Result<()> {
        let observed = &self.observed;
        let drift = Drift::new(desired, observed);
        let created = desired.containers.iter().filter(|container| {
            let current = observed.current(&container.name, &container.object);
            current.is_none_or(|current| drift.of(container, current).is_some())
        });
        let on_absent = observed
            .containers
            .values()
            .flatten()
            .filter(|it| it.networks.contains_key(&desired.absent_network));
        let images = stream::iter(created)
            .map(|container| first_present(engine, &container.image.accepted))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>();
        let aliases = stream::iter(on_absent)
            .map(|container| aliases(engine, container, desired))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>();
        let bare = stream::iter(observed.containers.values().flatten())
            .map(|container| is_bare(engine, container))
            .buffer_unordered(AT_ONCE)
            .try_collect::<Vec<_>>();
        let (images, aliases, bare) = try_join3(images, aliases, bare).await?;
        self.observed.images = images.into_iter().flatten().collect();
        self.observed.aliases = aliases.into_iter().flatten().collect();
        self.observed.without_secrets = bare.into_iter().flatten().collect();
        Ok(())
    }
}

async fn has_changed<E: Engine>(
    engine: &E,
    id: String,
    before: ContainerState,
) -> Result<bool, Fault> {
    match engine.inspect(&id).await {
        Ok(details) => Ok(details.state != before),
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(true),
        Err(fault) => Err(fault),
    }
}

/// The images of all desired containers that are there, whether they run or not.
pub async fn images<E: Engine>(engine: &E, desired: &Desired) -> Result<BTreeSet<Digest>, Fault> {
    let found = stream::iter(&desired.containers)
        .map(|container| first_present(engine, &container.image.accepted))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>()
        .await?;
    Ok(found.into_iter().flatten().collect())
}

/// The Id of a container that is up without one of the secrets that it should have as files.
async fn is_bare<E: Engine>(
    engine: &E,
    container: &ObservedContainer,
) -> Result<Option<String>, Fault> {
    if !matches!(
        container.state,
        ContainerState::Running | ContainerState::Paused
    ) {
        return Ok(None);
    }
    let label = container.labels.get(identity::SECRET_FILES);
    for path in secret_files::places(label.map(String::as_str)).values() {
        if !engine.has_file(&container.id, path).await? {
            return Ok(Some(container.id.clone()));
        }
    }
    Ok(None)
}

async fn first_present<E: Engine>(
    engine: &E,
    accepted: &[Digest],
) -> Result<Option<Digest>, Fault> {
    for id in accepted {
        if engine.image(id).await?.is_some() {
            return Ok(Some(*id));
        }
    }
    Ok(None)
}

/// The names it was given on the network for absent names. Engines add the short Id, the name and
/// the host name by themselves.
async fn aliases<E: Engine>(
    engine: &E,
    container: &ObservedContainer,
    desired: &Desired,
) -> Result<Option<(String, BTreeSet<String>)>, Fault> {
    let details = match engine.inspect(&container.id).await {
        // Removed since the list: applying will meet that.
        Err(fault) if fault.kind == FaultKind::NotFound => return Ok(None),
        answer => answer?,
    };
    let mut all = desired.containers.iter();
    let wanted = all.find(|it| it.object == container.object);
    let hostname = wanted.and_then(|it| it.body.hostname.as_ref());
    let asked_for = |name: &String| {
        let names = wanted.and_then(|it| it.absent.as_ref());
        names.is_some_and(|names| names.contains(name))
    };
    let by_itself = |name: &String| {
        container.id.starts_with(name.as_str())
            || *name == container.object
            || (Some(name) == hostname && !asked_for(name))
    };
    let network = details.networks.get(&desired.absent_network);
    let names = network.into_iter().flat_map(|it| &it.aliases);
    let given = names.filter(|name| !by_itself(name));
    Ok(Some((container.id.clone(), given.cloned().collect())))
}
