//! Desired − observed → a plan. Pure and deterministic.

use std::collections::BTreeMap;

use super::drift::Drift;
use super::removal;
use super::room::Room;
use super::{Cause, Network, Observed, Plan, Step};
use crate::desired::{Desired, DesiredContainer};
use crate::model::by_name::ByName;
use crate::model::container::Until;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, Health, ObservedContainer};

/// What brings the engine from `observed` to `desired`. Empty when nothing is to be done.
pub fn difference(desired: &Desired, observed: &Observed) -> Plan {
    let mut planner = Planner {
        desired,
        observed,
        drift: Drift::new(desired, observed),
        plan: Plan::default(),
        networks: BTreeMap::new(),
        volumes: ByName::default(),
        room: Room::default(),
        started: ByName::default(),
        waits: ByName::default(),
        index: desired
            .containers
            .iter()
            .map(|container| (&container.name, container))
            .collect(),
    };
    planner.networks();
    planner.volumes();
    let prepared: Vec<Prepared> = desired
        .containers
        .iter()
        .map(|container| planner.prepare(container))
        .collect();
    removal::unselected(desired, observed, &mut planner.plan);
    planner.room = Room::made(desired, observed, &mut planner.plan);
    for (container, prepared) in desired.containers.iter().zip(prepared) {
        planner.start(container, prepared);
    }
    planner.plan
}

struct Planner<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    drift: Drift<'a>,
    plan: Plan,
    networks: BTreeMap<Network, usize>,
    volumes: ByName<&'a str, usize>,
    room: Room,
    started: ByName<&'a ContainerName, usize>,
    waits: ByName<(&'a ContainerName, Until), usize>,
    index: ByName<&'a ContainerName, &'a DesiredContainer>,
}

/// What has to happen to a container besides its creation.
enum Prepared {
    Nothing,
    Unpause(Vec<usize>),
    /// Start it, for this reason, after these steps.
    Start(Cause, Vec<usize>),
    /// Start it, then remove the one it replaces.
    Replace {
        cause: Cause,
        after: Vec<usize>,
        old: String,
        /// The steps that the old one's removal comes after.
        aside: Vec<usize>,
    },
}

impl<'a> Planner<'a> {
    fn networks(&mut self) {
        let absent = self.desired.containers.iter().any(|it| it.absent.is_some());
        let wanted = [
            (Network::Main, &self.desired.network, true),
            (Network::Absent, &self.desired.absent_network, absent),
        ];
        for (network, name, wanted) in wanted {
            if wanted && self.observed.network(name).is_none() {
                let step = Step::CreateNetwork(network);
                let step = self.plan.push(step, Cause::Missing, []);
                self.networks.insert(network, step);
            }
        }
    }

    fn volumes(&mut self) {
        for name in &self.desired.volumes {
            if !self.observed.volumes.contains(name) {
                let step = Step::CreateVolume(name.clone());
                let step = self.plan.push(step, Cause::Missing, []);
                self.volumes.insert(name, step);
            }
        }
    }

    /// Everything up to the start, for all containers at once: nothing waits here for others.
    fn prepare(&mut self, container: &'a DesiredContainer) -> Prepared {
        let mut after = self.leftovers(container);
        let Some(current) = self.observed.current(&container.name, &container.object) else {
            after.push(self.create(container, Cause::Missing, None));
            return Prepared::Start(Cause::Missing, after);
        };
        if let Some(cause) = self.drift.of(container, current) {
            return self.replace(container, current, cause, after);
        }
        if container.once && current.state == ContainerState::Exited(Some(0)) {
            return Prepared::Nothing;
        }
        after.extend(self.absent_names(container, current));
        match current.state {
            ContainerState::Running | ContainerState::Restarting => Prepared::Nothing,
            ContainerState::Paused => Prepared::Unpause(after),
            _ => Prepared::Start(Cause::Stopped, after),
        }
    }

    /// Removes what interrupted replacements left; gives the stops: their successor writes to the
    /// same volumes and must not start before.
    fn leftovers(&mut self, container: &DesiredContainer) -> Vec<usize> {
        let all = self.observed.containers.get(&container.name);
        let mut stops = Vec::new();
        for other in all.into_iter().flatten() {
            if other.object != container.object {
                let (stop, _) =
                    removal::one(&container.name, other, &Cause::Leftover, [], &mut self.plan);
                stops.extend(stop);
            }
        }
        stops
    }

    /// Pull, bind, create, connect; gives the step that a start comes after.
    fn create(
        &mut self,
        container: &'a DesiredContainer,
        cause: Cause,
        rename: Option<usize>,
    ) -> usize {
        let name = &container.name;
        let present = &self.observed.images;
        let bind = super::images::image(&mut self.plan, container, present, Cause::Creation);
        let mounts = container.body.host_config.mounts.iter();
        let volumes = mounts.filter_map(|mount| self.volumes.get(mount.source.as_str()));
        let network = self.networks.get(&Network::Main);
        let after: Vec<usize> = rename
            .into_iter()
            .chain([bind])
            .chain(network.into_iter().chain(volumes).copied())
            .collect();
        let create = self
            .plan
            .push(Step::Create(name.clone()), cause.clone(), after);
        if container.absent.is_none() {
            return create;
        }
        let network = self.networks.get(&Network::Absent).copied();
        let connect = Step::Connect(name.clone());
        self.plan
            .push(connect, cause, [create].into_iter().chain(network))
    }

    /// The new one is created while the old one stops; it starts when the old one has stopped.
    fn replace(
        &mut self,
        container: &'a DesiredContainer,
        current: &ObservedContainer,
        cause: Cause,
        mut after: Vec<usize>,
    ) -> Prepared {
        let (name, id) = (container.name.clone(), current.id.clone());
        let rename = Step::Rename {
            container: name.clone(),
            id: id.clone(),
        };
        let rename = self.plan.push(rename, cause.clone(), []);
        let stop = is_alive(current.state).then(|| {
            let id = id.clone();
            let stop = Step::Stop {
                container: name,
                id,
            };
            self.plan.push(stop, cause.clone(), [])
        });
        after.push(self.create(container, cause.clone(), Some(rename)));
        after.extend(stop);
        Prepared::Replace {
            cause,
            after,
            old: id,
            aside: stop.into_iter().chain([rename]).collect(),
        }
    }

    /// Re-attaches a container whose aliases on the network for absent names changed; gives the
    /// last step of it.
    fn absent_names(
        &mut self,
        container: &DesiredContainer,
        current: &ObservedContainer,
    ) -> Option<usize> {
        let now = self.observed.aliases.get(&current.id);
        if container.absent.as_ref() == now {
            return None;
        }
        let name = &container.name;
        let disconnect = now.map(|_| {
            let step = Step::Disconnect {
                container: name.clone(),
                id: current.id.clone(),
            };
            self.plan.push(step, Cause::AbsentNames, [])
        });
        if container.absent.is_none() {
            return disconnect;
        }
        let network = self.networks.get(&Network::Absent).copied();
        let connect = Step::Connect(name.clone());
        let after = disconnect.into_iter().chain(network);
        Some(self.plan.push(connect, Cause::AbsentNames, after))
    }

    fn start(&mut self, container: &'a DesiredContainer, prepared: Prepared) {
        let (cause, mut after, replaced) = match prepared {
            Prepared::Nothing => return,
            Prepared::Unpause(after) => {
                let step = Step::Unpause(container.name.clone());
                let step = self.plan.push(step, Cause::Paused, after);
                self.started.insert(&container.name, step);
                return;
            }
            Prepared::Start(cause, after) => (cause, after, None),
            Prepared::Replace {
                cause,
                after,
                old,
                aside,
            } => (cause, after, Some((old, aside))),
        };
        after.extend(self.room.needed_by(container));
        for need in &container.needs {
            after.extend(self.wait(&need.container, need.until, &container.name));
        }
        let uses = container.uses.iter();
        after.extend(uses.filter_map(|other| self.started.get(other)));
        let start = Step::Start(container.name.clone());
        let start = self.plan.push(start, cause.clone(), after);
        self.started.insert(&container.name, start);
        if let Some((id, aside)) = replaced {
            let container = container.name.clone();
            let remove = Step::Remove { container, id };
            self.plan.push(remove, cause, aside);
        }
    }

    /// The step after which a needed container has come far enough; none if it already has.
    fn wait(&mut self, name: &ContainerName, until: Until, by: &ContainerName) -> Option<usize> {
        let needed = *self.index.get(name)?;
        let started = self.started.get(name).copied();
        if until == Until::Started {
            return started;
        }
        if let Some(step) = self.waits.get(&(&needed.name, until)) {
            return Some(*step);
        }
        let current = self.observed.current(&needed.name, &needed.object);
        let has_come = started.is_none()
            && current.is_some_and(|it| match until {
                Until::Started => true,
                Until::Healthy => it.health == Some(Health::Healthy),
                Until::Completed => it.state == ContainerState::Exited(Some(0)),
            });
        if has_come {
            return None;
        }
        let step = Step::Wait(needed.name.clone(), until);
        let step = self.plan.push(step, Cause::NeededBy(by.clone()), started);
        self.waits.insert((&needed.name, until), step);
        Some(step)
    }
}

/// Whether a stop is needed before a removal.
pub(super) fn is_alive(state: ContainerState) -> bool {
    matches!(
        state,
        ContainerState::Running | ContainerState::Paused | ContainerState::Restarting
    )
}
