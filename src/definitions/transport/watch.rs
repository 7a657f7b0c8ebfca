//! What the thread of the built-in git and those who wait for it tell each other.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use tokio::time::Instant;

use super::super::remote_url::redact;
use super::failure::Failure;
use super::progress::{self, Activity, SharedReporter};

/// Lines of the server that are kept.
const MOST_LINES: usize = 2000;

/// What the blocking side and the waiting side share.
pub(super) struct Watch {
    last_sign: Mutex<Instant>,
    abandoned: AtomicBool,
    reporter: SharedReporter,
    said: Mutex<Vec<String>>,
    refused: Mutex<Option<Failure>>,
}

impl Watch {
    pub(super) fn new(reporter: SharedReporter) -> Self {
        Self {
            last_sign: Mutex::new(Instant::now()),
            abandoned: AtomicBool::new(false),
            reporter,
            said: Mutex::default(),
            refused: Mutex::default(),
        }
    }

    /// Notes a sign of life; false once nobody waits any more.
    pub(super) fn alive(&self) -> bool {
        *self
            .last_sign
            .lock()
            .unwrap_or_else(PoisonError::into_inner) = Instant::now();
        !self.abandoned.load(Ordering::Relaxed)
    }

    pub(super) fn last_sign(&self) -> Instant {
        *self
            .last_sign
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn hear(&self, line: &str) {
        let activity = progress::read(line, true);
        if let Some(Activity::Server(line)) = &activity {
            let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
            // The end is what counts: a link, a warning.
            if said.len() == MOST_LINES {
                said.remove(0);
            }
            said.push(redact(line));
        }
        if let Some(activity) = activity {
            self.reporter.activity(activity);
        }
    }

    pub(super) fn step(&self, name: &str, done: usize, total: usize) {
        self.reporter.activity(Activity::Step {
            name: name.to_owned(),
            done: done as u64,
            total: Some(total as u64),
            remote: false,
        });
    }

    /// Notes why this side ends the transfer.
    pub(super) fn refuse(&self, why: Failure) {
        *self.refused.lock().unwrap_or_else(PoisonError::into_inner) = Some(why);
    }

    pub(super) fn refused(&self) -> Option<Failure> {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        refused.take()
    }

    pub(super) fn said(&self) -> Vec<String> {
        self.said
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }
}

/// Tells the blocking side to stop when the waiting side goes away.
pub(super) struct Abandon(pub(super) Arc<Watch>);

impl Drop for Abandon {
    fn drop(&mut self) {
        self.0.abandoned.store(true, Ordering::Relaxed);
    }
}
