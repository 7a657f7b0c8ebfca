//! Steps that make room for what starts. Pure.

use std::collections::BTreeMap;

use super::{Cause, Observed, Plan, Step};
use crate::converge::desired::{Desired, DesiredContainer};
use crate::model::observed::ObservedContainer;

/// Whoever goes away gives its host ports back, and a
/// second network of one name makes every start on it fail as ambiguous, by Id too.
#[derive(Default)]
pub(super) struct Room {
    ports: BTreeMap<String, Vec<usize>>,
    networks: Vec<usize>,
}

impl Room {
    /// Adds the removal of surplus networks to the plan, which has all its stops by now.
    pub(super) fn made(desired: &Desired, observed: &Observed, plan: &mut Plan) -> Self {
        let stops: BTreeMap<&str, usize> = plan
            .nodes
            .iter()
            .enumerate()
            .filter_map(|(index, node)| match &node.step {
                Step::Stop { id, .. } => Some((id.as_str(), index)),
                _ => None,
            })
            .collect();
        let stopped: Vec<(&ObservedContainer, usize)> = observed
            .containers
            .values()
            .flatten()
            .filter_map(|container| Some((container, *stops.get(container.id.as_str())?)))
            .collect();
        let mut room = Self::default();
        for (container, stop) in &stopped {
            for port in &container.ports {
                let steps = room.ports.entry(port.host.to_string()).or_default();
                steps.push(*stop);
            }
        }
        let on = |container: &ObservedContainer, id: &str| {
            let mut endpoints = container.networks.values();
            endpoints.any(|endpoint| endpoint.network == id)
        };
        for name in [&desired.network, &desired.absent_network] {
            for network in observed.duplicates(name) {
                let users = stopped.iter().filter(|(it, _)| on(it, &network.id));
                let step = Step::RemoveNetwork {
                    name: network.name.clone(),
                    id: network.id.clone(),
                };
                let after = users.map(|(_, stop)| *stop);
                room.networks.push(plan.push(step, Cause::Surplus, after));
            }
        }
        room
    }

    pub(super) fn needed_by(&self, container: &DesiredContainer) -> impl Iterator<Item = usize> {
        let bindings = container.body.host_config.port_bindings.values().flatten();
        let ports = bindings.filter_map(|binding| self.ports.get(&binding.host_port));
        ports.flatten().chain(&self.networks).copied()
    }
}
