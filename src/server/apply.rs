//! `server apply`: ledger → reference → evidence → plan → generation → switch.

use std::path::PathBuf;
use std::time::Instant;

use jiff::{SignedDuration, Timestamp};

use super::Server;
use super::bring::{Applied, Manner, joined};
use super::due::Due;
use super::events::{self, Event, What, milliseconds};
use super::follow::Follow;
use super::ground::Ground;
use super::machine::Machine;
use super::open::Open;
use super::settle::Settled;
use super::state::{Failed, Looked, State};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::home::session::Session;
use crate::home::state::ReferenceRecord;
use crate::verify::evidence::ledger::Look;

/// How often a reference is tried where the network was the cause.
const TRIES: u32 = 3;

/// Brings the server to what its environment's ledger says. To a rollback it gives way, wherever it is.
///
/// # Errors
/// Whatever stands in the way, by its kind; what serves goes on untouched.
pub async fn apply(session: &Session, manner: &Manner) -> Result<Applied> {
    let (open, _lock) = Open::locked(session).await?;
    let turns = open.turns();
    let engine = turns.engine(&open.engine);
    let work = Box::pin(follow(&open, &engine, manner));
    match turns.unless_asked(work).await {
        Some(done) => done,
        None => Ok(Applied::Waits {
            why: "a rollback came in between: it undoes what was begun".to_owned(),
        }),
    }
}

#[expect(clippy::too_many_lines, reason = "the whole story, in its order")]
async fn follow(open: &Open<'_>, engine: &impl Engine, manner: &Manner) -> Result<Applied> {
    let session = open.session;
    let now = Timestamp::now;
    let mut state = open.state()?;
    let mut server = open.server_on(engine, &now, None);
    let log = session.home.paths.server_events();
    let follow = open.follow();
    let begun = Instant::now();
    let settling = async {
        if manner.dry_run {
            return Ok((false, Settled::default()));
        }
        // A look that fails leaves it to the steps themselves, of which some do without the engine.
        if server.is_calm(&state).await.unwrap_or(false) {
            return Ok((true, Settled::default()));
        }
        Ok((false, server.settle(&mut state).await?))
    };
    // What serves does not wait for the registry.
    let (settled, looked): (Result<_>, _) = tokio::join!(settling, follow.look());
    let (
        calm,
        Settled {
            mended,
            failed: sick,
        },
    ) = settled?;
    if let Some(error) = &sick {
        let why = error.chain().join(": ");
        server
            .reporter
            .warn(&format!("what serves is not whole: {why}"));
    }
    if !mended.is_empty() {
        let event = Event {
            at: now(),
            by: who(session),
            what: What::Drift,
            from: None,
            to: None,
            why: mended.join("; "),
            milliseconds: milliseconds(begun),
        };
        events::record(server.reporter, &log, &event);
    }
    let look = look(&server, &mut state, looked)?;
    let entry = Follow::entry(&look)?;
    let ledger = Follow::record(entry);
    let inputs = follow.inputs()?;
    let due = server.due(&mut state, ledger, &inputs, manner, calm);
    let due = due.await?;
    if let (Some(error), Due::Nothing | Due::Waits { .. }) = (sick, &due) {
        return Err(error);
    }
    let (wanted, mends) = match due {
        Due::Nothing => {
            return Ok(Applied::Nothing {
                reference: ledger.number,
            });
        }
        Due::Waits { why } => return Ok(Applied::Waits { why }),
        Due::Bring(wanted) => (wanted, None),
        Due::Mend { reference, gone } => (
            reference,
            Some(format!(
                "{} was changed or removed: made again",
                joined(&gone)
            )),
        ),
    };
    let (begun, from) = (Instant::now(), state.current());
    let from = from.map(|(_, it)| it.reference.number);
    if from.is_none() {
        for remark in Ground::look().await?.remarks() {
            session.reporter.note(&remark.long);
        }
    }
    let work = async {
        let target = follow.target(&look, wanted).await?;
        let info = open.engine.info().await?;
        server.data = Some(PathBuf::from(info.data_folder));
        server.bring(&mut state, &target, manner).await
    };
    let done = work.await;
    if manner.dry_run {
        return done;
    }
    let event = Event {
        at: now(),
        by: who(session),
        what: if mends.is_some() {
            What::Drift
        } else {
            What::Switch
        },
        from,
        to: Some(wanted.number),
        why: mends.clone().unwrap_or_else(|| entry.reason.clone()),
        milliseconds: milliseconds(begun),
    };
    match done {
        Ok(nothing @ (Applied::Waits { .. } | Applied::Nothing { .. })) => Ok(nothing),
        Ok(applied) => {
            events::record(server.reporter, &log, &event);
            server.end_changes(&mut state).await?;
            Ok(applied)
        }
        Err(error) => {
            let (why, before) = (error.chain().join(": "), state.failed.take());
            let is_new = before.as_ref().is_none_or(|it| it.why != why);
            state.failed = Some(failed(before, wanted, &error, now()));
            server.save(&state)?;
            if is_new {
                let what = What::Failed;
                let event = Event { what, why, ..event };
                events::record(server.reporter, &log, &event);
            }
            Err(error)
        }
    }
}

/// Remembers what came of a look at the ledger.
fn look<E: Engine, M: Machine>(
    server: &Server<'_, E, M>,
    state: &mut State,
    looked: Result<Look>,
) -> Result<Look> {
    match looked {
        Ok(look) => {
            let ledger = &look.ledger.predicate;
            if let Some(warning) = &look.unreachable {
                server.reporter.warn(&format!(
                    "the ledger of {} could not be looked at: {warning}",
                    ledger.environment
                ));
            }
            let seen = Looked {
                confirmed: look.confirmed,
                sequence: ledger.sequence,
                entries: ledger.entries.len(),
                number: Follow::entry(&look)?.number,
                expires: ledger.expires,
                failed: look.unreachable.clone(),
            };
            if state.looked.as_ref() != Some(&seen) || state.blind.is_some() {
                state.looked = Some(seen);
                state.blind = None;
                server.save(state)?;
            }
            Ok(look)
        }
        Err(error) => {
            let why = error.chain().join(": ");
            if let Some(looked) = &mut state.looked {
                looked.failed = Some(why.clone());
            }
            state.blind = Some(why);
            server.save(state)?;
            Err(error)
        }
    }
}

/// What is remembered of a reference that could not be brought up. By itself it is tried again where
/// the network was the cause, or an engine that was away, a few times, and where something is to be said
/// or allowed first.
fn failed(
    before: Option<Failed>,
    wanted: ReferenceRecord,
    error: &Error,
    now: Timestamp,
) -> Failed {
    let before = before.filter(|it| it.reference == wanted);
    let tries = before.map_or(0, |it| it.tries) + 1;
    let minutes = 1_i64 << (2 * (tries - 1).min(10));
    let later = now.saturating_add(SignedDuration::from_mins(minutes));
    let passes = error.may_pass() || error.kind() == Kind::Registry;
    let again = match error.kind() {
        _ if passes => later.ok().filter(|_| tries < TRIES),
        Kind::Usage => Some(now),
        _ => None,
    };
    Failed {
        reference: wanted,
        why: error.chain().join(": "),
        code: error.exit().code(),
        tries,
        again,
        at: now,
    }
}

/// Who has this done.
pub(super) fn who(session: &Session) -> String {
    let get = |name| session.home.environment.get(name);
    get("SUDO_USER")
        .or_else(|| get("USER"))
        .unwrap_or("system")
        .to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Fault, FaultKind};
    use crate::model::digest::Digest;

    #[test]
    fn only_what_passes_is_tried_again_and_not_for_ever() {
        let record = |number| ReferenceRecord {
            number,
            digest: Digest::of(b"x"),
        };
        let now = Timestamp::UNIX_EPOCH;
        let gone = || Error::from(Fault::new(FaultKind::Unreachable, "connection refused"));
        let ended = gone().within("billing did not get ready").hint("wait");
        for cause in [Error::registry("no route"), gone(), ended] {
            let mut last = None;
            let mut pauses = Vec::new();
            for _ in 0..3 {
                let next = failed(last, record(7), &cause, now);
                pauses.push(next.again.map(Timestamp::as_second));
                last = Some(next);
            }
            assert_eq!(pauses, [Some(60), Some(240), None], "{cause}");
            let other = failed(last, record(8), &cause, now);
            assert_eq!(other.tries, 1, "a newer reference begins anew");
        }
        let refused = Error::from(Fault::new(FaultKind::PortTaken, "taken"));
        assert_eq!(failed(None, record(7), &refused, now).again, None);
        let sick = failed(None, record(7), &Error::not_healthy("no"), now);
        assert_eq!((sick.again, sick.code), (None, 7));
    }
}
