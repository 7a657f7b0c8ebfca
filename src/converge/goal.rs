//! Observe, plan, apply, and again when the engine changed meanwhile.

use std::collections::{BTreeMap, BTreeSet};

use crate::converge::apply::{self, Failure, Options, Reporter, Watch};
use crate::converge::desired::ports::{self, Moved, Ports};
use crate::converge::desired::{self, Desired, Filling, Image, Inputs, Placement, Secrets};
use crate::converge::plan::{Plan, carry, difference};
use crate::converge::select::Selection;
use crate::engine::{Engine, FaultKind};
use crate::error::{Error, Result};
use crate::model::container::Publish;
use crate::model::host_profile::Host;
use crate::model::identity::Identity;
use crate::model::name::{ConfigurationName, ContainerName};
use crate::model::overrides::Overrides;
use crate::model::reference::Reference;

use super::holders::Holders;
use super::observe::Observation;

/// How often a plan that met a changed engine is made again.
const ROUNDS: usize = 3;

/// Everything that decides what an instance should be.
pub struct Goal<'a> {
    /// Production's decision.
    pub reference: &'a Reference,
    /// The subset.
    pub selection: &'a Selection,
    /// Verified images of the selected containers.
    pub images: &'a BTreeMap<ContainerName, Image>,
    /// Whose objects.
    pub identity: &'a Identity,
    /// Which settings the images use.
    pub configuration: &'a ConfigurationName,
    /// The host.
    pub host: &'a Host,
    /// The user's own changes.
    pub overrides: &'a Overrides,
    /// Values of the secret variables.
    pub secrets: &'a Secrets,
    /// Host ports that the user chose, by the wanted one.
    pub chosen_ports: &'a BTreeMap<u16, u16>,
    /// Host ports that the instance had before.
    pub remembered_ports: &'a Ports,
    /// Ports of this machine that the instance's own forwarder holds.
    pub forwarded_ports: &'a BTreeSet<u16>,
    /// How containers are reached, and whose volumes they have.
    pub placement: &'a Placement,
    /// What fills empty volumes, by container.
    pub fillings: &'a BTreeMap<ContainerName, Filling>,
}

/// A plan with what it was made from.
#[derive(Debug)]
pub struct Planned {
    /// What should be there.
    pub desired: Desired,
    /// What was there.
    pub observation: Observation,
    /// What is to be done.
    pub plan: Plan,
    /// Host ports.
    pub ports: Ports,
    /// Ports that did not get what they wanted.
    pub moved: Vec<Moved>,
}

impl Goal<'_> {
    /// Makes the plan for what was observed.
    pub async fn plan<E: Engine>(&self, engine: &E, observation: Observation) -> Result<Planned> {
        self.plan_without(engine, observation, &BTreeMap::new())
            .await
    }

    /// The same, without the ports that the engine refused, which are given with its words.
    async fn plan_without<E: Engine>(
        &self,
        engine: &E,
        mut observation: Observation,
        refused: &BTreeMap<u16, String>,
    ) -> Result<Planned> {
        let (mut desired, mut ports, mut moved) = self.desired(&observation, refused)?;
        let is_enough = moved.is_empty() && observation.is_settled(&desired);
        if !(observation.is_whole || is_enough) {
            observation.widen(engine, self.identity).await?;
            (desired, ports, moved) = self.desired(&observation, refused)?;
        }
        let observed = &observation.observed;
        observed.refuse_foreign(&desired.volumes, self.identity)?;
        observation.complete(engine, &desired).await?;
        let plan = difference::difference(&desired, &observation.observed);
        Ok(Planned {
            desired,
            observation,
            plan,
            ports,
            moved,
        })
    }

    /// What should be there, with the host ports that are free, and those that moved.
    fn desired(
        &self,
        observation: &Observation,
        refused: &BTreeMap<u16, String>,
    ) -> Result<(Desired, Ports, Vec<Moved>)> {
        let wanted: Vec<(ContainerName, Publish)> = self
            .selection
            .order
            .iter()
            .filter(|_| *self.placement == Placement::Published)
            .flat_map(|name| {
                let run = &self.reference.containers[name].run;
                let run = self.overrides.run(name, run);
                let all = run.publish.iter();
                all.map(|publish| (name.clone(), *publish))
                    .collect::<Vec<_>>()
            })
            .collect();
        self.refuse_unpublished(&wanted)?;
        let holders = Holders {
            observation,
            identity: self.identity,
            host: self.host,
            forwarded: self.forwarded_ports,
            refused,
        };
        let (ports, moved) = ports::assign(
            &wanted,
            self.chosen_ports,
            self.remembered_ports,
            &mut |port| holders.of(port),
        )?;
        let desired = desired::desired(&Inputs {
            reference: self.reference,
            selection: self.selection,
            images: self.images,
            identity: self.identity,
            configuration: self.configuration,
            host: self.host,
            overrides: self.overrides,
            ports: &ports,
            secrets: self.secrets,
            placement: self.placement,
            fillings: self.fillings,
        });
        Ok((desired, ports, moved))
    }

    /// A port that is chosen for nothing is a mistyped one.
    fn refuse_unpublished(&self, wanted: &[(ContainerName, Publish)]) -> Result<()> {
        let published: BTreeSet<u16> = wanted.iter().map(|(_, it)| it.host).collect();
        let mut chosen = self.chosen_ports.keys();
        let Some(port) = chosen.find(|port| !published.contains(port)) else {
            return Ok(());
        };
        let all: Vec<String> = published.iter().map(ToString::to_string).collect();
        Err(
            Error::usage(format!("nothing that is to run publishes port {port}")).hint(format!(
                "`--port` takes one of these, `=` and another: {}",
                all.join(" ")
            )),
        )
    }

    /// Walks the plan, and makes a new one when the engine changed meanwhile. The watch is pumped
    /// by the caller's `events`, subscribed before the first start. Where it fails, containers that
    /// were to be replaced, and were not, run again.
    pub async fn converge<E: Engine>(
        &self,
        engine: &E,
        reporter: &dyn Reporter,
        options: &Options,
        watch: &Watch,
        planned: Planned,
    ) -> Result<Planned, Failure> {
        let before = planned.observation.observed.clone();
        let made = match self.placement {
            Placement::Published => carry::made(&planned.plan, &planned.desired),
            // These outlive the instance, whose engine was not asked for them.
            Placement::Addressed { .. } => BTreeMap::new(),
        };
        let walked = self.rounds(engine, reporter, options, watch, planned).await;
        match walked {
            Err(Failure::Other(error)) => {
                let (identity, secrets) = (self.identity, &options.secrets);
                let back =
                    apply::put_back(engine, reporter, &before, &made, identity, secrets).await;
                apply::remove_idle_networks(engine, &before, identity).await;
                Err(Failure::Other(match back.unwrap_or_default().as_slice() {
                    [] => error,
                    names => {
                        error.hint(format!("what ran before runs again: {}", names.join(", ")))
                    }
                }))
            }
            other => other,
        }
    }

    async fn rounds<E: Engine>(
        &self,
        engine: &E,
        reporter: &dyn Reporter,
        options: &Options,
        watch: &Watch,
        mut planned: Planned,
    ) -> Result<Planned, Failure> {
        let mut refused = BTreeMap::new();
        for round in 1.. {
            let context = apply::Context {
                engine,
                reporter,
                identity: self.identity,
                desired: &planned.desired,
                observed: &planned.observation.observed,
                options,
                watch,
            };
            match apply::apply(&context, &planned.plan).await {
                Ok(()) => return Ok(planned),
                Err(Failure::Stale(fault)) if round < ROUNDS => {
                    if fault.kind == FaultKind::PortTaken {
                        refused.extend(refused_ports(&fault.message, &planned.ports));
                    }
                    let again = async {
                        let observation = Observation::settled(engine, self.identity).await?;
                        let mut fillings = self.fillings.clone();
                        let filler = options.filler.as_ref();
                        fillings.retain(|name, _| !filler.is_some_and(|it| it.has_filled(name)));
                        let fillings = &fillings;
                        let left = Goal { fillings, ..*self };
                        left.plan_without(engine, observation, &refused).await
                    };
                    planned = again.await.map_err(|error: Error| {
                        Failure::Other(error.within(format!("cannot plan again after: {fault}")))
                    })?;
                }
                Err(Failure::Stale(fault)) => {
                    return Err(Failure::Other(
                        Error::from(fault)
                            .within(format!("the engine kept changing during {ROUNDS} rounds"))
                            .hint(
                                "another tool changes the same containers; run the command again",
                            ),
                    ));
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(planned)
    }
}

/// Those of the ports that the engine's refusal names (`127.0.0.1:80`, `port 80`), with its words.
fn refused_ports(message: &str, ports: &Ports) -> Vec<(u16, String)> {
    let digits = |text: &str| {
        let end = text.find(|it: char| !it.is_ascii_digit());
        text[..end.unwrap_or(text.len())].parse().ok()
    };
    let after = |mark| message.split(mark).skip(1).filter_map(digits);
    let named: BTreeSet<u16> = after(":").chain(after("port ")).collect();
    let reason = message.rsplit(": ").next().unwrap_or(message);
    ports
        .iter()
        .filter(|(.., host)| named.contains(host))
        .map(|(.., host)| (host, reason.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refused_ports_are_read_from_the_engines_words() {
        let front: ContainerName = "front".parse().unwrap();
        let mut ports = Ports::default();
        for (container, host) in [(80, 80), (443, 8443)] {
            let publish = Publish {
                host: container,
                container,
            };
            ports.insert(front.clone(), publish, host);
        }
        let named = |message: &str| -> Vec<u16> {
            let all = refused_ports(message, &ports);
            all.into_iter().map(|(port, _)| port).collect()
        };
        for (message, expected) in [
            (
                "Bind for 127.0.0.1:80 failed: port is already allocated",
                80,
            ),
            ("listen tcp4 127.0.0.1:8443: bind: permission denied", 8443),
            ("cannot expose privileged port 80, you can add 'x=80'", 80),
            (
                "exposing port TCP 127.0.0.1:80 -> 0.0.0.0:0: listen tcp",
                80,
            ),
        ] {
            assert_eq!(named(message), [expected], "{message}");
        }
        assert!(named("Bind for 127.0.0.1:8080 failed").is_empty());
    }
}
