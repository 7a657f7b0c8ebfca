//! What a new generation takes of the machine, looked at before anything is touched.

use std::collections::BTreeSet;

use futures_util::future::join_all;

use super::machine::Machine;
use super::plan::GenerationPlan;
use super::ruleset;
use super::state::{Stage, State};
use super::{Server, Target};
use crate::converge::desired::budget::Budget;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::overrides::Overrides;
use crate::model::quantity::ByteSize;

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Stops what is paused where a new generation needs its memory, the oldest first.
    pub(super) async fn make_room(
        &self,
        state: &mut State,
        target: &Target,
        plan: &GenerationPlan,
    ) -> Result<()> {
        let budget = Budget::of(&target.reference, &plan.fresh, &Overrides::default());
        for number in state.kept().into_iter().rev() {
            let scarce = self.machine.memory().and_then(|free| budget.exceeds(free));
            if scarce.is_none() {
                break;
            }
            if matches!(state.generations[&number].stage, Stage::Paused(_)) {
                self.reporter.note(&format!(
                    "generation {number} is stopped: a new one needs its memory"
                ));
                self.stop(state, number).await?;
            }
        }
        Ok(())
    }

    /// Bytes of memory that a generation's own containers hold; `None`: it cannot be known.
    pub(super) async fn memory_of(&self, state: &State, number: u64) -> Option<u64> {
        let serving: Vec<u64> = state.serving.into_iter().collect();
        let own = state.own(number, &serving).into_iter();
        let looks = own.map(async |(name, place)| {
            let details = self.engine.inspect(&self.object(name, place)).await.ok()?;
            self.machine.memory_of(details.process?)
        });
        let held = join_all(looks).await.into_iter().flatten();
        held.reduce(u64::saturating_add)
    }

    /// Whether memory, disk and ports are there, before anything is touched.
    pub(super) async fn check_room(
        &self,
        state: &State,
        target: &Target,
        plan: &GenerationPlan,
    ) -> Result<()> {
        let budget = Budget::of(&target.reference, &plan.fresh, &Overrides::default());
        if let Some(free) = self.machine.memory()
            && let Some(text) = budget.exceeds(free)
        {
            let error = Error::not_healthy(format!("there is not enough memory: {text}"));
            return Err(error.hint("old and new containers run side by side for a moment"));
        }
        let free = self.data.as_deref().and_then(|it| self.machine.disk(it));
        if let Some(free) = free.filter(|free| *free < self.file.free_disk.get()) {
            let (free, wanted) = (ByteSize::bytes(free), self.file.free_disk);
            return Err(Error::engine(format!(
                "the engine's disk has {free} left, and `free_disk` in server.yaml wants {wanted}"
            )));
        }
        let led: BTreeSet<u16> = state
            .current()
            .into_iter()
            .flat_map(|(_, it)| &it.ports)
            .filter(|port| port.ipv6 || !self.file.ipv6)
            .map(|port| port.host)
            .collect();
        let table = ruleset::table(&self.file.name);
        let others = self.machine.led_by_others(&table).await?;
        for (name, entry) in &target.reference.containers {
            for publish in entry
                .run
                .publish
                .iter()
                .filter(|it| !led.contains(&it.host))
            {
                let table = others.get(&publish.host);
                let led = table.map(|it| format!("the server of the table {it} leads it"));
                let hint = table.map_or_else(
                    || "`ss --listening --tcp --processes` shows who listens there".to_owned(),
                    |it| format!("`nft list table ip {it}` shows where"),
                );
                let taken = || self.machine.taken(publish.host, self.file.ipv6);
                if let Some(why) = led.or_else(taken) {
                    return Err(Error::engine(format!(
                        "port {} of this machine, which {name} is reached at, is taken: {why}",
                        publish.host
                    ))
                    .hint(hint));
                }
            }
        }
        Ok(())
    }
}
