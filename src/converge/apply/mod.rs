//! Walks a plan on an engine, in parallel where its order allows. Decides nothing.

mod carry_over;
mod check;
mod fill;
mod filler;
mod follow;
mod put_back;
mod runtime;
mod start;
mod stopped;
mod walk;
mod watch;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use crate::converge::desired::Desired;
use crate::converge::plan::{Observed, Step};
use crate::engine::{Engine, Fault, PullProgress, RegistryLogin};
use crate::error::Error;
use crate::model::container::Until;
use crate::model::identity::{self, Identity};
use crate::model::mirrors::Mirrors;
use crate::model::name::ContainerName;
use crate::model::observed::ContainerDetails;
use crate::model::secret::Secret;

pub use filler::Filler;
pub use put_back::{put_back, remove_idle_networks};
pub use start::start;
pub use stopped::Stopped;
pub use walk::apply;
pub use watch::{Reliance, Watch};

/// What the executor tells while it works.
#[derive(Debug)]
pub enum Event<'a> {
    /// A step begins.
    Begin { index: usize, step: &'a Step },
    /// Bytes of an image arrived.
    Pulling {
        container: &'a ContainerName,
        progress: PullProgress,
    },
    /// Bytes were given to what fills the volumes of a container.
    Filling {
        container: &'a ContainerName,
        done: u64,
        total: u64,
    },
    /// The registry that an image comes from has too much to do, and is asked again.
    Busy {
        container: &'a ContainerName,
        registry: &'a str,
    },
    /// An image is not for the engine's machine.
    Emulated {
        container: &'a ContainerName,
        image: &'a str,
        engine: &'a str,
    },
    /// A step is done.
    Done { index: usize, step: &'a Step },
    /// A step failed.
    Failed {
        index: usize,
        step: &'a Step,
        message: &'a str,
        /// Whether the engine may still be at it: it did not answer.
        goes_on: bool,
    },
}

/// Hears what the executor tells.
pub trait Reporter: Send + Sync {
    /// One event; must not block.
    fn event(&self, event: Event<'_>);
}

/// How to apply.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Calls in flight at most, besides the few looks of waits.
    pub concurrency: usize,
    /// How long one wait may take.
    pub wait: Duration,
    /// Credentials of the registry that images are pulled from.
    pub login: Option<RegistryLogin>,
    /// Where images are pulled from instead.
    pub mirrors: Mirrors,
    /// Values of the secrets that containers have as files, by name.
    pub secrets: BTreeMap<String, Secret>,
    /// What fills empty volumes.
    pub filler: Option<Arc<dyn Filler>>,
}

/// Why a plan was not walked to its end.
#[derive(Debug)]
pub enum Failure {
    /// The engine is not as it was observed: observe and plan again.
    Stale(Fault),
    /// A container did not come as far as others need it.
    NotReady {
        container: ContainerName,
        id: String,
        stopped: Stopped,
    },
    /// Anything else.
    Other(Error),
}

impl Failure {
    /// The error for the user, without the details that only the engine can tell.
    pub fn into_error(self) -> Error {
        match self {
            Self::Stale(fault) => fault.into(),
            Self::NotReady {
                container, stopped, ..
            } => Error::not_healthy(format!("{container} {stopped}")),
            Self::Other(error) => error,
        }
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        if fault.is_stale() {
            Self::Stale(fault)
        } else {
            Self::Other(fault.into())
        }
    }
}

/// Everything that the steps need to know.
pub struct Context<'a, E> {
    /// Where to.
    pub engine: &'a E,
    /// Who hears of it.
    pub reporter: &'a dyn Reporter,
    /// Whose objects.
    pub identity: &'a Identity,
    /// What should be there.
    pub desired: &'a Desired,
    /// What was there.
    pub observed: &'a Observed,
    /// How.
    pub options: &'a Options,
    /// What happens to containers meanwhile; subscribed before the first start.
    pub watch: &'a Watch,
}

/// Between two looks at a container that was thawed.
const AGAIN: Duration = Duration::from_millis(250);

/// Waits until a container has come this far.
pub async fn wait_until<E: Engine>(
    engine: &E,
    watch: &Watch,
    container: &ContainerName,
    id: &str,
    until: Until,
    limit: Duration,
) -> Result<(), Failure> {
    let stopped = match tokio::time::timeout(limit, watch.until(engine, id, until)).await {
        Ok(Ok(())) => return Ok(()),
        Ok(Err(stopped)) => stopped,
        Err(_) => Stopped::TimedOut {
            after: limit,
            until,
        },
    };
    Err(not_ready(container, id, stopped))
}

/// Waits until a container that was thawed is healthy again. Its engine takes it for unhealthy before it has looked,
/// and still does so at the first failure after that: it is given as many as its check has.
pub async fn wait_thawed<E: Engine>(
    engine: &E,
    watch: &Watch,
    container: &ContainerName,
    details: &ContainerDetails,
    limit: Duration,
) -> Result<(), Failure> {
    let begun = tokio::time::Instant::now();
    let patience = check::patience(details).min(limit);
    loop {
        let left = limit.saturating_sub(begun.elapsed());
        let until = Until::Healthy;
        let waited = wait_until(engine, watch, container, &details.id, until, left).await;
        let is_early = begun.elapsed() < patience;
        match &waited {
            Err(Failure::NotReady { stopped, .. })
                if *stopped == Stopped::Unhealthy && is_early =>
            {
                tokio::time::sleep(AGAIN).await;
            }
            _ => return waited,
        }
    }
}

/// Waits until a container that runs, and of which nothing more can be known, has settled.
pub async fn wait_settled<E: Engine>(
    engine: &E,
    watch: &Watch,
    container: &ContainerName,
    id: &str,
) -> Result<(), Failure> {
    let settled = watch.settled(engine, id).await;
    settled.map_err(|stopped| not_ready(container, id, stopped))
}

fn not_ready(container: &ContainerName, id: &str, stopped: Stopped) -> Failure {
    match stopped {
        Stopped::Engine(fault) => Failure::Other(fault.into()),
        stopped => Failure::NotReady {
            container: container.clone(),
            id: id.to_owned(),
            stopped,
        },
    }
}

/// The label that selects the events of an owner's containers.
pub fn event_label(identity: &Identity) -> String {
    format!("{}={}", identity::OWNER, identity.owner)
}
