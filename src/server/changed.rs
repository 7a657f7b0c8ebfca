//! What somebody changed by hand of containers that run.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::join_all;

use super::Server;
use super::machine::Machine;
use super::made::Made;
use super::state::{Generation, State};
use crate::engine::Engine;
use crate::error::Result;
use crate::model::name::ContainerName;
use crate::model::observed::ContainerDetails;

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Remembers how the engine made these containers of a generation.
    pub(super) async fn learn_made(
        &self,
        state: &mut State,
        number: u64,
        names: &[ContainerName],
    ) -> Result<()> {
        let Some(generation) = state.generations.get_mut(&number) else {
            return Ok(());
        };
        let made = self.looked_at(generation, names.iter()).await;
        for (name, details) in made {
            if let Some(place) = generation.containers.get_mut(&name) {
                place.made = Some(Made::of(&details));
            }
        }
        self.save(state)
    }

    /// Those of these containers of a generation that somebody replaced by hand; `is_strict`: or changed.
    pub(super) async fn changed(
        &self,
        generation: &Generation,
        names: &BTreeSet<ContainerName>,
        is_strict: bool,
    ) -> BTreeSet<ContainerName> {
        let looks = self.looked_at(generation, names.iter()).await;
        let changed = looks.into_iter().filter(|(name, details)| {
            let place = generation.containers.get(name);
            let made = place.and_then(|place| place.made.as_ref());
            made.is_some_and(|made| {
                !made.is_of(details.image) || (is_strict && made.changed(details).is_some())
            })
        });
        changed.map(|(name, _)| name).collect()
    }

    /// What an inspect tells of each that is there and does not end by itself.
    async fn looked_at(
        &self,
        generation: &Generation,
        names: impl Iterator<Item = &ContainerName>,
    ) -> BTreeMap<ContainerName, ContainerDetails> {
        let places = names.filter_map(|name| generation.containers.get_key_value(name));
        let places = places.filter(|(_, place)| !place.once);
        let looks = places.map(async |(name, place)| {
            let details = self.engine.inspect(&self.object(name, place)).await;
            details.ok().map(|details| (name.clone(), details))
        });
        join_all(looks).await.into_iter().flatten().collect()
    }
}
