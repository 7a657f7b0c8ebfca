//! Empty volumes are filled: by the seed of a service at its first start, by what a snapshot holds of it
//! after a restore. What was begun and did not end leaves them empty again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::future::{BoxFuture, FutureExt};
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use super::Instance;
use super::snapshot::{self, DumpReader};
use crate::converge::apply::Filler;
use crate::converge::desired::{Due, Filling};
use crate::converge::goal::Planned;
use crate::converge::plan::Step;
use crate::definitions::CommitId;
use crate::engine::docker::{Docker, Ended};
use crate::error::{Error, Kind, Result};
use crate::home::data::{DataRecord, Fill};
use crate::home::paths::Paths;
use crate::model::filling::FilledFrom;
use crate::model::lfs;
use crate::model::name::{ContainerName, FileName, InstanceName, PlatformName};
use crate::model::reference::Reference;
use crate::proposals::{Overlay, RunImage};

/// Bytes of a seed that are given at once.
const PIECE: usize = 64 << 10;

/// What fills the volumes of these containers, as far as anything does.
pub(super) fn fillings(
    data: &DataRecord,
    reference: &Reference,
    order: &[ContainerName],
) -> BTreeMap<ContainerName, Filling> {
    let filling = |name: &ContainerName| {
        let known = data.fillings.get(name);
        let seed = || {
            let seed = reference.containers.get(name)?.run.seed.as_ref()?;
            Some(FilledFrom::Seed(seed.file.clone()))
        };
        let from = match known.map(|it| &it.from) {
            Some(it @ FilledFrom::Snapshot(_)) => it.clone(),
            Some(FilledFrom::Seed(_)) | None => seed()?,
        };
        let due = match known {
            Some(_) => Due::Now,
            None => Due::WhereNew,
        };
        Some((name.clone(), Filling { from, due }))
    };
    order.iter().filter_map(filling).collect()
}

/// What a plan fills. Only volumes that it makes, or that are known to hold nothing, are its own to remove
/// again.
fn planned_fills(
    planned: &Planned,
    known: &BTreeMap<ContainerName, Fill>,
) -> BTreeMap<ContainerName, Fill> {
    let steps = planned.plan.nodes.iter().map(|node| &node.step);
    let makes = |volume: &str| {
        let mut steps = steps.clone();
        steps.any(|it| matches!(it, Step::CreateVolume(name) if name == volume))
    };
    let fill = |step: &Step| {
        let Step::Fill { container, from } = step else {
            return None;
        };
        let mut desired = planned.desired.containers.iter();
        let volumes = desired.find(|it| it.name == *container)?.data_volumes();
        let known = known.get(container).map_or(&[][..], |it| &it.volumes);
        let volumes = volumes.filter(|it| makes(it) || known.iter().any(|known| known == it));
        let fill = Fill {
            from: from.clone(),
            volumes: volumes.map(ToOwned::to_owned).collect(),
            begun: false,
        };
        Some((container.clone(), fill))
    };
    steps.clone().filter_map(fill).collect()
}

/// Fills volumes by commands in their containers.
#[derive(Debug)]
pub(super) struct Feeder {
    /// What is to be filled, now that it is remembered.
    pub(super) fillings: BTreeMap<ContainerName, Filling>,
    engine: Docker,
    paths: Paths,
    platform: PlatformName,
    instance: InstanceName,
    contents: BTreeMap<ContainerName, Content>,
    changing: Mutex<()>,
}

/// What one container is given.
#[derive(Debug)]
struct Content {
    from: FilledFrom,
    command: Vec<String>,
    bytes: Source,
}

#[derive(Debug)]
enum Source {
    Seed(Bytes),
    Dump(DumpReader),
}

impl Feeder {
    /// Gets what the plan fills volumes with, and remembers that nothing in them counts before.
    ///
    /// # Errors
    /// A seed that the definitions do not have, a snapshot that is gone.
    pub(super) fn begin(
        instance: &Instance<'_>,
        overlay: &Overlay,
        images: &BTreeMap<ContainerName, RunImage>,
        planned: &Planned,
        mut fillings: BTreeMap<ContainerName, Filling>,
    ) -> Result<Arc<Self>> {
        let fills = planned_fills(planned, &instance.data()?.fillings);
        let mut contents = BTreeMap::new();
        for (name, fill) in &fills {
            let content = match &fill.from {
                FilledFrom::Seed(file) => seed(instance, overlay, images, name, file),
                FilledFrom::Snapshot(it) => {
                    let dump = snapshot::dump(instance.session, instance.open, it, name);
                    dump.and_then(|dump| restored(&overlay.reference, name, &fill.from, dump))
                }
            };
            contents.insert(name.clone(), content?);
        }
        for (name, filling) in &mut fillings {
            if fills.contains_key(name) {
                filling.due = Due::Now;
            }
        }
        instance.change_data(|data| {
            // What no definition fills any more is an empty volume like any other.
            let is_seed = |it: &Fill| matches!(it.from, FilledFrom::Seed(_));
            let runs = |name: &ContainerName| images.contains_key(name);
            data.fillings
                .retain(|name, it| !is_seed(it) || !runs(name) || fills.contains_key(name));
            data.fillings.extend(fills);
        })?;
        Ok(Arc::new(Self {
            fillings,
            engine: instance.engine.clone(),
            paths: instance.session.home.paths.clone(),
            platform: instance.open.name.clone(),
            instance: instance.session.instance.clone(),
            contents,
            changing: Mutex::default(),
        }))
    }

    /// Steps of one plan are done side by side.
    fn change<T>(&self, change: impl FnOnce(&mut DataRecord) -> T) -> Result<T> {
        let _held = self.changing.lock().unwrap_or_else(PoisonError::into_inner);
        let mut data = DataRecord::load(&self.paths, &self.platform, &self.instance)?;
        let changed = change(&mut data);
        data.save(&self.paths, &self.platform, &self.instance)?;
        Ok(changed)
    }

    async fn feed(
        &self,
        container: &ContainerName,
        id: &str,
        told: &(dyn Fn(u64, u64) + Sync),
    ) -> Result<()> {
        let begun = self.change(|data| {
            let fill = data.fillings.get_mut(container);
            fill.map(|it| it.begun = true).is_some()
        })?;
        if !begun {
            return Ok(());
        }
        let content = self.contents.get(container);
        let content = content.ok_or_else(|| Error::bug("there is nothing to fill it with"))?;
        let (done, mut heard) = watch::channel(0);
        let total = content.bytes.size();
        let input = content.bytes.stream(done);
        let command = &content.command;
        let running = self.engine.exec_fed(id, command, input);
        tokio::pin!(running);
        let ended = loop {
            tokio::select! {
                ended = &mut running => break ended,
                Ok(()) = heard.changed() => told(*heard.borrow_and_update(), total),
            }
        };
        content.bytes.fault()?;
        judged(container, content, &ended?)?;
        self.change(|data| drop(data.fillings.remove(container)))
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
}

impl Source {
    fn size(&self) -> u64 {
        match self {
            Self::Seed(bytes) => bytes.len() as u64,
            Self::Dump(dump) => dump.size(),
        }
    }

    /// Its pieces; how many bytes were taken is told on the way.
    fn stream(&self, done: watch::Sender<u64>) -> BoxStream<'static, Bytes> {
        let pieces = match self {
            Self::Seed(bytes) => {
                let bytes = bytes.clone();
                let starts = (0..bytes.len()).step_by(PIECE);
                let piece = move |at: usize| bytes.slice(at..bytes.len().min(at + PIECE));
                stream::iter(starts).map(piece).boxed()
            }
            Self::Dump(dump) => dump.stream(),
        };
        pieces
            .inspect(move |piece| done.send_modify(|it| *it += piece.len() as u64))
            .boxed()
    }

    /// Why the pieces ended before their end.
    fn fault(&self) -> Result<()> {
        match self {
            Self::Seed(_) => Ok(()),
            Self::Dump(dump) => dump.fault(),
        }
    }
}

/// Whether the command did what it is for.
fn judged(container: &ContainerName, content: &Content, ended: &Ended) -> Result<()> {
    let program = content.command.first().map_or("", String::as_str);
    let what = match &content.from {
        FilledFrom::Seed(file) => format!("the seed {file} of {container} failed"),
        FilledFrom::Snapshot(name) => format!("the data of {container} in {name} was not read"),
    };
    let how = match ended.code {
        0 => return Ok(()),
        126 | 127 => format!("`{program}` cannot be run in the container"),
        code => format!("`{program}` exited with code {code}"),
    };
    let error = Error::not_healthy(format!("{what}: {how}"));
    Err(match ended.said.as_str() {
        "" => error,
        said => error.detail(format!("it said last:\n{said}")),
    })
}

/// The seed of a container, from the commit of the definitions that its signed build statement names;
/// of a proposal, from the commit that it was built from.
fn seed(
    instance: &Instance<'_>,
    overlay: &Overlay,
    images: &BTreeMap<ContainerName, RunImage>,
    name: &ContainerName,
    file: &FileName,
) -> Result<Content> {
    let unknown = || Error::bug(format!("the seed of {name} is from nowhere"));
    let run = &overlay
        .reference
        .containers
        .get(name)
        .ok_or_else(unknown)?
        .run;
    let seed = run.seed.as_ref().ok_or_else(unknown)?;
    let commit: CommitId = match images.get(name).ok_or_else(unknown)? {
        RunImage::Released(image) => image.commit.parse().map_err(Error::trust)?,
        RunImage::Local(local) => local.commit.ok_or_else(unknown)?,
    };
    let path = format!("containers/{}/{file}", overlay.reference.origin(name));
    let cannot = |error: Error| {
        error
            .within(format!("cannot read the seed of {name}"))
            .hint("`devenv sync` fetches the definitions")
    };
    let definitions = instance.session.definitions(&instance.open.name)?;
    let bytes = definitions.read(commit, &path).map_err(cannot)?;
    let bytes = bytes.ok_or_else(|| {
        let text = format!(
            "there is no {path} in the definitions at {}",
            commit.short()
        );
        cannot(Error::definitions(text))
    })?;
    if lfs::is_pointer(&bytes) {
        return Err(lfs::refusal(Kind::Definitions, &path));
    }
    Ok(Content {
        from: FilledFrom::Seed(file.clone()),
        command: seed.command.clone(),
        bytes: Source::Seed(bytes.into()),
    })
}

/// What was dumped is read by the command of what runs: a snapshot's own word is not enough.
fn restored(
    reference: &Reference,
    name: &ContainerName,
    from: &FilledFrom,
    dump: DumpReader,
) -> Result<Content> {
    let entry = reference.containers.get(name);
    let dumping = entry.and_then(|it| it.run.snapshot.as_ref());
    let dumping = dumping.ok_or_else(|| {
        Error::usage(format!(
            "{name} has no `snapshot` here whose `restore` could read its data"
        ))
        .hint("`devenv up --reference NUMBER` runs the definitions that the snapshot is from")
    })?;
    Ok(Content {
        from: from.clone(),
        command: dumping.restore.clone(),
        bytes: Source::Dump(dump),
    })
}

impl Instance<'_> {
    /// What was begun to be filled and did not end is empty again; what came of it is handed on.
    pub(super) async fn ends_filled<T>(&self, done: Result<T>) -> Result<T> {
        let Err(error) = done else {
            return done;
        };
        match self.empty_half_filled().await {
            Ok(names) if names.is_empty() => Err(error),
            Ok(names) => {
                let names: Vec<String> = names.iter().map(ToString::to_string).collect();
                let names = names.join(", ");
                Err(error.hint(format!(
                    "the data of {names} is empty again; `devenv up` begins once more"
                )))
            }
            Err(other) => {
                self.session.reporter.warn(&other.chain().join(": "));
                Err(error.hint("the next command empties what was half filled"))
            }
        }
    }
}
