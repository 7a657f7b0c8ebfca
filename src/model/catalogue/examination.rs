//! Definitions while they are checked.

use std::collections::{BTreeMap, BTreeSet};

use super::{Catalogue, Source};
use crate::error::Error;
use crate::model::name::ContainerName;

/// What was read so far, and what is wrong with it.
pub(super) struct Examination<'a> {
    pub(super) catalogue: Catalogue,
    pub(super) sources: &'a BTreeMap<ContainerName, Source>,
    /// They are there, and nothing more is known of them.
    pub(super) unreadable: BTreeSet<ContainerName>,
    pub(super) faults: Vec<Error>,
}

impl Examination<'_> {
    /// Whether it is there and its definition cannot be read.
    pub(super) fn is_unreadable(&self, name: &ContainerName) -> bool {
        self.unreadable.contains(name)
    }

    /// Whether there is nothing of this name.
    pub(super) fn is_missing(&self, name: &ContainerName) -> bool {
        !self.catalogue.definitions.contains_key(name) && !self.is_unreadable(name)
    }
}
