//! What is kept of proposals: begun, read, changed field by field, forgotten. Several commands may
//! know one proposal at once; each changes what is its own, under a lock.

use super::Proposal;
use super::sent::Typed;
use crate::error::{Error, Result};
use crate::home::file;
use crate::home::lock::Lock;
use crate::home::session::{OpenPlatform, Session};
use crate::model::name::{ContainerName, PlatformName};

impl Proposal {
    /// The proposal about a container, if there is one.
    pub fn find(
        session: &Session,
        open: &OpenPlatform,
        container: &ContainerName,
    ) -> Result<Option<Self>> {
        file::load(&session.home.paths.proposal(&open.name, container))
    }

    /// The proposal about a container; its absence is a usage error.
    pub fn of(session: &Session, open: &OpenPlatform, container: &ContainerName) -> Result<Self> {
        Self::find(session, open, container)?.ok_or_else(|| {
            Error::usage(format!("there is no proposal about `{container}`"))
                .hint(format!("`devenv edit {container}` begins one"))
        })
    }

    /// All proposals of a platform, by container.
    pub fn all(session: &Session, open: &OpenPlatform) -> Result<Vec<Self>> {
        let Ok(entries) = std::fs::read_dir(session.home.paths.proposals(&open.name)) else {
            return Ok(Vec::new());
        };
        let paths = entries.flatten().map(|entry| entry.path());
        let records = paths.filter(|path| path.extension().is_some_and(|it| it == "json"));
        let mut all: Vec<Self> = records
            .map(|path| file::load(&path))
            .collect::<Result<Vec<Option<Self>>>>()?
            .into_iter()
            .flatten()
            .collect();
        all.sort_by(|a, b| a.container.cmp(&b.container));
        Ok(all)
    }

    /// Begins one at the newest accepted commit.
    pub fn begin(
        session: &Session,
        open: &OpenPlatform,
        container: &ContainerName,
    ) -> Result<Self> {
        let _lock = lock(session, &open.name, container)?;
        if Self::find(session, open, container)?.is_some() {
            return Err(Error::usage(format!(
                "another command has just begun a proposal about `{container}`"
            ))
            .hint(format!("`devenv edit {container}` takes it up")));
        }
        let definitions = session.definitions(&open.name)?;
        let path = session.home.paths.worktree(&open.name, container);
        let base = definitions.add_worktree(container.as_str(), &path)?;
        let proposal = Self {
            container: container.clone(),
            base,
            begun: session.home.now(),
            built: None,
            proxy: None,
            artifacts: Vec::new(),
            ran: None,
            typed: None,
            sent: None,
        };
        proposal.write(session, open)?;
        Ok(proposal)
    }

    /// Takes over the newest accepted definitions; gives the files in which both sides are marked.
    pub fn update(&mut self, session: &Session, open: &OpenPlatform) -> Result<Vec<String>> {
        let _lock = lock(session, &open.name, &self.container)?;
        let mut now = Self::of(session, open, &self.container)?;
        let definitions = session.definitions(&open.name)?;
        let snapshot = now.snapshot(session, open, &definitions)?;
        now.refuse_outside(session, open, &definitions, snapshot)?;
        let path = session.home.paths.worktree(&open.name, &now.container);
        let folder = now.folder();
        let (base, conflicts) = definitions.update_worktree(&path, now.base, snapshot, &folder)?;
        now.base = base;
        now.write(session, open)?;
        *self = now;
        Ok(conflicts)
    }

    /// Changes what is kept of it now, whatever it was when it was read; gives that.
    pub fn change(
        session: &Session,
        open: &OpenPlatform,
        container: &ContainerName,
        change: impl FnOnce(&mut Self),
    ) -> Result<Self> {
        let _lock = lock(session, &open.name, container)?;
        let mut now = Self::of(session, open, container)?;
        change(&mut now);
        now.write(session, open)?;
        Ok(now)
    }

    /// Keeps the words that were typed for it.
    pub(super) fn keep_typed(
        &mut self,
        session: &Session,
        open: &OpenPlatform,
        typed: Option<Typed>,
    ) -> Result<()> {
        *self = Self::change(session, open, &self.container, |it| it.typed = typed)?;
        Ok(())
    }

    /// Keeps what was sent of it, and the words that were not: the rest is other commands' own.
    pub(super) fn save(&self, session: &Session, open: &OpenPlatform) -> Result<()> {
        let (sent, typed) = (self.sent.clone(), self.typed.clone());
        let keep = |now: &mut Self| (now.sent, now.typed) = (sent, typed);
        Self::change(session, open, &self.container, keep).map(drop)
    }

    /// For who holds the lock.
    fn write(&self, session: &Session, open: &OpenPlatform) -> Result<()> {
        file::save(
            &session.home.paths.proposal(&open.name, &self.container),
            self,
        )
    }

    /// Forgets it, with its work tree.
    pub fn remove(&self, session: &Session, open: &OpenPlatform) -> Result<()> {
        forget(session, &open.name, &self.container)
    }
}

/// Removes a work tree and what is kept of it, whichever is there.
pub fn forget(session: &Session, platform: &PlatformName, container: &ContainerName) -> Result<()> {
    let _lock = lock(session, platform, container)?;
    let paths = &session.home.paths;
    session
        .definitions(platform)?
        .remove_worktree(container.as_str(), &paths.worktree(platform, container))?;
    let _ = std::fs::remove_dir_all(paths.requests(platform, container));
    // The lock's own file goes last: whoever waits for it takes a new one.
    for path in [
        paths.proposal(platform, container),
        paths.proposal_words(platform, container),
        paths.proposal_lock(platform, container),
    ] {
        let _ = std::fs::remove_file(path);
    }
    Ok(())
}

fn lock(session: &Session, platform: &PlatformName, container: &ContainerName) -> Result<Lock> {
    Lock::brief(&session.home.paths.proposal_lock(platform, container))
}
