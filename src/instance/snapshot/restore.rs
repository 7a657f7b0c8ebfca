//! Restoring a snapshot: into new volumes while everything runs, which then take the places of the old
//! ones at one moment. Done when the containers are healthy with them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use super::dumps::mounted;
use super::readable::{refuse_another_major, refuse_unread};
use super::save::writers;
use super::unfinished::Patience;
use super::volumes::{DataVolume, users};
use super::{store, transfer, volumes};
use crate::converge::plan::lifecycle;
use crate::engine::Engine as _;
use crate::error::{Error, Result};
use crate::home::chunks::Chunks;
use crate::home::state::random_hex;
use crate::instance::filling::Emptied;
use crate::instance::intent::{Addition, Intent, Manner};
use crate::instance::running::Running;
use crate::instance::{Brought, Instance};
use crate::model::name::{ContainerName, SnapshotName, VolumeName};
use crate::model::snapshot::{SavedVolume, Snapshot, Writer};
use crate::verify::choose::Versions;

/// What was restored.
#[derive(Debug)]
pub struct Restored {
    /// The snapshot.
    pub snapshot: Snapshot,
    /// What runs with it; `None`: nothing runs in the instance.
    pub brought: Option<Brought>,
}

impl Instance<'_> {
    /// Restores a snapshot once the user agreed, and brings up what the instance runs. Where that does
    /// not get ready, the data is what it was before.
    ///
    /// # Errors
    /// No such snapshot; data of another major version; a refused question; containers that are not
    /// healthy with it.
    pub async fn restore_snapshot(&self, name: &SnapshotName, manner: Manner) -> Result<Restored> {
        let _lock = self.lock().await?;
        let snapshot = store(self.session, self.open).load(name)?;
        let running = Running::look(self.session, self.open).await?;
        let Some(record) = &running.record else {
            let text = format!("the instance {} never ran anything", self.session.instance);
            return Err(Error::usage(text)
                .hint("`devenv up NAME` starts what the data is for, then restore it"));
        };
        let next = writers(&running, record, snapshot.writers.keys());
        refuse_another_major(&snapshot, &next, &running.entries())?;
        let asks = record.asks_for_something();
        refuse_unread(&snapshot, |name| asks && running.current(name).is_some())?;
        let found = self.found(&running)?;
        let new = New::of(&snapshot, &found, &running);
        self.agree(&new, (&snapshot, &found), &next)?;
        let intent = Intent::Add(Box::new(Addition {
            versions: Versions::Same,
            over_newer_data: true,
            ..Addition::default()
        }));
        self.fill(&running, &new).await?;
        if !asks {
            self.settle().await?;
            self.session
                .reporter
                .note("nothing runs in the instance: whether the data is good shows at the next `devenv up`");
            let brought = None;
            return Ok(Restored { snapshot, brought });
        }
        match self.try_out(&intent, manner, Emptied::For(&snapshot)).await {
            Ok(brought) => Ok(Restored {
                snapshot,
                brought: Some(brought),
            }),
            Err(error) => {
                let text = format!("{name} was not restored: the data is what it was before");
                let error = error.within(text);
                let again = self.up_under_lock(&intent, manner, Emptied::Nothing);
                Err(match Box::pin(again).await {
                    Ok(_) => error.hint("what ran before runs again"),
                    Err(_) => error.hint("`devenv up` starts what ran before"),
                })
            }
        }
    }

    /// Brings the instance to what is intended, on the data of a snapshot; nothing is asked. Where that
    /// does not get ready, the data is what it was before.
    ///
    /// # Errors
    /// No such snapshot; as [`Self::up`].
    pub async fn up_on(
        &self,
        name: &SnapshotName,
        intent: &Intent,
        manner: Manner,
    ) -> Result<Brought> {
        let _lock = self.lock().await?;
        let snapshot = store(self.session, self.open).load(name)?;
        let running = Running::look(self.session, self.open).await?;
        let found = self.found(&running)?;
        self.fill(&running, &New::of(&snapshot, &found, &running))
            .await?;
        self.try_out(intent, manner, Emptied::For(&snapshot)).await
    }

    /// The volumes with data that are there.
    fn found(&self, running: &Running) -> Result<Vec<DataVolume>> {
        let there = &running.observation.observed.volumes;
        Ok(volumes::of_instance(&self.identity, &self.data()?, there))
    }

    /// Brings the instance up on new volumes, which count once that is ready; else the old ones do.
    pub(super) async fn try_out(
        &self,
        intent: &Intent,
        manner: Manner,
        emptied: Emptied<'_>,
    ) -> Result<Brought> {
        match Box::pin(self.up_under_lock(intent, manner, emptied)).await {
            Ok(brought) => {
                self.settle().await?;
                Ok(brought)
            }
            Err(error) => {
                self.undo_restore().await?;
                Err(error)
            }
        }
    }

    /// What is replaced is shown and asked about.
    fn agree(
        &self,
        new: &New<'_>,
        (snapshot, found): (&Snapshot, &[DataVolume]),
        next: &BTreeMap<ContainerName, Writer>,
    ) -> Result<()> {
        let reporter = &self.session.reporter;
        for (name, wrote) in &snapshot.writers {
            if let Some(next) = next.get(name).filter(|it| wrote.is_newer_than(it)) {
                reporter.warn(&format!(
                    "data was last written by {}; {} is older",
                    wrote.of(name),
                    next.of(name)
                ));
            }
        }
        let is_replaced = |it: &&DataVolume| new.volumes.contains(&(&it.container, &it.volume));
        let (replaced, kept): (Vec<_>, Vec<_>) = found.iter().partition(is_replaced);
        let names = |all: &[&DataVolume]| {
            let all: Vec<String> = all
                .iter()
                .map(|it| format!("{} of {}", it.volume, it.container))
                .collect();
            all.join(", ")
        };
        if !kept.is_empty() {
            let text = format!("not in the snapshot, and left as it is: {}", names(&kept));
            reporter.warn(&text);
        }
        if replaced.is_empty() {
            return Ok(());
        }
        let name = &snapshot.name;
        reporter.note(&format!(
            "all data in these will be replaced: {}",
            names(&replaced)
        ));
        if reporter.confirm(&format!("restore {name}?"), "--yes")? {
            return Ok(());
        }
        Err(Error::usage("nothing was restored").hint(format!(
            "`devenv snapshot save NAME` keeps what is there before `devenv snapshot restore {name}`"
        )))
    }

    /// Fills new volumes, stops what uses the old ones, and lets the new ones take their places. Those
    /// that a container's own command fills are empty until that is brought up.
    pub(super) async fn fill(&self, running: &Running, new: &New<'_>) -> Result<()> {
        let observed = &running.observation.observed;
        let before = self.data()?.places_on(&observed.volumes);
        let own = new.volumes.iter();
        let own = own.map(|(container, volume)| self.identity.volume(container, volume));
        let own: Vec<String> = own.collect();
        observed.refuse_foreign(&own, &self.identity)?;
        let places = self.begin(own)?;
        let filled = async {
            self.create(&places).await?;
            self.write(new.files, &places).await?;
            self.stop_before(running, &new.volumes, &before).await
        };
        if let Err(error) = filled.await {
            self.undo_restore().await?;
            return Err(error);
        }
        let writers = new.snapshot.map(|it| it.writers.clone());
        self.change_data(|data| {
            data.replace(&places, &observed.volumes);
            for (container, _) in &new.volumes {
                data.written.remove(*container);
            }
            data.written.extend(writers.unwrap_or_default());
        })
    }

    /// Empty volumes take the places of these, which are not there; until they count, they go with whatever
    /// ends badly. Gives them by the names that they would have.
    pub(in crate::instance) async fn place_new(
        &self,
        own: BTreeSet<String>,
    ) -> Result<BTreeMap<String, String>> {
        let places = self.begin(own)?;
        if let Err(error) = self.create(&places).await {
            self.undo_restore().await?;
            return Err(error);
        }
        self.change_data(|data| data.replace(&places, &BTreeSet::new()))?;
        Ok(places)
    }

    /// Names for volumes that take the places of others, remembered before there is any of them.
    fn begin(&self, own: impl IntoIterator<Item = String>) -> Result<BTreeMap<String, String>> {
        let named = own.into_iter().map(|own| {
            let new = format!("{own}.{}", random_hex(4)?);
            Ok((own, new))
        });
        let places = named.collect::<Result<BTreeMap<_, _>>>()?;
        let now = self.session.home.now();
        self.change_data(|data| data.begin(places.values(), now))?;
        Ok(places)
    }

    async fn create(&self, places: &BTreeMap<String, String>) -> Result<()> {
        for new in places.values() {
            let labels = self.identity.labels();
            self.engine.create_volume(new, &labels).await?;
        }
        Ok(())
    }

    async fn write(
        &self,
        volumes: &[SavedVolume],
        places: &BTreeMap<String, String>,
    ) -> Result<()> {
        let chunks: Chunks = store(self.session, self.open).chunks();
        let work = self.session.reporter.work("restore");
        let total: u64 = volumes.iter().map(SavedVolume::size).sum();
        let done = Arc::new(AtomicU64::new(0));
        for saved in volumes {
            let new = &places[&self.identity.volume(&saved.container, &saved.volume)];
            let (done, work) = (Arc::clone(&done), Arc::clone(&work));
            let told = move |bytes| {
                let done = done.fetch_add(bytes, Ordering::Relaxed) + bytes;
                work.bytes(done, total);
            };
            let what = (new.as_str(), saved);
            transfer::write(&self.engine, &self.identity, what, &chunks, told).await?;
        }
        if total > 0 {
            work.finish(&format!("{} MB written", total / 1_000_000));
        }
        Ok(())
    }

    /// Stops what uses the old volumes and what needs that: it has seen data that is gone then. One-shots
    /// among them run again: they bring the data to what the others expect.
    async fn stop_before(
        &self,
        running: &Running,
        volumes: &[(&ContainerName, &VolumeName)],
        before: &BTreeMap<String, String>,
    ) -> Result<()> {
        let own: Vec<String> = volumes
            .iter()
            .map(|(container, volume)| self.identity.volume(container, volume))
            .collect();
        let observed = &running.observation.observed;
        let objects = own.iter().map(|it| before.get(it).unwrap_or(it).as_str());
        let users = users(&self.identity, observed, objects);
        let entries = running.entries();
        let all: BTreeSet<ContainerName> = lifecycle::with_dependents(users, &entries);
        self.halt(running, &all).await?;
        let all: Vec<ContainerName> = all.into_iter().collect();
        for name in lifecycle::completed(&all, &entries, &self.identity, observed) {
            if let Some(container) = running.current(&name) {
                self.engine.remove(&container.id).await?;
            }
        }
        Ok(())
    }

    /// From here on the new volumes are what counts; the old ones go.
    async fn settle(&self) -> Result<()> {
        let now = self.session.home.now();
        let there = self.own_volumes().await?;
        self.change_data(|data| data.settle(&there, now))?;
        self.sweep(Patience::None).await
    }
}

/// What takes the places of volumes.
#[derive(Debug)]
pub(super) struct New<'a> {
    /// By container, the names that they have in its definition.
    pub(super) volumes: Vec<(&'a ContainerName, &'a VolumeName)>,
    /// What is unpacked into some of them.
    pub(super) files: &'a [SavedVolume],
    /// What it is from; `None`: they begin empty.
    pub(super) snapshot: Option<&'a Snapshot>,
}

impl<'a> New<'a> {
    /// What a container wrote is read on empty volumes: all that it mounts are replaced, those too that it
    /// had not at that time.
    fn of(snapshot: &'a Snapshot, found: &'a [DataVolume], running: &Running) -> Self {
        let dumps = snapshot.dumps.iter();
        let current = dumps.filter_map(|it| running.current(&it.container));
        let mounted = current.flat_map(|it| mounted(found, it));
        let volumes: BTreeSet<_> = snapshot.data().chain(mounted).collect();
        Self {
            volumes: volumes.into_iter().collect(),
            files: &snapshot.volumes,
            snapshot: Some(snapshot),
        }
    }
}
