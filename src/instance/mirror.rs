//! Log files of an instance in a folder of this machine: shared with its containers, else copied.

use std::path::Path;

use super::fetch;
use crate::context::{Context, OpenPlatform};
use crate::converge::observe::Observation;
use crate::engine::docker::Docker;
use crate::error::{Kind, PathContext, Result};
use crate::logs;
use crate::model::host_profile::Host;
use crate::model::identity::Identity;
use crate::model::name::ContainerName;
use crate::model::reference::Reference;
use crate::prepare::{LogsTo, Wish};
use crate::state::{InstanceRecord, LogMirror};

/// Settles where log files go from now on. Whether the folder is shared is tried out, except for a
/// plan, which changes nothing: there the profile is believed.
pub(super) async fn settle(
    context: &Context,
    open: &OpenPlatform,
    (engine, host): (&Docker, &Host),
    identity: &Identity,
    wish: &Wish,
    record: &mut InstanceRecord,
) -> Result<()> {
    let folder = match &wish.logs_to {
        LogsTo::Kept => return Ok(()),
        LogsTo::Volumes => {
            record.logs_to = None;
            return Ok(());
        }
        LogsTo::Folder(folder) => std::path::absolute(folder).at(Kind::Usage, "find", folder)?,
    };
    let text = folder.display().to_string();
    let there = host
        .profile
        .translate(&text, &context.home().display().to_string());
    let there = match there {
        Some(there) if !wish.dry_run => {
            std::fs::create_dir_all(&folder).at(Kind::Usage, "create", &folder)?;
            if engine.images().await?.is_empty() {
                // Nothing can be tried out without an image.
                fetch(context, open, wish).await?;
            }
            let shared = logs::is_shared(engine, identity, &folder, &there).await?;
            shared.then_some(there)
        }
        other => other,
    };
    match &there {
        Some(_) => context.ui.note(&format!("log files go to {text}")),
        None => context.ui.note(&format!(
            "the engine does not see {text}: log files are copied there at each `up`, `down` and `logs`"
        )),
    }
    record.logs_to = Some(LogMirror {
        folder,
        engine: there,
    });
    Ok(())
}

/// Makes the folders that containers are about to mount: an engine makes none. Everybody may write
/// there, as only the image knows the number of its user.
pub(super) fn make_folders<'a>(
    record: &InstanceRecord,
    reference: &Reference,
    names: impl IntoIterator<Item = &'a ContainerName>,
) -> Result<()> {
    let Some(LogMirror {
        folder,
        engine: Some(_),
    }) = &record.logs_to
    else {
        return Ok(());
    };
    for name in names {
        let entry = reference.containers.get(name);
        if entry.is_some_and(|it| it.run.volumes.contains_key(logs::VOLUME)) {
            make_open(&folder.join(name.as_str()))?;
        }
    }
    Ok(())
}

fn make_open(folder: &Path) -> Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    std::fs::create_dir_all(folder).at(Kind::Usage, "create", folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        let everybody = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(folder, everybody).at(Kind::Usage, "open up", folder)?;
    }
    Ok(())
}

/// Copies log files out, where the instance remembers a folder that its engine does not see.
pub async fn copy_out(
    engine: &Docker,
    identity: &Identity,
    record: Option<&InstanceRecord>,
) -> Result<()> {
    let Some(LogMirror {
        folder,
        engine: None,
    }) = record.and_then(|it| it.logs_to.as_ref())
    else {
        return Ok(());
    };
    let mut observation = Observation::take(engine, identity).await?;
    observation.mounts(engine).await?;
    let places = logs::places(identity, &observation.observed, &[]);
    logs::copy(engine, &places, folder).await.map(drop)
}
