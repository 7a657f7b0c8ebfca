//! Log files of an instance in a folder of this machine: shared with its containers, else copied.

use std::path::Path;

use super::intent::{Intent, LogsTo, Manner};
use super::{Instance, Which, fetch};
use crate::converge::observe::Observation;
use crate::engine::docker::Docker;
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{self, InstanceRecord, LogMirror};
use crate::instance::logs;
use crate::model::host_profile::Host;
use crate::model::identity::Identity;
use crate::model::name::ContainerName;
use crate::model::reference::Reference;
use crate::system::{Here, System as _};

/// Settles where log files go from now on.
///
/// # Errors
/// A folder that cannot be had, or that is another instance's.
pub(super) async fn settle(
    instance: &Instance<'_>,
    host: &Host,
    intent: &Intent,
    manner: Manner,
    record: &mut InstanceRecord,
) -> Result<()> {
    let folder = match intent.logs_to() {
        LogsTo::Volumes => None,
        LogsTo::Kept => record.logs_to.as_ref().map(|it| it.folder.clone()),
        LogsTo::Folder(folder) => {
            Some(std::path::absolute(folder).at(Kind::Usage, "find", folder)?)
        }
    };
    let Some(folder) = folder else {
        record.logs_to = None;
        return Ok(());
    };
    refuse_shared(instance.session, instance.open, &folder)?;
    if let LogsTo::Folder(_) = intent.logs_to() {
        logs::check_folder(&folder)?;
        let engine = seen(instance, host, intent, manner, &folder).await?;
        record.logs_to = Some(LogMirror { folder, engine });
    }
    Ok(())
}

/// The folder's path on the engine's side, where the engine sees it: tried out, except for a plan,
/// which changes nothing. There the profile is believed.
async fn seen(
    instance: &Instance<'_>,
    host: &Host,
    intent: &Intent,
    manner: Manner,
    folder: &Path,
) -> Result<Option<String>> {
    let Instance {
        session,
        open,
        ref engine,
        ref identity,
        ..
    } = *instance;
    let home = session.home.folder().display().to_string();
    let there = host.profile.translate(&folder.display().to_string(), &home);
    let Some(there) = there else {
        return Ok(None);
    };
    if manner.is_plan() {
        return Ok(Some(there));
    }
    make_private(folder)?;
    if engine.images().await?.is_empty() {
        // Nothing can be tried out without an image.
        fetch(session, open, &Which::of(intent)).await?;
    }
    let shared = logs::is_shared(engine, identity, folder, &there).await?;
    Ok(shared.then_some(there))
}

/// Containers of one name would write into the same files.
fn refuse_shared(session: &Session, open: &OpenPlatform, folder: &Path) -> Result<()> {
    for platform in session.home.platforms()? {
        for instance in state::instances(&session.home.paths, &platform)? {
            if (&platform, &instance) == (&open.name, &session.instance) {
                continue;
            }
            let other = InstanceRecord::load(&session.home.paths, &platform, &instance)?;
            let other = other.filter(InstanceRecord::asks_for_something);
            let other = other.and_then(|it| it.logs_to);
            if other.is_some_and(|it| is_same(&it.folder, folder)) {
                let (shown, own) = (folder.display(), &session.instance);
                return Err(Error::usage(format!(
                    "{shown} has the log files of the instance {instance} of {platform}"
                ))
                .hint(format!(
                    "choose another folder, such as `--logs-to {shown}-{own}`, or volumes: `--no-logs-to`"
                )));
            }
        }
    }
    Ok(())
}

/// Whether two paths lead to one folder, as far as it is there.
fn is_same(one: &Path, other: &Path) -> bool {
    let found = |path: &Path| path.canonicalize().unwrap_or_else(|_| path.to_owned());
    found(one) == found(other)
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
