//! The files that proposals are built from, watched: work trees, and artifacts that were given.
//!
//! Events of the file system only wake: what counts is a look at all files. So nothing is missed
//! where no events come (NFS, shared folders of virtual machines), only seen later.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use notify::{Event, RecursiveMode, Watcher};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep};

use crate::definitions::is_editors_own;
use crate::system::{Here, System as _};

/// Between two looks where no event comes.
const LOOK: Duration = Duration::from_secs(1);
/// How long nothing may change before it counts as saved: editors write several files.
const QUIET: Duration = Duration::from_millis(80);
/// The same for an artifact, which is written in pieces.
const QUIET_ARTIFACT: Duration = Duration::from_millis(400);
/// When waiting for quiet ends.
const PATIENCE: Duration = Duration::from_secs(30);
/// Files of a work tree that are looked at.
const MOST: usize = 20_000;

/// What is watched.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Sources {
    /// Folders, with all that is in them.
    pub trees: BTreeSet<PathBuf>,
    /// Single files; a build replaces them.
    pub artifacts: BTreeSet<PathBuf>,
}

impl Sources {
    fn cover(&self, path: &Path) -> bool {
        let mut trees = self.trees.iter();
        self.artifacts.contains(path) || trees.any(|tree| path.starts_with(tree))
    }
}

/// What a look tells of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct State {
    size: u64,
    modified: Option<SystemTime>,
    /// A file that is renamed over another may have its size and time.
    identity: Option<(u64, u64)>,
}

type Look = BTreeMap<PathBuf, State>;

/// What has changed since the last time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Files that came, went or are others now.
    pub paths: Vec<PathBuf>,
    /// Artifacts that are not there: somebody is about to build them.
    pub missing: Vec<PathBuf>,
}

/// Watches until it is dropped.
pub struct Watching {
    sources: Sources,
    seen: Look,
    wake: mpsc::Receiver<()>,
    watcher: Option<notify::RecommendedWatcher>,
}

impl Watching {
    /// Begins; what is there now is known.
    pub fn begin(sources: Sources) -> Self {
        let (waker, wake) = mpsc::channel(1);
        let woken = move |event: notify::Result<Event>| {
            // Reading the files is an event too.
            if !event.is_ok_and(|event| event.kind.is_access()) {
                // One that waits already is enough.
                let _ = waker.try_send(());
            }
        };
        let mut watching = Self {
            seen: look(&sources),
            sources,
            wake,
            watcher: notify::recommended_watcher(woken).ok(),
        };
        watching.watch();
        watching
    }

    /// A folder that went and came again has to be watched anew; one that cannot be is looked at.
    fn watch(&mut self) {
        let Some(watcher) = &mut self.watcher else {
            return;
        };
        for tree in &self.sources.trees {
            let _ = watcher.watch(tree, RecursiveMode::Recursive);
        }
        for folder in self.sources.artifacts.iter().filter_map(|it| it.parent()) {
            let _ = watcher.watch(folder, RecursiveMode::NonRecursive);
        }
    }

    /// Watches these from now on; what is new among them counts as known.
    pub fn follow(&mut self, sources: Sources) {
        if sources == self.sources {
            return;
        }
        self.seen.retain(|path, _| sources.cover(path));
        for (path, state) in look(&sources) {
            // What came or went meanwhile among what is watched already is yet to be seen.
            if !self.sources.cover(&path) {
                self.seen.insert(path, state);
            }
        }
        self.sources = sources;
        self.watch();
    }

    /// Waits until something has changed and is quiet again.
    pub async fn changed(&mut self) -> Change {
        loop {
            tokio::select! {
                _ = self.wake.recv(), if self.watcher.is_some() => {}
                () = sleep(LOOK) => {}
            }
            let now = look(&self.sources);
            if now == self.seen {
                continue;
            }
            let now = self.quiet(now).await;
            let paths = differing(&self.seen, &now);
            self.seen = now;
            self.watch();
            if !paths.is_empty() {
                let missing = self.sources.artifacts.iter();
                let missing = missing.filter(|it| !self.seen.contains_key(*it));
                return Change {
                    missing: missing.cloned().collect(),
                    paths,
                };
            }
        }
    }

    async fn quiet(&self, mut now: Look) -> Look {
        let begun = Instant::now();
        loop {
            let changed = differing(&self.seen, &now);
            let artifact = changed.iter().any(|it| self.sources.artifacts.contains(it));
            sleep(if artifact { QUIET_ARTIFACT } else { QUIET }).await;
            let next = look(&self.sources);
            if next == now || begun.elapsed() > PATIENCE {
                return next;
            }
            now = next;
        }
    }
}

fn differing(before: &Look, after: &Look) -> Vec<PathBuf> {
    let paths: BTreeSet<&PathBuf> = before.keys().chain(after.keys()).collect();
    let differs = |path: &&&PathBuf| before.get(**path) != after.get(**path);
    paths.iter().filter(differs).copied().cloned().collect()
}

fn look(sources: &Sources) -> Look {
    let mut found = Look::new();
    for tree in &sources.trees {
        walk(tree, &mut found);
    }
    for artifact in &sources.artifacts {
        if let Ok(metadata) = std::fs::metadata(artifact) {
            found.insert(artifact.clone(), State::of(&metadata));
        }
    }
    found
}

/// Never follows a link: a work tree may hold one to anywhere.
fn walk(folder: &Path, found: &mut Look) {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if found.len() >= MOST || name == ".git" || is_editors_own(&name) {
            continue;
        }
        match entry.metadata() {
            Ok(metadata) if metadata.is_dir() => walk(&entry.path(), found),
            Ok(metadata) => drop(found.insert(entry.path(), State::of(&metadata))),
            Err(_) => {}
        }
    }
}

impl State {
    fn of(metadata: &std::fs::Metadata) -> Self {
        Self {
            size: metadata.len(),
            modified: metadata.modified().ok(),
            identity: Here::identity(metadata),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    fn watched(folder: &Path) -> Sources {
        let (tree, target) = (folder.join("tree"), folder.join("target"));
        fs::create_dir_all(tree.join("containers/billing")).unwrap();
        fs::create_dir_all(&target).unwrap();
        fs::write(tree.join("containers/billing/container.yaml"), "port: 1").unwrap();
        fs::write(target.join("billing.war"), "one").unwrap();
        Sources {
            trees: [tree].into(),
            artifacts: [target.join("billing.war")].into(),
        }
    }

    async fn next(watching: &mut Watching) -> Change {
        tokio::time::timeout(Duration::from_secs(20), watching.changed())
            .await
            .expect("the change is seen")
    }

    #[tokio::test]
    async fn a_save_is_seen_once_and_an_editors_own_files_are_not() {
        let folder = tempfile::tempdir().unwrap();
        let sources = watched(folder.path());
        let below = folder.path().join("tree/containers/billing");
        let mut watching = Watching::begin(sources);
        fs::write(below.join(".container.yaml.swp"), "x").unwrap();
        fs::write(below.join("container.yaml"), "port: 22").unwrap();
        fs::write(below.join("Dockerfile"), "FROM scratch").unwrap();
        let change = next(&mut watching).await;
        let wanted = [below.join("Dockerfile"), below.join("container.yaml")];
        assert_eq!(change.paths, wanted);
        fs::write(below.join(".container.yaml.swp"), "xyz").unwrap();
        let none = tokio::time::timeout(Duration::from_millis(1500), watching.changed()).await;
        assert!(none.is_err(), "{none:?}");
    }

    #[tokio::test]
    async fn an_artifact_is_followed_through_renames_and_a_removed_folder() {
        let folder = tempfile::tempdir().unwrap();
        let sources = watched(folder.path());
        let war = folder.path().join("target/billing.war");
        let mut watching = Watching::begin(sources);
        fs::write(folder.path().join("target/new"), "two").unwrap();
        fs::rename(folder.path().join("target/new"), &war).unwrap();
        let change = next(&mut watching).await;
        assert_eq!((change.paths, change.missing), (vec![war.clone()], vec![]));
        // As `mvn clean package` does.
        fs::remove_dir_all(folder.path().join("target")).unwrap();
        assert_eq!(
            next(&mut watching).await.missing,
            std::slice::from_ref(&war)
        );
        fs::create_dir(folder.path().join("target")).unwrap();
        fs::write(&war, "three").unwrap();
        let change = next(&mut watching).await;
        assert_eq!((change.paths, change.missing), (vec![war], vec![]));
    }

    #[tokio::test]
    async fn what_goes_while_others_begin_to_count_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let mut sources = watched(folder.path());
        let stray = folder.path().join("tree/stray");
        fs::write(&stray, "x").unwrap();
        let mut watching = Watching::begin(sources.clone());
        fs::remove_file(&stray).unwrap();
        let other = folder.path().join("target/other.war");
        fs::write(&other, "y").unwrap();
        sources.artifacts.insert(other);
        watching.follow(sources);
        assert_eq!(next(&mut watching).await.paths, [stray]);
    }

    #[tokio::test]
    async fn what_gives_no_events_is_looked_at() {
        let folder = tempfile::tempdir().unwrap();
        let sources = watched(folder.path());
        let mut watching = Watching::begin(sources);
        watching.watcher = None;
        let path = folder.path().join("tree/platform.yaml");
        fs::write(&path, "schema: 1").unwrap();
        assert_eq!(next(&mut watching).await.paths, [path]);
    }
}
