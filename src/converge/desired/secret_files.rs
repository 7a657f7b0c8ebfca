//! Secrets that a container has as files: folders in memory, filled before each start. Pure.

use std::collections::{BTreeMap, BTreeSet};

use crate::model::create_body::MountBody;
use crate::model::identity;
use crate::model::run_specification::RunSpecification;
use crate::model::secret_use;

/// Where each secret's file is, by the secret's name.
pub type Places = BTreeMap<String, String>;

/// A volume in memory for each folder.
pub(super) fn mounts(run: &RunSpecification) -> impl Iterator<Item = MountBody> {
    let folders = run.secret_files.values().filter_map(secret_use::place);
    let folders: BTreeSet<String> = folders.map(|(folder, _)| folder.to_owned()).collect();
    folders.into_iter().map(MountBody::of_memory)
}

/// The label that says where they are: whoever starts the container has to know.
pub(super) fn label(run: &RunSpecification) -> Option<(&'static str, String)> {
    let places: Places = run
        .secret_files
        .iter()
        .map(|(name, path)| (name.to_string(), path.to_string()))
        .collect();
    // Text by text: writing it cannot fail.
    let text = serde_json::to_string(&places).unwrap_or_default();
    (!places.is_empty()).then_some((identity::SECRET_FILES, text))
}

/// What a container's label says; none where it has none.
pub fn places(label: Option<&str>) -> Places {
    label
        .and_then(|text| serde_json::from_str(text).ok())
        .unwrap_or_default()
}
