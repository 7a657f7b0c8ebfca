//! Forgetting a platform on this machine: what goes, what stays on the engine, what must end first.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::Serialize;

use crate::engine::Engine as _;
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::lock::Lock;
use crate::home::session::Session;
use crate::home::state::{self, InstanceRecord, Owner};
use crate::model::identity;
use crate::model::name::PlatformName;

/// What there is of a platform on this machine.
#[derive(Debug, Serialize)]
pub struct Traces {
    /// Which.
    pub platform: PlatformName,
    /// Files and folders, and what is in each.
    pub files: Vec<Trace>,
    /// Volumes on the engine, which stay with all data in them; `None` where the engine does not
    /// answer.
    pub volumes: Option<Vec<String>>,
}

/// One file or folder.
#[derive(Debug, Serialize)]
pub struct Trace {
    /// For people: `pinned keys`.
    pub what: &'static str,
    pub path: PathBuf,
}

impl Traces {
    /// Looks here and at the engine. Fails with [`Kind::Usage`] where nothing is known of the
    /// platform, and while an instance of it has containers.
    pub async fn find(session: &Session, platform: &PlatformName) -> Result<Self> {
        let files: Vec<Trace> = session
            .home
            .paths
            .of_platform(platform)
            .into_iter()
            .filter(|(_, path)| path.exists())
            .map(|(what, path)| Trace { what, path })
            .collect();
        if files.is_empty() {
            let known = session.home.platforms()?;
            let known: Vec<_> = known.iter().map(PlatformName::as_str).collect();
            let error = Error::usage(format!("nothing is known of a platform `{platform}` here"));
            return Err(match known.as_slice() {
                [] => error,
                known => error.hint(format!("initialised here: {}", known.join(", "))),
            });
        }
        // Containers may be on another engine than the one that is asked now.
        let mut instances = remembered(session, platform)?;
        let volumes = match seen(session, platform).await {
            Ok((seen, volumes)) => {
                instances.extend(seen);
                Some(volumes)
            }
            Err(_) => None,
        };
        if instances.is_empty() {
            return Ok(Self {
                platform: platform.clone(),
                files,
                volumes,
            });
        }
        let names: Vec<_> = instances.iter().map(String::as_str).collect();
        let error = Error::usage(format!(
            "{platform} cannot be forgotten while it has containers here (instance {})",
            names.join(", ")
        ));
        Err(names.iter().fold(error, |error, name| {
            error.hint(format!(
                "`devenv down --platform {platform} --instance {name}` ends it; with `--volumes` its data goes too"
            ))
        }))
    }

    /// Removes the files, the clone first: without it nothing else is used.
    pub async fn remove(&self, session: &Session) -> Result<()> {
        let paths = &session.home.paths;
        let mut locks = Vec::new();
        for instance in state::instances(paths, &self.platform)? {
            let waiting = || {
                let text = format!("waiting for another devenv command on {instance}");
                session.reporter.note(&text);
            };
            let lock = Lock::take(paths, &self.platform, &instance, waiting).await?;
            locks.push((instance, lock));
        }
        // On Windows no folder with an open file goes: that of the locks is the last.
        let (of_locks, others): (Vec<_>, Vec<_>) = self
            .files
            .iter()
            .map(|it| &it.path)
            .partition(|path| **path == paths.instances(&self.platform));
        for path in others {
            let removed = if path.is_dir() {
                std::fs::remove_dir_all(path)
            } else {
                std::fs::remove_file(path)
            };
            removed.at(Kind::Usage, "remove", path)?;
        }
        for (instance, lock) in locks {
            InstanceRecord::remove(paths, &self.platform, &instance)?;
            drop(lock);
        }
        for path in of_locks {
            std::fs::remove_dir_all(path).at(Kind::Usage, "remove", path)?;
        }
        Ok(())
    }
}

/// The instances that have containers, and the volumes, on the engine.
async fn seen(
    session: &Session,
    platform: &PlatformName,
) -> Result<(BTreeSet<String>, Vec<String>)> {
    let (engine, _) = session.engine()?;
    let owner = format!(
        "{}={}",
        identity::OWNER,
        Owner::load(&session.home.paths)?.id
    );
    let of_it = |labels: &std::collections::BTreeMap<String, String>| {
        labels
            .get(identity::PLATFORM)
            .is_some_and(|it| it == platform.as_str())
    };
    let instances = engine
        .containers_with(&owner)
        .await?
        .into_iter()
        .filter(|it| of_it(&it.labels))
        .filter_map(|mut it| it.labels.remove(identity::INSTANCE))
        .collect();
    let volumes = engine.volumes(&owner).await?.into_iter();
    let volumes = volumes.filter(|it| of_it(&it.labels)).map(|it| it.name);
    Ok((instances, volumes.collect()))
}

/// The instances that are to run, as far as this machine remembers.
fn remembered(session: &Session, platform: &PlatformName) -> Result<BTreeSet<String>> {
    let mut found = BTreeSet::new();
    for instance in state::instances(&session.home.paths, platform)? {
        let record = InstanceRecord::load(&session.home.paths, platform, &instance)?;
        if record.is_some_and(|it| it.asks_for_something()) {
            found.insert(instance.to_string());
        }
    }
    Ok(found)
}
