//! What a command told the engine about containers and did not hear the end of. The engine goes on
//! with it when the command is gone, and until it is done what is to stop looks like what runs:
//! whoever comes next lets it end first.

use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::future::join_all;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use tokio::time::{Instant, sleep};

use super::Instance;
use crate::converge::apply::{Event, Reporter};
use crate::converge::plan::Step;
use crate::engine::{Engine, Fault, FaultKind};
use crate::error::{Kind, PathContext, Result};
use crate::home::file;
use crate::model::name::ContainerName;

/// How long a removal that is under way may take.
const REMOVAL: Duration = Duration::from_secs(30);

/// Between two looks at it.
const BETWEEN: Duration = Duration::from_millis(100);

/// So long after a call the engine is done with it: what stops by then was told to by somebody else.
const ENDED: Duration = Duration::from_secs(600);

/// After so long it is said what is waited for.
const SILENT: Duration = Duration::from_secs(2);

/// A call to the engine that ends, or freezes, a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Call {
    what: What,
    container: ContainerName,
    id: String,
    since: Timestamp,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum What {
    Stop,
    Remove,
    Pause,
}

impl Call {
    fn of(step: &Step) -> Option<Self> {
        let (what, container, id) = match step {
            Step::Stop { container, id } => (What::Stop, container, id),
            Step::Remove { container, id } => (What::Remove, container, id),
            Step::Pause { container, id } => (What::Pause, container, id),
            _ => return None,
        };
        Some(Self {
            what,
            container: container.clone(),
            id: id.clone(),
            since: Timestamp::now(),
        })
    }

    fn is_of(&self, step: &Step) -> bool {
        Self::of(step).is_some_and(|it| it.what == self.what && it.id == self.id)
    }

    /// Whether it was told before a start, in the engine's words.
    fn is_before(&self, start: &str) -> bool {
        let start = start.parse::<Timestamp>();
        start.is_ok_and(|start| start > self.since)
    }

    /// Whether the engine may still be at it.
    fn goes_on(&self, now: Timestamp) -> bool {
        let age = Duration::try_from(now.duration_since(self.since));
        age.is_ok_and(|age| age < ENDED)
    }
}

/// Writes down the calls that are under way, and passes on what it hears.
pub(super) struct Journal<'a> {
    path: PathBuf,
    calls: Mutex<Vec<Call>>,
    listener: Box<dyn Reporter + 'a>,
}

impl<'a> Journal<'a> {
    pub(super) fn new(path: PathBuf, listener: Box<dyn Reporter + 'a>) -> Self {
        // What an earlier walk of the same command did not hear the end of.
        let left = file::load(&path).unwrap_or_default().unwrap_or_default();
        Self {
            path,
            calls: Mutex::new(left),
            listener,
        }
    }

    fn change(&self, change: impl FnOnce(&mut Vec<Call>)) {
        let mut calls = self.calls.lock().unwrap_or_else(PoisonError::into_inner);
        change(&mut calls);
        // What cannot be written is missed only where this command is killed.
        let _ = if calls.is_empty() {
            std::fs::remove_file(&self.path).map_err(drop)
        } else {
            file::save(&self.path, &*calls).map_err(drop)
        };
    }
}

impl Reporter for Journal<'_> {
    fn event(&self, event: Event<'_>) {
        match &event {
            Event::Begin { step, .. } => {
                if let Some(call) = Call::of(step) {
                    self.change(|calls| calls.push(call));
                }
            }
            Event::Done { step, .. }
            | Event::Failed {
                step,
                goes_on: false,
                ..
            } => {
                if Call::of(step).is_some() {
                    self.change(|calls| calls.retain(|it| !it.is_of(step)));
                }
            }
            Event::Failed { .. }
            | Event::Pulling { .. }
            | Event::Filling { .. }
            | Event::Busy { .. }
            | Event::Emulated { .. } => {}
        }
        self.listener.event(event);
    }
}

impl Instance<'_> {
    /// Tells the engine again what a command that was killed told it, and waits until it is done:
    /// what is told twice is done once.
    ///
    /// # Errors
    /// An engine that does not answer.
    pub(super) async fn finish_what_was_begun(&self) -> Result<()> {
        let path = self.session.home.paths.unfinished(&self.identity);
        // Where it is half written or of another version, the engine is as it is seen.
        let mut calls: Vec<Call> = file::load(&path).unwrap_or_default().unwrap_or_default();
        let now = Timestamp::now();
        calls.retain(|it| it.goes_on(now));
        let names: Vec<&str> = calls.iter().map(|it| it.container.as_str()).collect();
        let ends = join_all(calls.iter().map(|call| finish(&self.engine, call)));
        tokio::pin!(ends);
        let ends = tokio::select! {
            ends = &mut ends => ends,
            () = sleep(SILENT) => {
                let names = names.join(", ");
                let text = format!("waiting for what an interrupted command began to stop: {names}");
                self.session.reporter.note(&text);
                ends.await
            }
        };
        for end in ends {
            match end {
                Err(fault) if fault.is_silence() => return Err(fault.into()),
                // The observation tells what became of it.
                _ => {}
            }
        }
        std::fs::remove_file(&path)
            .if_there(Kind::Usage, "remove", &path)
            .map(drop)
    }
}

async fn finish<E: Engine>(engine: &E, call: &Call) -> Result<(), Fault> {
    let details = engine.inspect(&call.id).await?;
    if call.is_before(&details.started) {
        // It ended, and somebody started it again.
        return Ok(());
    }
    match call.what {
        What::Stop => engine.stop(&call.id, None).await,
        What::Pause => engine.pause(&call.id).await,
        What::Remove => {
            let begun = Instant::now();
            loop {
                match engine.remove(&call.id).await {
                    // It is under way.
                    Err(fault)
                        if fault.kind == FaultKind::Conflict && begun.elapsed() < REMOVAL =>
                    {
                        sleep(BETWEEN).await;
                    }
                    end => return end,
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::reporter::testing::Silent;

    #[test]
    fn what_is_under_way_is_in_the_file_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("default.unfinished");
        let journal = Journal::new(path.clone(), Box::new(Silent));
        let step = |id: &str| Step::Stop {
            container: ContainerName::new("billing").unwrap(),
            id: id.to_owned(),
        };
        let read = || file::load::<Vec<Call>>(&path).unwrap();
        let ids = || -> Vec<String> { read().unwrap().into_iter().map(|it| it.id).collect() };
        journal.event(Event::Begin {
            index: 0,
            step: &Step::CreateVolume("v".into()),
        });
        assert_eq!(read(), None);
        let (one, two) = (step("1"), step("2"));
        journal.event(Event::Begin {
            index: 1,
            step: &one,
        });
        journal.event(Event::Begin {
            index: 2,
            step: &two,
        });
        assert_eq!(ids(), ["1", "2"]);
        journal.event(Event::Done {
            index: 1,
            step: &one,
        });
        let failed = |step, goes_on| Event::Failed {
            index: 2,
            step,
            message: "away",
            goes_on,
        };
        journal.event(failed(&two, true));
        assert_eq!(ids(), ["2"], "the engine may still be at it");
        let next = Journal::new(path.clone(), Box::new(Silent));
        next.event(Event::Begin {
            index: 0,
            step: &one,
        });
        assert_eq!(ids(), ["2", "1"], "an earlier walk left it");
        next.event(failed(&one, false));
        assert_eq!(ids(), ["2"], "the engine has answered");
        journal.event(Event::Done {
            index: 2,
            step: &two,
        });
        assert_eq!(read(), None);
    }

    #[test]
    fn what_was_told_long_ago_has_ended() {
        let step = Step::Stop {
            container: ContainerName::new("billing").unwrap(),
            id: "1".to_owned(),
        };
        let call = Call::of(&step).unwrap();
        for (seconds, goes_on) in [(-60, false), (0, true), (599, true), (600, false)] {
            let now = call.since + jiff::SignedDuration::from_secs(seconds);
            assert_eq!(call.goes_on(now), goes_on, "{seconds}");
        }
        let at = |seconds| (call.since + jiff::SignedDuration::from_secs(seconds)).to_string();
        assert!(call.is_before(&at(1)), "somebody started it again");
        assert!(!call.is_before(&at(-1)));
        assert!(!call.is_before(""));
    }
}
