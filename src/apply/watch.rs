//! What happens to containers while a plan is walked: the engine's events, kept as state.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use crate::engine::{Engine, Fault, FaultKind};
use crate::model::container::Until;
use crate::model::observed::{
    ContainerChange, ContainerDetails, ContainerEvent, ContainerState, Health,
};

/// Why a container will not come as far as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// Its process ended with this code.
    Exited { code: i64, out_of_memory: bool },
    /// The engine's check gave up on it.
    Unhealthy,
    /// It was removed meanwhile.
    Removed,
    /// It took too long.
    TimedOut { after: Duration, until: Until },
    /// It runs, but its route never answered.
    Silent { after: Duration },
    /// The engine could not be asked.
    Engine(Fault),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited {
                out_of_memory: true,
                ..
            } => f.write_str("was killed: it used more memory than its limit"),
            Self::Exited { code: 137, .. } => f.write_str("was killed (exit code 137)"),
            Self::Exited { code, .. } => write!(f, "exited with code {code}"),
            Self::Unhealthy => f.write_str("is unhealthy"),
            Self::Removed => f.write_str("was removed meanwhile"),
            Self::TimedOut { after, until } => {
                write!(f, "was not {} after {} s", until.as_str(), after.as_secs())
            }
            Self::Silent { after } => write!(
                f,
                "runs, but its route did not answer within {} s",
                after.as_secs()
            ),
            Self::Engine(fault) => write!(f, "could not be watched: {fault}"),
        }
    }
}

/// Counts the engine's events by container, so that a wait looks again only when something happened.
pub struct Watch {
    counts: Mutex<BTreeMap<String, u64>>,
    changed: watch::Sender<bool>,
    looks: Semaphore,
    interrupted: AtomicBool,
}

/// Containers that are looked at at the same time.
const LOOKS: usize = 4;
/// How often a container is looked at after the engine's events have ended.
const POLL: Duration = Duration::from_millis(250);
/// How long after they ended they are asked for again.
const ANEW: Duration = Duration::from_secs(1);
/// How long an engine may answer badly before a wait gives up.
const PATIENCE: Duration = Duration::from_secs(10);
/// How often it is looked at in any case: some engines lose events.
const SAFETY_NET: Duration = Duration::from_secs(5);

impl Default for Watch {
    fn default() -> Self {
        Self {
            counts: Mutex::default(),
            changed: watch::Sender::new(true),
            looks: Semaphore::new(LOOKS),
            interrupted: AtomicBool::new(false),
        }
    }
}

impl Watch {
    /// Keeps reading events until the stream ends; from then on waits look now and then.
    pub async fn pump(&self, mut events: BoxStream<'static, Result<ContainerEvent, Fault>>) {
        while let Some(Ok(event)) = events.next().await {
            if event.change != ContainerChange::Other {
                *self.lock().entry(event.id).or_default() += 1;
                self.changed.send_modify(|_| {});
            }
        }
        self.interrupted.store(true, Ordering::Relaxed);
        self.changed.send_modify(|alive| *alive = false);
    }

    /// Reads these events, and where they end (an engine restarts) asks for new ones; meanwhile waits
    /// look by themselves.
    pub async fn follow<E: Engine>(
        &self,
        engine: &E,
        label: &str,
        mut events: BoxStream<'static, Result<ContainerEvent, Fault>>,
    ) -> Infallible {
        loop {
            self.pump(events).await;
            events = loop {
                tokio::time::sleep(ANEW).await;
                if let Ok(events) = engine.events(label, None).await {
                    break events;
                }
            };
            self.changed.send_modify(|alive| *alive = true);
        }
    }

    /// Whether the engine's events ended at some time: it restarts, or does not keep them up.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when the container has come this far, or never will.
    pub(super) async fn until<E: Engine>(
        &self,
        engine: &E,
        id: &str,
        until: Until,
    ) -> Result<(), Stopped> {
        let mut changes = self.changed.subscribe();
        let mut trouble = None;
        loop {
            let count = self.lock().get(id).copied();
            let look = self.looks.acquire().await;
            let details = engine.inspect(id).await;
            drop(look);
            match details {
                Ok(details) => {
                    trouble = None;
                    if let Some(verdict) = judge(&details, until) {
                        return verdict;
                    }
                }
                Err(fault) if fault.kind == FaultKind::NotFound => return Err(Stopped::Removed),
                Err(fault) => {
                    let since = *trouble.get_or_insert_with(Instant::now);
                    if !fault.may_pass() || since.elapsed() > PATIENCE {
                        return Err(Stopped::Engine(fault));
                    }
                }
            }
            let alive = *changes.borrow_and_update();
            let next_look = tokio::time::sleep(if alive && trouble.is_none() {
                SAFETY_NET
            } else {
                POLL
            });
            tokio::pin!(next_look);
            while self.lock().get(id).copied() == count {
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() || !*changes.borrow() { break },
                    () = &mut next_look => break,
                }
            }
        }
    }
}

fn judge(details: &ContainerDetails, until: Until) -> Option<Result<(), Stopped>> {
    match (details.state, until) {
        (ContainerState::Exited(Some(0)), Until::Completed)
        | (ContainerState::Running, Until::Started) => Some(Ok(())),
        (ContainerState::Exited(code), _) => Some(Err(Stopped::Exited {
            code: code.unwrap_or(-1),
            out_of_memory: details.out_of_memory,
        })),
        (ContainerState::Dead | ContainerState::Removing, _) => Some(Err(Stopped::Removed)),
        (ContainerState::Running, Until::Healthy) => match details.health {
            Some(Health::Healthy) => Some(Ok(())),
            Some(Health::Unhealthy) => Some(Err(Stopped::Unhealthy)),
            _ => None,
        },
        _ => None,
    }
}
