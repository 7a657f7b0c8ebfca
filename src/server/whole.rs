//! What is kept for a rollback stays whole: what somebody removed or replaced of it has a successor in what serves, or
//! the generation goes.

use std::collections::{BTreeMap, BTreeSet};

use super::Server;
use super::bring::joined;
use super::machine::Machine;
use super::state::{Generation, Place, State};
use crate::converge::apply::event_label;
use crate::engine::Engine;
use crate::error::Result;
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerState, ObservedContainer};

/// What is missing of generations, by their number; those that are whole are not in it.
pub type Damage = BTreeMap<u64, Vec<ContainerName>>;

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// What is missing of all generations.
    pub async fn damage(&self, state: &State) -> Result<Damage> {
        let all = self.containers().await?;
        let each = state.generations.iter();
        let each = each.map(|(number, it)| (*number, missing(it, &all)));
        Ok(each.filter(|(_, missing)| !missing.is_empty()).collect())
    }

    /// Kept generations of which something was removed get the container that was made in its place for
    /// what serves, where it is the same; the others go.
    pub(super) async fn restore(&self, state: &mut State) -> Result<()> {
        let damage = self.damage(state).await?;
        let Some((current, serving)) = state.current() else {
            return Ok(());
        };
        let kept: Vec<u64> = state.kept();
        let kept: Vec<u64> = kept
            .into_iter()
            .filter(|it| damage.contains_key(it))
            .collect();
        // What serves is made again first.
        if kept.is_empty() || damage.contains_key(&current) {
            return Ok(());
        }
        let serving = serving.clone();
        let networks = self.engine.networks(&event_label(&self.keeper())).await?;
        for number in kept {
            let (old, gone) = (&state.generations[&number], &damage[&number]);
            let wanted = self.identity(number).network();
            let network = networks.iter().find(|it| it.name == wanted);
            let (Some(network), true) = (network, has_successors(old, &serving, gone)) else {
                if old.reference != serving.reference {
                    self.reporter.warn(&format!(
                        "reference {} is not kept any longer: {} was removed or replaced",
                        old.reference.number,
                        joined(gone)
                    ));
                }
                state.generations.remove(&number);
                continue;
            };
            let there = self.containers().await?;
            for name in gone {
                let place = &serving.containers[name];
                let mut all = there.iter();
                let found = all.find(|(origin, it, _)| it == name && *origin == place.origin);
                if let Some((_, _, it)) = found.filter(|it| !it.2.networks.contains_key(&wanted)) {
                    let names = place.names(name);
                    self.engine.connect(&network.id, &it.id, &names).await?;
                }
            }
            if let Some(old) = state.generations.get_mut(&number) {
                succeed(old, &serving, gone);
            }
        }
        self.save(state)?;
        self.sweep(state).await
    }
}

/// Those of a generation's containers that are not there, or are of another image than was made. One-shots
/// are not needed any more.
fn missing(
    generation: &Generation,
    all: &[(u64, ContainerName, ObservedContainer)],
) -> Vec<ContainerName> {
    let is_there = |name: &ContainerName, place: &Place| {
        all.iter().any(|(origin, it, found)| {
            let gone = matches!(found.state, ContainerState::Dead | ContainerState::Removing);
            let mut made = place.made.iter();
            it == name && *origin == place.origin && !gone && made.all(|it| it.is_of(found.image))
        })
    };
    let places = generation.containers.iter();
    let gone = places.filter(|(name, place)| !place.once && !is_there(name, place));
    gone.map(|(name, _)| name.clone()).collect()
}

/// Whether what is gone of a kept generation is in the one that serves, the same and reaching the same.
/// A proxy is of one generation only, and two of one reference are not needed.
fn has_successors(old: &Generation, serving: &Generation, gone: &[ContainerName]) -> bool {
    let gone: BTreeSet<&ContainerName> = gone.iter().collect();
    let is_same = |name: &ContainerName| {
        let (old, new) = (old.containers.get(name), serving.containers.get(name));
        matches!((old, new), (Some(old), Some(new)) if old.origin == new.origin)
    };
    let follows = |name: &ContainerName| {
        let (was, is) = (&old.containers[name], serving.containers.get(name));
        let Some(is) = is.filter(|is| is.spec == was.spec && is.reaches == was.reaches) else {
            return false;
        };
        let mut reaches = is.reaches.iter();
        *name != old.proxy
            && reaches
                .all(|it| gone.contains(it) || !old.containers.contains_key(it) || is_same(it))
    };
    old.reference != serving.reference && gone.iter().all(|name| follows(name))
}

/// Puts the containers of what serves into a kept generation's place for them.
fn succeed(old: &mut Generation, serving: &Generation, gone: &[ContainerName]) {
    for name in gone {
        let place = serving.containers[name].clone();
        old.containers.insert(name.clone(), place);
        for port in old.ports.iter_mut().filter(|it| it.of == *name) {
            let mut ports = serving.ports.iter();
            let same = ports.find(|it| it.of == *name && it.container == port.container);
            port.address = same.map_or(port.address, |it| it.address);
        }
    }
}
