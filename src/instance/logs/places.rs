//! Where the logs of a container are: on its objects, and in a volume that outlives them. Pure.

use crate::converge::plan::Observed;
use crate::model::identity::Identity;
use crate::model::name::{ContainerName, VolumeName};
use crate::model::observed::ObservedContainer;

/// Where a container's logs are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The container.
    pub container: ContainerName,
    /// Its name on the engine.
    pub object: String,
    /// The Ids of its objects: several where a replacement was interrupted.
    pub ids: Vec<String>,
    /// Its log volume.
    pub volume: Option<Volume>,
}

/// Where a log volume can be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Volume {
    /// At this path of a container, which need not run.
    Mounted {
        /// The container's Id.
        id: String,
        /// Where it is mounted.
        path: String,
    },
    /// Nobody mounts it any more.
    Detached {
        /// Its name on the engine.
        name: String,
        /// The instance's labels, for the container that reads it.
        identity: Identity,
    },
}

/// Where the logs of these containers are; of all that are there without names.
pub fn places(identity: &Identity, observed: &Observed, names: &[ContainerName]) -> Vec<Place> {
    let all: Vec<&ContainerName> = if names.is_empty() {
        observed.containers.keys().collect()
    } else {
        names.iter().collect()
    };
    all.into_iter()
        .filter_map(|name| place(identity, observed, name))
        .collect()
}

fn place(identity: &Identity, observed: &Observed, name: &ContainerName) -> Option<Place> {
    let object = identity.object(name);
    let objects = observed.containers.get(name).map_or(&[][..], Vec::as_slice);
    let volume_name = VolumeName::new(super::VOLUME).ok()?;
    let volume_name = identity.volume(name, &volume_name);
    let mounted = |it: &ObservedContainer| {
        // No folder is mounted but the one that logs are mirrored to.
        let mut folders = it
            .volumes
            .iter()
            .filter(|(source, _)| source.starts_with('/'));
        let path = it
            .volumes
            .get(&volume_name)
            .or(folders.next().map(|(_, path)| path));
        let path = path?.clone();
        let id = it.id.clone();
        Some(Volume::Mounted { id, path })
    };
    // The container that has the name comes first: the others are about to go.
    let mut own: Vec<_> = objects.iter().collect();
    own.sort_by_key(|it| it.object != object);
    let volume = own.iter().find_map(|it| mounted(it)).or_else(|| {
        observed
            .volumes
            .contains(&volume_name)
            .then(|| Volume::Detached {
                name: volume_name.clone(),
                identity: identity.clone(),
            })
    });
    if own.is_empty() && volume.is_none() {
        return None;
    }
    Some(Place {
        container: name.clone(),
        object,
        ids: own.iter().rev().map(|it| it.id.clone()).collect(),
        volume,
    })
}

/// The containers of an instance whose log volume is all that is left of them.
pub fn left(identity: &Identity, observed: &Observed) -> Vec<ContainerName> {
    let prefix = format!("{}-", identity.network());
    let suffix = format!(".{}", super::VOLUME);
    let name = |volume: &String| {
        let name = volume.strip_prefix(&prefix)?.strip_suffix(&suffix)?;
        ContainerName::new(name).ok()
    };
    let gone = |name: &ContainerName| !observed.containers.contains_key(name);
    observed
        .volumes
        .iter()
        .filter_map(name)
        .filter(gone)
        .collect()
}
