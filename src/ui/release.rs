//! Shows what production's operations do, and asks their questions.

use std::sync::{Arc, Mutex, PoisonError};

use super::Ui;
use super::progress::Work;
use crate::error::Result;
use crate::model::difference::Difference;
use crate::release::Reporter;

/// How a release is told.
#[derive(Debug)]
pub struct ReleaseProgress<'a> {
    ui: &'a Ui,
    /// The transfer that is going on.
    transfer: Mutex<Option<(String, Arc<Work>)>>,
}

impl<'a> ReleaseProgress<'a> {
    /// For one operation.
    pub fn new(ui: &'a Ui) -> Self {
        Self {
            ui,
            transfer: Mutex::default(),
        }
    }

    fn end_transfer(&self) {
        let transfer = self.transfer.lock();
        // Dropping it clears its line.
        transfer.unwrap_or_else(PoisonError::into_inner).take();
    }
}

impl Reporter for ReleaseProgress<'_> {
    fn step(&self, text: &str) {
        self.end_transfer();
        self.ui.note(text);
    }

    fn output(&self, line: &str) {
        self.end_transfer();
        self.ui.note(&format!("  {line}"));
    }

    fn warn(&self, text: &str) {
        self.end_transfer();
        self.ui.warn(text);
    }

    fn transfer(&self, what: &str, done: u64, total: u64) {
        let mut transfer = self.transfer.lock().unwrap_or_else(PoisonError::into_inner);
        if transfer.as_ref().is_none_or(|(name, _)| name != what) {
            *transfer = Some((what.to_owned(), Work::begin(self.ui, what)));
        }
        if let Some((_, work)) = transfer.as_ref() {
            let megabytes = |bytes: u64| bytes / 1_000_000;
            work.update(&format!("{} of {} MB", megabytes(done), megabytes(total)));
        }
    }

    fn differences(&self, title: &str, differences: &[Difference]) {
        self.end_transfer();
        let title = if differences.is_empty() {
            title.to_owned()
        } else {
            format!("{title}:")
        };
        self.ui.note(&title);
        for difference in differences {
            self.ui.note(&format!("  {difference}"));
        }
    }

    fn confirm(&self, question: &str, flag: &str) -> Result<bool> {
        self.end_transfer();
        self.ui.confirm(question, flag)
    }
}
