//! One running copy of a subset: brought up, changed, ended, looked at.
//!
//! An [`Instance`] is one copy on one engine. [`Instance::up`] tells the whole story from names to a
//! page; [`Instance::down`] ends it; [`Instance::change`] pauses, resumes and restarts.

pub mod answered;
pub mod bisect;
pub mod capsule;
mod change;
mod converging;
pub mod defaults;
mod down;
mod explain;
pub mod facets;
mod fetch;
mod filling;
pub mod forward;
mod forwarding;
mod gather;
pub mod intent;
pub mod listing;
pub mod logs;
mod meanwhile;
mod mirror;
pub mod pin;
mod reader;
pub mod replay;
pub mod requests;
pub mod running;
pub mod snapshot;
pub mod status;
mod told;
mod tried;
mod unfinished;
mod up;
mod walk;
mod written;

pub use change::Changed;
pub use down::Removed;
pub(crate) use explain::explain;
pub use fetch::{Fetched, Which, fetch};
pub use forwarding::revive;
pub(crate) use gather::{login, own_overrides};
pub use mirror::copy_out;
pub use up::Brought;

use crate::engine::Choice;
use crate::engine::docker::Docker;
use crate::error::Result;
use crate::home::data::DataRecord;
use crate::home::lock::Lock;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, Owner};
use crate::model::identity::Identity;

/// One copy of a platform on the engine that the session leads to.
pub struct Instance<'a> {
    session: &'a Session,
    open: &'a OpenPlatform,
    owner: Owner,
    identity: Identity,
    engine: Docker,
    choice: Choice,
}

impl<'a> Instance<'a> {
    /// Nothing is asked of the engine yet.
    ///
    /// # Errors
    /// An engine whose address is not known; a home that cannot be read.
    pub fn new(session: &'a Session, open: &'a OpenPlatform) -> Result<Self> {
        Self::of(session, open, Owner::load(&session.home.paths)?)
    }

    /// The same for a plan: this home gets no identity on engines for it.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn to_plan(session: &'a Session, open: &'a OpenPlatform) -> Result<Self> {
        Self::of(session, open, Owner::peek(&session.home.paths)?)
    }

    fn of(session: &'a Session, open: &'a OpenPlatform, owner: Owner) -> Result<Self> {
        let (engine, choice) = session.engine()?;
        Ok(Self {
            identity: Identity {
                owner: owner.id.clone(),
                platform: open.name.clone(),
                instance: session.instance.clone(),
            },
            session,
            open,
            owner,
            engine,
            choice,
        })
    }

    fn record(&self) -> Result<Option<InstanceRecord>> {
        InstanceRecord::load(
            &self.session.home.paths,
            &self.open.name,
            &self.session.instance,
        )
    }

    fn save(&self, record: &InstanceRecord) -> Result<()> {
        record.save(
            &self.session.home.paths,
            &self.open.name,
            &self.session.instance,
        )
    }

    fn data(&self) -> Result<DataRecord> {
        DataRecord::load(
            &self.session.home.paths,
            &self.open.name,
            &self.session.instance,
        )
    }

    /// Changes what is remembered of its data.
    fn change_data(&self, change: impl FnOnce(&mut DataRecord)) -> Result<()> {
        let before = self.data()?;
        let mut next = before.clone();
        change(&mut next);
        if next == before {
            return Ok(());
        }
        next.save(
            &self.session.home.paths,
            &self.open.name,
            &self.session.instance,
        )
    }

    /// Commands on one instance take turns; what a killed one began is finished first.
    async fn lock(&self) -> Result<Lock> {
        let lock = self.session.lock(&self.open.name).await?;
        self.finish_what_was_begun().await?;
        self.finish_with_data().await?;
        Ok(lock)
    }
}
