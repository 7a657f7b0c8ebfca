//! What `--fix` mends: only what holds no data and is made anew when it is needed.

use std::fmt;
use std::path::PathBuf;

use crate::clean::{self, Leftover};
use crate::context::Context;
use crate::error::{Error, Result};
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
}

impl fmt::Display for Mending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Object(leftover) => write!(f, "remove the {} {leftover}", leftover.kind()),
            Self::Lock { path, .. } => write!(f, "remove the lock {}", path.display()),
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
