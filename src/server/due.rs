//! What is to be done: what the ledger says, or what serves once more, or nothing and why.

use super::Server;
use super::bring::{Manner, holding, joined};
use super::machine::Machine;
use super::state::State;
use crate::engine::Engine;
use crate::error::Result;
use crate::home::state::ReferenceRecord;
use crate::model::name::ContainerName;
use crate::model::server::Drift;

/// What `server apply` has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Due {
    /// What serves is what should.
    Nothing,
    /// Nothing now.
    Waits {
        /// Why, in words.
        why: String,
    },
    /// What the ledger says is to serve.
    Bring(ReferenceRecord),
    /// What serves is to be made again where it was removed or changed by hand.
    Mend {
        /// What serves.
        reference: ReferenceRecord,
        /// What was removed or changed.
        gone: Vec<ContainerName>,
    },
}

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// What is to be done. A rollback that holds stands in the ledger's place; where the ledger's
    /// reference serves and counts again, the hold is over; so is a failure of what is not wanted any
    /// longer. `is_whole`: nothing that should serve is gone.
    pub async fn due(
        &self,
        state: &mut State,
        ledger: ReferenceRecord,
        inputs: &str,
        manner: &Manner,
        is_whole: bool,
    ) -> Result<Due> {
        let due = self.wanted_now(state, ledger, inputs, manner, is_whole);
        let due = due.await?;
        let wanted = match &due {
            Due::Nothing => None,
            Due::Waits { .. } => Some(ledger),
            Due::Bring(wanted) => Some(*wanted),
            Due::Mend { reference, .. } => Some(*reference),
        };
        let serving = state.current().map(|(_, it)| it.reference);
        let counts = |failed: ReferenceRecord| match &due {
            // What serves may be waiting to be made again.
            Due::Waits { .. } => Some(failed) == wanted || Some(failed) == serving,
            _ => Some(failed) == wanted,
        };
        let is_over = state
            .failed
            .as_ref()
            .is_some_and(|it| !counts(it.reference));
        if is_over && !manner.dry_run {
            state.failed = None;
            self.save(state)?;
        }
        Ok(due)
    }

    async fn wanted_now(
        &self,
        state: &mut State,
        ledger: ReferenceRecord,
        inputs: &str,
        manner: &Manner,
        is_whole: bool,
    ) -> Result<Due> {
        let holding = holding(state, manner);
        let serving = state.current().map(|(_, it)| it);
        let same_inputs = serving.is_some_and(|it| it.inputs == inputs);
        let serving = serving.map(|it| it.reference);
        let is_right = serving == Some(ledger) && same_inputs;
        if is_right && holding.is_none() && state.held.is_some() && !manner.dry_run {
            state.held = None;
            self.save(state)?;
        }
        let is_whole = is_whole && !manner.retry;
        let gone = if !is_whole && (is_right || holding.is_some()) {
            self.gone(state, manner.retry).await?
        } else {
            Vec::new()
        };
        if let Some(why) = holding.filter(|_| gone.is_empty()) {
            return Ok(Due::Waits { why });
        }
        // Values of secrets may be others now: that is seen by what would be made.
        if is_right && gone.is_empty() && !manner.retry {
            return Ok(Due::Nothing);
        }
        if !gone.is_empty() && self.file.drift == Drift::Tell && !manner.retry && !manner.dry_run {
            return Ok(Due::Waits {
                why: format!(
                    "{} was removed or changed by hand, and `drift` in server.yaml is `tell` (`--retry` makes it again)",
                    joined(&gone)
                ),
            });
        }
        let due = match serving {
            Some(reference) if !gone.is_empty() => Due::Mend { reference, gone },
            _ => Due::Bring(ledger),
        };
        let (Due::Bring(wanted)
        | Due::Mend {
            reference: wanted, ..
        }) = &due
        else {
            return Ok(due);
        };
        if let Some(failed) = &state.failed
            && failed.reference == *wanted
            && !manner.retry
            && !manner.dry_run
            && failed.again.is_none_or(|again| (self.now)() < again)
        {
            return Ok(Due::Waits {
                why: format!(
                    "reference {} is not tried again (`--retry` does): {}",
                    wanted.number, failed.why
                ),
            });
        }
        Ok(due)
    }

    /// Those that should serve and are not there as they were made.
    async fn gone(&self, state: &State, is_strict: bool) -> Result<Vec<ContainerName>> {
        let alive = self.alive(state, is_strict).await?;
        let serving = state.current().into_iter();
        let all = serving.flat_map(|(_, it)| &it.containers);
        let gone = all.filter(|(name, place)| !place.once && !alive.contains(*name));
        Ok(gone.map(|(name, _)| name.clone()).collect())
    }
}
