//! The host ports that the instance publishes: its own, free, or somebody else's.

use std::collections::BTreeMap;

use super::finding::Observation;
use super::world::{Demand, World};
use crate::converge::holders;
use crate::converge::observe::Observation as Engine;
use crate::engine::Engine as _;
use crate::model::container::Publish;
use crate::model::host_profile::HostProfile;
use crate::model::name::ContainerName;
use crate::running;

/// One published port.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Port {
    container: ContainerName,
    wanted: u16,
    /// What the instance has instead, as it remembers.
    given: Option<u16>,
    /// Who holds the wanted one; `None`: it is free, or the instance's own.
    holder: Option<String>,
}

/// Looks who has them.
pub(super) async fn look(world: &World<'_>) -> Vec<Observation> {
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
        observed: Default::default(),
        everything: docker.containers().await.map_err(silent)?,
        is_whole: true,
    };
    let error = |error| Observation::error(&error);
    let identity = running::identity(world.context, open).map_err(error)?;
    let address = HostProfile::linux().map_err(error)?.publish_address;
    let remembered = demand.record.remembered();
    let given: BTreeMap<(&ContainerName, Publish), u16> = remembered
        .iter()
        .map(|(name, publish, host)| ((name, publish), host))
        .collect();
    let mut ports = Vec::new();
    for name in &demand.selection.order {
        let own = demand.overrides.of(name).map(|it| it.publish.as_slice());
        let declared = demand.reference.containers[name].run.publish.iter();
        for publish in declared.chain(own.unwrap_or_default()) {
            ports.push(Port {
                container: name.clone(),
                wanted: publish.host,
                given: given.get(&(name, *publish)).copied(),
                holder: holders::holder(&observation, &identity, address, publish.host),
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
        match (&port.holder, moved) {
            (None, None) => Observation::ok(format!("{wanted} is free or {name}'s own")),
            (None, Some(given)) => Observation::ok(format!(
                "{name} keeps {given}, as it did before; {wanted} is free now (`--port {wanted}={wanted}` takes it)"
            )),
            (Some(holder), Some(given)) => {
                Observation::ok(format!("{wanted} is taken by {holder}; {name} has {given} instead"))
            }
            (Some(holder), None) => {
                Observation::warn(format!("{wanted}, which {name} wants, is taken by {holder}"))
                    .advise(format!("stop it, or let {name} have another: `devenv up --port {wanted}=PORT`"))
            }
        }
    });
    told.collect()
}

#[cfg(test)]
mod tests {
    use super::super::finding::Verdict;
    use super::*;

    #[test]
    fn whose_a_port_is() {
        let port = |given, holder: Option<&str>| Port {
            container: ContainerName::new("front").unwrap(),
            wanted: 80,
            given,
            holder: holder.map(ToOwned::to_owned),
        };
        let verdict = |port: Port| {
            let seen = judge(&[port]);
            (seen[0].verdict, seen[0].seen.clone())
        };
        assert_eq!(verdict(port(Some(80), None)).0, Verdict::Ok);
        assert_eq!(verdict(port(None, None)).0, Verdict::Ok);
        let (taken, text) = verdict(port(None, Some("apache2 (process 7)")));
        assert_eq!(taken, Verdict::Warn);
        assert!(text.contains("apache2 (process 7)"), "{text}");
        let (moved, text) = verdict(port(Some(8080), Some("x")));
        assert_eq!(moved, Verdict::Ok);
        assert!(text.contains("front has 8080 instead"), "{text}");
        assert_eq!(judge(&[])[0].verdict, Verdict::Ok);
    }
}
