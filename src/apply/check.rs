//! A container's health check run from here, where its engine runs none.

use std::time::Duration;

use tokio::time::Instant;

use super::Stopped;
use crate::engine::{Engine, FaultKind};
use crate::model::create_body::HealthcheckBody;
use crate::model::observed::{ContainerDetails, ContainerState};

/// What the engine takes where a check says nothing, for its interval and its limit alike.
/// Source: moby `daemon/health.go`, `defaultProbeInterval` and `defaultProbeTimeout`.
const UNSAID: Duration = Duration::from_secs(30);

/// The exit code of a check that took too long; the engine's own is -1 as well.
const TOO_LONG: i64 = -1;

/// The check of one container, as its engine would run it.
#[derive(Debug)]
pub(super) struct OwnCheck {
    body: HealthcheckBody,
    command: Vec<String>,
    begun: Instant,
    failures: u32,
}

impl OwnCheck {
    /// The check of a container that runs and has one.
    pub(super) fn of(details: &ContainerDetails) -> Option<Self> {
        let body = details.check.clone()?;
        let command = command(&body.test)?;
        let runs = details.state == ContainerState::Running;
        runs.then(|| Self {
            body,
            command,
            begun: Instant::now(),
            failures: 0,
        })
    }

    /// Between two probes.
    pub(super) fn interval(&self) -> Duration {
        said(self.body.interval)
    }

    /// One probe; `None` where nothing is decided yet.
    pub(super) async fn run<E: Engine>(
        &mut self,
        engine: &E,
        id: &str,
    ) -> Option<Result<(), Stopped>> {
        let asked = engine.check(id, &self.command);
        let limit = said(self.body.timeout);
        let (code, output) = match tokio::time::timeout(limit, asked).await {
            Ok(Ok((0, _))) => return Some(Ok(())),
            Ok(Ok(failed)) => failed,
            // It ended meanwhile: the next look tells how.
            Ok(Err(fault)) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Conflict) => {
                return None;
            }
            Ok(Err(fault)) => return Some(Err(Stopped::Engine(fault))),
            Err(_) => (TOO_LONG, format!("no end within {limit:?}")),
        };
        if self.begun.elapsed() >= Duration::from_nanos(self.body.start_period) {
            self.failures += 1;
        }
        let enough = self.failures >= self.body.retries.max(1);
        enough.then(|| Err(Stopped::CheckFailed { code, output }))
    }
}

fn said(nanoseconds: u64) -> Duration {
    match nanoseconds {
        0 => UNSAID,
        some => Duration::from_nanos(some),
    }
}

/// `["CMD", …]` and `["CMD-SHELL", "…"]` as a command; none where there is no check.
fn command(test: &[String]) -> Option<Vec<String>> {
    match test.split_first()? {
        (kind, words) if kind == "CMD" && !words.is_empty() => Some(words.to_vec()),
        (kind, [line]) if kind == "CMD-SHELL" => {
            Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()])
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_run_as_its_engine_would() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let told = |test: &[&str]| command(&words(test));
        assert_eq!(
            told(&["CMD", "/probe", "check"]),
            Some(words(&["/probe", "check"]))
        );
        let shell = words(&["/bin/sh", "-c", "a; b"]);
        assert_eq!(told(&["CMD-SHELL", "a; b"]), Some(shell));
        for none in [&["NONE"][..], &[], &["CMD"]] {
            assert_eq!(told(none), None);
        }
    }
}
