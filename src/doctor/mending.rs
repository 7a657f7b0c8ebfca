//! What `--fix` mends: what holds no data and is made anew when it is needed goes, and a forwarder
//! that died is started again.

use std::fmt;
use std::path::PathBuf;

use crate::doctor::clean::{self, Leftover};
use crate::error::{Error, Result};
use crate::home::lock::{self, Lock};
use crate::home::paths::Paths;
use crate::home::session::Session;
use crate::home::state::InstanceRecord;
use crate::instance;
use crate::instance::forward::{Files, Forwarder};
use crate::model::name::{InstanceName, PlatformName};

/// One thing that can be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mending {
    /// A container or network that nobody needs.
    Object(Box<Leftover>),
    /// The lock file of an instance that nothing remembers.
    Lock {
        /// Its platform.
        platform: PlatformName,
        /// Its name.
        instance: InstanceName,
        /// The file.
        path: PathBuf,
    },
    /// The forwarder of an instance that runs nothing, or what one left.
    IdleForwarder {
        /// Its platform.
        platform: PlatformName,
        /// Its name.
        instance: InstanceName,
    },
    /// The forwarder of an instance, which ended without being told to.
    EndedForwarder {
        /// Its platform.
        platform: PlatformName,
        /// Its name.
        instance: InstanceName,
    },
}

impl fmt::Display for Mending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(leftover) => write!(f, "remove the {} {leftover}", leftover.kind()),
            Self::Lock { path, .. } => write!(f, "remove the lock {}", path.display()),
            Self::IdleForwarder { instance, .. } => {
                write!(f, "end the forwarder of the instance {instance}")
            }
            Self::EndedForwarder { instance, .. } => {
                write!(f, "start the forwarder of the instance {instance} again")
            }
        }
    }
}

/// What became of it.
#[derive(Debug, Default)]
pub struct Mended {
    /// Done, in words.
    pub done: Vec<String>,
    /// Left as it is, and why.
    pub left: Vec<String>,
}

/// Whether a forwarder belongs to an instance that runs nothing.
pub(super) fn is_idle(
    paths: &Paths,
    platform: &PlatformName,
    instance: &InstanceName,
) -> Result<bool> {
    let record = InstanceRecord::load(paths, platform, instance)?;
    Ok(!record.is_some_and(|it| it.asks_for_something()))
}

/// Ends it, unless a command is at work on the instance or it runs something by now.
async fn end_idle(paths: &Paths, platform: &PlatformName, instance: &InstanceName) -> Result<bool> {
    let Some(_lock) = Lock::take_now(&paths.lock(platform, instance))? else {
        return Ok(false);
    };
    if !is_idle(paths, platform, instance)? {
        return Ok(false);
    }
    Forwarder::new(Files::new(paths, platform, instance))
        .stop()
        .await?;
    Ok(true)
}

/// Mends; what is in use by now stays.
pub async fn mend(session: &Session, mendings: Vec<Mending>) -> Result<Mended> {
    let mut mended = Mended::default();
    let mut objects = Vec::new();
    for mending in mendings {
        let text = mending.to_string();
        let is_done = match mending {
            Mending::Object(leftover) => {
                objects.push(*leftover);
                continue;
            }
            Mending::IdleForwarder { platform, instance } => {
                end_idle(&session.home.paths, &platform, &instance).await?
            }
            Mending::EndedForwarder { platform, instance } => {
                match instance::revive(session, &platform, &instance).await {
                    Ok(is_done) => is_done,
                    Err(error) => {
                        let why = error.chain().join(": ");
                        mended.left.push(format!("{text}: {why}"));
                        continue;
                    }
                }
            }
            Mending::Lock {
                platform, instance, ..
            } => lock::remove_dead(&session.home.paths, &platform, &instance)?,
        };
        if is_done {
            mended.done.push(text);
        } else {
            mended.left.push(format!("{text}: it is in use by now"));
        }
    }
    if objects.is_empty() {
        return Ok(mended);
    }
    if objects.iter().any(|it| it.kind() == "volume") {
        return Err(Error::bug("doctor never removes volumes"));
    }
    let (engine, _) = session.engine()?;
    let removed = clean::remove(&engine, objects).await?;
    let words = |leftover: Leftover| Mending::Object(Box::new(leftover)).to_string();
    mended.done.extend(removed.done.into_iter().map(words));
    let used = removed.used.into_iter();
    mended
        .left
        .extend(used.map(|(leftover, why)| format!("{}: {why}", words(leftover))));
    Ok(mended)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::environment::Environment;
    use crate::home::file;

    #[tokio::test]
    async fn a_forwarder_in_use_by_now_is_left() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("DEVENV_HOME".to_owned(), home.path().into())];
        let paths = Paths::locate(&Environment::from_variables(variables)).unwrap();
        let platform = PlatformName::new("acme").unwrap();
        let instance = InstanceName::new("default").unwrap();
        let wanted = paths.forwarders(&platform).join("default.json");
        file::create_parent(&wanted).unwrap();
        std::fs::write(&wanted, "{}").unwrap();
        let end = || end_idle(&paths, &platform, &instance);
        let lock = Lock::take_now(&paths.lock(&platform, &instance)).unwrap();
        assert!(lock.is_some() && !end().await.unwrap(), "`up` is at work");
        assert!(wanted.exists());
        assert!(
            paths.lock(&platform, &instance).exists(),
            "it is held still"
        );
        drop(lock);
        assert!(end().await.unwrap() && !wanted.exists());
    }
}
