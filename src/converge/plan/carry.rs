//! What a container keeps in volumes without names, which go with it, where its successor has a named
//! one: it is carried over. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Observed, Plan, Step};
use crate::converge::desired::{Desired, DesiredContainer};
use crate::model::create_body::VOLUME;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, ObservedContainer};

/// The paths whose content the successor lacks.
pub(super) fn paths(container: &DesiredContainer, old: &ObservedContainer) -> Vec<String> {
    let mounts = container.body.host_config.mounts.iter();
    let named = mounts.filter(|it| it.kind == VOLUME && !it.source.is_empty());
    let nameless = |path: &str| {
        let mut volumes = old.volumes.iter();
        volumes.any(|(volume, at)| at == path && has_no_name(volume))
    };
    let owed = named.filter(|it| nameless(it.target.trim_end_matches('/')));
    owed.map(|it| it.target.clone()).collect()
}

/// Volumes that a plan makes and carries something over into, by container: without the one that it is
/// from, nobody needs them.
pub fn made(plan: &Plan, desired: &Desired) -> BTreeMap<ContainerName, BTreeSet<String>> {
    let steps = || plan.nodes.iter().map(|node| &node.step);
    let makes =
        |volume: &str| steps().any(|it| matches!(it, Step::CreateVolume(name) if name == volume));
    let mut made = BTreeMap::<_, BTreeSet<_>>::new();
    for step in steps() {
        if let Step::CarryOver {
            container, path, ..
        } = step
            && let Some(volume) = desired.volume(container, path)
            && makes(volume)
        {
            let of = made.entry(container.clone()).or_default();
            of.insert(volume.to_owned());
        }
    }
    made
}

/// Whether a carrying over goes on that was interrupted: what is there is what was carried.
pub fn goes_on(observed: &Observed, container: &ContainerName, object: &str, old: &str) -> bool {
    let current = observed.current(container, object);
    let mut others = observed.containers.get(container).into_iter().flatten();
    let old = others.find(|it| it.id == old);
    current.is_some_and(|it| it.state == ContainerState::Created)
        && old.is_some_and(|it| !it.state.is_alive())
}

/// Whether a container can still be given something before its first start.
pub(super) fn is_new(current: Option<&ObservedContainer>) -> bool {
    current.is_none_or(|it| it.state == ContainerState::Created)
}

/// An engine makes one up: 64 hexadecimal digits.
fn has_no_name(volume: &str) -> bool {
    volume.len() == 64 && volume.chars().all(|it| it.is_ascii_hexdigit())
}
