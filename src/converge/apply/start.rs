//! Starting a container, with the secrets that it has as files.

use std::collections::BTreeMap;

use super::Failure;
use crate::converge::desired::secret_files;
use crate::engine::{Engine, SecretFile};
use crate::error::Error;
use crate::model::secret::Secret;

/// Starts a container with the files that it is to have; `label` is its [`crate::model::identity::SECRET_FILES`].
pub async fn start<E: Engine>(
    engine: &E,
    id: &str,
    label: Option<&str>,
    secrets: &BTreeMap<String, Secret>,
) -> Result<(), Failure> {
    let mut files = Vec::new();
    for (name, path) in secret_files::places(label) {
        let Some(value) = secrets.get(&name).cloned() else {
            let text = format!("there is no value of the secret {name}, which it has as a file");
            return Err(Failure::Other(Error::usage(text)));
        };
        files.push(SecretFile { path, value });
    }
    let started = if files.is_empty() {
        engine.start(id).await
    } else {
        engine.start_with(id, &files).await
    };
    started.map_err(Failure::from)
}
