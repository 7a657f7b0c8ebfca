//! Walks a plan on an engine, in parallel where its order allows. Decides nothing.

mod check;
mod follow;
mod runtime;
mod watch;

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::stream::{FuturesUnordered, StreamExt};

use crate::desired::Desired;
use crate::engine::{Engine, Fault, PullProgress, RegistryLogin};
use crate::error::Error;
use crate::model::container::Until;
use crate::model::identity::{self, Identity};
use crate::model::mirrors::Mirrors;
use crate::model::name::ContainerName;
use crate::plan::{Observed, Plan, Step};

use runtime::Runtime;
pub use watch::{Reliance, Stopped, Watch};

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

/// Everything that the steps need to know.
pub struct Context<'a, E, R> {
    /// Where to.
    pub engine: &'a E,
    /// Who hears of it.
    pub reporter: &'a R,
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

/// Walks the plan. After the first failure nothing new is begun; calls in flight are finished.
pub async fn apply<E: Engine, R: Reporter>(
    context: &Context<'_, E, R>,
    plan: &Plan,
) -> Result<(), Failure> {
    let runtime = &Runtime::new(context.identity, context.desired, context.observed);
    let mut order = Order::new(plan);
    let mut calls = FuturesUnordered::new();
    let mut waits = FuturesUnordered::new();
    let mut failure = None;
    loop {
        while failure.is_none()
            && (calls.len() < context.options.concurrency || order.next_is_wait())
        {
            let Some((index, step)) = order.next() else {
                break;
            };
            context.reporter.event(Event::Begin { index, step });
            let running = async move { (index, step, runtime.perform(context, step).await) };
            if matches!(step, Step::Wait(..)) {
                waits.push(running);
            } else {
                calls.push(running);
            }
        }
        if failure.is_some() {
            waits.clear();
        }
        let (index, step, result) = tokio::select! {
            Some(finished) = calls.next(), if !calls.is_empty() => finished,
            Some(finished) = waits.next(), if !waits.is_empty() => finished,
            else => break,
        };
        match result {
            Ok(()) => {
                context.reporter.event(Event::Done { index, step });
                order.done(index);
            }
            Err(error) => {
                let message = describe(&error);
                context.reporter.event(Event::Failed {
                    index,
                    step,
                    message: &message,
                });
                failure.get_or_insert(error);
            }
        }
    }
    failure.map_or(Ok(()), Err)
}

/// Which steps may begin.
struct Order<'a> {
    plan: &'a Plan,
    blockers: Vec<usize>,
    followers: Vec<Vec<usize>>,
    ready: VecDeque<usize>,
}

impl<'a> Order<'a> {
    fn new(plan: &'a Plan) -> Self {
        let blockers: Vec<usize> = plan.nodes.iter().map(|node| node.after.len()).collect();
        let mut followers = vec![Vec::new(); plan.nodes.len()];
        for (index, node) in plan.nodes.iter().enumerate() {
            for before in &node.after {
                followers[*before].push(index);
            }
        }
        let ready = (0..plan.nodes.len())
            .filter(|index| blockers[*index] == 0)
            .collect();
        Self {
            plan,
            blockers,
            followers,
            ready,
        }
    }

    fn next(&mut self) -> Option<(usize, &'a Step)> {
        let index = self.ready.pop_front()?;
        Some((index, &self.plan.nodes[index].step))
    }

    /// A wait costs no call: it does not have to queue for one.
    fn next_is_wait(&self) -> bool {
        let is_wait = |index: &usize| matches!(self.plan.nodes[*index].step, Step::Wait(..));
        self.ready.front().is_some_and(is_wait)
    }

    fn done(&mut self, index: usize) {
        for follower in &self.followers[index] {
            self.blockers[*follower] -= 1;
            if self.blockers[*follower] == 0 {
                self.ready.push_back(*follower);
            }
        }
    }
}

fn describe(failure: &Failure) -> String {
    match failure {
        Failure::Stale(fault) => fault.to_string(),
        Failure::NotReady {
            container, stopped, ..
        } => format!("{container} {stopped}"),
        Failure::Other(error) => error.to_string(),
    }
}

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
