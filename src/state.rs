//! What an instance remembers, whose objects it makes, and the lock that makes commands take turns.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::{File, OpenOptions};
use std::path::{Path, PathBuf};

use ring::rand::{SecureRandom, SystemRandom};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::desired::ports::Ports;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::container::Publish;
use crate::model::digest::Digest;
use crate::model::name::{
    ConfigurationName, ContainerName, EnvironmentName, InstanceName, PlatformName,
};
use crate::model::secret::Secret;
use crate::paths::Paths;
use crate::system::{Here, System as _};

/// What an instance was asked to be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceRecord {
    /// Containers and bundles asked for, by name.
    pub asked: Vec<String>,
    /// Whether everything was asked for.
    #[serde(default)]
    pub all: bool,
    /// Left out on request.
    #[serde(default)]
    pub without: Vec<String>,
    /// Whether the proxy runs.
    pub proxy: bool,
    /// Whose versions it runs.
    pub environment: EnvironmentName,
    /// The reference it runs.
    pub reference: ReferenceRecord,
    /// Whether the reference stays until another environment is asked for.
    #[serde(default)]
    pub pinned: bool,
    /// Which settings its images use.
    pub configuration: ConfigurationName,
    /// Containers that run from a proposal.
    #[serde(default)]
    pub local: BTreeSet<ContainerName>,
    /// Containers that run as they were released although there is a proposal: when it began.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub declined: BTreeMap<ContainerName, jiff::Timestamp>,
    /// The folder that log files are mirrored to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub logs_to: Option<LogMirror>,
    /// Host ports by container and `host:container` as published.
    #[serde(default)]
    pub ports: BTreeMap<ContainerName, Vec<PortRecord>>,
}

/// A folder of this machine that has the log files of each container in a folder of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogMirror {
    /// Absolute.
    pub folder: PathBuf,
    /// Its path on the engine's side; `None`: the engine does not see it, files are copied.
    #[serde(default)]
    pub engine: Option<String>,
}

/// A reference, by number and proxy image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceRecord {
    /// Its number.
    pub number: u64,
    /// The proxy image's digest.
    pub digest: Digest,
}

/// A host port that was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortRecord {
    /// Wanted on the host.
    pub wanted: u16,
    /// Inside.
    pub container: u16,
    /// Given.
    pub host: u16,
}

impl InstanceRecord {
    /// Reads the record, if the instance has one.
    pub fn load(
        paths: &Paths,
        platform: &PlatformName,
        instance: &InstanceName,
    ) -> Result<Option<Self>> {
        load(&paths.instance(platform, instance))
    }

    /// Writes the record.
    pub fn save(
        &self,
        paths: &Paths,
        platform: &PlatformName,
        instance: &InstanceName,
    ) -> Result<()> {
        save(&paths.instance(platform, instance), self)
    }

    /// Forgets the instance.
    pub fn remove(paths: &Paths, platform: &PlatformName, instance: &InstanceName) -> Result<()> {
        let path = paths.instance(platform, instance);
        std::fs::remove_file(&path).at(Kind::Usage, "remove", &path)
    }

    /// Whether anything is to run.
    pub fn asks_for_something(&self) -> bool {
        self.all || !self.asked.is_empty()
    }

    /// The ports it remembers.
    pub fn remembered(&self) -> Ports {
        let mut ports = Ports::default();
        for (container, records) in &self.ports {
            for record in records {
                let publish = Publish {
                    host: record.wanted,
                    container: record.container,
                };
                ports.insert(container.clone(), publish, record.host);
            }
        }
        ports
    }

    /// Remembers these ports, and those of containers that do not run now.
    pub fn remember(&mut self, ports: &Ports) {
        let mut all = self.remembered();
        for (container, publish, host) in ports.iter() {
            all.insert(container.clone(), publish, host);
        }
        self.ports.clear();
        for (container, publish, host) in all.iter() {
            let record = PortRecord {
                wanted: publish.host,
                container: publish.container,
                host,
            };
            self.ports
                .entry(container.clone())
                .or_default()
                .push(record);
        }
    }
}

/// The names of the instances that have a record.
pub fn instances(paths: &Paths, platform: &PlatformName) -> Result<Vec<InstanceName>> {
    recorded(&paths.instances(platform))
}

/// The names of the instances that have a file `<instance>.json` in a folder, in order.
pub fn recorded(folder: &Path) -> Result<Vec<InstanceName>> {
    let entries = match std::fs::read_dir(folder) {
        Ok(entries) => entries,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(error) => return Err(error).at(Kind::Usage, "read", folder),
    };
    let mut names: Vec<InstanceName> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| InstanceName::new(name.strip_suffix(".json")?).ok())
        .collect();
    names.sort();
    Ok(names)
}

/// This home's identity on engines.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Owner {
    /// For the label.
    pub id: String,
    #[serde(serialize_with = "expose", deserialize_with = "hide")]
    /// Hides secrets in hashes.
    pub key: Secret,
}

impl Owner {
    /// Reads it, or makes it at the first call.
    pub fn load(paths: &Paths) -> Result<Self> {
        let path = paths.owner();
        if let Some(owner) = load(&path)? {
            return Ok(owner);
        }
        let owner = Self {
            id: random_hex(8)?,
            key: Secret::new(random_hex(32)?),
        };
        // Two first commands at once: whoever wrote first is right.
        if save_new(&path, &owner)? {
            Ok(owner)
        } else {
            load(&path)?.ok_or_else(|| Error::bug(format!("{} vanished", path.display())))
        }
    }
}

fn expose<S: serde::Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn hide<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Secret, D::Error> {
    String::deserialize(deserializer).map(Secret::new)
}

/// Random bytes in hexadecimal digits.
pub fn random_hex(bytes: usize) -> Result<String> {
    let mut value = vec![0; bytes];
    SystemRandom::new()
        .fill(&mut value)
        .map_err(|_| Error::bug("the system gives no random numbers"))?;
    Ok(value
        .iter()
        .fold(String::new(), |text, byte| text + &format!("{byte:02x}")))
}

/// Held while a command changes what a record beside it tells; freed by the system however the
/// process ends. A lock of what nothing remembers any more goes when it is let go.
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
    /// Takes the lock; `waiting` is called once if another command holds it.
    pub async fn take(
        paths: &Paths,
        platform: &PlatformName,
        instance: &InstanceName,
        waiting: impl FnOnce(),
    ) -> Result<Self> {
        let path = paths.lock(platform, instance);
        create_parent(&path)?;
        let mut waiting = Some(waiting);
        loop {
            let file = open_lock(&path)?;
            let file = if file.try_lock().is_ok() {
                file
            } else {
                if let Some(waiting) = waiting.take() {
                    waiting();
                }
                let waited = tokio::task::spawn_blocking(move || file.lock().map(|()| file)).await;
                waited
                    .map_err(|error| Error::bug("the lock's thread ended").because(error))?
                    .at(Kind::Usage, "lock", &path)?
            };
            // It may have been a dead one, removed while we waited.
            if is_still_at(&file, &path) {
                return Ok(Self { _file: file, path });
            }
        }
    }

    /// Takes a lock that others hold for moments only: between reading a file and writing it.
    pub fn brief(path: &Path) -> Result<Self> {
        create_parent(path)?;
        loop {
            let file = open_lock(path)?;
            file.lock().at(Kind::Usage, "lock", path)?;
            if is_still_at(&file, path) {
                return Ok(Self {
                    _file: file,
                    path: path.to_owned(),
                });
            }
        }
    }
}

impl Lock {
    /// Takes the lock unless another command holds it.
    pub fn take_now(
        paths: &Paths,
        platform: &PlatformName,
        instance: &InstanceName,
    ) -> Result<Option<Self>> {
        let path = paths.lock(platform, instance);
        create_parent(&path)?;
        let file = open_lock(&path)?;
        let is_held = file.try_lock().is_err() || !is_still_at(&file, &path);
        // Not made at all where it is held: what ends a lock removes its file.
        Ok((!is_held).then(|| Self { _file: file, path }))
    }
}

fn open_lock(path: &Path) -> Result<File> {
    OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .open(path)
        .at(Kind::Usage, "open", path)
}

/// Whether an open file is the one that the path names.
fn is_still_at(file: &File, path: &Path) -> bool {
    let (Ok(open), Ok(named)) = (file.metadata(), path.metadata()) else {
        return false;
    };
    Here::identity(&open) == Here::identity(&named)
}

/// Instances with a lock that nobody holds and no record: a command died, or the instance is gone.
pub fn dead_locks(paths: &Paths, platform: &PlatformName) -> Result<Vec<InstanceName>> {
    let known = instances(paths, platform)?;
    let folder = paths.instances(platform);
    let Ok(entries) = std::fs::read_dir(&folder) else {
        return Ok(Vec::new());
    };
    let mut dead: Vec<InstanceName> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter_map(|name| InstanceName::new(name.strip_suffix(".lock")?).ok())
        .filter(|name| !known.contains(name))
        .filter(|name| {
            let file = File::open(paths.lock(platform, name));
            file.is_ok_and(|file| file.try_lock().is_ok())
        })
        .collect();
    dead.sort();
    Ok(dead)
}

/// Removes such a lock; `false` where it came to life meanwhile.
pub fn remove_dead_lock(
    paths: &Paths,
    platform: &PlatformName,
    instance: &InstanceName,
) -> Result<bool> {
    let path = paths.lock(platform, instance);
    let file = open_lock(&path)?;
    if file.try_lock().is_err() || paths.instance(platform, instance).exists() {
        return Ok(false);
    }
    std::fs::remove_file(&path).at(Kind::Usage, "remove", &path)?;
    Ok(true)
}

/// Reads a JSON file of devenv's own; absent is `None`.
pub fn load<T: DeserializeOwned>(path: &Path) -> Result<Option<T>> {
    let text = match std::fs::read(path) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error).at(Kind::Usage, "read", path),
    };
    serde_json::from_slice(&text).map(Some).map_err(|error| {
        Error::usage(format!("{} cannot be read", path.display()))
            .because(error)
            .hint("it is a file of devenv's own: remove it if you did not change it by hand")
    })
}

/// Writes a JSON file so that a reader sees the old or the new content, never half.
pub fn save<T: Serialize>(path: &Path, value: &T) -> Result<()> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::bug("cannot write JSON").because(error))?;
    write_atomically(path, &text)
}

/// Like [`save`], but never replaces: `false` when there is a file already.
fn save_new<T: Serialize>(path: &Path, value: &T) -> Result<bool> {
    let text = serde_json::to_vec_pretty(value)
        .map_err(|error| Error::bug("cannot write JSON").because(error))?;
    let file = temporary(path, &text)?;
    match file.persist_noclobber(path) {
        Ok(_) => Ok(true),
        Err(error) if error.error.kind() == std::io::ErrorKind::AlreadyExists => Ok(false),
        Err(error) => Err(error.error).at(Kind::Usage, "write", path),
    }
}

/// Writes a file (mode 0600) in one go, by renaming a complete one over it.
pub fn write_atomically(path: &Path, content: &[u8]) -> Result<()> {
    let file = temporary(path, content)?;
    file.persist(path)
        .map_err(|error| error.error)
        .at(Kind::Usage, "write", path)?;
    Ok(())
}

fn temporary(path: &Path, content: &[u8]) -> Result<tempfile::NamedTempFile> {
    use std::io::Write;
    let folder = create_parent(path)?;
    let mut file =
        tempfile::NamedTempFile::new_in(folder).at(Kind::Usage, "create a file in", folder)?;
    file.write_all(content).at(Kind::Usage, "write", path)?;
    Ok(file)
}

/// Makes the folder that a file is to be in.
pub fn create_parent(path: &Path) -> Result<&Path> {
    let folder = path.parent().unwrap_or(Path::new("/"));
    std::fs::create_dir_all(folder).at(Kind::Usage, "create", folder)?;
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Environment;

    #[tokio::test]
    async fn a_dead_lock_is_found_and_removed_and_a_live_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("DEVENV_HOME".to_owned(), home.path().into())];
        let paths = Paths::locate(&Environment::from_variables(variables)).unwrap();
        let acme = PlatformName::new("acme").unwrap();
        let name = InstanceName::new("gone").unwrap();
        let lock = Lock::take(&paths, &acme, &name, || {}).await.unwrap();
        assert_eq!(dead_locks(&paths, &acme).unwrap(), []);
        assert!(!remove_dead_lock(&paths, &acme, &name).unwrap());
        drop(lock);
        assert!(!paths.lock(&acme, &name).exists());
        // One that a killed command left.
        drop(open_lock(&paths.lock(&acme, &name)).unwrap());
        assert_eq!(
            dead_locks(&paths, &acme).unwrap(),
            std::slice::from_ref(&name)
        );
        // Whoever waits for a file that is removed takes the next one.
        let path = paths.lock(&acme, &name);
        let held = open_lock(&path).unwrap();
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
        assert!(open_lock(&path).unwrap().try_lock().is_err());
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
