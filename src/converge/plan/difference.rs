//! Desired − observed → a plan. Pure and deterministic.

use std::collections::BTreeMap;

use super::drift::Drift;
use super::removal;
use super::room::Room;
use super::{Cause, Network, Observed, Plan, Step};
use super::{carry, fill};
use crate::converge::desired::{Desired, DesiredContainer};
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
        volumes: BTreeMap::new(),
        room: Room::default(),
        started: BTreeMap::new(),
        waits: BTreeMap::new(),
        filled: BTreeMap::new(),
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
        planner.fill(container);
    }
    planner.plan
}

struct Planner<'a> {
    desired: &'a Desired,
    observed: &'a Observed,
    drift: Drift<'a>,
    plan: Plan,
    networks: BTreeMap<Network, usize>,
    volumes: BTreeMap<&'a str, usize>,
    room: Room,
    started: BTreeMap<&'a ContainerName, usize>,
    waits: BTreeMap<(&'a ContainerName, Until), usize>,
    filled: BTreeMap<&'a ContainerName, usize>,
    index: BTreeMap<&'a ContainerName, &'a DesiredContainer>,
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
        let current = self.observed.current(&container.name, &container.object);
        let is_new = carry::is_new(current);
        let mut after = self.leftovers(container, is_new);
        let Some(current) = current else {
            let create = self.create(container, Cause::Missing, None);
            after.push(create);
            after.extend(self.owed(container, is_new, Some(create)));
            return Prepared::Start(Cause::Missing, after);
        };
        if let Some(cause) = self.drift.of(container, current) {
            return self.replace(container, current, cause, after);
        }
        if container.once && current.state == ContainerState::Exited(Some(0)) {
            return Prepared::Nothing;
        }
        after.extend(self.absent_names(container, current));
        after.extend(self.owed(container, is_new, None));
        match current.state {
            ContainerState::Running | ContainerState::Restarting => Prepared::Nothing,
            ContainerState::Paused => Prepared::Unpause(after),
            _ => Prepared::Start(Cause::Stopped, after),
        }
    }

    /// Removes what interrupted replacements left; gives the stops: their successor writes to the
    /// same volumes and must not start before. Those that it still has something from stay.
    fn leftovers(&mut self, container: &DesiredContainer, is_new: bool) -> Vec<usize> {
        let mut stops = Vec::new();
        for other in others(self.observed, container) {
            if !is_new || carry::paths(container, other).is_empty() {
                let (stop, _) =
                    removal::one(&container.name, other, &Cause::Leftover, [], &mut self.plan);
                stops.extend(stop);
            }
        }
        stops
    }

    /// Carries over what leftovers of an interrupted replacement still have, and removes them; gives
    /// the steps that a start comes after.
    fn owed(
        &mut self,
        container: &DesiredContainer,
        is_new: bool,
        create: Option<usize>,
    ) -> Vec<usize> {
        let mut all = Vec::new();
        for other in others(self.observed, container).filter(|_| is_new) {
            if carry::paths(container, other).is_empty() {
                continue;
            }
            let stop = self.stop(container, other, &Cause::Leftover);
            let after: Vec<usize> = stop.into_iter().chain(create).collect();
            let carried = self.carry(container, other, &after);
            let (container, id) = (container.name.clone(), other.id.clone());
            let remove = Step::Remove { container, id };
            self.plan.push(remove, Cause::Leftover, carried.clone());
            all.extend(carried);
        }
        all
    }

    fn stop(
        &mut self,
        container: &DesiredContainer,
        old: &ObservedContainer,
        cause: &Cause,
    ) -> Option<usize> {
        old.state.is_alive().then(|| {
            let (container, id) = (container.name.clone(), old.id.clone());
            let stop = Step::Stop { container, id };
            self.plan.push(stop, cause.clone(), [])
        })
    }

    /// Copies what the old one has in volumes without names into the new one.
    fn carry(
        &mut self,
        container: &DesiredContainer,
        old: &ObservedContainer,
        after: &[usize],
    ) -> Vec<usize> {
        let paths = carry::paths(container, old).into_iter();
        let steps = paths.map(|path| Step::CarryOver {
            container: container.name.clone(),
            id: old.id.clone(),
            path,
        });
        let after = after.iter().copied();
        steps
            .map(|step| self.plan.push(step, Cause::Nameless, after.clone()))
            .collect()
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
            container: name,
            id: id.clone(),
        };
        let rename = self.plan.push(rename, cause.clone(), []);
        let stop = self.stop(container, current, &cause);
        let create = self.create(container, cause.clone(), Some(rename));
        after.push(create);
        after.extend(stop);
        let ready: Vec<usize> = stop.into_iter().chain([create]).collect();
        let carried = self.carry(container, current, &ready);
        after.extend(&carried);
        after.extend(self.owed(container, carry::is_new(Some(current)), Some(create)));
        Prepared::Replace {
            cause,
            after,
            old: id,
            aside: stop.into_iter().chain([rename]).chain(carried).collect(),
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
            let cause = Cause::NeededBy(container.name.clone());
            after.extend(self.wait(&need.container, need.until, cause));
        }
        let step_of = |other| self.filled.get(other).or(self.started.get(other));
        after.extend(container.uses.iter().filter_map(step_of));
        let start = Step::Start(container.name.clone());
        let start = self.plan.push(start, cause.clone(), after);
        self.started.insert(&container.name, start);
        if let Some((id, mut aside)) = replaced {
            // The engine may refuse a port of the new one: then the old one is still there.
            let publishes = !container.body.host_config.port_bindings.is_empty();
            aside.extend(publishes.then_some(start));
            let container = container.name.clone();
            let remove = Step::Remove { container, id };
            self.plan.push(remove, cause, aside);
        }
    }

    /// Fills its volumes where nobody ever did: whoever needs it waits for that.
    fn fill(&mut self, container: &'a DesiredContainer) {
        let Some(from) = fill::due(container, self.observed) else {
            return;
        };
        let ready = self.wait(&container.name, container.ready(), Cause::Empty);
        let step = Step::Fill {
            container: container.name.clone(),
            from: from.clone(),
        };
        let step = self.plan.push(step, Cause::Empty, ready);
        self.filled.insert(&container.name, step);
    }

    /// The step after which a needed container has come far enough; none if it already has.
    fn wait(&mut self, name: &ContainerName, until: Until, cause: Cause) -> Option<usize> {
        let needed = *self.index.get(name)?;
        if let Some(step) = self.filled.get(name) {
            return Some(*step);
        }
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
        let step = self.plan.push(step, cause, started);
        self.waits.insert((&needed.name, until), step);
        Some(step)
    }
}

/// Containers of this name besides the current one.
fn others<'a>(
    observed: &'a Observed,
    container: &DesiredContainer,
) -> impl Iterator<Item = &'a ObservedContainer> + use<'a> {
    let object = container.object.clone();
    let all = observed.containers.get(&container.name);
    let all = all.into_iter().flatten();
    all.filter(move |other| other.object != object)
}
