//! What comes first in every command: what an interrupted one left is completed or undone, the table is
//! there, what serves runs, and what was kept long enough goes.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::future::{join_all, try_join_all};
use jiff::{SignedDuration, Timestamp};

use super::Server;
use super::machine::Machine;
use super::state::{Place, Stage, State};
use crate::engine::{Engine, FaultKind};
use crate::error::{Error, Kind, Result};
use crate::model::name::ContainerName;
use crate::model::observed::ContainerState;

/// Where a generation is before requests are to be led to it.
pub(super) const BEGUN: [Stage; 2] = [Stage::Starting, Stage::Waking];

/// The generations that have come this far.
pub(super) fn at(state: &State, stages: &[Stage]) -> Vec<u64> {
    let all = state.generations.iter();
    let all = all.filter(|(_, it)| stages.contains(&it.stage));
    all.map(|(number, _)| *number).collect()
}

/// What came of settling.
#[derive(Debug, Default)]
pub struct Settled {
    /// What was mended, in words.
    pub mended: Vec<String>,
    /// Why something that should serve does not: the ledger may have a reference where it does.
    pub failed: Option<Error>,
}

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Settles what is there. A reboot, a restarted engine and a command that was killed are all the
    /// same to it.
    ///
    /// # Errors
    /// An engine that does not answer, a kernel that does not lead.
    pub async fn settle(&self, state: &mut State) -> Result<Settled> {
        // Before all else: since a reboot nothing is led anywhere.
        if let Some((_, serving)) = state.current() {
            self.machine.let_through(self.file.addresses, true).await?;
            self.lead_unless_switching(state, serving).await?;
        }
        self.complete_switch(state).await?;
        self.clear_away(state).await?;
        // Before anything is started: what is left of an undone generation may hold its data.
        self.sweep(state).await?;
        let settled = match self.mend(state).await {
            Ok(mended) => Settled {
                mended,
                failed: None,
            },
            Err(error) if matches!(error.kind(), Kind::NotHealthy | Kind::Usage) => Settled {
                failed: Some(error),
                ..Settled::default()
            },
            Err(error) => return Err(error),
        };
        for text in &settled.mended {
            self.reporter.warn(text);
        }
        if let Some((_, serving)) = state.current() {
            self.lead(serving).await?;
        }
        self.retire(state).await?;
        self.age(state).await?;
        Ok(settled)
    }

    /// Completes a switch that was interrupted.
    pub(super) async fn complete_switch(&self, state: &mut State) -> Result<()> {
        for number in at(state, &[Stage::Switching]) {
            self.complete(state, number).await?;
        }
        Ok(())
    }

    /// Undoes what was begun and interrupted before requests were to be led to it.
    pub(super) async fn clear_away(&self, state: &mut State) -> Result<()> {
        for number in at(state, &BEGUN) {
            if state.generations[&number].stage == Stage::Waking {
                self.lay_down(state, number).await?;
            } else {
                self.undo(state, number).await?;
            }
        }
        Ok(())
    }

    /// A switch that was interrupted may have led requests on already: it is not turned back.
    async fn lead_unless_switching(
        &self,
        state: &State,
        serving: &super::state::Generation,
    ) -> Result<()> {
        let table = super::ruleset::table(&self.file.name);
        let mut all = state.generations.values();
        if all.any(|it| it.stage == Stage::Switching) && self.machine.led(&table).await?.is_some() {
            return Ok(());
        }
        self.lead(serving).await
    }

    /// Removes a generation that never served, and starts again what was stopped for it. The journal
    /// says what was stopped until it runs.
    pub(super) async fn undo(&self, state: &mut State, number: u64) -> Result<()> {
        if let Some(generation) = state.generations.get_mut(&number) {
            generation.stage = Stage::Starting;
            generation.containers.clear();
            generation.ports.clear();
        }
        self.save(state)?;
        self.sweep(state).await?;
        let started = self.start_again(state, number).await;
        if started.is_err() && !self.runs_again(state, number).await {
            return started;
        }
        state.generations.remove(&number);
        self.save(state)?;
        self.sweep(state).await?;
        started
    }

    /// Stops a kept generation that was to serve again, and starts what was stopped for it. The journal
    /// says what was stopped until it runs.
    pub(super) async fn lay_down(&self, state: &mut State, number: u64) -> Result<()> {
        self.stop_own(state, number).await?;
        let started = self.start_again(state, number).await;
        if started.is_err() && !self.runs_again(state, number).await {
            return started;
        }
        if let Some(generation) = state.generations.get_mut(&number) {
            generation.stopped.clear();
        }
        self.mark(state, number, Stage::Stopped)?;
        started
    }

    /// Containers of the generation that serves, which were stopped for another's sake.
    fn stopped_for<'s>(
        &self,
        state: &'s State,
        number: u64,
    ) -> BTreeMap<&'s ContainerName, (&'s Place, String)> {
        let (Some((_, serving)), Some(generation)) =
            (state.current(), state.generations.get(&number))
        else {
            return BTreeMap::new();
        };
        let again = generation.stopped.iter().filter_map(|name| {
            let (name, place) = serving.containers.get_key_value(name)?;
            Some((name, (place, self.object(name, place))))
        });
        again.collect()
    }

    /// Starts again what was stopped for a generation's sake, and waits until it is ready. What is not there
    /// any more is made again later.
    async fn start_again(&self, state: &State, number: u64) -> Result<()> {
        let mut again = self.stopped_for(state, number);
        let there = self.containers().await?;
        again.retain(|_, (_, object)| there.iter().any(|(.., it)| it.object == *object));
        let Some((_, serving)) = state.current().filter(|_| !again.is_empty()) else {
            return Ok(());
        };
        let restarts = again.values().filter(|(place, _)| !place.filled);
        let restarts = restarts.map(|(_, object)| self.engine.restart_by_itself(object, true));
        try_join_all(restarts).await?;
        let objects = again.into_iter().map(|(name, (_, object))| (name, object));
        let objects = objects.collect();
        self.run(&serving.containers, &objects, &BTreeSet::new())
            .await
    }

    /// Whether all that was stopped for a generation's sake, and is there, runs, ready or not.
    async fn runs_again(&self, state: &State, number: u64) -> bool {
        let again = self.stopped_for(state, number);
        let looks = again
            .values()
            .map(|(_, object)| self.engine.inspect(object));
        let looks = join_all(looks).await;
        looks.iter().all(|it| match it {
            Ok(it) => matches!(
                it.state,
                ContainerState::Running | ContainerState::Restarting
            ),
            Err(fault) => fault.kind == FaultKind::NotFound,
        })
    }

    /// Completes an interrupted switch: the generation was proven. Where it does not answer any more,
    /// the one before goes on.
    async fn complete(&self, state: &mut State, number: u64) -> Result<()> {
        let woken = async {
            self.wake(state, number).await?;
            self.prove(&state.generations[&number]).await
        };
        match woken.await {
            Ok(()) => self.switch(state, number).await,
            Err(error) => {
                let why = error.chain().join(": ");
                self.reporter.warn(&format!(
                    "an interrupted change to generation {number} is undone: {why}"
                ));
                if let Some((_, serving)) = state.current() {
                    self.lead(serving).await?;
                }
                self.undo(state, number).await
            }
        }
    }

    /// Whether what is paused since then was kept ready long enough.
    pub(super) fn is_old(&self, since: Timestamp) -> bool {
        let keep = SignedDuration::try_from(self.file.keep.duration()).unwrap_or_default();
        (self.now)().duration_since(since) >= keep
    }

    /// Stops what was kept ready long enough, and removes what was kept long enough.
    pub(super) async fn age(&self, state: &mut State) -> Result<()> {
        self.restore(state).await?;
        for number in state.kept() {
            let Stage::Paused(since) = state.generations[&number].stage else {
                continue;
            };
            if self.is_old(since) {
                self.stop(state, number).await?;
            }
        }
        let surplus: Vec<u64> = state.kept().into_iter().skip(self.file.kept).collect();
        if surplus.is_empty() {
            return Ok(());
        }
        for number in surplus {
            state.generations.remove(&number);
        }
        self.save(state)?;
        self.sweep(state).await
    }
}
