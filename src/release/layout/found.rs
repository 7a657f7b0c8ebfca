//! What was found in one file of an image.

use std::collections::BTreeSet;

use super::budget::Budget;
use crate::model::sbom::Package;

/// The packages that a file lists, and the places in it that could not be read.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) packages: BTreeSet<Package>,
    pub(super) unread: BTreeSet<String>,
}

impl Found {
    /// Notes a place that could not be read.
    pub(super) fn miss(&mut self, place: &str, budget: &mut Budget) {
        if !self.unread.contains(place) && budget.keep(place.len()).is_some() {
            self.unread.insert(place.to_owned());
        }
    }
}
