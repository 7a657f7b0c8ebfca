//! Waiting for an engine's very first answer: said after a while, and not for ever. Whoever has
//! answered once is known to be there, and its requests have limits of their own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bollard::BollardRequest;
use bollard::errors::Error as BollardError;
use hyper_util::client::legacy::connect::capture_connection;

use super::lost::Lost;
use super::{Answer, Transport, get};
use crate::engine::FaultKind;

/// After this somebody at a terminal wonders.
const TOLD: Duration = Duration::from_secs(2);
/// A busy engine answers `/_ping` within milliseconds all the same.
const SILENCE: Duration = Duration::from_secs(8);

/// How long an engine's first answer may take, and who hears that it takes long.
#[derive(Clone)]
pub struct Patience {
    /// After this it is told.
    pub told: Duration,
    /// So long after that, on a connection that was made, nothing may come to `/_ping` either.
    pub silence: Duration,
    /// Told once, with the engine's place.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for Patience {
    fn default() -> Self {
        Self::telling(|_| {})
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").finish_non_exhaustive()
    }
}

impl Patience {
    /// The usual one; `tell` hears the engine's place.
    pub fn telling(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            told: TOLD,
            silence: SILENCE,
            tell: Arc::new(tell),
        }
    }
}

/// A [`Patience`] that was told or not.
pub(super) struct Waiting {
    patience: Patience,
    told: AtomicBool,
}

impl Waiting {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            told: AtomicBool::new(false),
        }
    }

    fn tell(&self, engine: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            (self.patience.tell)(engine);
        }
    }
}

impl Transport {
    /// Sends an unversioned request, perhaps the first one. What it asks for may take long by itself:
    /// whether anybody is there at all is asked beside it.
    pub(super) async fn send_first(&self, request: BollardRequest) -> Answer {
        let patience = &self.waiting.patience;
        let mut answer = std::pin::pin!(self.send(request, None));
        if let Ok(answer) = tokio::time::timeout(patience.told, &mut answer).await {
            return answer;
        }
        self.waiting.tell(&self.name);
        let mut ping = get("/_ping")?;
        let mut connection = capture_connection(&mut ping);
        let silence = async {
            // Making connections has limits of its own.
            let made = connection.wait_for_connection_metadata().await.is_some();
            tokio::time::sleep(patience.silence).await;
            made
        };
        tokio::select! {
            answer = &mut answer => return answer,
            _ = self.send(ping, None) => {}
            made = silence => if made { return Err(self.silent()) },
        }
        answer.await
    }

    fn silent(&self) -> BollardError {
        let waited = self.waiting.patience.told + self.waiting.patience.silence;
        let lost = Lost {
            kind: FaultKind::Hung,
            message: format!(
                "the engine at {} takes connections, but answered nothing within {waited:?}",
                self.name
            ),
            hint: Some(
                "an engine that hangs wants a restart; `devenv doctor` looks at everything else, \
                 `--host` or DOCKER_HOST names another engine"
                    .to_owned(),
            ),
        };
        BollardError::IOError {
            err: lost.into_io(),
        }
    }
}
