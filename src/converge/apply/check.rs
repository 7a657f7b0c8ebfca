//! A container's health check run from here, where its engine runs none.

use std::time::Duration;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use tokio::time::Instant;

use super::stopped::Stopped;
use crate::engine::{Engine, Fault};
use crate::model::create_body::HealthcheckBody;
use crate::model::observed::{ContainerDetails, ContainerState};

/// What the engine takes where a check says nothing, for its interval and its limit alike.
/// Source: moby `daemon/health.go`, `defaultProbeInterval` and `defaultProbeTimeout`.
const UNSAID: Duration = Duration::from_secs(30);

/// The check of one container, as its engine would run it.
pub(super) struct OwnCheck<'a> {
    body: HealthcheckBody,
    command: Vec<String>,
    begun: Instant,
    failures: u32,
    running: Option<BoxFuture<'a, Probed>>,
}

/// Exit code and end of the output.
type Probed = Result<(i64, String), Fault>;

impl<'a> OwnCheck<'a> {
    /// The check of a container that runs and has one.
    pub(super) fn of(details: &ContainerDetails) -> Option<Self> {
        let body = details.check.clone()?;
        let command = body.command()?;
        let runs = details.state == ContainerState::Running;
        runs.then(|| Self {
            body,
            command,
            begun: Instant::now(),
            failures: 0,
            running: None,
        })
    }

    /// Between two probes.
    pub(super) fn interval(&self) -> Duration {
        said(self.body.interval)
    }

    /// One probe; `None` where nothing is decided yet. One that takes too long goes on in the
    /// container, as no engine ends it: until then no other is begun beside it.
    pub(super) async fn run<E: Engine>(
        &mut self,
        engine: &'a E,
        id: &str,
    ) -> Option<Result<(), Stopped>> {
        let is_late = self.running.is_some();
        let probe = self.running.get_or_insert_with(|| {
            let (id, command) = (id.to_owned(), self.command.clone());
            async move { engine.check(&id, &command).await }.boxed()
        });
        let answer = tokio::time::timeout(said(self.body.timeout), probe).await;
        if answer.is_ok() {
            self.running = None;
        }
        match answer {
            // It ended meanwhile, or the engine did: the next look tells how.
            Ok(Err(fault)) if fault.is_stale() || fault.may_pass() => return None,
            Ok(Err(fault)) => return Some(Err(Stopped::Engine(fault))),
            // It counted as a failure when its time was up.
            Ok(Ok(_)) if is_late => return None,
            Ok(Ok((0, _))) => return Some(Ok(())),
            // It failed, or takes too long.
            Ok(Ok(_)) | Err(_) => {}
        }
        if self.begun.elapsed() >= Duration::from_nanos(self.body.start_period) {
            self.failures += 1;
        }
        let enough = self.failures >= self.body.retries.max(1);
        enough.then_some(Err(Stopped::Unhealthy))
    }
}

/// How long an engine takes to find a container unhealthy, at most.
/// Source: moby `daemon/health.go`, `defaultProbeRetries`.
pub(super) fn patience(details: &ContainerDetails) -> Duration {
    let Some(check) = &details.check else {
        return Duration::ZERO;
    };
    let retries = if check.retries == 0 { 3 } else { check.retries };
    (said(check.interval) + said(check.timeout)).saturating_mul(retries)
}

fn said(nanoseconds: u64) -> Duration {
    match nanoseconds {
        0 => UNSAID,
        some => Duration::from_nanos(some),
    }
}
