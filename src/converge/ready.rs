//! When an instance is ready: healthy; else its route answers; else started.

use std::collections::{BTreeMap, BTreeSet};
use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::try_join_all;

use crate::converge::apply::{Failure, Stopped, Watch, wait_settled, wait_until};
use crate::converge::desired::DesiredContainer;
use crate::converge::goal::Planned;
use crate::converge::observe::Observation;
use crate::converge::plan::{Plan, Step};
use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::model::container::{Route, Until};
use crate::model::identity::Identity;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, Health, ObservedContainer};
use crate::model::reference::Reference;
use crate::network::probe;

/// How it is known that a container is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ready {
    /// The engine's check passes.
    Healthy,
    /// Its route answers through the proxy.
    Answers,
    /// It did its work and exited 0.
    Completed,
    /// It runs, and went on for a moment; nothing more can be known.
    Started,
}

impl Ready {
    /// The word in the table.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Healthy => "healthy",
            Self::Answers => "answers",
            Self::Completed => "completed",
            Self::Started => "started",
        }
    }
}

/// What waiting for readiness needs.
pub struct Waiting<'a, E> {
    /// Where.
    pub engine: &'a E,
    /// What happens meanwhile.
    pub watch: &'a Watch,
    /// Whose objects.
    pub identity: &'a Identity,
    /// Where routes lead.
    pub reference: &'a Reference,
    /// Where published ports are; `None`: where this machine does not get.
    pub address: Option<IpAddr>,
    /// How long each container may take.
    pub limit: Duration,
}

/// Between two looks at a route.
const BETWEEN_PROBES: Duration = Duration::from_millis(100);

impl<E: Engine> Waiting<'_, E> {
    /// How each container is known to be ready, if all are and the plan has nothing to do.
    pub fn already(&self, planned: &Planned) -> Option<BTreeMap<ContainerName, Ready>> {
        let (ready, waiting) = self.divide(planned);
        waiting.is_empty().then_some(ready)
    }

    /// How those that the plan does not touch were known to be ready.
    pub fn untouched(&self, planned: &Planned) -> BTreeMap<ContainerName, Ready> {
        self.divide(planned).0
    }

    /// Those that were ready before and that the plan does not touch, and the others.
    fn divide<'p>(
        &self,
        planned: &'p Planned,
    ) -> (BTreeMap<ContainerName, Ready>, Vec<&'p DesiredContainer>) {
        let touched = touched(&planned.plan);
        let mut ready = BTreeMap::new();
        let mut waiting = Vec::new();
        for container in &planned.desired.containers {
            let observed = &planned.observation.observed;
            let current = observed.current(&container.name, &container.object);
            match current
                .filter(|_| !touched.contains(&container.name))
                .and_then(|it| was_ready(container, it))
            {
                Some(already)
                    if already != Ready::Started
                        || self.route(planned, &container.name).is_none() =>
                {
                    ready.insert(container.name.clone(), already);
                }
                _ => waiting.push(container),
            }
        }
        (ready, waiting)
    }

    /// Waits for every container of the plan. Those that were ready before and that the plan did
    /// not touch are not asked again.
    pub async fn all(&self, planned: &Planned) -> Result<BTreeMap<ContainerName, Ready>, Failure> {
        let (mut ready, waiting) = self.divide(planned);
        if waiting.is_empty() {
            return Ok(ready);
        }
        let now = Observation::take(self.engine, self.identity)
            .await
            .map_err(Failure::Other)?;
        let waits = waiting.iter().map(|container| {
            let current = now.observed.current(&container.name, &container.object);
            let id = current.map(|it| it.id.clone());
            let route = self.route(planned, &container.name);
            self.one(&container.name, container.ready(), id, route)
        });
        ready.extend(try_join_all(waits).await?);
        Ok(ready)
    }

    /// Waits until one container has come this far, and if that says little, until its route
    /// answers on the proxy's `port`.
    pub async fn one(
        &self,
        name: &ContainerName,
        until: Until,
        id: Option<String>,
        route: Option<(&Route, u16)>,
    ) -> Result<(ContainerName, Ready), Failure> {
        let Some(id) = id else {
            return Err(Failure::NotReady {
                container: name.clone(),
                id: String::new(),
                stopped: Stopped::Removed,
            });
        };
        wait_until(self.engine, self.watch, name, &id, until, self.limit).await?;
        let ready = match (until, route) {
            (Until::Healthy, ..) => Ready::Healthy,
            (Until::Completed, ..) => Ready::Completed,
            (Until::Started, Some((route, port))) => {
                self.answers(name, &id, route, port).await?;
                Ready::Answers
            }
            (Until::Started, None) => {
                wait_settled(self.engine, self.watch, name, &id).await?;
                Ready::Started
            }
        };
        Ok((name.clone(), ready))
    }

    /// Its first route and the port it is reached on; none without a proxy.
    fn route(&self, planned: &Planned, container: &ContainerName) -> Option<(&Route, u16)> {
        self.first_route(container, self.proxy_port(planned)?)
    }

    fn proxy_port(&self, planned: &Planned) -> Option<u16> {
        let mut selected = planned.desired.containers.iter();
        let runs = selected.any(|it| it.name == self.reference.proxy);
        planned.ports.proxy(self.reference).filter(|_| runs)
    }

    /// Asks every route of what the plan started, and of what was started before and never proven,
    /// through the proxy; all routes where that is the proxy itself.
    ///
    /// # Errors
    /// As [`Self::ask`].
    pub async fn routes(
        &self,
        planned: &Planned,
        unproven: &BTreeSet<ContainerName>,
    ) -> Result<(), Failure> {
        let Some(port) = self.proxy_port(planned) else {
            return Ok(());
        };
        let mut started = touched(&planned.plan);
        started.extend(unproven.iter().cloned());
        let all = started.contains(&self.reference.proxy);
        let there = planned.desired.containers.iter().map(|it| &it.name);
        self.ask(there.filter(|it| all || started.contains(*it)), port)
            .await
    }

    /// Asks every route of these containers through the proxy. A health check tells of its container
    /// alone, not of the way to it.
    ///
    /// # Errors
    /// A route that goes on answering what its probe does not say, 5xx, or nothing.
    pub async fn ask<'n>(
        &self,
        names: impl Iterator<Item = &'n ContainerName>,
        port: u16,
    ) -> Result<(), Failure> {
        let Some(address) = self.address else {
            return Ok(());
        };
        let routes = names.flat_map(|name| {
            let entry = self.reference.containers.get(name);
            let routes = entry.into_iter().flat_map(|it| &it.routes);
            routes.map(move |route| (name, route))
        });
        let asking =
            routes.map(async |(name, route)| self.answers_well(name, route, (address, port)).await);
        try_join_all(asking).await.map(drop)
    }

    async fn answers_well(
        &self,
        name: &ContainerName,
        route: &Route,
        (address, port): (IpAddr, u16),
    ) -> Result<(), Failure> {
        let host = host(route);
        let ask = |limit| probe::answer(address, port, &host, route, limit);
        let asking = probe::until_right(self.limit, ask, |answer| route.wrong(answer));
        let Some(wrong) = asking.await else {
            return Ok(());
        };
        let probe = route.probe.as_ref();
        let wanted = probe.map_or_else(String::new, |probe| {
            let asked = format!(" when asked for {}", route.asked());
            let status = probe.status;
            asked + &status.map_or_else(String::new, |it| format!(", not {it}"))
        });
        let proxy = &self.reference.proxy;
        Err(Failure::Other(
            Error::not_healthy(format!(
                "{name} is up, but its route {route} answers {wrong} through {proxy}{wanted}"
            ))
            .hint(format!("`devenv logs {name} {proxy}` shows what they said")),
        ))
    }

    /// A container's first route, on the proxy's port.
    pub fn first_route(&self, container: &ContainerName, port: u16) -> Option<(&Route, u16)> {
        self.address?;
        let entry = self.reference.containers.get(container)?;
        Some((entry.routes.first()?, port))
    }

    /// Asks through the proxy until something other than 502 to 504 answers, or it exits.
    async fn answers(
        &self,
        name: &ContainerName,
        id: &str,
        route: &Route,
        port: u16,
    ) -> Result<(), Failure> {
        let asking = async {
            let Some(address) = self.address else {
                return;
            };
            let (host, mut limit) = (host(route), probe::QUICK);
            loop {
                match probe::status(address, port, &host, route.asked(), limit).await {
                    Some(502..=504) => {}
                    None => limit = probe::SLOWEST.min(limit * 2),
                    Some(_) => return,
                }
                tokio::time::sleep(BETWEEN_PROBES).await;
            }
        };
        let ends = wait_until(
            self.engine,
            self.watch,
            name,
            id,
            Until::Completed,
            self.limit,
        );
        tokio::select! {
            () = asking => Ok(()),
            ended = ends => match ended {
                Ok(()) => Err(Failure::NotReady {
                    container: name.clone(),
                    id: id.to_owned(),
                    stopped: Stopped::Exited { code: 0, out_of_memory: false },
                }),
                Err(Failure::NotReady { container, id, stopped: Stopped::TimedOut { after, .. } }) => {
                    Err(Failure::NotReady { container, id, stopped: Stopped::Silent { after } })
                }
                Err(other) => Err(other),
            },
        }
    }
}

/// The name that a route is asked under.
fn host(route: &Route) -> String {
    let host = route.host.as_ref();
    host.map_or_else(
        || "localhost".to_owned(),
        |host| format!("{host}.localhost"),
    )
}

/// The containers that a plan starts.
pub fn touched(plan: &Plan) -> BTreeSet<ContainerName> {
    plan.nodes
        .iter()
        .filter_map(|node| match &node.step {
            Step::Create(name) | Step::Start(name) | Step::Unpause(name) => Some(name.clone()),
            _ => None,
        })
        .collect()
}

fn was_ready(container: &DesiredContainer, current: &ObservedContainer) -> Option<Ready> {
    match (container.ready(), current.state, current.health) {
        (Until::Healthy, ContainerState::Running, Some(Health::Healthy)) => Some(Ready::Healthy),
        (Until::Completed, ContainerState::Exited(Some(0)), _) => Some(Ready::Completed),
        (Until::Started, ContainerState::Running, _) => Some(Ready::Started),
        _ => None,
    }
}
