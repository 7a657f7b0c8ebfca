//! What happens to containers while a plan is walked: the engine's events, kept as state.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use futures_util::stream::{BoxStream, StreamExt};
use tokio::sync::{Semaphore, watch};
use tokio::time::Instant;

use super::check::OwnCheck;
use super::stopped::Stopped;
use crate::engine::{Engine, Fault, FaultKind};
use crate::model::container::Until;
use crate::model::host_profile::{Events, HealthChecks, HostProfile};
use crate::model::observed::{
    ContainerChange, ContainerDetails, ContainerEvent, ContainerState, Health,
};

/// What an engine can be relied upon to do by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reliance {
    /// It tells what happens to containers; else it is asked again and again.
    pub events: bool,
    /// It runs health checks; else they are run from here.
    pub health_checks: bool,
}

impl Reliance {
    /// What the profile of its host says.
    pub fn of(profile: &HostProfile) -> Self {
        Self {
            events: profile.events == Events::Reliable,
            health_checks: profile.health_checks == HealthChecks::Reliable,
        }
    }
}

impl Default for Reliance {
    fn default() -> Self {
        Self {
            events: true,
            health_checks: true,
        }
    }
}

/// Counts what happens by container, so that a wait looks again only when something happened.
pub struct Watch {
    happenings: Mutex<BTreeMap<String, Happenings>>,
    pub(super) news: watch::Sender<News>,
    looks: Semaphore,
    interrupted: AtomicBool,
    pub(super) reliance: Reliance,
}

/// What is known of one container's events.
#[derive(Debug, Clone, Copy)]
struct Happenings {
    count: u64,
    last: Instant,
}

/// Where it is known from that something happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum News {
    /// The engine tells at once.
    Events,
    /// Lists are compared.
    Lists,
    /// From nowhere.
    None,
}

impl News {
    /// How often a container is looked at in any case: some engines lose events, and a list shows
    /// no restart.
    fn look_again(self) -> Duration {
        Duration::from_millis(match self {
            Self::Events => 5000,
            Self::Lists => 1000,
            Self::None => 250,
        })
    }
}

/// Containers that are looked at at the same time.
const LOOKS: usize = 4;

/// How long an engine may answer badly before a wait gives up.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a container without a check runs before it counts as started.
const SETTLES: Duration = Duration::from_millis(500);

impl Default for Watch {
    fn default() -> Self {
        Self::new(Reliance::default())
    }
}

impl Watch {
    /// Of an engine that can be relied upon so far.
    pub fn new(reliance: Reliance) -> Self {
        Self {
            happenings: Mutex::default(),
            news: watch::Sender::new(News::Events),
            looks: Semaphore::new(LOOKS),
            interrupted: AtomicBool::new(false),
            reliance,
        }
    }

    /// Keeps reading events until the stream ends; from then on waits look now and then.
    pub async fn pump(&self, mut events: BoxStream<'static, Result<ContainerEvent, Fault>>) {
        while let Some(Ok(event)) = events.next().await {
            if event.change != ContainerChange::Other {
                self.happened(event.id);
            }
        }
        self.interrupted.store(true, Ordering::Relaxed);
        self.news.send_modify(|news| *news = News::None);
    }

    /// Whoever waits for this container looks at it now.
    pub(super) fn happened(&self, id: String) {
        let last = Instant::now();
        let first = Happenings { count: 0, last };
        let mut happenings = self.lock();
        let known = happenings.entry(id).or_insert(first);
        (known.count, known.last) = (known.count + 1, last);
        drop(happenings);
        self.news.send_modify(|_| {});
    }

    /// Whether the engine's events ended at some time: it restarts, or does not keep them up.
    pub fn was_interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed)
    }

    fn count(&self, id: &str) -> Option<u64> {
        self.lock().get(id).map(|known| known.count)
    }

    /// How long nothing has happened to it; `None` if nothing ever did.
    fn quiet(&self, id: &str) -> Option<Duration> {
        self.lock().get(id).map(|known| known.last.elapsed())
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeMap<String, Happenings>> {
        self.happenings
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Returns when a container that was seen running has gone on for a moment: what cannot do its
    /// work at all ends at once, and no check says so.
    pub(crate) async fn settled<E: Engine>(&self, engine: &E, id: &str) -> Result<(), Stopped> {
        let begun = Instant::now();
        let quiet = self.quiet(id).unwrap_or_default();
        let ends = self.until(engine, id, Until::Completed);
        match tokio::time::timeout_at(begun + SETTLES.saturating_sub(quiet), ends).await {
            Ok(Err(stopped)) => Err(stopped),
            Ok(Ok(())) => Err(Stopped::Exited {
                code: 0,
                out_of_memory: false,
            }),
            // The engine may know of an end that it has not told yet.
            Err(_) => match engine.inspect(id).await {
                Ok(details) => judge(&details, Until::Started).unwrap_or(Ok(())),
                Err(_) => Ok(()),
            },
        }
    }

    /// Returns when the container has come this far, or never will.
    pub(super) async fn until<E: Engine>(
        &self,
        engine: &E,
        id: &str,
        until: Until,
    ) -> Result<(), Stopped> {
        let mut changes = self.news.subscribe();
        let (mut check, mut trouble) = (None, None);
        loop {
            let count = self.count(id);
            let news = *changes.borrow_and_update();
            let look = self.looks.acquire().await;
            let details = engine.inspect(id).await;
            drop(look);
            match details {
                Ok(details) => {
                    trouble = None;
                    if let Some(verdict) = judge(&details, until) {
                        return verdict;
                    }
                    let engine_checks =
                        self.reliance.health_checks && !details.is_left_by_a_pause();
                    if !engine_checks && until == Until::Healthy {
                        check = check.or_else(|| OwnCheck::of(&details));
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
            let mut next_look = if trouble.is_some() { News::None } else { news }.look_again();
            if let Some(check) = &mut check {
                if let Some(verdict) = check.run(engine, id).await {
                    return verdict;
                }
                next_look = check.interval();
            }
            let next_look = tokio::time::sleep(next_look);
            tokio::pin!(next_look);
            while self.count(id) == count && *changes.borrow() == news {
                tokio::select! {
                    changed = changes.changed() => if changed.is_err() { break },
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
            Some(Health::Unhealthy) if !details.is_left_by_a_pause() => {
                Some(Err(Stopped::Unhealthy))
            }
            _ => None,
        },
        _ => None,
    }
}
