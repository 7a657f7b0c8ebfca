//! One look at everything at once: mostly there is nothing to do, and that is known soon.

use super::Server;
use super::drift::serves;
use super::machine::Machine;
use super::ruleset::{self, Ports};
use super::state::{Generation, Stage, State};
use crate::converge::apply::event_label;
use crate::engine::Engine;
use crate::error::Result;
use crate::model::observed::{ContainerState, ObservedContainer, ObservedNetwork};

/// What was seen.
#[derive(Debug)]
struct Sight {
    led: Option<Ports>,
    containers: Vec<ObservedContainer>,
    networks: Vec<ObservedNetwork>,
}

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Whether [`Self::settle`] would change nothing, and all that should serve is there. Where there is
    /// any doubt it is not.
    pub async fn is_calm(&self, state: &State) -> Result<bool> {
        let Some((number, serving)) = state.current() else {
            return Ok(false);
        };
        if !self.is_at_rest(state) {
            return Ok(false);
        }
        let (table, label) = (ruleset::table(&self.file.name), event_label(&self.keeper()));
        let (through, led, containers, networks) = tokio::join!(
            self.machine.let_through(self.file.addresses, true),
            self.machine.led(&table),
            self.engine.containers(),
            self.engine.networks(&label),
        );
        through?;
        let sight = Sight {
            led: led?,
            containers: containers?,
            networks: networks?,
        };
        Ok(self.is_whole(state, number, serving, &sight))
    }

    /// Whether nothing was interrupted, ends, or was kept long enough.
    fn is_at_rest(&self, state: &State) -> bool {
        let rests = |it: &Generation| match it.stage {
            Stage::Serving | Stage::Stopped => true,
            Stage::Paused(since) => !self.is_old(since),
            Stage::Starting | Stage::Waking | Stage::Switching | Stage::Draining => false,
        };
        state.generations.values().all(rests) && state.kept().len() <= self.file.kept
    }

    fn is_whole(&self, state: &State, number: u64, serving: &Generation, sight: &Sight) -> bool {
        let ours: Vec<_> = sight
            .containers
            .iter()
            .filter_map(|it| self.named(it))
            .collect();
        let network = self.identity(number).network();
        let is_right = |(origin, name, it): &(u64, _, &ObservedContainer)| {
            let there = !matches!(it.state, ContainerState::Dead | ContainerState::Removing);
            let runs = it.state == ContainerState::Running && it.networks.contains_key(&network);
            let place = serving.containers.get(name);
            let made = place.and_then(|place| place.made.as_ref());
            let is_same = made.is_none_or(|made| made.is_of(it.image));
            let serves = serves(serving, *origin, name);
            state.keeps(*origin, name) && there && (!serves || (runs && is_same))
        };
        let is_there = |generation: &Generation| {
            let mut places = generation.containers.iter();
            places.all(|(name, place)| {
                let mut ours = ours.iter();
                place.once || ours.any(|(origin, it, _)| it == name && *origin == place.origin)
            })
        };
        let mut networks = sight.networks.iter();
        let mut origins = state.networks.keys();
        sight.led.as_ref() == Some(&serving.led())
            && ours.iter().all(is_right)
            && state.generations.values().all(is_there)
            && self.intruders(state, &sight.containers).is_empty()
            && origins.all(|origin| state.needs_network(*origin))
            && networks.all(|it| {
                let origin = self.generation_of(&it.labels);
                origin.is_none_or(|origin| state.needs_network(origin))
            })
    }
}
