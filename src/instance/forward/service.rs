//! The forwarder's own life: listening as it is told, until its instance is gone.

use std::time::Duration;

use super::carry::{Listeners, Way};
use super::log::Log;
use super::{Files, Serving, Wanted};
use crate::engine::Engine;
use crate::error::Result;
use crate::home::file;
use crate::model::identity::{self, Identity};

/// Between two looks at what is wanted.
const TICK: Duration = Duration::from_millis(200);

/// Looks at what is wanted, for each look at the engine.
const TICKS_PER_LOOK: u32 = 15;

/// How often in succession the engine must say that nothing of the instance is there.
const EMPTY_LOOKS: u32 = 2;

/// Another process that only wants to know holds the lock for a moment.
const LOCK_ATTEMPTS: u32 = 40;

/// What a forwarder works for.
pub struct Service<'a, E> {
    /// Where its files are.
    pub files: Files,
    /// The engine that the instance is on.
    pub engine: &'a E,
    /// Whose containers.
    pub identity: Identity,
}

/// Forwards until nothing is wanted any more, or the instance has no container left. Another
/// forwarder of the same instance makes it end at once.
pub async fn serve<E: Engine>(service: &Service<'_, E>) -> Result<()> {
    let files = &service.files;
    let Some(_lock) = take_lock(files).await? else {
        return Ok(());
    };
    let log = Log::open(&files.log())?;
    log.write(&format!("process {} begins", std::process::id()));
    let mut work = Work {
        service,
        log: &log,
        listeners: Listeners::default(),
        serving: None,
    };
    let why = work.run().await?;
    work.listeners.clear().await;
    log.write(&format!("process {} ends: {why}", std::process::id()));
    files.remove("serving.json")
}

async fn take_lock(files: &Files) -> Result<Option<std::fs::File>> {
    for _ in 0..LOCK_ATTEMPTS {
        if let Some(lock) = files.lock()? {
            return Ok(Some(lock));
        }
        tokio::time::sleep(TICK / 4).await;
    }
    Ok(None)
}

struct Work<'a, E> {
    service: &'a Service<'a, E>,
    log: &'a Log,
    listeners: Listeners,
    serving: Option<Serving>,
}

impl<E: Engine> Work<'_, E> {
    /// Runs until there is a reason to end.
    async fn run(&mut self) -> Result<&'static str> {
        let files = &self.service.files;
        let mut empty = 0;
        loop {
            for _ in 0..TICKS_PER_LOOK {
                // What cannot be read is being written, or broken: neither is a reason to end.
                match files.wanted() {
                    Ok(Some(wanted)) => self.follow(wanted).await?,
                    Ok(None) => return Ok("nothing is wanted"),
                    Err(_) => {}
                }
                tokio::time::sleep(TICK).await;
            }
            empty = if self.is_gone().await { empty + 1 } else { 0 };
            if empty >= EMPTY_LOOKS {
                let same = self.serving.as_ref().map(|it| &it.wanted);
                if files.wanted().ok().flatten().as_ref() == same {
                    files.remove("json")?;
                    return Ok("the instance is gone");
                }
            }
        }
    }

    /// Does what is wanted, and tells what became of it when that changed.
    async fn follow(&mut self, wanted: Wanted) -> Result<()> {
        let before = self.serving.as_ref();
        let same = before.is_some_and(|it| it.wanted == wanted);
        if same && before.is_some_and(|it| it.failed.is_empty()) {
            return Ok(());
        }
        let same_way = before
            .is_none_or(|it| (&it.wanted.to, &it.wanted.through) == (&wanted.to, &wanted.through));
        if !same_way {
            self.listeners.clear().await;
        }
        let way = way(&wanted);
        let failed = self.listeners.set(&wanted.ports, &way, self.log).await;
        let serving = Serving {
            pid: std::process::id(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            wanted,
            failed,
        };
        if self.serving.as_ref() != Some(&serving) {
            file::save(&self.service.files.path("serving.json"), &serving)?;
            self.serving = Some(serving);
        }
        Ok(())
    }

    /// Whether the engine says that the instance has no container, running or not.
    async fn is_gone(&self) -> bool {
        let identity = &self.service.identity;
        let label = format!("{}={}", identity::INSTANCE, identity.instance);
        match self.service.engine.containers_with(&label).await {
            Ok(found) => !found.iter().any(|it| identity.covers(&it.labels)),
            Err(_) => false,
        }
    }
}

fn way(wanted: &Wanted) -> Way {
    match &wanted.through {
        None => Way::Address(wanted.to),
        Some(through) => Way::Ssh(through.clone(), wanted.to),
    }
}
