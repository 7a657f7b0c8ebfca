//! What is still referred to: by the environments' current and previous references, and by the
//! references and versions that instances run.

use std::collections::BTreeSet;
use std::path::PathBuf;

use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{self, InstanceRecord, VersionRecord};
use crate::model::digest::Digest;
use crate::model::ledger::LedgerEntry;
use crate::model::name::{ContainerName, EnvironmentName, PlatformName};
use crate::model::reference::Reference;
use crate::verify::choose::{Choice, Preparation};
use crate::verify::evidence::Wanted;

/// References of an environment that are kept: the one that runs, and the one to go back to.
const REFERENCES: usize = 2;

/// What of one platform must stay.
#[derive(Debug, Clone, Default)]
pub struct Kept {
    /// Local tags of images.
    pub images: BTreeSet<String>,
    /// Files of the cache that are read to verify all this once more.
    pub files: BTreeSet<PathBuf>,
    /// What could not be known: then nothing of the platform's images may go.
    pub unknown: Vec<String>,
}

type Pinned = BTreeSet<(u64, Digest)>;

impl Kept {
    /// Asks the registry, unless offline, and goes through everything again without it.
    pub(super) async fn of(session: &Session, name: &PlatformName) -> Self {
        let mut kept = Self::default();
        match session.open_named(name) {
            Ok(open) => kept.find(session, &open).await,
            Err(error) => kept.unknown(name.as_str(), &error),
        }
        kept
    }

    async fn find(&mut self, session: &Session, open: &OpenPlatform) {
        let registry = session.registry();
        let online = Preparation::new(session, open, registry.as_ref());
        let cache = session.cache().recording();
        let offline = Preparation::new(session, open, None).with_cache(cache.clone());
        let mut pinned = Pinned::new();
        for environment in &open.platform.environments {
            match entries(&online, &offline, environment).await {
                Ok(entries) => pinned.extend(entries.iter().map(|it| (it.number, it.digest))),
                Err(error) => self.unknown(environment.as_str(), &error),
            }
        }
        match recorded(session, open) {
            Ok(records) => {
                pinned.extend(
                    records
                        .iter()
                        .map(|it| (it.reference.number, it.reference.digest)),
                );
                for (name, chosen) in records.iter().flat_map(|it| &it.versions) {
                    self.images.insert(tag(open, name, chosen.version.as_str()));
                    replay_version(&offline, name, chosen).await;
                }
            }
            Err(error) => self.unknown(open.name.as_str(), &error),
        }
        for (number, digest) in pinned {
            let what = format!("reference {number}");
            match online.choose(&Choice::Pinned(number, digest)).await {
                Ok(chosen) => self.reference(open, &chosen.verified.reference),
                Err(error) => self.unknown(&what, &error),
            }
            replay(&offline, number, digest).await;
        }
        self.files = cache.recorded();
    }

    fn reference(&mut self, open: &OpenPlatform, reference: &Reference) {
        let proxy = tag(open, &reference.proxy, &reference.number.to_string());
        self.images.insert(proxy);
        for (name, container) in &reference.containers {
            if let Some(version) = &container.version {
                self.images.insert(tag(open, name, version.as_str()));
            }
        }
    }

    fn unknown(&mut self, what: &str, error: &Error) {
        self.unknown.push(format!(
            "what {what} refers to is not known, so images and the cache stay: {}",
            error.chain().join(": ")
        ));
    }
}

/// The local tag of an image.
fn tag(open: &OpenPlatform, name: &ContainerName, version: &str) -> String {
    format!("localhost/devenv/{}/{name}:{version}", open.name)
}

/// The promotions of an environment that count; none where nothing was ever promoted.
async fn entries(
    online: &Preparation<'_>,
    offline: &Preparation<'_>,
    environment: &EnvironmentName,
) -> Result<Vec<LedgerEntry>> {
    let Some(look) = online.ledger_if_any(environment).await? else {
        return Ok(Vec::new());
    };
    // Reads the cached ledger once more, so that its files stay.
    offline.ledger_if_any(environment).await?;
    let mut entries: Vec<LedgerEntry> = Vec::new();
    for entry in look.ledger.predicate.entries.iter().rev() {
        if !entries.iter().any(|it| it.digest == entry.digest) {
            entries.push(entry.clone());
        }
    }
    entries.truncate(REFERENCES);
    Ok(entries)
}

/// What the instances run.
fn recorded(session: &Session, open: &OpenPlatform) -> Result<Vec<InstanceRecord>> {
    let mut records = Vec::new();
    for instance in state::instances(&session.home.paths, &open.name)? {
        let record = InstanceRecord::load(&session.home.paths, &open.name, &instance)?;
        records.extend(record);
    }
    Ok(records)
}

/// The same of a version that an instance runs beside its reference.
async fn replay_version(
    offline: &Preparation<'_>,
    container: &ContainerName,
    chosen: &VersionRecord,
) {
    let Ok(repository) = offline.platform().repository(container.as_str()) else {
        return;
    };
    let wanted = Wanted {
        container,
        version: &chosen.version,
        repository: &repository,
        digest: chosen.digest,
    };
    let _ = offline.verifier().image(&wanted).await;
}

/// Verifies a reference and its images from the cache: what is read is what must stay. Images
/// that were never fetched fail, and need nothing.
async fn replay(offline: &Preparation<'_>, number: u64, digest: Digest) {
    let Ok(chosen) = offline.choose(&Choice::Pinned(number, digest)).await else {
        return;
    };
    let verifier = offline.verifier();
    for (container, entry) in &chosen.verified.reference.containers {
        if let (Some(version), Some(digest)) = (&entry.version, entry.digest) {
            let wanted = Wanted {
                container,
                version,
                repository: &entry.repository,
                digest,
            };
            let _ = verifier.image(&wanted).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::cache::Cache;
    use crate::home::environment::Environment;
    use crate::home::paths::Paths;

    #[test]
    fn what_is_read_is_recorded() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("DEVENV_HOME".to_owned(), home.path().into())];
        let paths = Paths::locate(&Environment::from_variables(variables)).unwrap();
        let cache = Cache::new(&paths);
        let (read, unread) = (cache.keep(b"read").unwrap(), cache.keep(b"unread").unwrap());
        let recording = cache.recording();
        assert!(recording.clone().content(&read).is_some());
        assert_eq!(recording.recorded(), [paths.content(&read)].into());
        assert!(cache.content(&unread).is_some());
        assert_eq!(cache.recorded(), BTreeSet::new());
    }
}
