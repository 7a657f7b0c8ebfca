//! Whether a container can stay, or why another one must take its place. Pure.

use std::collections::BTreeSet;

use super::{Cause, Observed};
use crate::converge::desired::{Desired, DesiredContainer};
use crate::model::identity;
use crate::model::observed::{ContainerState, ObservedContainer};

/// What containers are compared with.
#[derive(Debug, Clone, Copy)]
pub struct Drift<'a> {
    desired: &'a Desired,
    network: Option<&'a str>,
    absent_network: Option<&'a str>,
    without_secrets: &'a BTreeSet<String>,
}

impl<'a> Drift<'a> {
    /// Looks up the networks once, for all containers.
    pub fn new(desired: &'a Desired, observed: &'a Observed) -> Self {
        Self {
            desired,
            network: observed.network(&desired.network),
            absent_network: observed.network(&desired.absent_network),
            without_secrets: &observed.without_secrets,
        }
    }

    /// Why this container must be replaced; `None` when it can stay.
    pub fn of(&self, container: &DesiredContainer, current: &ObservedContainer) -> Option<Cause> {
        let label = |key: &str| current.labels.get(key).map_or("", String::as_str);
        if matches!(
            current.state,
            ContainerState::Dead | ContainerState::Removing
        ) {
            return Some(Cause::Broken);
        }
        // A proxy's version is its reference's number, which is part of no spec.
        let versioned = container.body.labels.contains_key(identity::VERSION);
        let (from, changed) = if versioned {
            let from = label(identity::VERSION);
            (from, from != container.image.version)
        } else {
            let digest = container.image.digest.to_string();
            (
                label(identity::REFERENCE),
                label(identity::DIGEST) != digest,
            )
        };
        if changed {
            return Some(Cause::Version {
                from: from.to_owned(),
                to: container.image.version.clone(),
            });
        }
        if !current
            .image
            .is_some_and(|image| container.image.accepted.contains(&image))
        {
            return Some(Cause::Image);
        }
        if label(identity::SPEC) != container.spec {
            return Some(Cause::Specification);
        }
        if self.without_secrets.contains(&current.id) {
            return Some(Cause::SecretsGone);
        }
        (!self.is_attached(current)).then_some(Cause::Detached)
    }

    /// On the instance's network, and not on one for absent names that is gone.
    fn is_attached(&self, current: &ObservedContainer) -> bool {
        let on = |name: &str, id: Option<&str>| {
            let endpoint = current.networks.get(name)?;
            // An engine looks up the network's Id at the first start; another one gives the name.
            let is_it = ["", name].contains(&&*endpoint.network) || Some(&*endpoint.network) == id;
            Some(id.is_some() && is_it)
        };
        on(&self.desired.network, self.network) == Some(true)
            && on(&self.desired.absent_network, self.absent_network) != Some(false)
    }
}
