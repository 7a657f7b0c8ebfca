//! Empty volumes are filled: by the seed of a service at its first start, by what a snapshot holds of it
//! after a restore. Those of a first start are new ones, which count once they are filled to their end.

mod content;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use futures_util::future::{BoxFuture, FutureExt};
use tokio::sync::watch;

use content::{Content, failed, restored, seed};

use super::Instance;
use super::snapshot::{self, DumpReader};
use crate::converge::apply::Filler;
use crate::converge::desired::{DesiredContainer, Due, Filling};
use crate::converge::goal::Planned;
use crate::converge::plan::Step;
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::data::DataRecord;
use crate::home::paths::Paths;
use crate::model::filling::FilledFrom;
use crate::model::name::{ContainerName, InstanceName, PlatformName};
use crate::model::reference::Reference;
use crate::model::snapshot::Snapshot;
use crate::proposals::{Overlay, RunImage};

/// The empty volumes that a command has put in the places of others.
#[derive(Debug, Clone, Copy)]
pub(super) enum Emptied<'a> {
    /// None.
    Nothing,
    /// Those of containers that begin again.
    Of(&'a [ContainerName]),
    /// Those of what the snapshot holds as containers wrote it.
    For(&'a Snapshot),
}

impl Emptied<'_> {
    /// What fills the volumes of these containers, as far as anything does.
    pub(super) fn fillings(
        self,
        reference: &Reference,
        order: &[ContainerName],
    ) -> BTreeMap<ContainerName, Filling> {
        let filling = |name: &ContainerName| {
            if let Self::For(snapshot) = self
                && snapshot.dumps.iter().any(|it| it.container == *name)
            {
                let from = FilledFrom::Snapshot(snapshot.name.clone());
                return Some(Filling {
                    from,
                    due: Due::Now,
                });
            }
            let seed = reference.containers.get(name)?.run.seed.as_ref()?;
            let due = match self {
                Self::Of(names) if names.contains(name) => Due::Now,
                _ => Due::WhereNew,
            };
            let from = FilledFrom::Seed(seed.file.clone());
            Some(Filling { from, due })
        };
        let named = |name: &ContainerName| Some((name.clone(), filling(name)?));
        order.iter().filter_map(named).collect()
    }
}

/// Fills volumes by commands in their containers.
#[derive(Debug)]
pub(super) struct Feeder {
    engine: Docker,
    paths: Paths,
    platform: PlatformName,
    instance: InstanceName,
    contents: BTreeMap<ContainerName, Content>,
    /// Whether nothing else is under way: what is filled counts at once.
    is_first: bool,
    /// The new volumes of containers that had none.
    first: BTreeMap<ContainerName, Vec<String>>,
    filled: Mutex<BTreeSet<ContainerName>>,
}

impl Feeder {
    /// Gets what the plan fills volumes with.
    ///
    /// # Errors
    /// A seed that the definitions do not have; a snapshot's data of a container that is not to run.
    pub(super) fn new(
        instance: &Instance<'_>,
        overlay: &Overlay,
        images: &BTreeMap<ContainerName, RunImage>,
        planned: &Planned,
        emptied: Emptied<'_>,
    ) -> Result<Self> {
        let dumps = match emptied {
            Emptied::For(snapshot) => &snapshot.dumps[..],
            Emptied::Nothing | Emptied::Of(_) => &[],
        };
        let mut contents = BTreeMap::new();
        for (name, from) in steps(planned) {
            let content = match from {
                FilledFrom::Seed(file) => seed(instance, overlay, images, name, file)?,
                FilledFrom::Snapshot(_) => {
                    let mut dumps = dumps.iter();
                    let dump = dumps.find(|it| it.container == *name).cloned();
                    let dump = dump.ok_or_else(|| Error::bug("a snapshot without its dump"))?;
                    let reader = DumpReader::of(instance.session, instance.open, dump);
                    restored(&overlay.reference, name, from, reader)?
                }
            };
            contents.insert(name.clone(), content);
        }
        if let Some(dump) = dumps
            .iter()
            .find(|it| !contents.contains_key(&it.container))
        {
            let name = &dump.container;
            let text = format!("nothing here would read what {name} wrote");
            return Err(Error::usage(text).hint(format!(
                "`devenv up {name}` starts it; a folder of yours must not stand in for its data"
            )));
        }
        Ok(Self {
            engine: instance.engine.clone(),
            paths: instance.session.home.paths.clone(),
            platform: instance.open.name.clone(),
            instance: instance.session.instance.clone(),
            contents,
            is_first: matches!(emptied, Emptied::Nothing),
            first: BTreeMap::new(),
            filled: Mutex::default(),
        })
    }

    /// Makes new volumes for what the plan would make to be filled: whatever ends badly removes those alone.
    /// Gives them by the names that they would have.
    ///
    /// # Errors
    /// An engine that makes none.
    pub(super) async fn begin(
        &mut self,
        instance: &Instance<'_>,
        planned: &mut Planned,
    ) -> Result<BTreeMap<String, String>> {
        let mut own = BTreeMap::new();
        for name in self.contents.keys() {
            let mut desired = planned.desired.containers.iter();
            let volumes = desired.find(|it| it.name == *name).into_iter();
            let volumes = volumes.flat_map(DesiredContainer::data_volumes);
            let (there, made): (Vec<_>, Vec<_>) =
                volumes.partition(|it| planned.observation.observed.volumes.contains(*it));
            refuse_used(instance, &there)?;
            if there.is_empty() && self.is_first {
                self.first.insert(name.clone(), Vec::new());
            }
            own.extend(made.into_iter().map(|it| (it.to_owned(), name.clone())));
        }
        if own.is_empty() {
            return Ok(BTreeMap::new());
        }
        let places = instance.place_new(own.keys().cloned().collect()).await?;
        for (it, new) in &places {
            if let Some(first) = self.first.get_mut(&own[it]) {
                first.push(new.clone());
            }
        }
        let there = &mut planned.observation.observed.volumes;
        there.extend(places.values().cloned());
        Ok(places)
    }

    /// Whether there is nothing to fill.
    pub(super) fn is_idle(&self) -> bool {
        self.contents.is_empty()
    }

    /// What is filled, all of it now.
    pub(super) fn fillings(&self) -> BTreeMap<ContainerName, Filling> {
        let filling = |(name, content): (&ContainerName, &Content)| {
            let from = content.from.clone();
            (
                name.clone(),
                Filling {
                    from,
                    due: Due::Now,
                },
            )
        };
        self.contents.iter().map(filling).collect()
    }

    async fn feed(
        &self,
        container: &ContainerName,
        id: &str,
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<()> {
        let content = self.contents.get(container);
        let content = content.ok_or_else(|| Error::bug("there is nothing to fill it with"))?;
        let (done, mut heard) = watch::channel(0);
        let total = content.bytes.size();
        let input = content.bytes.stream(done);
        let running = self.engine.exec_fed(id, &content.command, input);
        tokio::pin!(running);
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                Ok(()) = heard.changed() => told(*heard.borrow_and_update(), total),
            }
        };
        content.bytes.fault()?;
        let judged = snapshot::judged(&content.command, &ended?);
        judged.map_err(|why| failed(container, content, why))?;
        let read = *heard.borrow();
        if read < total {
            let text = format!("it said that all is well after {read} of {total} bytes");
            return Err(failed(container, content, Error::not_healthy(text)));
        }
        let mut filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(first) = self.first.get(container) {
            let mut data = DataRecord::load(&self.paths, &self.platform, &self.instance)?;
            data.keep(first);
            data.save(&self.paths, &self.platform, &self.instance)?;
        }
        filled.insert(container.clone());
        Ok(())
    }
}

/// What a plan fills.
fn steps(planned: &Planned) -> impl Iterator<Item = (&ContainerName, &FilledFrom)> {
    let steps = planned.plan.nodes.iter().map(|node| &node.step);
    steps.filter_map(|step| match step {
        Step::Fill { container, from } => Some((container, from)),
        _ => None,
    })
}

/// Only what a command has just put in the place of another is filled where it is there.
fn refuse_used(instance: &Instance<'_>, volumes: &[&str]) -> Result<()> {
    let data = instance.data()?;
    let is_new = |it: &str| data.unneeded.get(it).is_some_and(|why| why.by == it);
    match volumes.iter().find(|it| !is_new(it)) {
        Some(volume) => Err(Error::bug(format!(
            "{volume} would be filled over its data"
        ))),
        None => Ok(()),
    }
}

impl Filler for Feeder {
    fn fill<'a>(
        &'a self,
        container: &'a ContainerName,
        id: &'a str,
        told: &'a (dyn Fn(u64, u64) + Sync),
    ) -> BoxFuture<'a, Result<()>> {
        self.feed(container, id, told).boxed()
    }

    fn has_filled(&self, container: &ContainerName) -> bool {
        let filled = self.filled.lock().unwrap_or_else(PoisonError::into_inner);
        filled.contains(container)
    }
}
