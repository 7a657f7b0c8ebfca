//! What no generation needs goes: containers and networks of generations that were undone or outlived.

use std::collections::BTreeSet;

use futures_util::future::try_join_all;

use super::Server;
use super::machine::Machine;
use super::state::State;
use super::switch::gone_is_fine;
use crate::converge::apply::event_label;
use crate::engine::{Engine, FaultKind};
use crate::error::Result;
use crate::model::identity;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, ObservedContainer};

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// The containers of this server, with the generation that made each and its name there.
    pub(super) async fn containers(&self) -> Result<Vec<(u64, ContainerName, ObservedContainer)>> {
        let all = self
            .engine
            .containers_with(&event_label(&self.keeper()))
            .await?;
        let ours = all.into_iter().filter_map(|it| {
            let origin = self.generation_of(&it.labels)?;
            let name = ContainerName::new(it.labels.get(identity::CONTAINER)?.as_str()).ok()?;
            Some((origin, name, it))
        });
        Ok(ours.collect())
    }

    /// Those that run, frozen ones among them, with the generation that made each, and its object.
    pub(super) async fn up(&self) -> Result<Vec<(u64, ContainerName, String)>> {
        let all = self.containers().await?.into_iter();
        let up = all.filter(|(_, _, it)| it.state.is_alive());
        Ok(up.map(|(origin, name, it)| (origin, name, it.id)).collect())
    }

    /// The volumes of this server.
    pub(super) async fn volumes(&self) -> Result<Vec<String>> {
        let keeper = self.keeper();
        let all = self.engine.volumes(&event_label(&keeper)).await?;
        let ours = all.into_iter().filter(|it| keeper.covers(&it.labels));
        let mut names: Vec<String> = ours.map(|it| it.name).collect();
        names.sort();
        Ok(names)
    }

    /// Those containers of the generation that serves that are still there, of the image that they were made
    /// of; `is_strict`: as they were made.
    pub(super) async fn alive(
        &self,
        state: &State,
        is_strict: bool,
    ) -> Result<BTreeSet<ContainerName>> {
        let Some((_, serving)) = state.current() else {
            return Ok(BTreeSet::new());
        };
        let is_there = |(origin, name, it): &(u64, ContainerName, ObservedContainer)| {
            let gone = matches!(it.state, ContainerState::Dead | ContainerState::Removing);
            let place = serving.containers.get(name);
            !gone && place.is_some_and(|place| place.origin == *origin)
        };
        let all = self.containers().await?.into_iter();
        let mut there: BTreeSet<_> = all.filter(is_there).map(|(_, name, _)| name).collect();
        let changed = self.changed(serving, &there, is_strict).await;
        there.retain(|name| !changed.contains(name));
        Ok(there)
    }

    /// Removes what belongs to no generation of the journal. Volumes stay.
    pub(super) async fn sweep(&self, state: &mut State) -> Result<()> {
        let (kept, gone): (Vec<_>, Vec<_>) = self
            .containers()
            .await?
            .into_iter()
            .partition(|(origin, name, _)| state.keeps(*origin, name));
        let going = gone
            .iter()
            .map(async |(_, _, it)| gone_is_fine(self.engine.remove(&it.id).await));
        try_join_all(going).await?;
        let networks = self.engine.networks(&event_label(&self.keeper())).await?;
        let mut left = BTreeSet::new();
        for network in networks {
            let Some(origin) = self.generation_of(&network.labels) else {
                continue;
            };
            if state.needs_network(origin) {
                left.insert(origin);
                continue;
            }
            let attached = kept
                .iter()
                .filter(|(_, _, it)| it.networks.contains_key(&network.name));
            let leaving = attached.map(async |(_, _, it)| {
                gone_is_fine(self.engine.disconnect(&network.id, &it.id).await)
            });
            try_join_all(leaving).await?;
            match self.engine.remove_network(&network.id).await {
                // Engines sometimes claim endpoints that are gone: the next command tries again.
                Err(fault) if matches!(fault.kind, FaultKind::Conflict | FaultKind::Denied) => {
                    left.insert(origin);
                }
                other => gone_is_fine(other)?,
            }
        }
        let before = state.networks.len();
        let needed: BTreeSet<u64> = state
            .networks
            .keys()
            .copied()
            .filter(|origin| state.needs_network(*origin) || left.contains(origin))
            .collect();
        state.networks.retain(|origin, _| needed.contains(origin));
        if state.networks.len() != before {
            self.save(state)?;
        }
        Ok(())
    }
}
