//! [`Engine`](super::Engine) on a real engine, through bollard.

mod asked;
mod build;
mod buildx;
mod converge;
mod convert;
mod dialect;
mod events;
mod exec;
mod export;
mod feeding;
mod files;
mod images;
mod info;
mod logs;
mod refusal;
mod secret_files;
mod transport;
mod usage;

use std::collections::HashMap;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use bollard::errors::Error as BollardError;
use bollard::query_parameters::RestartContainerOptions;
use futures_util::stream::{self, BoxStream, Stream, StreamExt};

use super::connect::endpoint::Endpoint;
use super::{Fault, FaultKind, Labels};
use crate::error::Error;

pub use build::{BuildOptions, archive};
pub use buildx::Buildx;
pub use exec::{ExecOptions, ExecStreams};
pub use feeding::Ended;
pub use files::FileState;
pub use images::EngineImage;
pub use info::EngineInfo;
#[cfg(test)]
pub(crate) use info::described;
pub use logs::{LogLine, LogOptions, LogStream};
pub use transport::{ApiVersion, Patience};

/// Time limit of a request that the engine answers at once.
const SHORT: Duration = Duration::from_secs(60);
/// So many times as long an answer that comes in pieces may be silent: a pull tells of its progress
/// all the time, but not while it unpacks a large layer.
const SILENCE: u32 = 5;
/// Time limit of a stop whose grace only the engine knows.
const UNKNOWN_GRACE: Duration = Duration::from_secs(3600);

/// A Docker engine. Cloning is cheap and shares connections and what is known of the engine.
#[derive(Clone)]
pub struct Docker {
    client: bollard::Docker,
    endpoint: Endpoint,
    transport: Arc<transport::Transport>,
    limit: Duration,
}

impl fmt::Debug for Docker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Docker").finish_non_exhaustive()
    }
}

impl Docker {
    /// The engine at `endpoint`. Nothing is sent before the first call.
    ///
    /// # Errors
    /// Certificates that cannot be read, a kind of endpoint that this system has not:
    /// [`crate::error::Kind::Engine`].
    pub fn new(endpoint: &Endpoint) -> Result<Self, Error> {
        Self::patient(endpoint, Patience::default())
    }

    /// The same, its first answer waited for with this patience.
    ///
    /// # Errors
    /// As [`Docker::new`].
    pub fn patient(endpoint: &Endpoint, patience: Patience) -> Result<Self, Error> {
        let transport = Arc::new(transport::Transport::new(endpoint, patience)?);
        let carrier = Arc::clone(&transport);
        let client = bollard::Docker::connect_with_custom_transport(
            move |request| Arc::clone(&carrier).carry(request),
            Some("http://engine"),
            // Limits are set per call: bollard's own would cover an upload too.
            u64::from(u32::MAX),
            bollard::API_DEFAULT_VERSION,
        )
        .map_err(|error| Error::from(refusal::fault(error)))?;
        Ok(Self {
            client,
            endpoint: endpoint.clone(),
            transport,
            limit: SHORT,
        })
    }

    /// The same engine, its short requests limited to `limit` (60 s otherwise). Pulls, pushes,
    /// archives and logs that end may last, but be silent for five times that only; builds and logs
    /// that are followed have no limit, a stop and a restart their grace on top.
    #[must_use]
    pub fn with_limit(mut self, limit: Duration) -> Self {
        self.limit = limit;
        self
    }

    /// The API version that requests are pinned to, once the engine has answered one.
    pub fn api_version(&self) -> Option<ApiVersion> {
        self.transport.version()
    }

    /// Restarts with the container's own signal; `grace` seconds, or the container's own.
    pub async fn restart(&self, container: &str, grace: Option<u32>) -> Result<(), Fault> {
        let options = RestartContainerOptions {
            signal: None,
            t: grace.map(seconds),
        };
        let call = self.client.restart_container(container, Some(options));
        within(self.limit_with(grace), call).await
    }
}

impl Docker {
    /// A call that the engine answers at once.
    async fn short<T>(
        &self,
        call: impl Future<Output = Result<T, BollardError>>,
    ) -> Result<T, Fault> {
        within(self.limit, call).await
    }

    /// An answer in pieces that all come soon after one another.
    fn steady<T: Send + 'static>(
        &self,
        pieces: impl Stream<Item = Result<T, BollardError>> + Send + 'static,
    ) -> BoxStream<'static, Result<T, BollardError>> {
        let silence = self.limit * SILENCE;
        let state = Some(pieces.boxed());
        stream::unfold(state, move |state| async move {
            let mut pieces = state?;
            match tokio::time::timeout(silence, pieces.next()).await {
                Ok(piece) => piece.map(|piece| (piece, Some(pieces))),
                Err(_) => Some((Err(BollardError::RequestTimeoutError), None)),
            }
        })
        .boxed()
    }

    fn limit_with(&self, grace: Option<u32>) -> Duration {
        grace.map_or(UNKNOWN_GRACE, |grace| {
            Duration::from_secs(u64::from(grace)) + self.limit
        })
    }
}

/// Makes a call again, after each of these pauses, as long as the engine refuses it in `words`.
async fn again<T, F: Future<Output = Result<T, Fault>>>(
    pauses: &[Duration],
    words: &str,
    call: impl Fn() -> F,
) -> Result<T, Fault> {
    for pause in pauses {
        match call().await {
            Err(fault) if fault.message.contains(words) => tokio::time::sleep(*pause).await,
            end => return end,
        }
    }
    call().await
}

/// Runs a call with a time limit.
async fn within<T>(
    limit: Duration,
    call: impl Future<Output = Result<T, BollardError>>,
) -> Result<T, Fault> {
    match tokio::time::timeout(limit, call).await {
        Ok(answer) => answer.map_err(refusal::fault),
        Err(_) => Err(Fault::new(
            FaultKind::Hung,
            format!("the engine did not answer within {limit:?}"),
        )),
    }
}

fn seconds(grace: u32) -> i32 {
    i32::try_from(grace).unwrap_or(i32::MAX)
}

fn unsorted(labels: &Labels) -> HashMap<String, String> {
    labels
        .iter()
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}
