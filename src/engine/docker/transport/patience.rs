//! Waiting for an engine's very first answer: said after a while, and not for ever. Whoever has
//! answered once is known to be there, and its requests have limits of their own.

use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// After this somebody at a terminal wonders.
const TOLD: Duration = Duration::from_secs(2);
/// A busy engine answers `/_ping` within milliseconds all the same.
const SILENCE: Duration = Duration::from_secs(8);

/// How long an engine's first answer may take, and who hears that it takes long.
#[derive(Clone)]
pub struct Patience {
    /// After this it is told.
    pub told: Duration,
    /// So long after that, on a connection that was made, nothing may come to `/_ping` either.
    pub silence: Duration,
    /// Told once, with the engine's place.
    pub tell: Arc<dyn Fn(&str) + Send + Sync>,
}

impl Default for Patience {
    fn default() -> Self {
        Self::telling(|_| {})
    }
}

impl fmt::Debug for Patience {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Patience").finish_non_exhaustive()
    }
}

impl Patience {
    /// The usual one; `tell` hears the engine's place.
    pub fn telling(tell: impl Fn(&str) + Send + Sync + 'static) -> Self {
        Self {
            told: TOLD,
            silence: SILENCE,
            tell: Arc::new(tell),
        }
    }
}

/// A [`Patience`] that was told or not.
pub(super) struct Waiting {
    pub(super) patience: Patience,
    told: AtomicBool,
}

impl Waiting {
    pub(super) fn new(patience: Patience) -> Self {
        Self {
            patience,
            told: AtomicBool::new(false),
        }
    }

    pub(super) fn tell(&self, engine: &str) {
        if !self.told.swap(true, Ordering::Relaxed) {
            (self.patience.tell)(engine);
        }
    }
}
