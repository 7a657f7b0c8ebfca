//! What `--fix` mends: only what holds no data and is made anew when it is needed.

use std::fmt;
use std::path::PathBuf;

use crate::clean::{self, Leftover};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::forward::{Files, Forwarder};
use crate::model::name::{InstanceName, PlatformName};
use crate::state;

/// One thing that can be mended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Mending {
    /// A container or network that nobody needs.
    Object(Leftover),
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
    Forwarder {
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
            Self::Forwarder { instance, .. } => {
                write!(f, "end the forwarder of the instance {instance}")
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

/// Mends; what is in use by now stays.
pub async fn mend(context: &Context, mendings: Vec<Mending>) -> Result<Mended> {
    let mut mended = Mended::default();
    let mut objects = Vec::new();
    for mending in mendings {
        let text = mending.to_string();
        match mending {
            Mending::Object(leftover) => objects.push(leftover),
            Mending::Forwarder { platform, instance } => {
                let files = Files::new(&context.paths, &platform, &instance);
                Forwarder::new(files).stop().await?;
                mended.done.push(text);
            }
            Mending::Lock {
                platform, instance, ..
            } => {
                if state::remove_dead_lock(&context.paths, &platform, &instance)? {
                    mended.done.push(text);
                } else {
                    mended.left.push(format!("{text}: it is in use by now"));
                }
            }
        }
    }
    if objects.is_empty() {
        return Ok(mended);
    }
    if objects.iter().any(|it| it.kind() == "volume") {
        return Err(Error::bug("doctor never removes volumes"));
    }
    let (engine, _) = context.engine()?;
    let removed = clean::remove(&engine, objects).await?;
    let words = |leftover: Leftover| Mending::Object(leftover).to_string();
    mended.done.extend(removed.done.into_iter().map(words));
    let used = removed.used.into_iter();
    mended
        .left
        .extend(used.map(|(leftover, why)| format!("{}: {why}", words(leftover))));
    Ok(mended)
}
