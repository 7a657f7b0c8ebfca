//! From a verified reference to a generation that serves: a new one, or one that is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use jiff::Zoned;

use super::events::milliseconds;
use super::machine::Machine;
use super::plan::GenerationPlan;
use super::state::{Generation, Stage, State};
use super::{Server, Target};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::name::ContainerName;
use crate::model::window;

/// How `server apply` goes about it.
#[derive(Debug, Clone, Default)]
pub struct Manner {
    /// Only plan.
    pub dry_run: bool,
    /// Containers that may be stopped while they change, besides those of `server.yaml`.
    pub allow_stop: BTreeSet<ContainerName>,
    /// Try a reference again that could not be brought up.
    pub retry: bool,
    /// Follow the ledger again after a rollback.
    pub again: bool,
}

/// What `server apply` did.
#[derive(Debug)]
pub enum Applied {
    /// What serves is what the ledger says.
    Nothing {
        /// The reference that serves.
        reference: u64,
    },
    /// What would be done.
    Planned {
        /// The reference that would serve.
        reference: u64,
        /// A line for each container.
        lines: Vec<String>,
        /// Whether it needs `--allow-stop`.
        stops: Vec<ContainerName>,
    },
    /// Nothing, and why not.
    Waits {
        /// In words.
        why: String,
    },
    /// Requests are led to it.
    Switched {
        /// What served before.
        from: Option<u64>,
        /// What serves now.
        to: u64,
        /// How long it took.
        milliseconds: u64,
    },
}

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// From a verified reference to a generation that serves. Connections to the one before may
    /// still be there: [`Self::end_changes`] lets them end.
    pub async fn bring(
        &self,
        state: &mut State,
        target: &Target,
        manner: &Manner,
    ) -> Result<Applied> {
        let begun = Instant::now();
        let from = state.current().map(|(_, it)| it.reference.number);
        let plan = self.plan(state, target, manner.retry).await?;
        if self.is_serving(state, target, &plan, manner.retry).await? {
            return Ok(Applied::Nothing {
                reference: target.record.number,
            });
        }
        let kept = self.kept_as(state, target).await?;
        let stopping = kept.map(|number| own_data(state, number));
        let stops = self.not_allowed(stopping.as_ref().unwrap_or(&plan.stops), manner);
        if manner.dry_run {
            let mut lines = plan.lines(&state.stops, &routes(target));
            if let Some(number) = kept {
                lines = vec![format!("wake     generation {number}, which is kept")];
            }
            return Ok(Applied::Planned {
                reference: target.record.number,
                lines,
                stops,
            });
        }
        if let Some(opens) = self.next_window().filter(|_| !stops.is_empty()) {
            let names = joined(&stops);
            return Ok(Applied::Waits {
                why: format!(
                    "reference {} changes {names}, which cannot run twice: it waits for the maintenance window of {} \
                     (`--allow-stop` does it now)",
                    target.record.number,
                    opens.strftime("%A %Y-%m-%d %H:%M")
                ),
            });
        }
        let number = if let Some(number) = kept {
            self.reuse(state, number, manner).await?;
            number
        } else {
            refuse_stops(&stops, target.record.number)?;
            self.raise(state, target, &plan).await?
        };
        // It ends in one go with the switch, however that is interrupted.
        let ends_hold = holding(state, manner).is_none();
        if let Some(generation) = state.generations.get_mut(&number) {
            generation.ends_hold = ends_hold;
        }
        self.switch(state, number).await?;
        Ok(Applied::Switched {
            from,
            to: target.record.number,
            milliseconds: milliseconds(begun),
        })
    }

    /// What follows a switch: what it left goes, old connections end, what was kept long enough goes.
    pub async fn end_changes(&self, state: &mut State) -> Result<()> {
        self.clear_away(state).await?;
        self.retire(state).await?;
        self.age(state).await
    }

    /// Whether a generation would be made of the same as a target.
    fn is_same(&self, generation: &Generation, target: &Target) -> bool {
        let wanted = self.wanted(target, 0);
        let mut wanted = wanted.iter().filter(|it| !it.place.once);
        generation.reference == target.record
            && generation.inputs == target.inputs
            && wanted.all(|it| {
                let place = generation.containers.get(&it.name);
                place.is_some_and(|place| place.spec == it.place.spec)
            })
    }

    /// Whether what serves is what a target would be: a proxy is always new, and nothing else may be.
    async fn is_serving(
        &self,
        state: &State,
        target: &Target,
        plan: &GenerationPlan,
        is_strict: bool,
    ) -> Result<bool> {
        let (serving, proxy) = (state.current().map(|(_, it)| it), &target.reference.proxy);
        let same = serving.is_some_and(|it| self.is_same(it, target));
        let same = same && plan.fresh.iter().all(|name| name == proxy);
        Ok(same && self.alive(state, is_strict).await?.contains(proxy))
    }

    /// A kept generation that is what a target would be.
    async fn kept_as(&self, state: &State, target: &Target) -> Result<Option<u64>> {
        let there = self.containers().await?;
        let is_whole = |generation: &Generation| {
            generation.containers.iter().all(|(name, place)| {
                let mut all = there.iter();
                all.any(|(origin, it, _)| it == name && *origin == place.origin)
            })
        };
        for number in state.kept() {
            let generation = &state.generations[&number];
            let names = generation.containers.keys().cloned().collect();
            if self.is_same(generation, target)
                && is_whole(generation)
                && self.changed(generation, &names, true).await.is_empty()
            {
                return Ok(Some(number));
            }
        }
        Ok(None)
    }

    /// Makes a kept generation ready to serve: at once where it is frozen.
    pub(super) async fn reuse(
        &self,
        state: &mut State,
        number: u64,
        manner: &Manner,
    ) -> Result<()> {
        let plan = GenerationPlan {
            stops: own_data(state, number),
            ..GenerationPlan::default()
        };
        let reference = state.generations[&number].reference.number;
        refuse_stops(&self.not_allowed(&plan.stops, manner), reference)?;
        self.mark(state, number, Stage::Waking)?;
        let names: Vec<ContainerName> = plan.stops.iter().cloned().collect();
        let work = async {
            self.stop_for(state, number, &names, &plan).await?;
            self.wake(state, number).await?;
            self.prove(&state.generations[&number]).await
        };
        let done = self.unless_away(work).await;
        if let Err(error) = done {
            self.lay_down(state, number).await?;
            return Err(error);
        }
        Ok(())
    }

    /// Those of these containers, which would have to stop, that may not.
    fn not_allowed(&self, stops: &BTreeSet<ContainerName>, manner: &Manner) -> Vec<ContainerName> {
        let now = self.here_and_now();
        if self.file.windows.iter().any(|it| it.is_open(&now)) {
            return Vec::new();
        }
        let allowed = |name: &&ContainerName| {
            manner.allow_stop.contains(*name) || self.file.allow_stop.contains(*name)
        };
        stops
            .iter()
            .filter(|name| !allowed(name))
            .cloned()
            .collect()
    }

    /// When the next maintenance window opens; `None`: none is set.
    fn next_window(&self) -> Option<Zoned> {
        window::next(&self.file.windows, &self.here_and_now())
    }

    fn here_and_now(&self) -> Zoned {
        (self.now)().to_zoned(self.zone.clone())
    }
}

/// The routes of each container, for people.
fn routes(target: &Target) -> BTreeMap<ContainerName, Vec<String>> {
    let containers = target.reference.containers.iter();
    let routes = containers.map(|(name, it)| {
        let routes = it.routes.iter().map(ToString::to_string);
        (name.clone(), routes.collect())
    });
    routes.collect()
}

/// What a kept generation has of its own that cannot run twice.
pub(super) fn own_data(state: &State, number: u64) -> BTreeSet<ContainerName> {
    let serving: Vec<u64> = state.serving.into_iter().collect();
    let own = state.own(number, &serving).into_iter();
    own.filter(|(_, place)| place.single)
        .map(|(name, _)| name.clone())
        .collect()
}

/// Who went back by hand, in words, where that still counts.
pub(super) fn holding(state: &State, manner: &Manner) -> Option<String> {
    let held = state.held.as_ref().filter(|_| !manner.again)?;
    let looked = state.looked.as_ref();
    if looked.is_some_and(|it| it.entries > held.entries) {
        return None;
    }
    Some(format!(
        "rolled back by {} until the ledger has another entry (`--again` follows it now)",
        held.by
    ))
}

/// Names, for people.
pub(super) fn joined(names: &[ContainerName]) -> String {
    let names: Vec<&str> = names.iter().map(ContainerName::as_str).collect();
    names.join(", ")
}

fn refuse_stops(stops: &[ContainerName], reference: u64) -> Result<()> {
    if stops.is_empty() {
        return Ok(());
    }
    let flags: Vec<String> = stops
        .iter()
        .map(|it| format!("--allow-stop {it}"))
        .collect();
    Err(Error::usage(format!(
        "reference {reference} changes {}, which cannot run twice: what needs it would not answer for a moment",
        joined(stops)
    ))
    .hint(format!(
        "`devenv server apply --retry {}` does it; `allow_stop` and `windows` in server.yaml allow it without",
        flags.join(" ")
    )))
}
