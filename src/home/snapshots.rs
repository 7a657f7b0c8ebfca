//! The snapshots of a platform: a manifest each, and the chunks that they share.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use super::chunks::Chunks;
use super::file;
use super::lock::Lock;
use super::paths::Paths;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::digest::Digest;
use crate::model::name::{PlatformName, SnapshotName};
use crate::model::nearest::nearest;
use crate::model::snapshot::Snapshot;

/// Where the snapshots of one platform are.
#[derive(Debug, Clone)]
pub struct Snapshots {
    folder: PathBuf,
}

impl Snapshots {
    /// Those of a platform.
    pub fn of(paths: &Paths, platform: &PlatformName) -> Self {
        let folder = paths.snapshots(platform);
        Self { folder }
    }

    /// The chunks of all of them.
    pub fn chunks(&self) -> Chunks {
        Chunks::in_folder(self.folder.join("chunks"))
    }

    fn manifests(&self) -> PathBuf {
        self.folder.join("manifests")
    }

    fn manifest(&self, name: &SnapshotName) -> PathBuf {
        self.manifests().join(format!("{name}.json"))
    }

    /// Held while chunks are added or removed: what one command adds, another must not sweep away.
    pub async fn lock(&self, waiting: impl FnOnce()) -> Result<Lock> {
        Lock::wait(self.folder.join("chunks.lock"), waiting).await
    }

    /// The names of all, in order.
    pub fn names(&self) -> Result<Vec<SnapshotName>> {
        let names = file::names(&self.manifests())?;
        let names = names.iter().filter_map(|it| it.strip_suffix(".json"));
        Ok(names.filter_map(|it| SnapshotName::new(it).ok()).collect())
    }

    /// Whether there is one of this name.
    pub fn has(&self, name: &SnapshotName) -> bool {
        self.manifest(name).exists()
    }

    /// One of this name is not written over.
    ///
    /// # Errors
    /// There is one.
    pub fn refuse_known(&self, name: &SnapshotName) -> Result<()> {
        if !self.has(name) {
            return Ok(());
        }
        let text = format!("there is a snapshot called {name} already");
        Err(Error::usage(text).hint(format!(
            "choose another name; `devenv snapshot remove {name}` removes that one"
        )))
    }

    /// The one of this name.
    ///
    /// # Errors
    /// There is none, or its manifest cannot be true.
    pub fn load(&self, name: &SnapshotName) -> Result<Snapshot> {
        let path = self.manifest(name);
        let hint = "`devenv snapshot remove` removes it";
        let Some(snapshot) = file::load_else::<Snapshot>(&path, hint)? else {
            return Err(self.unknown(name));
        };
        snapshot.check()?;
        if snapshot.name != *name {
            let text = format!(
                "{} is of a snapshot called {}",
                path.display(),
                snapshot.name
            );
            return Err(Error::usage(text).hint(hint));
        }
        Ok(snapshot)
    }

    fn unknown(&self, name: &SnapshotName) -> Error {
        let all = self.names().unwrap_or_default();
        let error = Error::usage(format!("there is no snapshot called {name}"));
        match nearest(name.as_str(), all.iter().map(SnapshotName::as_str)) {
            Some(near) => error.hint(format!("did you mean `{near}`?")),
            None => error.hint("`devenv snapshot list` shows all"),
        }
    }

    /// Writes a manifest: from then on the snapshot is there. Its chunks are there before.
    ///
    /// # Errors
    /// A chunk is not there; a disk that is full.
    pub fn save(&self, snapshot: &Snapshot) -> Result<()> {
        let chunks = self.chunks();
        let missing = snapshot
            .digests()
            .into_iter()
            .find(|it| chunks.stored(it).is_none());
        if let Some(digest) = missing {
            let name = &snapshot.name;
            return Err(Error::bug(format!(
                "{name} needs the chunk {digest}, which is gone"
            )));
        }
        let text = serde_json::to_vec(snapshot)
            .map_err(|error| Error::bug("cannot write a manifest").because(error))?;
        file::write_durably(&self.manifest(&snapshot.name), &text)
    }

    /// Removes a snapshot, and the chunks that no other one needs; gives the bytes that are free now.
    /// One that cannot be read goes as well.
    pub fn remove(&self, name: &SnapshotName) -> Result<u64> {
        if !self.has(name) {
            return Err(self.unknown(name));
        }
        // Before anything goes: where another one cannot be read, its chunks are not known.
        let needed = self.needed_without(Some(name))?;
        let path = self.manifest(name);
        let size = std::fs::metadata(&path).map_or(0, |it| it.len());
        std::fs::remove_file(&path).at(Kind::Usage, "remove", &path)?;
        Ok(size + self.chunks().sweep(&needed)?)
    }

    /// Removes chunks that no snapshot needs.
    pub fn sweep(&self) -> Result<u64> {
        self.chunks().sweep(&self.needed_without(None)?)
    }

    /// How many files no snapshot needs, remains of interrupted commands among them, and their bytes.
    pub fn unneeded(&self) -> Result<(usize, u64)> {
        let files = self.chunks().unneeded(&self.needed_without(None)?)?;
        let size = |path: &PathBuf| std::fs::symlink_metadata(path).map_or(0, |it| it.len());
        Ok((files.len(), files.iter().map(size).sum()))
    }

    /// The chunks of all snapshots but this one.
    fn needed_without(&self, gone: Option<&SnapshotName>) -> Result<BTreeSet<Digest>> {
        let mut needed = BTreeSet::new();
        for name in self.names()?.iter().filter(|it| Some(*it) != gone) {
            needed.extend(self.load(name)?.digests());
        }
        Ok(needed)
    }

    /// Bytes on this disk of the chunks of each of these: all, and those that no other one needs.
    pub fn sizes(&self, all: &[Snapshot]) -> Vec<(u64, u64)> {
        let chunks = self.chunks();
        let digests: Vec<BTreeSet<Digest>> = all.iter().map(Snapshot::digests).collect();
        let mut users: BTreeMap<Digest, (u64, u32)> = BTreeMap::new();
        for digest in digests.iter().flatten() {
            let size = || chunks.stored(digest).unwrap_or_default();
            users.entry(*digest).or_insert_with(|| (size(), 0)).1 += 1;
        }
        let sizes = |digests: &BTreeSet<Digest>| {
            let all = digests.iter().map(|it| users[it]);
            all.fold((0, 0), |(all, own), (size, users)| {
                (all + size, if users == 1 { own + size } else { own })
            })
        };
        digests.iter().map(sizes).collect()
    }
}

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;
    use crate::model::name::{ContainerName, VolumeName};
    use crate::model::snapshot::{Origin, SavedVolume};

    fn snapshot(store: &Snapshots, name: &str, contents: &[&str]) -> Snapshot {
        let chunks = store.chunks();
        let kept = contents
            .iter()
            .map(|it| chunks.keep(it.as_bytes()).unwrap().chunk);
        let volume = SavedVolume {
            container: ContainerName::new("db").unwrap(),
            volume: VolumeName::new("data").unwrap(),
            chunks: kept.collect(),
        };
        let origin = Origin {
            platform: "acme".parse().unwrap(),
            instance: "default".parse().unwrap(),
            environment: "production".parse().unwrap(),
            configuration: "recette".parse().unwrap(),
            reference: 1,
            digest: Digest::of(b"1"),
            writers: BTreeMap::new(),
        };
        let name = SnapshotName::new(name).unwrap();
        Snapshot::new(
            name,
            Timestamp::UNIX_EPOCH,
            origin,
            (vec![volume], Vec::new()),
        )
    }

    #[test]
    fn what_two_have_is_kept_once_and_stays_until_both_are_gone() {
        let folder = tempfile::tempdir().unwrap();
        let store = Snapshots {
            folder: folder.path().to_owned(),
        };
        let (a, b) = (
            snapshot(&store, "a", &["both", "only a"]),
            snapshot(&store, "b", &["both", "only b"]),
        );
        for it in [&a, &b] {
            store.save(it).unwrap();
            assert_eq!(store.load(&it.name).unwrap(), *it);
            assert!(store.refuse_known(&it.name).is_err());
        }
        let size = |text: &str| store.chunks().stored(&Digest::of(text.as_bytes()));
        let (both, own) = (size("both").unwrap(), size("only a").unwrap());
        assert_eq!(store.sizes(&[a.clone(), b.clone()])[0], (both + own, own));
        assert!(store.remove(&a.name).unwrap() > own);
        assert_eq!((size("only a"), size("both")), (None, Some(both)));
        let known = store.load(&a.name).unwrap_err().to_string();
        assert_eq!(known, "there is no snapshot called a");
        store.remove(&b.name).unwrap();
        assert_eq!(size("both"), None);
    }

    #[test]
    fn no_manifest_names_what_is_not_there() {
        let folder = tempfile::tempdir().unwrap();
        let store = Snapshots {
            folder: folder.path().to_owned(),
        };
        let a = snapshot(&store, "a", &["gone"]);
        store.chunks().sweep(&BTreeSet::new()).unwrap();
        assert!(store.save(&a).is_err());
        assert!(!store.has(&a.name));
    }
}
