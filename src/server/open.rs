//! What a command on a server begins with: its file, whose keys count, its engine, its lock.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use futures_util::future::BoxFuture;
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::follow::Follow;
use super::machine::Kernel;
use super::state::State;
use super::turns::Turns;
use super::{SecretValues, Server};
use crate::converge::apply::Options;
use crate::engine::{Docker, Engine};
use crate::error::{Error, Kind, Result};
use crate::home::file::{self, read_trusted};
use crate::home::lock::Lock;
use crate::home::secrets::{self, Missing};
use crate::home::session::Session;
use crate::home::state::Owner;
use crate::model::host_profile::Host;
use crate::model::name::VariableName;
use crate::model::secret::Secret;
use crate::model::server::ServerFile;
use crate::model::trust_file::TrustFile;
use crate::registry::Registry;

/// A server that was set up on this machine.
pub struct Open<'a> {
    /// Its home.
    pub session: &'a Session,
    /// What it is to be.
    pub file: ServerFile,
    /// Whose signatures count.
    pub trust: TrustFile,
    /// Whose objects.
    pub owner: Owner,
    /// Its engine.
    pub engine: Docker,
    /// The registries, unless offline.
    pub registry: Option<Registry>,
    host: Host,
    journal: PathBuf,
}

impl<'a> Open<'a> {
    /// Reads what `server init` wrote.
    pub fn new(session: &'a Session) -> Result<Self> {
        let file = file(session)?;
        let paths = &session.home.paths;
        Ok(Self {
            trust: session.home.trust(&file.platform)?,
            owner: Owner::load(paths)?,
            engine: session.engine()?.0,
            registry: session.registry(),
            host: Host::unknown()?,
            journal: paths.server_journal(),
            session,
            file,
        })
    }

    /// What it remembers.
    pub fn state(&self) -> Result<State> {
        let hint = "bring back the devenv that wrote it: without this file all that serves would be removed";
        let state: State = file::load_else(&self.journal, hint)?.unwrap_or_default();
        state.refuse_another(&self.file)?;
        Ok(state)
    }

    /// Commands that change the server take turns. What `server init` wrote is read once it is this
    /// one's: the one before may have been `server remove`.
    pub async fn locked(session: &'a Session) -> Result<(Self, Lock)> {
        // A machine that is no server gets no lock.
        file(session)?;
        let waits = "waiting for another devenv command on this server";
        let path = session.home.paths.server_lock();
        let lock = Lock::wait(path, || session.reporter.note(waits)).await?;
        Ok((Self::new(session)?, lock))
    }

    /// The same for who cannot wait: a command that is at work gives way.
    pub async fn at_once(session: &'a Session) -> Result<(Self, Lock)> {
        file(session)?;
        let paths = &session.home.paths;
        let _asks = Lock::wait(paths.server_rollback_lock(), || {}).await?;
        let waits = "another devenv command is at work on this server: it gives way";
        let lock = Lock::wait(paths.server_lock(), || session.reporter.note(waits)).await?;
        Ok((Self::new(session)?, lock))
    }

    /// What a command gives way by that a rollback need not wait for.
    pub fn turns(&self) -> Turns {
        let asked = self.session.home.paths.server_rollback_lock();
        Turns::new(asked, self.journal.clone())
    }

    /// What it reads and verifies.
    pub fn follow(&self) -> Follow<'_> {
        Follow {
            session: self.session,
            file: &self.file,
            trust: &self.trust,
            owner: &self.owner,
            registry: self.registry.as_ref(),
            cache: self.session.cache(),
        }
    }

    /// The server on this machine. `data` is the engine's data folder, where it is known.
    pub fn server<'s>(
        &'s self,
        now: &'s (dyn Fn() -> Timestamp + Sync),
        data: Option<PathBuf>,
    ) -> Server<'s, Docker, Kernel> {
        self.server_on(&self.engine, now, data)
    }

    /// The same, by another way to its engine.
    pub fn server_on<'s, E: Engine>(
        &'s self,
        engine: &'s E,
        now: &'s (dyn Fn() -> Timestamp + Sync),
        data: Option<PathBuf>,
    ) -> Server<'s, E, Kernel> {
        let settings = &self.session.home.settings;
        Server {
            file: &self.file,
            owner: &self.owner,
            engine,
            docker: Some(&self.engine),
            machine: &Kernel,
            host: &self.host,
            registry: self.registry.as_ref(),
            options: Options {
                concurrency: settings.concurrency.value,
                wait: self.file.ready.duration(),
                mirrors: settings.registry_mirrors.value.clone(),
                ..Options::default()
            },
            secrets: self,
            data,
            reporter: &*self.session.reporter,
            journal: &self.journal,
            now,
            zone: TimeZone::system(),
        }
    }
}

/// What this machine is to be.
fn file(session: &Session) -> Result<ServerFile> {
    let paths = &session.home.paths;
    let path = paths.server();
    let text = read_trusted(Kind::Usage, paths, &path)?.ok_or_else(|| {
        let error = Error::usage(format!(
            "this machine is no server: there is no {}",
            path.display()
        ));
        error.hint("`devenv server init` makes it one")
    })?;
    ServerFile::parse(&path.display().to_string(), &text)
}

impl SecretValues for Open<'_> {
    fn of(
        &self,
        wanted: BTreeSet<VariableName>,
    ) -> BoxFuture<'_, Result<BTreeMap<String, Secret>>> {
        Box::pin(async move {
            let configuration = self.file.configuration()?;
            let platform = &self.file.platform;
            let when = Missing::Asked;
            secrets::values(self.session, platform, &configuration, &wanted, when).await
        })
    }
}
