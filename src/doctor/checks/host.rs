//! Which kind of host the engine is on, and which of this machine's folders it can share.

use crate::doctor::finding::Observation;
use crate::doctor::world::World;
use crate::error::Result;
use crate::home::hosts;
use crate::model::host_profile::{Events, HealthChecks, Host, Reached};

/// Which kind it is, why, and what to know about it.
pub(in crate::doctor) async fn kind(world: &World<'_>) -> Vec<Observation> {
    let host = match host(world).await {
        Ok(host) => host,
        Err(seen) => return vec![seen],
    };
    judge_kind(&host)
}

/// The host of the engine, unless the engine does not answer.
pub(in crate::doctor) async fn host(world: &World<'_>) -> Result<Host, Observation> {
    world.engine_facts().await?;
    let (engine, choice) = world.engine.as_ref().map_err(Observation::error)?;
    // Asked anew, whatever is remembered: that may be what is wrong.
    let host = hosts::ask_host(world.session, engine, choice).await;
    host.map(|(host, _)| host)
        .map_err(|error| Observation::error(&error))
}

fn judge_kind(host: &Host) -> Vec<Observation> {
    let profile = &host.profile;
    let mut seen = vec![Observation::ok(format!(
        "{}: {} ({})",
        profile.name, profile.description, host.why
    ))];
    let unreached = host.unreached();
    let unreached = unreached.map(|(text, advice)| Observation::warn(text).advise(advice));
    seen.extend(unreached.or_else(|| reached(host)));
    let exposed = host.exposed();
    seen.extend(exposed.map(|(text, advice)| Observation::warn(text).advise(advice)));
    // They are true of every such host: known, not wrong.
    seen.extend(profile.warnings.iter().map(Observation::ok));
    if profile.events == Events::Poll {
        let text = "its events do not always arrive: devenv reads its lists instead";
        seen.push(Observation::ok(text));
    }
    if profile.health_checks == HealthChecks::Unreliable {
        let text = "it does not run health checks everywhere";
        seen.push(Observation::ok(text));
    }
    seen
}

/// Where ports are reached, where they are.
fn reached(host: &Host) -> Option<Observation> {
    let text = match host.reached {
        Reached::Here => format!("ports are published at {}, here", host.publish_address),
        Reached::At(at) => format!("ports are reached at {at}"),
        Reached::Forwarded(at) => {
            format!("ports are at {at}: devenv forwards this machine's own numbers to it")
        }
        Reached::Tunnelled(at) => format!(
            "ports are at {at} over there: devenv forwards this machine's own numbers to it through ssh"
        ),
        Reached::Elsewhere(_) => return None,
    };
    Some(Observation::ok(text))
}

/// Which folders the host can share, as its profile has it. Nothing is made for it: no marker, no
/// container.
pub(in crate::doctor) async fn shares(world: &World<'_>) -> Vec<Observation> {
    let host = match host(world).await {
        Ok(host) => host,
        Err(seen) => return vec![seen],
    };
    let home = world.session.home.environment.home.clone();
    let home = home.map(|it| it.display().to_string());
    judge_shares(&host, home.as_deref())
}

fn judge_shares(host: &Host, home: Option<&str>) -> Vec<Observation> {
    let profile = &host.profile;
    if profile.shares.is_empty() {
        return vec![Observation::ok(
            "the engine sees no folder of this machine: volumes stay with it, logs are copied out",
        )];
    }
    let Some(home) = home else {
        return vec![Observation::skipped("the home folder is unknown")];
    };
    let mut seen = vec![match profile.translate(home, home) {
        Some(there) => {
            let over_there = if there == home {
                String::new()
            } else {
                format!(", as {there} over there")
            };
            Observation::ok(format!(
                "{home} can be shared{over_there}, as the profile {} has it: not tried, which `devenv up --logs-to DIR` does",
                profile.name
            ))
        }
        None => Observation::warn(format!("{home} cannot be shared with this engine")).advise(
            "keep what containers are to see in a folder that can be, or use named volumes",
        ),
    }];
    let files = profile.filesystem;
    let lacks: Vec<&str> = [
        (files.chown, "changes of owner do not hold"),
        (files.inotify, "changes wake no watcher"),
        (files.mmap, "files cannot be mapped, so databases die"),
    ]
    .into_iter()
    .filter_map(|(can, lacks)| (!can).then_some(lacks))
    .collect();
    if !lacks.is_empty() {
        let text = format!("in shared folders {}", lacks.join(", "));
        seen.push(Observation::ok(text));
    }
    seen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use crate::model::host_profile::built_in;

    fn host(name: &str, forward: bool) -> Host {
        let profile = built_in(name).unwrap().unwrap();
        let engine = Some("192.168.59.103".parse().unwrap());
        Host::new(profile, "a test".to_owned(), engine, None, forward).unwrap()
    }

    #[test]
    fn the_kind_is_told_with_its_reasons() {
        let seen = judge_kind(&host("linux", true));
        assert!(seen.iter().all(|it| it.verdict == Verdict::Ok), "{seen:?}");
        assert!(seen[0].seen.starts_with("linux: ") && seen[0].seen.ends_with("(a test)"));
        let seen = judge_kind(&host("boot2docker", true));
        assert!(seen[1].seen.contains("192.168.59.103"), "{}", seen[1].seen);
        let profile = built_in("linux").unwrap().unwrap();
        for everywhere in ["0.0.0.0", "::"] {
            let address = Some(everywhere.parse().unwrap());
            let host = Host::new(profile.clone(), String::new(), None, address, true).unwrap();
            let seen = judge_kind(&host);
            assert_eq!(seen[2].verdict, Verdict::Warn);
            assert!(seen[2].seen.contains(everywhere), "{}", seen[2].seen);
        }
        let seen = judge_kind(&host("remote", false));
        assert_eq!(seen[1].verdict, Verdict::Warn);
        assert!(seen[1].advice.concat().contains("forward: true"));
        let seen = judge_kind(&host("remote-tcp", true));
        assert_eq!(seen[1].verdict, Verdict::Warn);
        assert!(seen[1].advice.concat().contains("publish_address"));
    }

    #[test]
    fn what_can_be_shared() {
        let linux = judge_shares(&host("linux", true), Some("/home/x"));
        assert_eq!((linux.len(), linux[0].verdict), (1, Verdict::Ok));
        assert!(linux[0].seen.contains("not tried"), "{}", linux[0].seen);
        let machine = host("boot2docker", true);
        let seen = judge_shares(&machine, Some("/Users/x"));
        assert_eq!(seen[0].verdict, Verdict::Ok);
        assert!(seen[1].seen.contains("databases die"), "{}", seen[1].seen);
        assert_eq!(
            judge_shares(&machine, Some("/home/x"))[0].verdict,
            Verdict::Warn
        );
        assert_eq!(judge_shares(&machine, None)[0].verdict, Verdict::Skipped);
        let remote = judge_shares(&host("remote", true), Some("/home/x"));
        assert_eq!(remote[0].verdict, Verdict::Ok);
    }
}
