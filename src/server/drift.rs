//! What somebody changed by hand is made as it was, or left as it is, as `drift` in `server.yaml` says.

use std::collections::BTreeMap;

use futures_util::future::try_join_all;

use super::Server;
use super::machine::Machine;
use super::state::{Generation, State};
use super::switch::gone_is_fine;
use crate::engine::Engine;
use crate::error::Result;
use crate::model::identity;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, ObservedContainer};
use crate::model::server::Drift;

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Starts what should serve and does not run, puts it back on its network, and puts others out of
    /// it; gives what was done, in words. What only devenv can start is started in any case: after a
    /// reboot nobody else does.
    pub(super) async fn mend(&self, state: &State) -> Result<Vec<String>> {
        let Some((number, serving)) = state.current() else {
            return Ok(Vec::new());
        };
        let all = self.engine.containers().await?;
        let ours: Vec<_> = all.iter().filter_map(|it| self.named(it)).collect();
        let mut done = self.start_stopped(serving, &ours).await?;
        if self.file.drift == Drift::Tell {
            return Ok(done);
        }
        let network = self.identity(number).network();
        let lost = ours.iter().filter(|(origin, name, it)| {
            serves(serving, *origin, name) && !it.networks.contains_key(&network)
        });
        // Those with an address of their own would get another: `server check` says it.
        let lost = lost.filter(|(_, name, _)| !serving.ports.iter().any(|port| port.of == *name));
        let lost: Vec<_> = lost.collect();
        let intruders = self.intruders(state, &all);
        if lost.is_empty() && intruders.is_empty() {
            return Ok(done);
        }
        let label = crate::converge::apply::event_label(&self.keeper());
        let networks = self.engine.networks(&label).await?;
        let ids: BTreeMap<&str, &str> = networks
            .iter()
            .map(|it| (it.name.as_str(), it.id.as_str()))
            .collect();
        if let Some(id) = ids.get(network.as_str()) {
            for (_, name, it) in lost {
                let place = serving.containers.get(name);
                let names = place.map_or_else(|| vec![name.to_string()], |it| it.names(name));
                self.engine.connect(id, &it.id, &names).await?;
                done.push(format!("{name} was off its network: it is on it again"));
            }
        }
        for (it, network) in intruders {
            if let Some(id) = ids.get(network) {
                gone_is_fine(self.engine.disconnect(id, &it.id).await)?;
                done.push(format!(
                    "{} was put into this server's network: it is out of it again",
                    it.object
                ));
            }
        }
        Ok(done)
    }

    /// The generation that made one of this server's containers, and its name there.
    pub(super) fn named<'c>(
        &self,
        it: &'c ObservedContainer,
    ) -> Option<(u64, ContainerName, &'c ObservedContainer)> {
        let origin = self.generation_of(&it.labels)?;
        let name = ContainerName::new(it.labels.get(identity::CONTAINER)?.as_str()).ok()?;
        Some((origin, name, it))
    }

    async fn start_stopped(
        &self,
        serving: &Generation,
        ours: &[(u64, ContainerName, &ObservedContainer)],
    ) -> Result<Vec<String>> {
        let down = ours.iter().filter(|(origin, name, it)| {
            let up = matches!(
                it.state,
                ContainerState::Running | ContainerState::Restarting
            );
            let mends = self.file.drift == Drift::Mend;
            let place = serving.containers.get(name);
            let starts = mends || place.is_some_and(|place| place.filled);
            serves(serving, *origin, name) && !up && starts
        });
        let down: Vec<_> = down.collect();
        if down.is_empty() {
            return Ok(Vec::new());
        }
        let frozen = down
            .iter()
            .filter(|(_, _, it)| it.state == ContainerState::Paused);
        let frozen: Vec<_> = frozen.collect();
        try_join_all(frozen.iter().map(|(_, _, it)| self.engine.unpause(&it.id))).await?;
        let thawed = frozen.iter().map(|(_, name, _)| name).collect();
        let objects = down.iter().map(|(_, name, it)| (name, it.id.clone()));
        self.run(&serving.containers, &objects.collect(), &thawed)
            .await?;
        let names: Vec<&str> = down.iter().map(|(_, name, _)| name.as_str()).collect();
        let names = names.join(", ");
        Ok(vec![format!(
            "{names} did not run and should: started again"
        )])
    }

    /// Containers of others in this server's networks, each with the network.
    pub(super) fn intruders<'c>(
        &self,
        state: &State,
        all: &'c [ObservedContainer],
    ) -> Vec<(&'c ObservedContainer, &'c str)> {
        let networks: Vec<String> = state
            .networks
            .keys()
            .map(|number| self.identity(*number).network())
            .collect();
        let others = all.iter().filter(|it| self.named(it).is_none());
        let inside = others.flat_map(|it| {
            let names = it.networks.keys().filter(|name| networks.contains(name));
            names.map(move |name| (it, name.as_str()))
        });
        inside.collect()
    }
}

/// Whether a container is one of those that should run now.
pub(super) fn serves(serving: &Generation, origin: u64, name: &ContainerName) -> bool {
    let place = serving.containers.get(name);
    place.is_some_and(|place| place.origin == origin && !place.once)
}
