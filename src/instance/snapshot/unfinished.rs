//! What a command that was killed had begun with the data: undone, or ended, before the next one.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::SignedDuration;

use super::transfer::DATA;
use crate::engine::{Engine as _, Fault, FaultKind};
use crate::error::Result;
use crate::home::data::{DataRecord, Unfinished};
use crate::instance::Instance;
use crate::model::identity::{INSTANCE, READER};

/// How often is looked again while the engine still uses a volume that is to go.
const LOOKS: u32 = 40;

/// Between two such looks.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// After so long a volume that was never found is looked for no more.
const FORGOTTEN: SignedDuration = SignedDuration::from_hours(24 * 7);

/// Whether it is waited for what the engine still does with a volume.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Patience {
    /// A command was just killed, or failed: a container that it asked for may still come.
    Some,
    /// What is in use stays for the next time.
    None,
}

impl Instance<'_> {
    /// Leaves the data as it was before a restore, or a seed, that did not come to its end, and removes
    /// what nobody needs.
    ///
    /// # Errors
    /// An engine that does not answer; it is tried again then.
    pub(in crate::instance) async fn finish_with_data(&self) -> Result<()> {
        match self.data()?.unfinished {
            // What was stopped is started by `up`, or by the next save.
            Some(Unfinished::Saving { .. }) => self.remove_readers().await?,
            Some(Unfinished::Restoring { .. }) => {
                self.session.reporter.note(
                    "filling volumes was interrupted: the data is what it was before; `devenv up` starts what was stopped",
                );
                return self.undo_restore().await;
            }
            None => {}
        }
        self.sweep(Patience::None).await
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
    pub(in crate::instance) async fn undo_restore(&self) -> Result<()> {
        if let Some(Unfinished::Restoring { .. }) = self.data()?.unfinished {
            self.change_data(DataRecord::undo)?;
            self.sweep(Patience::Some).await?;
        }
        Ok(())
    }

    /// Removes the volumes that nobody needs, those that are on this engine. What never counted goes with the
    /// containers on it; what is in use stays for the next time.
    pub(super) async fn sweep(&self, patience: Patience) -> Result<()> {
        let data = self.data()?;
        if data.unneeded.is_empty() {
            return Ok(());
        }
        self.remove_readers().await?;
        let own = self.own_volumes().await?;
        let now = self.session.home.now();
        let mut done = Vec::new();
        for (volume, why) in &data.unneeded {
            let removed = if why.by == *volume {
                self.remove_with_users(volume, patience).await
            } else if own.contains(volume) && own.contains(&why.by) {
                self.engine.remove_volume(volume).await.map(|()| true)
            } else {
                Ok(false)
            };
            match removed {
                Ok(true) => done.push(volume),
                Ok(false) if now.duration_since(why.since) > FORGOTTEN => done.push(volume),
                Ok(false) => {}
                Err(fault) if fault.is_silence() => return Err(fault.into()),
                Err(fault) => {
                    let text = format!("{volume}, which nobody needs any more, stays: {fault}");
                    self.session.reporter.warn(&text);
                }
            }
        }
        self.change_data(|data| data.unneeded.retain(|it, _| !done.contains(&it)))
    }

    /// The names of this owner's volumes of the instance that are on the engine.
    pub(super) async fn own_volumes(&self) -> Result<BTreeSet<String>> {
        let label = format!("{INSTANCE}={}", self.identity.instance);
        let there = self.engine.volumes(&label).await?.into_iter();
        let own =
            there.filter(|it| self.identity.covers(&it.labels) && self.identity.owns(&it.labels));
        Ok(own.map(|it| it.name).collect())
    }

    /// Removes a volume that never counted, and first the containers of this instance that use it. Gives
    /// whether it was there.
    async fn remove_with_users(&self, volume: &str, patience: Patience) -> Result<bool, Fault> {
        for look in 0.. {
            match self.engine.remove_volume(volume).await {
                Ok(()) => return Ok(true),
                Err(fault) if fault.kind == FaultKind::NotFound => return Ok(false),
                Err(fault) if fault.kind != FaultKind::Conflict => return Err(fault),
                Err(_) if look == 0 => {}
                Err(fault) if look == LOOKS || patience == Patience::None => return Err(fault),
                // The engine goes on with what a killed command asked for: a container comes later.
                Err(_) => tokio::time::sleep(BETWEEN_LOOKS).await,
            }
            self.remove_users(volume).await?;
        }
        Ok(false)
    }

    async fn remove_users(&self, volume: &str) -> Result<(), Fault> {
        let label = format!("{INSTANCE}={}", self.identity.instance);
        for container in self.engine.containers_with(&label).await? {
            let labels = &container.labels;
            if !(self.identity.covers(labels) && self.identity.owns(labels)) {
                continue;
            }
            // Some engines leave mounts out of their lists.
            let details = match self.engine.inspect(&container.id).await {
                Ok(details) => details,
                Err(fault) if fault.kind == FaultKind::NotFound => continue,
                Err(fault) => return Err(fault),
            };
            if details.volumes.contains_key(volume) {
                self.engine.remove(&container.id).await?;
            }
        }
        Ok(())
    }
}
