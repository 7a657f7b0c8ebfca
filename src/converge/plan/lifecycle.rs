//! Freezing, thawing and restarting containers that are there. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::{Cause, Observed, Plan, Step};
use crate::model::container::Until;
use crate::model::identity::Identity;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, ObservedContainer};
use crate::model::reference::ReferenceContainer;

/// The containers of a reference: who needs whom, and how far.
pub type Entries = BTreeMap<ContainerName, ReferenceContainer>;

/// What is to happen to containers as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Freeze those that run.
    Pause,
    /// Thaw those that are frozen.
    Resume,
    /// Stop those that run, and start all: each once what it needs has come far enough.
    Restart,
}

/// The steps for the containers of these names; those to which it does not apply get none.
pub fn plan(
    change: Change,
    names: &[ContainerName],
    entries: &Entries,
    identity: &Identity,
    observed: &Observed,
) -> Plan {
    let mut plan = Plan::default();
    if change == Change::Restart {
        let current = |name: &ContainerName| observed.current(name, &identity.object(name));
        let there = names.iter().filter_map(|it| Some((it, current(it)?)));
        return restart(&there.collect(), entries);
    }
    for name in names {
        let Some(container) = observed.current(name, &identity.object(name)) else {
            continue;
        };
        match change {
            Change::Pause if container.state == ContainerState::Running => {
                let step = Step::Pause {
                    container: name.clone(),
                    id: container.id.clone(),
                };
                plan.push(step, Cause::Asked, []);
            }
            Change::Resume if container.state == ContainerState::Paused => {
                plan.push(Step::Unpause(name.clone()), Cause::Asked, []);
            }
            Change::Pause | Change::Resume | Change::Restart => {}
        }
    }
    plan
}

/// The steps that stop containers of these names, those that need others before them.
pub fn halt(
    names: &BTreeSet<ContainerName>,
    entries: &Entries,
    identity: &Identity,
    observed: &Observed,
) -> Plan {
    let current = |name: &ContainerName| observed.current(name, &identity.object(name));
    let there = names.iter().filter_map(|it| Some((it, current(it)?)));
    let containers = there.collect();
    let mut plan = Plan::default();
    stops(
        &ordered(&containers, entries),
        &containers,
        entries,
        &mut plan,
    );
    plan
}

/// These containers, those that need them, and so on.
pub fn with_dependents(
    names: impl IntoIterator<Item = ContainerName>,
    entries: &Entries,
) -> BTreeSet<ContainerName> {
    let mut all: BTreeSet<ContainerName> = names.into_iter().collect();
    loop {
        let needs = |name: &ContainerName| {
            let mut needs = entries[name].needs.iter();
            needs.any(|it| all.contains(&it.container))
        };
        let more = entries.keys().filter(|it| !all.contains(*it) && needs(it));
        let more: Vec<ContainerName> = more.cloned().collect();
        if more.is_empty() {
            return all;
        }
        all.extend(more);
    }
}

/// One-shots among these that have completed: only by its own name is one run again.
pub fn completed(
    names: &[ContainerName],
    entries: &Entries,
    identity: &Identity,
    observed: &Observed,
) -> Vec<ContainerName> {
    let has = |name: &&ContainerName| {
        let current = observed.current(name, &identity.object(name));
        entries.get(*name).is_some_and(|it| it.run.once)
            && current.is_some_and(|it| it.state == ContainerState::Exited(Some(0)))
    };
    names.iter().filter(has).cloned().collect()
}

/// Those that need others stop before them, and start after them.
fn restart(containers: &BTreeMap<&ContainerName, &ObservedContainer>, entries: &Entries) -> Plan {
    let order = ordered(containers, entries);
    let mut plan = Plan::default();
    let stops = stops(&order, containers, entries, &mut plan);
    let mut started: BTreeMap<&ContainerName, usize> = BTreeMap::new();
    let mut waits: BTreeMap<(&ContainerName, Until), usize> = BTreeMap::new();
    for name in order {
        let mut after: Vec<usize> = stops.get(name).copied().into_iter().collect();
        for need in entries.get(name).into_iter().flat_map(|it| &it.needs) {
            let Some(start) = started.get(&need.container).copied() else {
                continue;
            };
            // Without a check it never gets healthy.
            let is_checked = containers[&need.container].health.is_some();
            let wait = match need.until {
                Until::Started => start,
                Until::Healthy if !is_checked => start,
                until => *waits.entry((&need.container, until)).or_insert_with(|| {
                    let wait = Step::Wait(need.container.clone(), until);
                    plan.push(wait, Cause::NeededBy(name.clone()), [start])
                }),
            };
            after.push(wait);
        }
        let start = plan.push(Step::Start(name.clone()), Cause::Asked, after);
        started.insert(name, start);
    }
    plan
}

/// Stops those that are alive, each after those that need it; gives the steps.
fn stops<'a>(
    order: &[&'a ContainerName],
    containers: &BTreeMap<&ContainerName, &ObservedContainer>,
    entries: &Entries,
    plan: &mut Plan,
) -> BTreeMap<&'a ContainerName, usize> {
    let mut stops: BTreeMap<&ContainerName, usize> = BTreeMap::new();
    for name in order.iter().rev().copied() {
        let container = containers[name];
        // A frozen process does not hear that it is to stop.
        let thaw = (container.state == ContainerState::Paused)
            .then(|| plan.push(Step::Unpause(name.clone()), Cause::Paused, []));
        if !container.state.is_alive() {
            continue;
        }
        let dependents = stops.iter().filter(|(other, _)| {
            let entry = entries.get(**other);
            entry.is_some_and(|it| it.needs.iter().any(|need| need.container == *name))
        });
        let after: Vec<usize> = dependents.map(|(_, stop)| *stop).chain(thaw).collect();
        let step = Step::Stop {
            container: name.clone(),
            id: container.id.clone(),
        };
        stops.insert(name, plan.push(step, Cause::Asked, after));
    }
    stops
}

fn ordered<'a>(
    containers: &BTreeMap<&'a ContainerName, &ObservedContainer>,
    entries: &'a Entries,
) -> Vec<&'a ContainerName> {
    let mut order = Vec::new();
    for name in containers.keys() {
        place(name, containers, entries, &mut order);
    }
    order
}

/// Each after what it needs.
fn place<'a>(
    name: &'a ContainerName,
    containers: &BTreeMap<&'a ContainerName, &ObservedContainer>,
    entries: &'a Entries,
    order: &mut Vec<&'a ContainerName>,
) {
    // A verified reference's `needs` go in no circle.
    if order.contains(&name) {
        return;
    }
    for need in entries.get(name).into_iter().flat_map(|it| &it.needs) {
        if let Some((needed, _)) = containers.get_key_value(&need.container) {
            place(needed, containers, entries, order);
        }
    }
    order.push(name);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::name::{InstanceName, PlatformName};
    use crate::model::observed::Health;
    use crate::model::reference::tests::{container, reference};

    fn identity() -> Identity {
        Identity {
            owner: "me".to_owned(),
            platform: PlatformName::new("acme").unwrap(),
            instance: InstanceName::new("default").unwrap(),
        }
    }

    fn observed(states: &[(&str, ContainerState)]) -> (Vec<ContainerName>, Observed) {
        let mut observed = Observed::default();
        for (name, state) in states {
            let name = ContainerName::new(*name).unwrap();
            let container = ObservedContainer {
                id: format!("id-{name}"),
                object: identity().object(&name),
                labels: BTreeMap::new(),
                image: None,
                state: *state,
                health: None,
                ports: Vec::new(),
                networks: BTreeMap::new(),
                volumes: BTreeMap::new(),
                created: 0,
                status: String::new(),
            };
            observed.containers.insert(name, vec![container]);
        }
        (observed.containers.keys().cloned().collect(), observed)
    }

    fn text(plan: &Plan) -> String {
        let steps = plan.nodes.iter().map(|node| {
            let after: String = node.after.iter().map(|it| format!(" after {it}")).collect();
            format!("{}{after}", node.step)
        });
        steps.collect::<Vec<_>>().join("; ")
    }

    fn steps(change: Change) -> String {
        let (names, observed) = observed(&[
            ("frozen", ContainerState::Paused),
            ("runs", ContainerState::Running),
            ("stopped", ContainerState::Exited(Some(1))),
        ]);
        text(&plan(
            change,
            &names,
            &Entries::new(),
            &identity(),
            &observed,
        ))
    }

    #[test]
    fn only_what_it_applies_to() {
        assert_eq!(steps(Change::Pause), "pause runs");
        assert_eq!(steps(Change::Resume), "unpause frozen");
        assert_eq!(
            steps(Change::Restart),
            "stop runs; unpause frozen; stop frozen after 1; \
             start frozen after 2; start runs after 0; start stopped"
        );
    }

    fn ledger() -> Entries {
        let mut entries = reference(&[
            container("billing", &["db", "migration"], &[]),
            container("db", &[], &[]),
            container("migration", &["db"], &[]),
        ])
        .containers;
        let mut until = |name: &str, at: usize, until| {
            entries.get_mut(name).unwrap().needs[at].until = until;
        };
        until("billing", 0, Until::Healthy);
        until("billing", 1, Until::Completed);
        until("migration", 0, Until::Healthy);
        entries.get_mut("migration").unwrap().run.once = true;
        entries
    }

    #[test]
    fn restarted_is_in_the_order_of_needs() {
        let (mut names, mut observed) = observed(&[
            ("billing", ContainerState::Running),
            ("db", ContainerState::Running),
            ("migration", ContainerState::Exited(Some(0))),
        ]);
        let db = observed.containers.get_mut("db").unwrap();
        db[0].health = Some(Health::Healthy);
        let restart = |names: &[ContainerName]| {
            text(&plan(
                Change::Restart,
                names,
                &ledger(),
                &identity(),
                &observed,
            ))
        };
        assert_eq!(
            restart(&names),
            "stop billing; stop db after 0; start db after 1; wait for db healthy after 2; \
             start migration after 3; wait for migration completed after 4; \
             start billing after 0 after 3 after 5"
        );
        let all = with_dependents([ContainerName::new("db").unwrap()], &ledger());
        assert!(all.iter().eq(&names), "{all:?}");
        assert_eq!(
            text(&halt(&all, &ledger(), &identity(), &observed)),
            "stop billing; stop db after 0"
        );
        let done = completed(&names, &ledger(), &identity(), &observed);
        names.retain(|it| !done.contains(it));
        assert_eq!(
            restart(&names),
            "stop billing; stop db after 0; start db after 1; wait for db healthy after 2; \
             start billing after 0 after 3"
        );
    }
}
