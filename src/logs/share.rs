//! Whether a folder of this machine is one that the engine's containers see: proven, never assumed.

use std::path::Path;

use futures_util::TryStreamExt;

use super::places;
use super::read::some_image;
use crate::engine::docker::Docker;
use crate::engine::{Engine, Fault, FaultKind};
use crate::error::{Kind, PathContext, Result};
use crate::model::create_body::{BIND, CreateBody, MountBody};
use crate::model::identity::Identity;

/// Where the container that is never run mounts it.
const INSIDE: &str = "/devenv-share";

/// Whether a marker written into `folder` is seen at `there` on the engine's side. Something else
/// may be there: an engine elsewhere has a folder of that name too.
pub async fn is_shared(
    engine: &Docker,
    identity: &Identity,
    folder: &Path,
    there: &str,
) -> Result<bool> {
    let word = crate::state::random_hex(16)?;
    let marker = format!(".devenv-{}", &word[..8]);
    let path = folder.join(&marker);
    std::fs::write(&path, &word).at(Kind::Usage, "write", &path)?;
    let seen = read(engine, identity, there, &marker).await;
    std::fs::remove_file(&path).at(Kind::Usage, "remove", &path)?;
    match seen {
        Ok(bytes) => Ok(contains(&bytes, word.as_bytes())),
        // The folder is not there, or not to be mounted: engines say that in many ways.
        Err(fault) if !matches!(fault.kind, FaultKind::Unreachable | FaultKind::NoSpace) => {
            Ok(false)
        }
        Err(fault) => Err(fault.into()),
    }
}

/// The archive of the marker, read through a container that never runs.
async fn read(
    engine: &Docker,
    identity: &Identity,
    there: &str,
    marker: &str,
) -> Result<Vec<u8>, Fault> {
    let mut body = CreateBody {
        cmd: Some(vec!["never-run".to_owned()]),
        image: some_image(engine, identity).await?,
        labels: (places::reader_labels(identity).into_iter())
            .map(|(name, value)| (name.into(), value))
            .collect(),
        ..CreateBody::default()
    };
    "none".clone_into(&mut body.host_config.network_mode);
    body.host_config.mounts = vec![MountBody {
        source: there.to_owned(),
        target: INSIDE.to_owned(),
        kind: BIND.to_owned(),
    }];
    let object = format!("{}.share{marker}", identity.network());
    let id = engine.create(&object, &body, &[]).await?;
    let pieces = engine.read_archive(&id, &format!("{INSIDE}/{marker}"));
    let archive = pieces.try_collect::<Vec<_>>().await;
    engine.remove(&id).await?;
    Ok(archive?.concat())
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}
