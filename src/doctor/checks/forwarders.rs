//! The forwarders that instances need: whether each is there, and has its ports.

use std::collections::BTreeMap;

use crate::converge::desired::ports::Ports;
use crate::doctor::finding::Observation;
use crate::doctor::mending::{Mending, is_idle};
use crate::doctor::world::World;
use crate::error::Result;
use crate::home::state::InstanceRecord;
use crate::instance::forward::{self, Files};
use crate::model::name::{InstanceName, PlatformName};

/// The forwarder that an instance needs.
#[derive(Debug)]
struct Needed {
    platform: PlatformName,
    instance: InstanceName,
    state: State,
}

#[derive(Debug)]
enum State {
    /// It runs, and was told what to carry.
    Runs { pid: u32 },
    /// It runs, and carries something else than it should.
    Behind { pid: u32 },
    /// Ports of this machine that it could not have, and why.
    Refused {
        failed: BTreeMap<u16, String>,
        /// What the instance remembers of its ports.
        ports: Ports,
    },
    /// It ended without being told to.
    Ended {
        /// The engine that it was for, where that is not the one that is meant now.
        elsewhere: Option<String>,
    },
}

/// Looks at those of every instance.
pub(in crate::doctor) fn look(world: &World<'_>) -> Vec<Observation> {
    match needed(world) {
        Ok(needed) => judge(needed),
        Err(error) => vec![Observation::error(&error)],
    }
}

fn needed(world: &World<'_>) -> Result<Vec<Needed>> {
    let mut all = Vec::new();
    let paths = &world.session.home.paths;
    let engine = world.engine.as_ref().ok();
    let engine = engine.map(|(_, choice)| choice.endpoint.to_string());
    for platform in world.session.home.platforms()? {
        for instance in forward::instances(paths, &platform)? {
            // What is left of others is a leftover.
            if is_idle(paths, &platform, &instance)? {
                continue;
            }
            let files = Files::new(paths, &platform, &instance);
            let state = match files.serving()? {
                Some(serving) if files.wanted()?.as_ref() != Some(&serving.wanted) => {
                    State::Behind { pid: serving.pid }
                }
                Some(serving) if serving.failed.is_empty() => State::Runs { pid: serving.pid },
                Some(serving) => State::Refused {
                    failed: serving.failed,
                    ports: InstanceRecord::load(paths, &platform, &instance)?
                        .map(|it| it.remembered())
                        .unwrap_or_default(),
                },
                None => State::Ended {
                    elsewhere: files
                        .wanted()?
                        .map(|it| it.engine)
                        .filter(|it| Some(it) != engine.as_ref()),
                },
            };
            all.push(Needed {
                platform: platform.clone(),
                instance,
                state,
            });
        }
    }
    Ok(all)
}

fn judge(needed: Vec<Needed>) -> Vec<Observation> {
    if needed.is_empty() {
        return vec![Observation::ok("no instance needs one")];
    }
    needed.into_iter().flat_map(judge_one).collect()
}

fn judge_one(needed: Needed) -> Vec<Observation> {
    let Needed {
        platform,
        instance,
        state,
    } = needed;
    let whose = format!("the forwarder of the instance {instance}");
    match state {
        State::Runs { pid } => vec![Observation::ok(format!(
            "{whose} runs and has its ports (process {pid})"
        ))],
        State::Behind { pid } => vec![
            Observation::fail(format!(
                "{whose} does not do what it was told last (process {pid})"
            ))
            .advise(format!(
                "`devenv up --instance {instance}` tells it again, or starts another one"
            )),
        ],
        State::Refused { failed, ports } => {
            let told = failed.into_iter().map(|(port, why)| {
                let wanted = ports.wanted(port).unwrap_or(port);
                Observation::fail(format!(
                    "{whose} cannot listen on port {port} of this machine: {why}"
                ))
                .advise(format!(
                    "stop what holds it, or choose another one: `devenv up --instance {instance} --port {wanted}=PORT`"
                ))
            });
            told.collect()
        }
        State::Ended { elsewhere } => {
            let ended = Observation::fail(format!("{whose} ended: its ports lead nowhere"));
            let up = format!("`devenv up --instance {instance}`");
            vec![match elsewhere {
                // Asked of another engine, it would find that the instance is gone.
                Some(engine) => ended.advise(format!("{up} with the engine at {engine} starts it")),
                None => ended
                    .advise(format!("{up} or `devenv doctor --fix` starts it"))
                    .mend(Mending::EndedForwarder { platform, instance }),
            }]
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use crate::model::container::Publish;
    use crate::model::name::ContainerName;

    fn judged(state: State) -> Observation {
        let needed = Needed {
            platform: PlatformName::new("acme").unwrap(),
            instance: InstanceName::new("x").unwrap(),
            state,
        };
        let seen = judge(vec![needed]);
        assert_eq!(seen.len(), 1);
        seen[0].clone()
    }

    #[test]
    fn one_that_ended_is_a_failure_that_can_be_mended_on_its_own_engine() {
        let ended = judged(State::Ended { elsewhere: None });
        assert_eq!(ended.verdict, Verdict::Fail);
        assert!(matches!(
            ended.mending,
            Some(Mending::EndedForwarder { .. })
        ));
        let elsewhere = Some("tcp://192.0.2.1:2376".to_owned());
        let ended = judged(State::Ended { elsewhere });
        assert_eq!((ended.verdict, ended.mending), (Verdict::Fail, None));
        assert!(ended.advice[0].contains("tcp://192.0.2.1:2376"));
        assert_eq!(judged(State::Runs { pid: 7 }).verdict, Verdict::Ok);
        assert_eq!(judged(State::Behind { pid: 7 }).verdict, Verdict::Fail);
        assert_eq!(judge(Vec::new())[0].verdict, Verdict::Ok);
    }

    #[test]
    fn a_port_that_it_could_not_have_is_a_failure_that_names_what_to_give() {
        let mut ports = Ports::default();
        let (host, container) = (80, 8080);
        let front = ContainerName::new("front").unwrap();
        ports.insert(front, Publish { host, container }, 9182);
        let failed = BTreeMap::from([(9182, "Address already in use".to_owned())]);
        let refused = judged(State::Refused { failed, ports });
        assert_eq!(refused.verdict, Verdict::Fail);
        assert!(refused.seen.contains("port 9182 of this machine: Address"));
        assert!(refused.advice[0].contains("--instance x --port 80=PORT`"));
    }
}
