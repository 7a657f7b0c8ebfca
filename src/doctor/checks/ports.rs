//! The host ports that the instance publishes: its own, free, or somebody else's.

use std::collections::BTreeMap;

use super::host::host;
use crate::converge::holders::Holders;
use crate::converge::observe::Observation as Engine;
use crate::converge::plan::Observed;
use crate::doctor::finding::Observation;
use crate::doctor::world::{Demand, World};
use crate::engine::Engine as _;
use crate::instance::forward::{Files, Forwarder};
use crate::instance::running;
use crate::model::name::ContainerName;

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Port {
    container: ContainerName,
    wanted: u16,
    /// What the instance has instead, as it remembers.
    given: Option<u16>,
    /// Why that cannot be had either.
    given_why: Option<String>,
    /// Why it cannot be had; `None`: it is free, or the instance's own.
    why: Option<String>,
}

/// Looks who has them.
pub(in crate::doctor) async fn look(world: &World<'_>) -> Vec<Observation> {
    let demand = match world.demand().await {
        Ok(demand) => demand,
        Err(why) => return vec![why],
    };
    match ports(world, demand).await {
        Ok(ports) => judge(&ports),
        Err(seen) => vec![seen],
    }
}

async fn ports(world: &World<'_>, demand: &Demand) -> Result<Vec<Port>, Observation> {
    let (open, docker) = (world.open()?, world.docker()?);
    let silent = |_| Observation::skipped("the engine does not tell which ports it published");
    let observation = Engine {
        observed: Observed::default(),
        everything: docker.containers().await.map_err(silent)?,
        is_whole: true,
    };
    let identity = running::identity(world.session, open).map_err(|it| Observation::error(&it))?;
    let files = Files::new(
        &world.session.home.paths,
        &open.name,
        &world.session.instance,
    );
    let forwarded = Forwarder::new(files).ports();
    let holders = Holders {
        observation: &observation,
        identity: &identity,
        host: &host(world).await?,
        forwarded: &forwarded.unwrap_or_default(),
        refused: &BTreeMap::new(),
    };
    let remembered = demand.record.remembered();
    let mut ports = Vec::new();
    for name in &demand.selection.order {
        let run = &demand.reference.containers[name].run;
        for publish in &demand.overrides.run(name, run).publish {
            let given = remembered.of(name, *publish);
            ports.push(Port {
                container: name.clone(),
                wanted: publish.host,
                given,
                given_why: given.and_then(|port| holders.of(port)),
                why: holders.of(publish.host),
            });
        }
    }
    Ok(ports)
}

fn judge(ports: &[Port]) -> Vec<Observation> {
    if ports.is_empty() {
        return vec![Observation::ok("nothing is published on this machine")];
    }
    let told = ports.iter().map(|port| {
        let (name, wanted) = (&port.container, port.wanted);
        let moved = port.given.filter(|given| *given != wanted);
        if let (Some(given), Some(why)) = (moved, &port.given_why) {
            return Observation::warn(format!("{given}, which {name} had instead of {wanted}, is {why}"))
                .advise(format!("the next `devenv up` finds another one, or `--port {wanted}=PORT` chooses it"));
        }
        match (&port.why, moved) {
            (None, None) => Observation::ok(format!("{wanted} is free or {name}'s own")),
            (None, Some(given)) => Observation::ok(format!(
                "{name} keeps {given}, as it did before; {wanted} is free now (`--port {wanted}={wanted}` takes it)"
            )),
            (Some(why), Some(given)) => {
                Observation::ok(format!("{wanted} is {why}; {name} has {given} instead"))
            }
            (Some(why), None) => {
                Observation::warn(format!("{wanted}, which {name} wants, is {why}"))
                    .advise(format!("stop it, or let {name} have another: `devenv up --port {wanted}=PORT`"))
            }
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;

    #[test]
    fn whose_a_port_is() {
        let port = |given, why: Option<&str>| Port {
            container: ContainerName::new("front").unwrap(),
            wanted: 80,
            given,
            given_why: None,
            why: why.map(ToOwned::to_owned),
        };
        let verdict = |port: Port| {
            let seen = judge(&[port]);
            (seen[0].verdict, seen[0].seen.clone())
        };
        assert_eq!(verdict(port(Some(80), None)).0, Verdict::Ok);
        assert_eq!(verdict(port(None, None)).0, Verdict::Ok);
        let (taken, text) = verdict(port(None, Some("taken by apache2 (process 7)")));
        assert_eq!(taken, Verdict::Warn);
        assert!(text.contains("apache2 (process 7)"), "{text}");
        let (moved, text) = verdict(port(Some(8080), Some("taken by x")));
        assert_eq!(moved, Verdict::Ok);
        assert!(text.contains("front has 8080 instead"), "{text}");
        assert_eq!(judge(&[])[0].verdict, Verdict::Ok);
    }
}
