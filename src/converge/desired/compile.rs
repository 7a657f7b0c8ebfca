//! From reference and selection to what should be there. Pure.

use std::collections::BTreeSet;

use super::body::{self, Hasher};
use super::{Dependencies, Desired, DesiredContainer, Image, Inputs};
use crate::model::container::Until;
use crate::model::create_body::VOLUME;
use crate::model::identity;
use crate::model::name::ContainerName;
use crate::model::reference::{Reference, ReferenceContainer};
use crate::model::run_specification::ResolvedNeed;

/// Computes what should be there. Every selected container has an entry in `images`.
pub fn desired(inputs: &Inputs<'_>) -> Desired {
    let identity = inputs.identity;
    let mut desired = Desired {
        network: identity.network(),
        absent_network: identity.absent_network(),
        dependencies: dependencies(inputs.reference, &inputs.selection.absent),
        labels: identity.labels(),
        containers: Vec::with_capacity(inputs.selection.order.len()),
        ..Desired::default()
    };
    let proxy_runs = inputs.selection.why.contains_key(&inputs.reference.proxy);
    let mut hasher = Hasher::new(inputs.secrets);
    let selected = inputs.selection.order.iter().filter_map(|name| {
        let entry = inputs.reference.containers.get(name)?;
        let image = inputs.images.get(name)?;
        Some(one(inputs, name, entry, image, proxy_runs, &mut hasher))
    });
    desired.containers.extend(selected);
    let volumes = desired.containers.iter().flat_map(|container| {
        let mounts = container.body.host_config.mounts.iter();
        let named = mounts.filter(|mount| mount.kind == VOLUME && !mount.source.is_empty());
        named.map(|mount| mount.source.clone())
    });
    desired.volumes = volumes.collect();
    desired
}

/// Whom these containers need or use.
pub fn dependencies<'a>(
    reference: &Reference,
    names: impl IntoIterator<Item = &'a ContainerName>,
) -> Dependencies {
    let of = |name: &ContainerName| {
        let entry = reference.containers.get(name)?;
        let needs = entry.needs.iter().map(|need| &need.container);
        Some((name.clone(), needs.chain(&entry.uses).cloned().collect()))
    };
    names.into_iter().filter_map(of).collect()
}

fn one(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    entry: &ReferenceContainer,
    image: &Image,
    proxy_runs: bool,
    hasher: &mut Hasher<'_>,
) -> DesiredContainer {
    let proxy = &inputs.reference.proxy;
    let running = |other: &&ContainerName| match *other {
        other if other == proxy => proxy_runs,
        other => !inputs.selection.absent.contains(other),
    };
    let named = entry
        .needs
        .iter()
        .map(|need| &need.container)
        .chain(&entry.uses);
    let missing: Vec<&ContainerName> = named.filter(|other| !running(other)).collect();
    let is_proxy = name == proxy;
    let unreachable: Vec<String> = if proxy_runs {
        Vec::new()
    } else {
        let missing = missing.iter().flat_map(|it| names(inputs, it));
        missing.chain(body::hosts(inputs.reference)).collect()
    };
    let run = inputs.overrides.run(name, &entry.run);
    let own = inputs.overrides.of(name);
    let is_off = own.is_some_and(|own| own.health.is_some());
    let mut body = body::body(inputs, name, &run, image, &unreachable);
    let secrets: Vec<_> = run
        .secrets
        .iter()
        .filter_map(|secret| {
            Some((
                secret.to_string(),
                inputs.secrets.values.get(secret.as_str())?.clone(),
            ))
        })
        .collect();
    let spec = hasher.spec(&body, &run);
    body.labels.insert(identity::SPEC.into(), spec.clone());
    body.labels.insert(
        identity::REFERENCE.into(),
        inputs.reference.number.to_string(),
    );
    DesiredContainer {
        name: name.clone(),
        object: inputs.identity.object(name),
        body,
        spec,
        secrets,
        image: image.clone(),
        needs: entry
            .needs
            .iter()
            .filter(|need| running(&&need.container))
            .map(|need| as_far_as_it_comes(inputs, need))
            .collect(),
        uses: entry.uses.iter().filter(running).cloned().collect(),
        absent: absent_names(inputs, is_proxy, proxy_runs),
        once: run.once,
        has_health: run.health.is_some() || (image.defaults.has_health && !is_off),
        filling: inputs.fillings.get(name).cloned().filter(|_| {
            // Nothing is poured into a folder of the user's.
            let mut declared = entry.run.data_volumes();
            declared.all(|it| run.volumes.contains_key(it))
        }),
    }
}

/// All names that a container answers to.
fn names(inputs: &Inputs<'_>, name: &ContainerName) -> Vec<String> {
    let aliases = inputs.reference.aliases(name).into_iter();
    [name.to_string()].into_iter().chain(aliases).collect()
}

/// A container whose health check the user switched off never gets healthy.
fn as_far_as_it_comes(inputs: &Inputs<'_>, need: &ResolvedNeed) -> ResolvedNeed {
    let mut need = need.clone();
    let own = inputs.overrides.of(&need.container);
    if need.until == Until::Healthy
        && own.is_some_and(|own| own.health.is_some())
        && let Some(entry) = inputs.reference.containers.get(&need.container)
    {
        need.until = inputs
            .overrides
            .run(&need.container, &entry.run)
            .default_until();
    }
    need
}

/// The proxy answers to every absent name, on a port where nothing listens; all others only join
/// that network to find it, whether they declare that they use the name or not: else the host's DNS
/// would be asked for it.
fn absent_names(inputs: &Inputs<'_>, is_proxy: bool, proxy_runs: bool) -> Option<BTreeSet<String>> {
    let absent = &inputs.selection.absent;
    let names = || absent.iter().flat_map(|it| names(inputs, it)).collect();
    let needed = proxy_runs && !absent.is_empty();
    needed.then(|| if is_proxy { names() } else { BTreeSet::new() })
}
