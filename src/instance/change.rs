//! Pausing, resuming and restarting what an instance runs, under its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::try_join_all;

use super::Instance;
use super::running::Running;
use super::walk::Walk;
use crate::converge::apply::{Failure, Options, Watch};
use crate::converge::desired::{Desired, secret_files};
use crate::converge::plan::lifecycle::{self, Change};
use crate::converge::plan::{Plan, Step};
use crate::converge::ready::{Ready, Waiting, touched};
use crate::engine::Engine as _;
use crate::error::Result;
use crate::home::hosts;
use crate::home::secrets::{self, Missing};
use crate::home::state::InstanceRecord;
use crate::model::container::Until;
use crate::model::identity;
use crate::model::name::{ContainerName, VariableName};
use crate::model::observed::{ContainerState, Health};
use crate::model::reference::Reference;
use crate::model::secret::Secret;

/// How long one may take to come as far as another needs it, where nothing else is waited for.
const LIMIT: Duration = Duration::from_secs(180);

/// What was done to which containers.
#[derive(Debug, Default)]
pub struct Changed {
    /// Those that were changed.
    pub names: Vec<ContainerName>,
    /// How each restarted one is known to be ready; empty without waiting.
    pub ready: BTreeMap<ContainerName, Ready>,
}

impl Instance<'_> {
    /// Changes containers by name, or all of the instance. `wait` is how long each restarted one may
    /// take to be ready; without it nothing is waited for.
    ///
    /// # Errors
    /// A name of nothing that is there; a container that does not get ready again.
    pub async fn change(
        &self,
        names: &[String],
        change: Change,
        wait: Option<Duration>,
    ) -> Result<Changed> {
        let _lock = self.lock().await?;
        self.change_under_lock(names, change, wait).await
    }

    /// The same for a command that holds the instance's lock.
    pub(super) async fn change_under_lock(
        &self,
        names: &[String],
        change: Change,
        wait: Option<Duration>,
    ) -> Result<Changed> {
        let running = Running::look(self.session, self.open).await?;
        let named = names;
        let mut names = running.present(&running.names(named)?)?;
        let entries = running.reference.as_ref().map(|it| &it.containers);
        let entries = entries.cloned().unwrap_or_default();
        let (identity, observed) = (&running.identity, &running.observation.observed);
        let completed = lifecycle::completed(&names, &entries, identity, observed);
        names.retain(|it| !completed.contains(it) || named.iter().any(|name| name == it.as_str()));
        let plan = lifecycle::plan(change, &names, &entries, identity, observed);
        names.retain(|name| plan.containers().any(|it| it == name));
        let started = touched(&plan);
        self.remember(&running, |unproven| unproven.extend(started))?;
        let ready = self.walk(&running, &plan, &names, wait).await?;
        if wait.is_some() && running.reference.is_some() {
            let asked = asked(&running, &names);
            self.remember(&running, |unproven| {
                unproven.retain(|it| !asked.contains(it));
            })?;
        }
        Ok(Changed { names, ready })
    }

    /// Changes which containers' routes are still to answer.
    fn remember(
        &self,
        running: &Running,
        change: impl FnOnce(&mut BTreeSet<ContainerName>),
    ) -> Result<()> {
        let Some(record) = &running.record else {
            return Ok(());
        };
        // Since that look something may be remembered already.
        let mut next = self.record()?.unwrap_or_else(|| record.clone());
        let before = next.unproven.clone();
        change(&mut next.unproven);
        if next.unproven == before {
            return Ok(());
        }
        self.save(&next)
    }

    async fn walk(
        &self,
        running: &Running,
        plan: &Plan,
        changed: &[ContainerName],
        wait: Option<Duration>,
    ) -> Result<BTreeMap<ContainerName, Ready>> {
        if plan.is_empty() {
            return Ok(BTreeMap::new());
        }
        let secrets = self.secrets_of(running, plan).await?;
        let host = hosts::host(self.session, &self.engine, &self.choice).await?;
        let walk = Walk::watching(self.session, &self.engine, &self.identity, &host.profile);
        let work = async {
            let observed = &running.observation.observed;
            let options = Options {
                secrets,
                ..walk.options(wait.unwrap_or(LIMIT))
            };
            walk.plan(plan, &Desired::default(), observed, &options)
                .await?;
            match (wait, &running.reference) {
                (Some(limit), Some(reference)) => {
                    ready(
                        running,
                        reference,
                        &walk.watch,
                        host.address(),
                        changed,
                        limit,
                    )
                    .await
                }
                _ => Ok(BTreeMap::new()),
            }
        };
        walk.following(running.reference.as_ref(), work).await
    }
}

impl Instance<'_> {
    /// Values of the secrets that the plan's containers have as files: asked for before any stops.
    async fn secrets_of(&self, running: &Running, plan: &Plan) -> Result<BTreeMap<String, Secret>> {
        let starts = plan.nodes.iter().filter_map(|node| match &node.step {
            Step::Start(name) => running.current(name),
            _ => None,
        });
        let labels = starts.map(|it| it.labels.get(identity::SECRET_FILES));
        let names = labels.flat_map(|it| secret_files::places(it.map(String::as_str)).into_keys());
        let wanted = names.filter_map(|it| VariableName::new(it).ok()).collect();
        let Some(record) = &running.record else {
            return Ok(BTreeMap::new());
        };
        let (platform, configuration) = (&self.open.name, &record.configuration);
        secrets::values(
            self.session,
            platform,
            configuration,
            &wanted,
            Missing::Asked,
        )
        .await
    }
}

/// Whose routes tell whether these work again: their own, and those of all that is ready where the
/// proxy is among them. Where a proposal leads is known once it is laid over the reference: the next
/// `up` asks there.
fn asked(running: &Running, names: &[ContainerName]) -> BTreeSet<ContainerName> {
    let proxy = running.reference.as_ref().map(|it| &it.proxy);
    let all = proxy.is_some_and(|proxy| names.contains(proxy));
    let is_ready = |name: &ContainerName| {
        running.current(name).is_some_and(|it| {
            it.state == ContainerState::Running && matches!(it.health, None | Some(Health::Healthy))
        })
    };
    let there = running.observation.observed.containers.keys();
    let asked = there.filter(|name| names.contains(name) || (all && is_ready(name)));
    let local = running.record.as_ref().map(|it| &it.local);
    let origin = |name| {
        running
            .reference
            .as_ref()
            .map_or(name, |it| it.origin(name))
    };
    asked
        .filter(|name| local.is_none_or(|it| !it.contains(origin(name))))
        .cloned()
        .collect()
}

/// Waits as `up` does.
async fn ready(
    running: &Running,
    reference: &Reference,
    watch: &Watch,
    address: Option<IpAddr>,
    names: &[ContainerName],
    limit: Duration,
) -> Result<BTreeMap<ContainerName, Ready>, Failure> {
    let waiting = Waiting {
        engine: &running.engine,
        watch,
        identity: &running.identity,
        reference,
        address,
        limit,
    };
    let ports = running.record.as_ref().map(InstanceRecord::remembered);
    let port = running
        .current(&reference.proxy)
        .and_then(|_| ports?.proxy(reference));
    let waits = names.iter().map(async |name| {
        let id = running.current(name).map(|it| it.id.clone());
        let route = port.and_then(|port| waiting.first_route(name, port));
        let until = until(running, reference, name).await?;
        waiting.one(name, until, id, route).await
    });
    let ready = try_join_all(waits).await?.into_iter().collect();
    if let Some(port) = port {
        waiting.ask(asked(running, names).iter(), port).await?;
    }
    Ok(ready)
}

/// A check may be its definition's, its image's or the user's: the engine knows which one it has.
async fn until(
    running: &Running,
    reference: &Reference,
    name: &ContainerName,
) -> Result<Until, Failure> {
    let entry = reference.containers.get(name);
    if entry.is_some_and(|it| it.run.once) {
        return Ok(Until::Completed);
    }
    let Some(container) = running.current(name) else {
        return Ok(Until::Started);
    };
    let details = running.engine.inspect(&container.id).await;
    let details = details.map_err(|fault| Failure::Other(fault.into()))?;
    let is_checked = details.check.and_then(|it| it.command()).is_some();
    Ok(if is_checked {
        Until::Healthy
    } else {
        Until::Started
    })
}
