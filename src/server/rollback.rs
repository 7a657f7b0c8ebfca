//! `server rollback`: to a kept generation at once, without asking the registry.

use std::time::Instant;

use jiff::Timestamp;

use super::Server;
use super::apply::who;
use super::bring::{Manner, joined, own_data};
use super::events::{self, Event, What, milliseconds};
use super::machine::Machine;
use super::open::Open;
use super::settle::{BEGUN, at};
use super::state::{Held, State};
use super::whole::Damage;
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::home::session::Session;

/// What `server rollback` is told.
#[derive(Debug, Clone, Default)]
pub struct Back {
    /// The reference; the one that served before where nothing is said.
    pub to: Option<u64>,
    /// Why.
    pub reason: String,
    /// The reference that would serve and the one that serves, as somebody was told before.
    pub told: Option<(u64, u64)>,
    /// What may be stopped for it.
    pub manner: Manner,
}

/// What served before, what serves now, and how long that took.
#[derive(Debug, Clone, Copy)]
pub struct WentBack {
    /// The reference that served before.
    pub from: u64,
    /// The one that serves now.
    pub to: u64,
    /// Until requests were led there.
    pub milliseconds: u64,
}

/// The kept generation that a rollback goes to, and the reference that serves.
///
/// # Errors
/// Where none is kept that fits and is whole: those that are are named.
pub fn choose(state: &State, damage: &Damage, to: Option<u64>) -> Result<(u64, u64)> {
    let Some((_, serving)) = state.current() else {
        return Err(Error::usage(
            "nothing serves yet, so there is nothing to go back from",
        ));
    };
    let kept = state.kept();
    let number = |generation: &u64| state.generations[generation].reference.number;
    let fits = kept
        .iter()
        .filter(|it| to.is_none_or(|to| number(it) == to));
    let fits: Vec<&u64> = fits.collect();
    if let Some(found) = fits.iter().find(|it| !damage.contains_key(*it)) {
        return Ok((**found, serving.reference.number));
    }
    let whole = kept.iter().filter(|it| !damage.contains_key(it));
    let known: Vec<String> = whole.map(|it| number(it).to_string()).collect();
    let error = match (fits.first(), to) {
        (Some(damaged), _) => Error::usage(format!(
            "reference {} is kept here, and not whole: {} was removed or replaced",
            number(damaged),
            joined(&damage[*damaged])
        )),
        (None, Some(to)) => Error::usage(format!("reference {to} is not kept here")),
        (None, None) => Error::usage("no generation is kept here"),
    };
    Err(error.hint(if known.is_empty() {
        "production goes back for all servers with `devenv release rollback --in ENVIRONMENT`"
            .to_owned()
    } else {
        format!("kept and whole are: {}", known.join(", "))
    }))
}

/// The reference that a rollback would go to, and the one that serves. Nobody waits for it.
///
/// # Errors
/// Where none is kept that fits and is whole.
pub async fn candidate(session: &Session, to: Option<u64>) -> Result<(u64, u64)> {
    let open = Open::new(session)?;
    let state = open.state()?;
    let now = Timestamp::now;
    let damage = open.server(&now, None).damage(&state).await?;
    let (number, from) = choose(&state, &damage, to)?;
    Ok((state.generations[&number].reference.number, from))
}

/// A change that was under way may have ended since somebody was told where a rollback goes.
fn refuse_another(chosen: (u64, u64), told: Option<(u64, u64)>) -> Result<()> {
    let (to, from) = chosen;
    if told.is_none_or(|told| told == chosen) {
        return Ok(());
    }
    let error = Error::usage(format!(
        "meanwhile reference {from} serves, from which a rollback goes to {to}: nothing was changed"
    ));
    Err(error.hint("say it again"))
}

/// Leads requests to a kept generation, at once: what is at work gives way. It stays until the ledger has
/// another entry.
pub async fn rollback(session: &Session, back: &Back) -> Result<WentBack> {
    let begun = Instant::now();
    let (open, _lock) = Open::at_once(session).await?;
    let now = Timestamp::now;
    let mut state = open.state()?;
    let turns = open.turns();
    let engine = turns.engine(&open.engine);
    let server = open.server_on(&engine, &now, None);
    let by = who(session);
    let (to, from) = Box::pin(server.go_back(&mut state, back, &by)).await?;
    let took = milliseconds(begun);
    let event = Event {
        at: now(),
        by,
        what: What::Rollback,
        from: Some(from),
        to: Some(to),
        why: back.reason.clone(),
        milliseconds: took,
    };
    let log = session.home.paths.server_events();
    events::record(server.reporter, &log, &event);
    let rest = Box::pin(server.end_changes(&mut state));
    // What another rollback comes in between of is left to it.
    turns.unless_asked(rest).await.transpose()?;
    Ok(WentBack {
        from,
        to,
        milliseconds: took,
    })
}

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Leads requests to a kept generation, and has it stay there; gives its reference, and the one that
    /// served. What was begun and interrupted is undone first only where it is in the way. That, and
    /// connections to the generation before, are left to [`Self::end_changes`].
    pub async fn go_back(&self, state: &mut State, back: &Back, by: &str) -> Result<(u64, u64)> {
        self.complete_switch(state).await?;
        let damage = self.damage(state).await?;
        let (number, from) = choose(state, &damage, back.to)?;
        let to = state.generations[&number].reference.number;
        refuse_another((to, from), back.told)?;
        if is_obstructed(state, number) {
            self.make_way(state).await?;
        }
        self.reuse(state, number, &back.manner).await?;
        state.held = Some(Held {
            entries: state.looked.as_ref().map_or(0, |it| it.entries),
            by: by.to_owned(),
            reason: back.reason.clone(),
            at: (self.now)(),
        });
        self.switch(state, number).await?;
        Ok((to, from))
    }

    /// Undoes what was begun. What was stopped for it and runs again is not waited for in vain: what is gone back to
    /// is proven anyway.
    async fn make_way(&self, state: &mut State) -> Result<()> {
        match self.clear_away(state).await {
            Err(error) if at(state, &BEGUN).is_empty() => {
                let why = error.chain().join(": ");
                self.reporter
                    .warn(&format!("what was begun is undone: {why}"));
                Ok(())
            }
            done => done,
        }
    }
}

/// Whether what was begun and interrupted may hold data of a kept generation, or has what it shares stopped.
fn is_obstructed(state: &State, number: u64) -> bool {
    let begun = at(state, &BEGUN);
    let stopped = begun
        .iter()
        .any(|it| !state.generations[it].stopped.is_empty());
    stopped || (!begun.is_empty() && !own_data(state, number).is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rollback_goes_where_it_was_said_to_go() {
        refuse_another((7, 8), None).unwrap();
        refuse_another((7, 8), Some((7, 8))).unwrap();
        let error = refuse_another((7, 8), Some((6, 7))).unwrap_err();
        assert_eq!(error.exit().code(), 2, "{error}");
    }
}
