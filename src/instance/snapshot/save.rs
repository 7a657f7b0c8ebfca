//! Taking a snapshot: what writes the data stops, the volumes are read, what was stopped starts again.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::dumps::Forms;
use super::transfer;
use super::volumes::{self, DataVolume};
use super::{store, waits};
use crate::converge::apply::Failure;
use crate::converge::desired::Desired;
use crate::converge::plan::lifecycle::{self, Change};
use crate::error::{Error, Result};
use crate::home::chunks::Chunks;
use crate::home::data::{DataRecord, Unfinished};
use crate::home::state::InstanceRecord;
use crate::instance::Instance;
use crate::instance::running::Running;
use crate::instance::walk::Walk;
use crate::model::identity::{DIGEST, VERSION};
use crate::model::name::{ContainerName, SnapshotName};
use crate::model::snapshot::{Origin, SavedDump, SavedVolume, Snapshot, Writer};

/// How long a container may take to stop, beyond its own grace.
const LIMIT: Duration = Duration::from_secs(60);

/// What is saved as files, and what by the containers' own commands.
type Content = (Vec<SavedVolume>, Vec<SavedDump>);

/// A snapshot that was taken.
#[derive(Debug)]
pub struct Saved {
    /// What it holds.
    pub snapshot: Snapshot,
    /// Bytes on this disk that were not there before.
    pub added: u64,
    /// The containers that were stopped for it, and run again.
    pub stopped: BTreeSet<ContainerName>,
}

impl Instance<'_> {
    /// Saves the volumes of the instance under a name. What mounts them is stopped meanwhile, with what
    /// needs it, and started again; `wait` is how long one container may take to be ready then.
    ///
    /// # Errors
    /// A name that is taken, an instance without data; a container that does not get ready again: then
    /// the snapshot is there all the same.
    pub async fn save_snapshot(&self, name: &SnapshotName, wait: Duration) -> Result<Saved> {
        let _lock = self.lock().await?;
        let snapshots = store(self.session, self.open);
        let _held = snapshots.lock(|| waits(self.session)).await?;
        snapshots.refuse_known(name)?;
        let (running, data) = (Running::look(self.session, self.open).await?, self.data()?);
        let observed = &running.observation.observed;
        let found = volumes::of_instance(&self.identity, &data, &observed.volumes);
        let (Some(record), false) = (&running.record, found.is_empty()) else {
            let instance = &self.session.instance;
            let text =
                format!("the instance {instance} has no volume with data: log files are not saved");
            return Err(Error::usage(text));
        };
        let origin = self.origin(&running, record, &data, &found);
        let forms = self.forms(&running, &found);
        let stopped = self.stop_users(&running, &data, &forms.files).await?;
        let taken = async {
            let (content, added) = self.read(&forms, &snapshots.chunks()).await?;
            let now = self.session.home.now();
            let snapshot = Snapshot::new(name.clone(), now, origin, content);
            snapshots.save(&snapshot)?;
            // What counts is what can be read again.
            Ok((snapshots.load(name)?, added))
        };
        let taken: Result<(Snapshot, u64)> = taken.await;
        let started = self.start_again(&stopped, wait).await;
        let (snapshot, added) = taken?;
        started.map_err(|error| {
            error.within(format!(
                "the snapshot {name} is saved, but what was stopped for it is not ready"
            ))
        })?;
        Ok(Saved {
            snapshot,
            added,
            stopped,
        })
    }

    fn origin(
        &self,
        running: &Running,
        record: &InstanceRecord,
        data: &DataRecord,
        found: &[DataVolume],
    ) -> Origin {
        let writer = |it: &DataVolume| {
            let known = data.written.get(&it.container).cloned();
            let writer = known.or_else(|| writer(running, record, &it.container))?;
            Some((it.container.clone(), writer))
        };
        Origin {
            platform: self.open.name.clone(),
            instance: self.session.instance.clone(),
            environment: record.environment.clone(),
            configuration: record.configuration.clone(),
            reference: record.reference.number,
            digest: record.reference.digest,
            writers: found.iter().filter_map(writer).collect(),
        }
    }

    /// Stops what writes these volumes, and what needs that; gives what is to start again: also what a
    /// command that was killed had stopped for the same.
    async fn stop_users(
        &self,
        running: &Running,
        data: &DataRecord,
        found: &[DataVolume],
    ) -> Result<BTreeSet<ContainerName>> {
        let observed = &running.observation.observed;
        let objects = found.iter().map(|it| it.object.as_str());
        let users = volumes::users(&self.identity, observed, objects);
        let mut stopped = lifecycle::with_dependents(users, &running.entries());
        stopped.retain(|it| running.current(it).is_some_and(|it| it.state.is_alive()));
        let running_ones = stopped.clone();
        if let Some(Unfinished::Saving { stopped: before }) = &data.unfinished {
            let there = before.iter().filter(|it| running.current(it).is_some());
            stopped.extend(there.cloned());
        }
        let unfinished = Unfinished::Saving {
            stopped: stopped.iter().cloned().collect(),
        };
        self.change_data(|data| data.unfinished = Some(unfinished))?;
        self.halt(running, &running_ones).await?;
        Ok(stopped)
    }

    /// Stops containers, those that need others before them.
    pub(super) async fn halt(
        &self,
        running: &Running,
        names: &BTreeSet<ContainerName>,
    ) -> Result<()> {
        let observed = &running.observation.observed;
        let plan = lifecycle::halt(names, &running.entries(), &self.identity, observed);
        let walk = Walk::new(self.session, &self.engine, &self.identity);
        walk.plan(&plan, &Desired::default(), observed, &walk.options(LIMIT))
            .await
            .map_err(Failure::into_error)
    }

    async fn start_again(&self, names: &BTreeSet<ContainerName>, wait: Duration) -> Result<()> {
        let names: Vec<String> = names.iter().map(ToString::to_string).collect();
        if !names.is_empty() {
            self.change_under_lock(&names, Change::Restart, Some(wait))
                .await?;
        }
        self.change_data(|data| {
            if let Some(Unfinished::Saving { .. }) = data.unfinished {
                data.unfinished = None;
            }
        })
    }

    async fn read(&self, forms: &Forms, chunks: &Chunks) -> Result<(Content, u64)> {
        let work = self.session.reporter.work("snapshot");
        let done = AtomicU64::new(0);
        let told = |bytes| {
            let done = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
            work.update(&format!("{} MB read", done / 1_000_000));
        };
        let ((mut volumes, mut dumps), mut added) = (Content::default(), 0);
        for it in &forms.dumps {
            let (dump, new) = it.take(&self.engine, chunks, told).await?;
            added += new;
            dumps.push(dump);
        }
        for it in &forms.files {
            let taken =
                transfer::read(&self.engine, &self.identity, &it.object, chunks, told).await?;
            added += taken.added;
            volumes.push(SavedVolume {
                container: it.container.clone(),
                volume: it.volume.clone(),
                chunks: taken.chunks,
            });
        }
        let megabytes = done.load(Ordering::Relaxed) / 1_000_000;
        work.finish(&format!(
            "{megabytes} MB read, {} MB of them new",
            added / 1_000_000
        ));
        Ok(((volumes, dumps), added))
    }
}

/// What runs a container now, else what the instance would run of it.
pub(super) fn writer(
    running: &Running,
    record: &InstanceRecord,
    name: &ContainerName,
) -> Option<Writer> {
    let reference = record.reference.number;
    if let Some(current) = running.current(name) {
        return Some(Writer {
            version: current.labels.get(VERSION)?.clone(),
            digest: current.labels.get(DIGEST)?.parse().ok()?,
            reference,
        });
    }
    let own = record.versions.get(name);
    let own = own.map(|it| (it.version.to_string(), it.digest));
    let (version, digest) = own.or_else(|| {
        let entry = running.reference.as_ref()?.containers.get(name)?;
        Some((entry.version.as_ref()?.to_string(), entry.digest?))
    })?;
    Some(Writer {
        version,
        digest,
        reference,
    })
}

/// Writers of all that is known of an instance.
pub(super) fn writers<'a>(
    running: &Running,
    record: &InstanceRecord,
    names: impl Iterator<Item = &'a ContainerName>,
) -> BTreeMap<ContainerName, Writer> {
    let writer = |name: &ContainerName| Some((name.clone(), writer(running, record, name)?));
    names.filter_map(writer).collect()
}
