//! Freezing, thawing and restarting containers that are there. Pure.

use super::difference::is_alive;
use super::{Cause, Observed, Plan, Step};
use crate::model::identity::Identity;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, ObservedContainer};

/// What is to happen to containers as they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// Freeze those that run.
    Pause,
    /// Thaw those that are frozen.
    Resume,
    /// Stop those that run, and start all.
    Restart,
}

/// The steps for the containers of these names; those to which it does not apply get none.
pub fn plan(
    change: Change,
    names: &[ContainerName],
    identity: &Identity,
    observed: &Observed,
) -> Plan {
    let mut plan = Plan::default();
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
            Change::Restart => restart(&mut plan, name, container),
            Change::Pause | Change::Resume => {}
        }
    }
    plan
}

fn restart(plan: &mut Plan, name: &ContainerName, container: &ObservedContainer) {
    // A frozen process does not hear that it is to stop.
    let thaw = (container.state == ContainerState::Paused)
        .then(|| plan.push(Step::Unpause(name.clone()), Cause::Paused, []));
    let stop = is_alive(container.state).then(|| {
        let step = Step::Stop {
            container: name.clone(),
            id: container.id.clone(),
        };
        plan.push(step, Cause::Asked, thaw)
    });
    plan.push(Step::Start(name.clone()), Cause::Asked, stop);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::model::name::{InstanceName, PlatformName};

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

    fn steps(change: Change) -> String {
        let (names, observed) = observed(&[
            ("frozen", ContainerState::Paused),
            ("runs", ContainerState::Running),
            ("stopped", ContainerState::Exited(Some(1))),
        ]);
        let plan = plan(change, &names, &identity(), &observed);
        let steps = plan.nodes.iter().map(|node| {
            let after: String = node.after.iter().map(|it| format!(" after {it}")).collect();
            format!("{}{after}", node.step)
        });
        steps.collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn only_what_it_applies_to() {
        assert_eq!(steps(Change::Pause), "pause runs");
        assert_eq!(steps(Change::Resume), "unpause frozen");
        assert_eq!(
            steps(Change::Restart),
            "unpause frozen; stop frozen after 0; start frozen after 1; \
             stop runs; start runs after 3; start stopped"
        );
    }
}
