//! Locks that make commands of this user take turns. The system frees them however a process ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::file;
use super::paths::Paths;
use super::state;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::name::{InstanceName, PlatformName};
use crate::system::{Here, System as _};

/// Held while a command changes what a record beside it tells. A lock of what nothing remembers any
/// more goes when it is let go.
#[derive(Debug)]
pub struct Lock {
    _file: File,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        if !self.path.with_extension("json").exists() {
            // Whoever waits for it sees that it is gone, and makes the next one.
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Lock {
    /// Takes the lock of an instance; `waiting` is called once if another command holds it.
    pub async fn take(
        paths: &Paths,
        platform: &PlatformName,
        instance: &InstanceName,
        waiting: impl FnOnce(),
    ) -> Result<Self> {
        Self::wait(paths.lock(platform, instance), waiting).await
    }

    /// Takes a lock that others may hold for long; `waiting` is called once if another command holds it.
    pub async fn wait(path: PathBuf, waiting: impl FnOnce()) -> Result<Self> {
        if let Some(lock) = Self::take_now(&path)? {
            return Ok(lock);
        }
        waiting();
        let waited = tokio::task::spawn_blocking(move || Self::brief(&path)).await;
        waited.map_err(|error| Error::bug("the lock's thread ended").because(error))?
    }

    /// Takes a lock that others hold for moments only: between reading a file and writing it.
    pub fn brief(path: &Path) -> Result<Self> {
        loop {
            let file = open(path)?;
            file.lock().map_err(|error| without_locks(path, error))?;
            // It may have been a dead one, removed while we waited.
            if is_still_at(&file, path) {
                return Ok(Self::of(file, path));
            }
        }
    }

    /// Takes the lock unless another process holds it.
    pub fn take_now(path: &Path) -> Result<Option<Self>> {
        let file = open(path)?;
        // Not made at all where it is held: what ends a lock removes its file.
        let is_ours = try_lock(&file, path)? && is_still_at(&file, path);
        Ok(is_ours.then(|| Self::of(file, path)))
    }

    fn of(file: File, path: &Path) -> Self {
        Self {
            _file: file,
            path: path.to_owned(),
        }
    }
}

/// Opens a lock's file, made where it is missing.
pub fn open(path: &Path) -> Result<File> {
    file::create_parent(path)?;
    let mut options = OpenOptions::new();
    options.create(true).truncate(false).write(true);
    options.open(path).at(Kind::Usage, "open", path)
}

/// Locks a file; `false` where another process holds it.
pub fn try_lock(file: &File, path: &Path) -> Result<bool> {
    taken(file.try_lock(), path)
}

/// Whether a process holds a lock. Who asks is not in the way of others who ask.
pub fn is_held(path: &Path) -> Result<bool> {
    Ok(!taken(open(path)?.try_lock_shared(), path)?)
}

fn taken(answer: std::result::Result<(), TryLockError>, path: &Path) -> Result<bool> {
    match answer {
        Ok(()) => Ok(true),
        Err(TryLockError::WouldBlock) => Ok(false),
        Err(TryLockError::Error(error)) => Err(without_locks(path, error)),
    }
}

/// A file system without locks, as some network drives are.
fn without_locks(path: &Path, error: std::io::Error) -> Error {
    let text = format!("cannot lock {}", path.display());
    let error = Error::usage(text).because(error);
    error.hint("its file system gives no locks, which commands need to take turns: DEVENV_HOME names a folder on a local disk")
}

/// Whether an open file is the one that the path names.
fn is_still_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    Here::identity(&open) == Here::identity(&named)
}

/// Instances with a lock that nobody holds and no record: a command died, or the instance is gone.
pub fn dead(paths: &Paths, platform: &PlatformName) -> Result<Vec<InstanceName>> {
    let known = state::instances(paths, platform)?;
    let names = file::names(&paths.instances(platform))?;
    let mut dead: Vec<InstanceName> = names
        .iter()
        .filter_map(|name| InstanceName::new(name.strip_suffix(".lock")?).ok())
        .filter(|name| !known.contains(name))
        .filter(|name| is_held(&paths.lock(platform, name)).is_ok_and(|held| !held))
        .collect();
    dead.sort();
    Ok(dead)
}

/// Removes such a lock; `false` where it came to life meanwhile.
pub fn remove_dead(
    paths: &Paths,
    platform: &PlatformName,
    instance: &InstanceName,
) -> Result<bool> {
    let path = paths.lock(platform, instance);
    if !path.exists() || paths.instance(platform, instance).exists() {
        return Ok(false);
    }
    // Letting it go removes it.
    Ok(Lock::take_now(&path)?.is_some())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::environment::Environment;

    #[tokio::test]
    async fn a_dead_lock_is_found_and_removed_and_a_live_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("DEVENV_HOME".to_owned(), home.path().into())];
        let paths = Paths::locate(&Environment::from_variables(variables)).unwrap();
        let acme = PlatformName::new("acme").unwrap();
        let name = InstanceName::new("gone").unwrap();
        let lock = Lock::take(&paths, &acme, &name, || {}).await.unwrap();
        assert_eq!(dead(&paths, &acme).unwrap(), []);
        assert!(!remove_dead(&paths, &acme, &name).unwrap());
        drop(lock);
        assert!(!paths.lock(&acme, &name).exists());
        // One that a killed command left.
        drop(open(&paths.lock(&acme, &name)).unwrap());
        assert_eq!(dead(&paths, &acme).unwrap(), std::slice::from_ref(&name));
        // Whoever waits for a file that is removed takes the next one.
        let path = paths.lock(&acme, &name);
        let held = open(&path).unwrap();
        held.try_lock().unwrap();
        let waiter = tokio::spawn({
            let (paths, acme, name) = (paths.clone(), acme.clone(), name.clone());
            async move { Lock::take(&paths, &acme, &name, || {}).await }
        });
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
        std::fs::remove_file(&path).unwrap();
        drop(held);
        let _taken = waiter.await.unwrap().unwrap();
        assert!(path.is_file());
        assert!(open(&path).unwrap().try_lock().is_err());
    }

    #[test]
    fn a_brief_lock_makes_others_wait() {
        let folder = tempfile::tempdir().unwrap();
        let (path, count) = (folder.path().join("it.lock"), folder.path().join("count"));
        std::fs::write(&count, "0").unwrap();
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for _ in 0..20 {
                        let _lock = Lock::brief(&path).unwrap();
                        let text = std::fs::read_to_string(&count).unwrap();
                        let next = text.parse::<u32>().unwrap() + 1;
                        std::fs::write(&count, next.to_string()).unwrap();
                    }
                });
            }
        });
        assert_eq!(std::fs::read_to_string(&count).unwrap(), "160");
    }
}
