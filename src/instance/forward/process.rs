//! Starting, telling and stopping a forwarder, for the commands that change an instance.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs::OpenOptions;
use std::path::Path;
use std::process::Stdio;
use std::time::{Duration, Instant};

use super::{Files, Serving, Wanted};
use crate::error::{Error, Result};
use crate::home::file;
use crate::system::{Here, System as _, program};

/// How long it may take to do as it is told.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long it may take to end by itself.
const LAST_WORDS: Duration = Duration::from_secs(3);

/// Between two looks at what it does.
const GLANCE: Duration = Duration::from_millis(10);

/// What became of what is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ensured {
    /// It was done already.
    Already,
    /// A forwarder was started or told.
    Done,
    /// It carries the rest, and goes on trying this one.
    Refused {
        /// The first port of this machine that it could not have.
        port: u16,
        /// Why.
        why: String,
    },
}

/// An instance's forwarder. Whoever changes it holds the instance's lock.
#[derive(Debug, Clone)]
pub struct Forwarder {
    files: Files,
}

impl Forwarder {
    /// That of these files.
    pub fn new(files: Files) -> Self {
        Self { files }
    }

    /// Its files.
    pub fn files(&self) -> &Files {
        &self.files
    }

    /// Ports of this machine that it holds.
    pub fn ports(&self) -> Result<BTreeSet<u16>> {
        let serving = self.files.serving()?;
        Ok(serving.map_or_else(BTreeSet::new, |it| it.ports()))
    }

    /// Makes it carry what is wanted: starts one, tells the one that runs, or does nothing where it
    /// does so already. `arguments` are those that make devenv a forwarder.
    ///
    /// # Errors
    /// A forwarder that does not start.
    pub async fn ensure(&self, wanted: &Wanted, arguments: &[OsString]) -> Result<Ensured> {
        let mut running = self.files.serving()?;
        let does = |it: &Serving| it.wanted == *wanted && it.failed.is_empty() && is_mine(it);
        if running.as_ref().is_some_and(does) && self.files.wanted()?.as_ref() == Some(wanted) {
            return Ok(Ensured::Already);
        }
        let fits = |it: &Serving| is_mine(it) && it.wanted.engine == wanted.engine;
        if running.as_ref().is_some_and(|it| !fits(it)) {
            self.stop().await?;
            running = None;
        }
        file::save(&self.files.path("json"), wanted)?;
        if running.is_none() {
            self.files.remove("serving.json")?;
            start(arguments, &self.files.log())?;
        }
        self.follow(wanted).await
    }

    /// Waits until it does what is wanted.
    async fn follow(&self, wanted: &Wanted) -> Result<Ensured> {
        let begun = Instant::now();
        loop {
            let serving = self.files.serving().ok().flatten();
            if let Some(serving) = serving.filter(|it| it.wanted == *wanted) {
                let refused = serving.failed.into_iter().next();
                return Ok(
                    refused.map_or(Ensured::Done, |(port, why)| Ensured::Refused { port, why })
                );
            }
            if begun.elapsed() > PATIENCE {
                let log = self.files.log();
                return Err(Error::engine(format!(
                    "the forwarder did not do as it was told within {PATIENCE:?}"
                ))
                .hint(format!("{} may tell why", log.display())));
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// Ends it, if one runs, and waits until its ports are free.
    pub async fn stop(&self) -> Result<()> {
        if !self.files.path("lock").exists() {
            return self.files.remove("json");
        }
        self.files.remove("json")?;
        let begun = Instant::now();
        loop {
            if let Some(_lock) = self.files.lock()? {
                return self.files.remove("serving.json");
            }
            if begun.elapsed() > LAST_WORDS {
                break;
            }
            tokio::time::sleep(GLANCE).await;
        }
        self.kill().await
    }

    /// Ends one that does not hear. Only the holder of the lock writes what it serves, so while the
    /// lock is held that process id is the forwarder's.
    async fn kill(&self) -> Result<()> {
        let Some(serving) = self.files.serving()? else {
            return Ok(());
        };
        Here::kill(serving.pid).map_err(|error| deaf(serving.pid).because(error))?;
        let begun = Instant::now();
        while self.files.lock()?.is_none() {
            if begun.elapsed() > LAST_WORDS {
                return Err(deaf(serving.pid));
            }
            tokio::time::sleep(GLANCE).await;
        }
        self.files.remove("serving.json")
    }
}

fn is_mine(serving: &Serving) -> bool {
    serving.version == env!("CARGO_PKG_VERSION")
}

fn deaf(pid: u32) -> Error {
    Error::engine(format!("the forwarder (process {pid}) does not end"))
        .hint(format!("end process {pid} by hand"))
}

/// Starts this very program as a forwarder: in a process group of its own, so that a key pressed in
/// this terminal does not reach it, and without any of this process's streams. What it cannot begin
/// with it says in its log.
fn start(arguments: &[OsString], log: &Path) -> Result<()> {
    let itself = std::env::current_exe()
        .map_err(|error| Error::bug("this program's own path is not known").because(error))?;
    let log = OpenOptions::new().create(true).append(true).open(log);
    let mut command = tokio::process::Command::from(program(itself));
    command
        .args(arguments)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(log.map_or_else(|_| Stdio::null(), Stdio::from));
    Here::set_apart(command.as_std_mut());
    // A pipe of the caller's would never end, a folder stay busy.
    Here::keep_to_itself();
    let started = command.spawn();
    started
        .map(drop)
        .map_err(|error| Error::engine("cannot start the forwarder").because(error))
}
