//! What a command that was killed had begun with the data: undone, or ended, before the next one.

use std::collections::BTreeMap;
use std::time::Duration;

use super::transfer::DATA;
use crate::converge::observe::Observation;
use crate::engine::{Engine as _, Fault, FaultKind};
use crate::error::Result;
use crate::home::data::Unfinished;
use crate::instance::Instance;
use crate::model::identity::{INSTANCE, READER};

/// How often is looked again while the engine still uses a volume that is to go.
const LOOKS: u32 = 40;

/// Between two such looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

impl Instance<'_> {
    /// Leaves the data as it was before a restore that did not come to its end, and removes what nobody
    /// needs after one that did.
    ///
    /// # Errors
    /// An engine that does not answer; it is tried again then.
    pub(in crate::instance) async fn finish_with_data(&self) -> Result<()> {
        match self.data()?.unfinished {
            // What was stopped is started by `up`, or by the next save.
            Some(Unfinished::Saving { .. }) => self.remove_readers().await,
            Some(Unfinished::Restoring { .. }) => {
                self.session.reporter.note(
                    "a restore was interrupted: the data is what it was before it; `devenv up` starts what it had stopped",
                );
                self.undo_restore().await
            }
            Some(Unfinished::Restored { old }) => self.drop_old(old).await,
            None => Ok(()),
        }
    }

    /// Removes what a save that was killed read volumes through.
    async fn remove_readers(&self) -> Result<()> {
        let label = format!("{READER}={DATA}");
        for container in self.engine.containers_with(&label).await? {
            let labels = &container.labels;
            if self.identity.covers(labels) && self.identity.owns(labels) {
                self.engine.remove(&container.id).await?;
            }
        }
        Ok(())
    }

    /// The volumes before the restore are in use again; what was made for it goes.
    pub(super) async fn undo_restore(&self) -> Result<()> {
        let Some(Unfinished::Restoring {
            before,
            written,
            new,
        }) = self.data()?.unfinished
        else {
            return Ok(());
        };
        let (places, writers) = (before.clone(), written.clone());
        self.change_data(|data| (data.places, data.written) = (places, writers))?;
        let mut looks = 0;
        while let Err(fault) = self.remove_with_users(&new).await {
            // The engine goes on with what a killed command asked for: a container comes after the look.
            if fault.kind != FaultKind::Conflict || looks == LOOKS {
                return Err(fault.into());
            }
            looks += 1;
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
        self.change_data(|data| data.unfinished = None)
    }

    /// Removes volumes that were made for a restore, and first the containers of this instance that use them.
    async fn remove_with_users(&self, volumes: &[String]) -> Result<(), Fault> {
        let label = format!("{INSTANCE}={}", self.identity.instance);
        for container in self.engine.containers_with(&label).await? {
            let labels = &container.labels;
            let is_own = self.identity.covers(labels) && self.identity.owns(labels);
            // Some engines leave mounts out of their lists.
            let mounts: BTreeMap<String, String> = match self.engine.inspect(&container.id).await {
                Ok(details) => details.volumes,
                Err(fault) if fault.kind == FaultKind::NotFound => continue,
                Err(fault) => return Err(fault),
            };
            if is_own && volumes.iter().any(|it| mounts.contains_key(it)) {
                self.engine.remove(&container.id).await?;
            }
        }
        for volume in volumes {
            self.remove_if_there(volume).await?;
        }
        Ok(())
    }

    /// Removes volumes whose places others have taken. One that somebody uses stays for the next time, and
    /// so does one whose place is taken on another engine: here its name is of what is in use.
    pub(super) async fn drop_old(&self, old: BTreeMap<String, String>) -> Result<()> {
        let mut left = BTreeMap::new();
        self.remove_readers().await?;
        let there = Observation::take(&self.engine, &self.identity).await?;
        for (volume, new) in old {
            if !there.observed.volumes.contains(&new) {
                left.insert(volume, new);
                continue;
            }
            match self.remove_if_there(&volume).await {
                Ok(()) => {}
                Err(fault) => {
                    let text = format!("{volume}, which nobody needs any more, stays: {fault}");
                    self.session.reporter.warn(&text);
                    left.insert(volume, new);
                }
            }
        }
        let unfinished = (!left.is_empty()).then_some(Unfinished::Restored { old: left });
        self.change_data(|data| data.unfinished = unfinished)
    }

    async fn remove_if_there(&self, volume: &str) -> Result<(), Fault> {
        match self.engine.remove_volume(volume).await {
            Err(fault) if fault.kind != FaultKind::NotFound => Err(fault),
            _ => Ok(()),
        }
    }
}
