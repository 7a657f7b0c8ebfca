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
use crate::system::{Here, System as _};

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
            make_private(&folder)?;
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

/// Makes the folders that containers are about to mount: an engine makes none. Any user may write
/// there, as only the image knows the number of its own; the folder around them keeps the machine's
/// other users out, where it was made here.
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

/// For this user alone, unless it is there already: then it is the user's own business.
fn make_private(folder: &Path) -> Result<()> {
    Here::create_private(folder).at(Kind::Usage, "create", folder)
}

/// For every user, also where the folder was there before; one that belongs to somebody else, or is
/// a link, stays as it is.
fn make_open(folder: &Path) -> Result<()> {
    make_private(folder)?;
    let found = std::fs::symlink_metadata(folder).at(Kind::Usage, "read", folder)?;
    let is_open = Here::mode(&found).is_none_or(|mode| mode & 0o007 == 0o007);
    if !found.is_dir() || !Here::is_own(&found) || is_open {
        return Ok(());
    }
    let around = folder.parent().and_then(|it| std::fs::metadata(it).ok());
    let around = around.and_then(|it| Here::mode(&it));
    let is_closed = around.is_some_and(|mode| mode & 0o011 == 0);
    // Where others get in, they shall at least not remove or lead elsewhere what is not theirs.
    let mode = if is_closed { 0o777 } else { 0o1777 };
    Here::set_mode(folder, mode).at(Kind::Usage, "open up", folder)
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

#[cfg(test)]
#[cfg(unix)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn mode(folder: &Path) -> u32 {
        std::fs::metadata(folder).unwrap().permissions().mode() & 0o7777
    }

    #[test]
    fn containers_may_write_and_other_users_stay_out() {
        let home = tempfile::tempdir().unwrap();
        let made = home.path().join("logs");
        make_private(&made).unwrap();
        make_open(&made.join("billing")).unwrap();
        assert_eq!((mode(&made), mode(&made.join("billing"))), (0o700, 0o777));
    }

    #[test]
    fn a_folder_that_was_there_is_opened_too_and_one_around_it_is_not_touched() {
        let home = tempfile::tempdir().unwrap();
        let own = home.path().join("logs");
        let open = |mode| std::fs::Permissions::from_mode(mode);
        for folder in [&own, &own.join("billing")] {
            std::fs::create_dir(folder).unwrap();
            std::fs::set_permissions(folder, open(0o755)).unwrap();
        }
        make_private(&own).unwrap();
        make_open(&own.join("billing")).unwrap();
        assert_eq!((mode(&own), mode(&own.join("billing"))), (0o755, 0o1777));
    }
}
