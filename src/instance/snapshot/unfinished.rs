//! What a command that was killed had begun with the data: undone, or ended, before the next one.

use std::collections::BTreeMap;

use super::transfer::DATA;
use crate::converge::observe::Observation;
use crate::engine::{Engine as _, FaultKind};
use crate::error::Result;
use crate::home::data::Unfinished;
use crate::instance::Instance;
use crate::model::identity::{INSTANCE, READER};

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
            Some(Unfinished::Restored { old }) if self.has_restored().await? => {
                self.drop_old(old).await
            }
            // On another engine: volumes of these names may hold what is in use here.
            Some(Unfinished::Restored { .. }) | None => Ok(()),
        }
    }

    /// Whether the volumes that took the places of others are on this engine: their names are of no other.
    async fn has_restored(&self) -> Result<bool> {
        let data = self.data()?;
        let there = Observation::take(&self.engine, &self.identity).await?;
        let mut new = data.volumes.values();
        Ok(new.all(|it| there.observed.volumes.contains(it)))
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
        let (volumes, writers) = (before.clone(), written.clone());
        self.change_data(|data| (data.volumes, data.written) = (volumes, writers))?;
        let label = format!("{INSTANCE}={}", self.identity.instance);
        for container in self.engine.containers_with(&label).await? {
            let labels = &container.labels;
            let is_own = self.identity.covers(labels) && self.identity.owns(labels);
            // Some engines leave mounts out of their lists.
            let mounts: BTreeMap<String, String> = match self.engine.inspect(&container.id).await {
                Ok(details) => details.volumes,
                Err(fault) if fault.kind == FaultKind::NotFound => continue,
                Err(fault) => return Err(fault.into()),
            };
            if is_own && new.iter().any(|it| mounts.contains_key(it)) {
                self.engine.remove(&container.id).await?;
            }
        }
        for volume in &new {
            self.remove_if_there(volume).await?;
        }
        self.change_data(|data| data.unfinished = None)
    }

    /// Removes volumes whose places others have taken. One that somebody uses stays for the next time.
    pub(super) async fn drop_old(&self, old: Vec<String>) -> Result<()> {
        let mut left = Vec::new();
        for volume in old {
            match self.remove_if_there(&volume).await {
                Ok(()) => {}
                Err(error) => {
                    let text = format!("{volume}, which nobody needs any more, stays: {error}");
                    self.session.reporter.warn(&text);
                    left.push(volume);
                }
            }
        }
        let unfinished = (!left.is_empty()).then_some(Unfinished::Restored { old: left });
        self.change_data(|data| data.unfinished = unfinished)
    }

    async fn remove_if_there(&self, volume: &str) -> Result<()> {
        match self.engine.remove_volume(volume).await {
            Err(fault) if fault.kind != FaultKind::NotFound => Err(fault.into()),
            _ => Ok(()),
        }
    }
}
