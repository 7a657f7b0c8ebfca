//! What is on the engine now, as far as a plan depends on it. Pure data.

use std::collections::{BTreeMap, BTreeSet};

use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::identity::{self, Identity};
use crate::model::name::ContainerName;
use crate::model::observed::{ObservedContainer, ObservedNetwork, ObservedVolume};

/// What belongs to one instance on an engine.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Observed {
    /// Its containers by name; several, by Id, where a replacement was interrupted.
    pub containers: BTreeMap<ContainerName, Vec<ObservedContainer>>,
    /// Its networks; several of one name where two commands raced. By Id.
    pub networks: Vec<ObservedNetwork>,
    /// Its volumes.
    pub volumes: BTreeSet<String>,
    /// Volumes of another owner under this instance's names: his data.
    pub foreign_volumes: BTreeSet<String>,
    /// Aliases on the network for absent names, by the container's Id.
    pub aliases: BTreeMap<String, BTreeSet<String>>,
    /// Those that run without the secrets that they should have as files, by Id.
    pub without_secrets: BTreeSet<String>,
    /// Images on the engine, as far as they were asked for.
    pub images: BTreeSet<Digest>,
}

impl Observed {
    /// Sorts what a list showed; another owner's objects under this instance's names are refused.
    pub fn collect(
        identity: &Identity,
        containers: &[ObservedContainer],
        networks: Vec<ObservedNetwork>,
        volumes: &[ObservedVolume],
    ) -> Result<Self> {
        let mut observed = Self::default();
        let prefix = format!("{}-", identity.network());
        for container in containers {
            let ours = identity.covers(&container.labels);
            if ours && identity.owns(&container.labels) {
                let name = container
                    .labels
                    .get(identity::CONTAINER)
                    .map(|name| ContainerName::new(name.as_str()));
                if let Some(Ok(name)) = name {
                    observed
                        .containers
                        .entry(name)
                        .or_default()
                        .push(container.clone());
                }
            } else if ours || container.object.starts_with(&prefix) {
                return Err(foreign("container", &container.object, identity));
            }
        }
        for network in networks {
            if !identity.covers(&network.labels) {
                continue;
            }
            // Another owner's is empty, for his containers were refused above: it is used as ours.
            observed.networks.push(network);
        }
        for volume in volumes
            .iter()
            .filter(|volume| identity.covers(&volume.labels))
        {
            let volumes = if identity.owns(&volume.labels) {
                &mut observed.volumes
            } else {
                &mut observed.foreign_volumes
            };
            volumes.insert(volume.name.clone());
        }
        // Lists come in no order; plans do.
        observed.networks.sort_by(|a, b| a.id.cmp(&b.id));
        for containers in observed.containers.values_mut() {
            containers.sort_by(|a, b| a.id.cmp(&b.id));
        }
        Ok(observed)
    }

    /// Another owner's data is neither used nor removed.
    ///
    /// # Errors
    /// The first of these volumes that is another owner's.
    pub fn refuse_foreign<'a>(
        &self,
        volumes: impl IntoIterator<Item = &'a String>,
        identity: &Identity,
    ) -> Result<()> {
        let mut volumes = volumes.into_iter();
        match volumes.find(|it| self.foreign_volumes.contains(*it)) {
            Some(name) => Err(foreign("volume", name, identity).hint(format!(
                "`docker volume rm {name}` removes it, with its data, where nobody needs it"
            ))),
            None => Ok(()),
        }
    }

    /// The Id of the network of this name; the one that containers are on, where there are several.
    pub fn network(&self, name: &str) -> Option<&str> {
        let used = |id: &str| {
            let mut containers = self.containers.values().flatten();
            containers.any(|container| {
                container
                    .networks
                    .values()
                    .any(|endpoint| endpoint.network == id)
            })
        };
        let named = self.networks.iter().filter(|it| it.name == name);
        let ids: Vec<&str> = named.map(|it| it.id.as_str()).collect();
        match ids.as_slice() {
            [] => None,
            [one] => Some(*one),
            [first, ..] => Some(ids.iter().copied().find(|id| used(id)).unwrap_or(*first)),
        }
    }

    /// Networks of the same name besides [`Self::network`]: an engine takes two creations at once,
    /// and then refuses to start containers by an ambiguous name.
    pub fn duplicates<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a ObservedNetwork> {
        let chosen = self.network(name).map(ToOwned::to_owned);
        let same = self
            .networks
            .iter()
            .filter(move |network| network.name == name);
        same.filter(move |network| Some(&network.id) != chosen.as_ref())
    }

    /// The container that holds the instance's own name for it.
    pub fn current(&self, name: &ContainerName, object: &str) -> Option<&ObservedContainer> {
        self.containers
            .get(name)?
            .iter()
            .find(|container| container.object == object)
    }
}

fn foreign(what: &str, name: &str, identity: &Identity) -> Error {
    Error::engine(format!("the {what} `{name}` was made by somebody else"))
        .hint(format!(
            "another user, or another DEVENV_HOME, runs `{}` on this engine: choose another `--instance`",
            identity.instance
        ))
}
