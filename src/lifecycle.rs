//! Freezing, thawing and restarting what an instance runs, under its lock.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::time::Duration;

use futures_util::future::try_join_all;

use crate::apply::{self, Failure, Options, Watch};
use crate::context::{Context, OpenPlatform};
use crate::desired::Desired;
use crate::engine::Engine;
use crate::error::Result;
use crate::hosts;
use crate::instance;
use crate::model::container::Until;
use crate::model::name::ContainerName;
use crate::model::reference::Reference;
use crate::plan::Plan;
use crate::plan::lifecycle::{Change, plan};
use crate::ready::{Ready, Waiting};
use crate::running::Running;
use crate::state::InstanceRecord;
use crate::state::Lock;
use crate::ui::progress::Progress;

/// What was done to which containers.
#[derive(Debug, Default)]
pub struct Outcome {
    /// Those that were changed.
    pub changed: Vec<ContainerName>,
    /// How each restarted one is known to be ready; empty without waiting.
    pub ready: BTreeMap<ContainerName, Ready>,
}

/// Changes containers by name, or all of the instance. `wait` is how long each restarted one may
/// take to be ready; without it nothing is waited for.
pub async fn change(
    context: &Context,
    open: &OpenPlatform,
    names: &[String],
    change: Change,
    wait: Option<Duration>,
) -> Result<Outcome> {
    let waiting = || {
        context
            .ui
            .note("waiting for another devenv command on this instance");
    };
    let _lock = Lock::take(&context.paths, &open.name, &context.instance, waiting).await?;
    let running = Running::look(context, open).await?;
    let names = running.present(&running.names(names)?)?;
    let plan = plan(
        change,
        &names,
        &running.identity,
        &running.observation.observed,
    );
    let changed: Vec<_> = names
        .into_iter()
        .filter(|name| {
            plan.nodes
                .iter()
                .any(|node| node.step.container() == Some(name))
        })
        .collect();
    let ready = walk(context, &running, &plan, &changed, wait).await?;
    Ok(Outcome { changed, ready })
}

/// Walks the plan, then waits; the engine's events are subscribed before the first start.
async fn walk(
    context: &Context,
    running: &Running,
    plan: &Plan,
    changed: &[ContainerName],
    wait: Option<Duration>,
) -> Result<BTreeMap<ContainerName, Ready>> {
    if plan.is_empty() {
        return Ok(BTreeMap::new());
    }
    let watch = Watch::default();
    let label = apply::event_label(&running.identity);
    let events = running.engine.events(&label, None).await?;
    let work = async {
        let progress = Progress::new(&context.ui);
        let options = Options {
            concurrency: context.settings.concurrency.value,
            wait: wait.unwrap_or_default(),
            ..Options::default()
        };
        let apply_context = apply::Context {
            engine: &running.engine,
            reporter: &progress,
            identity: &running.identity,
            desired: &Desired::default(),
            observed: &running.observation.observed,
            options: &options,
            watch: &watch,
        };
        apply::apply(&apply_context, plan).await?;
        match (wait, &running.reference) {
            (Some(limit), Some(reference)) => {
                ready(context, running, reference, &watch, changed, limit).await
            }
            _ => Ok(BTreeMap::new()),
        }
    };
    let pump = async {
        watch.pump(events).await;
        std::future::pending::<Infallible>().await
    };
    let result: Result<_, Failure> = tokio::select! {
        result = work => result,
        never = pump => match never {},
    };
    match (result, &running.reference) {
        (Ok(ready), _) => Ok(ready),
        (Err(failure), Some(reference)) => {
            Err(instance::explain(&running.engine, reference, failure).await)
        }
        (Err(failure), None) => Err(failure.into_error()),
    }
}

/// Waits as `up` does.
async fn ready(
    context: &Context,
    running: &Running,
    reference: &Reference,
    watch: &Watch,
    names: &[ContainerName],
    limit: Duration,
) -> Result<BTreeMap<ContainerName, Ready>, Failure> {
    let host = hosts::host(context, &running.engine, &running.choice)
        .await
        .map_err(Failure::Other)?;
    let waiting = Waiting {
        engine: &running.engine,
        watch,
        identity: &running.identity,
        reference,
        address: host.address(),
        limit,
    };
    let ports = running.record.as_ref().map(InstanceRecord::remembered);
    let port = running
        .current(&reference.proxy)
        .and_then(|_| ports?.proxy(reference));
    let waits = names.iter().map(|name| {
        let id = running.current(name).map(|it| it.id.clone());
        let route = port.and_then(|port| waiting.first_route(name, port));
        waiting.one(name, until(running, reference, name), id, route)
    });
    Ok(try_join_all(waits).await?.into_iter().collect())
}

fn until(running: &Running, reference: &Reference, name: &ContainerName) -> Until {
    let run = reference.containers.get(name).map(|it| &it.run);
    let checked = running.current(name).is_some_and(|it| it.health.is_some());
    match run {
        Some(run) if run.once => Until::Completed,
        Some(run) if run.health.is_some() => Until::Healthy,
        None if checked => Until::Healthy,
        _ => Until::Started,
    }
}
