//! Taking containers away: those that are not selected, or a whole instance. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cause, Observed, Plan, Step};
use crate::converge::desired::{Dependencies, Desired};
use crate::model::name::ContainerName;
use crate::model::observed::ObservedContainer;

/// Adds the removal of containers that run but are not desired.
pub(super) fn unselected(desired: &Desired, observed: &Observed, plan: &mut Plan) {
    let mut names: BTreeSet<_> = observed.containers.keys().collect();
    for container in &desired.containers {
        names.remove(&container.name);
    }
    remove(
        &names,
        observed,
        &desired.dependencies,
        &Cause::NotSelected,
        plan,
    );
}

/// The removal of a whole instance; volumes only when `volumes` is set.
pub fn instance(observed: &Observed, dependencies: &Dependencies, volumes: bool) -> Plan {
    let mut plan = Plan::default();
    let names = observed.containers.keys().collect();
    let removed = remove(&names, observed, dependencies, &Cause::Asked, &mut plan);
    if volumes {
        for name in &observed.volumes {
            let step = Step::RemoveVolume(name.clone());
            plan.push(step, Cause::Asked, removed.iter().copied());
        }
    }
    for network in &observed.networks {
        let step = Step::RemoveNetwork {
            name: network.name.clone(),
            id: network.id.clone(),
        };
        plan.push(step, Cause::Asked, removed.iter().copied());
    }
    plan
}

/// Stops and removes one container; gives both steps.
pub(super) fn one(
    name: &ContainerName,
    container: &ObservedContainer,
    cause: &Cause,
    after: impl IntoIterator<Item = usize>,
    plan: &mut Plan,
) -> (Option<usize>, usize) {
    let stop = container.state.is_alive().then(|| {
        let step = Step::Stop {
            container: name.clone(),
            id: container.id.clone(),
        };
        plan.push(step, cause.clone(), after)
    });
    let step = Step::Remove {
        container: name.clone(),
        id: container.id.clone(),
    };
    (stop, plan.push(step, cause.clone(), stop))
}

/// Stops each container after those that depend on it, then removes it; gives the removals.
fn remove(
    names: &BTreeSet<&ContainerName>,
    observed: &Observed,
    dependencies: &Dependencies,
    cause: &Cause,
    plan: &mut Plan,
) -> Vec<usize> {
    let mut dependents_first = DependentsFirst {
        names,
        dependents: BTreeMap::new(),
        sorted: Vec::with_capacity(names.len()),
        seen: BTreeSet::new(),
    };
    for name in names {
        for needed in dependencies.get(*name).into_iter().flatten() {
            dependents_first
                .dependents
                .entry(needed)
                .or_default()
                .push(name);
        }
    }
    for name in names {
        dependents_first.visit(name);
    }
    let mut stops: BTreeMap<&ContainerName, Vec<usize>> = BTreeMap::new();
    let mut removals = Vec::new();
    let DependentsFirst {
        dependents, sorted, ..
    } = dependents_first;
    for name in &sorted {
        let dependents = dependents.get(name).into_iter().flatten();
        let before = dependents.filter_map(|other| stops.get(other)).flatten();
        let before: Vec<usize> = before.copied().collect();
        for container in &observed.containers[*name] {
            let (stop, removal) = one(name, container, cause, before.iter().copied(), plan);
            stops.entry(name).or_default().extend(stop);
            removals.push(removal);
        }
    }
    removals
}

/// Those that nobody left depends on come first; a circle is cut where it is entered.
struct DependentsFirst<'a> {
    names: &'a BTreeSet<&'a ContainerName>,
    dependents: BTreeMap<&'a ContainerName, Vec<&'a ContainerName>>,
    sorted: Vec<&'a ContainerName>,
    seen: BTreeSet<&'a ContainerName>,
}

impl<'a> DependentsFirst<'a> {
    fn visit(&mut self, name: &'a ContainerName) {
        if !self.names.contains(name) || !self.seen.insert(name) {
            return;
        }
        for dependent in self.dependents.get(name).cloned().unwrap_or_default() {
            self.visit(dependent);
        }
        self.sorted.push(name);
    }
}
