//! Saving a capsule: what an instance knows, then its data; the file is there whole, or not at all.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::cipher::Lock;
use super::gather::{Gathering, kept};
use super::known;
use super::pack::{self, Contents, Written};
use super::signature::{self, Signer};
use super::spool::{Blob, Spool};
use crate::error::{Error, Kind, PathContext as _, Result};
use crate::home::file;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, random_hex};
use crate::instance::running::Running;
use crate::instance::{Instance, snapshot};
use crate::model::capsule::manifest::{Asked, Manifest, Pinned, SCHEMA};
use crate::model::capsule::part::Part;
use crate::model::digest::Digest;
use crate::model::facets::record::Reference;
use crate::model::name::SnapshotName;
use crate::model::requests::scrub::Scrub;
use crate::model::snapshot::Snapshot;
use crate::system::{Here, System as _};
use crate::verify::trust::keys::SigningKey;
use crate::verify::trust::policy::LedgerSeen;

/// What is to be saved, and for whom.
pub struct Wish {
    /// Containers and bundles; without any, all that are there.
    pub names: Vec<String>,
    /// Which parts.
    pub parts: BTreeSet<Part>,
    /// Logs and requests from then on.
    pub since: Timestamp,
    /// When what it is about happened.
    pub moment: Timestamp,
    /// Requests of this file instead of the proxy's log.
    pub requests: Option<PathBuf>,
    /// The data of this snapshot instead of a new one.
    pub snapshot: Option<SnapshotName>,
    /// What it is about.
    pub reason: Option<String>,
    /// How long it can be opened.
    pub lifetime: SignedDuration,
    /// Who vouches for it.
    pub key: Option<SigningKey>,
    /// Who can open it.
    pub lock: Lock,
    /// How long one container may take to be ready again after its data was saved.
    pub timeout: Duration,
}

/// A capsule that was saved.
#[derive(Debug)]
pub struct Saved {
    /// What the capsule says of itself.
    pub manifest: Manifest,
    /// Of its OCI manifest.
    pub digest: Digest,
    /// Who vouches for it.
    pub signer: Signer,
    /// Bytes of each part, as they are in it.
    pub parts: BTreeMap<Part, u64>,
    /// Bytes of the file.
    pub size: u64,
}

/// Saves a capsule of the instance into a file that is not there yet.
///
/// # Errors
/// An instance that runs nothing; a key that nobody could verify; a refused question; what cannot be written.
pub async fn save(
    session: &Session,
    open: &OpenPlatform,
    file: &Path,
    wish: Wish,
) -> Result<Saved> {
    if file.exists() {
        let text = format!("{} is there already", file.display());
        return Err(Error::usage(text).hint("name another file, or remove that one"));
    }
    let now = session.home.now();
    let signer = match &wish.key {
        Some(key) => signature::refuse_unknown(&open.trust, &key.public(), now)?,
        None => Signer::Nobody,
    };
    let running = Running::look(session, open).await?;
    let names = running.present(&running.names(&wish.names)?)?;
    let (false, Some(record)) = (names.is_empty(), &running.record) else {
        let text = format!("nothing runs in the instance {}", session.instance);
        return Err(Error::usage(text).hint("`devenv up NAME` starts a container"));
    };
    let folder = session.home.paths.cache().to_owned();
    Here::create_private(&folder).at(Kind::Usage, "create", &folder)?;
    let redaction = known::redaction(session, open, &running, record).await?;
    let mut gathering = Gathering {
        session,
        open,
        running: &running,
        names: &names,
        since: wish.since,
        folder,
        scrub: Scrub::with(redaction),
        left_out: Vec::new(),
    };
    let mut parts = gather(&mut gathering, &wish).await?;
    let mut manifest = manifest(&gathering, record, &wish, now).await?;
    if wish.parts.contains(&Part::Snapshot) {
        let blob = data(&gathering, &wish, &mut manifest).await?;
        parts.push((Part::Snapshot, blob));
    }
    // Names of log files and words of programs are among it.
    let left_out = std::mem::take(&mut gathering.left_out);
    manifest.left_out = left_out.iter().map(|it| gathering.scrub.line(it)).collect();
    let sizes = parts.iter().map(|(part, it)| (*part, it.size)).collect();
    let written = write(session, file, wish, &manifest, parts).await?;
    Ok(Saved {
        manifest,
        digest: written.digest,
        signer,
        parts: sizes,
        size: written.size,
    })
}

/// What is taken while everything runs.
async fn gather(gathering: &mut Gathering<'_>, wish: &Wish) -> Result<Vec<(Part, Blob)>> {
    let mut parts = Vec::new();
    for part in &wish.parts {
        let blob = match part {
            Part::Facts => gathering.facts().await?,
            Part::Logs => gathering.logs().await?,
            Part::Requests => gathering.requests(wish.requests.as_deref()).await?,
            Part::Snapshot => None,
        };
        parts.extend(blob.map(|it| (*part, it)));
    }
    Ok(parts)
}

async fn manifest(
    gathering: &Gathering<'_>,
    record: &InstanceRecord,
    wish: &Wish,
    now: Timestamp,
) -> Result<Manifest> {
    let (session, open, running) = (gathering.session, gathering.open, gathering.running);
    let info = running.engine.info().await?;
    let seen = session
        .home
        .paths
        .ledger_seen(&open.name, &record.environment);
    let seen: Option<LedgerSeen> = file::load(&seen)?;
    let redaction = gathering.scrub.redaction();
    let reason = wish.reason.as_ref().map(|it| redaction.text(it));
    let expires = now.checked_add(wish.lifetime);
    Ok(Manifest {
        schema: SCHEMA,
        devenv: env!("CARGO_PKG_VERSION").to_owned(),
        engine: info.version,
        platform: open.name.clone(),
        instance: session.instance.clone(),
        environment: record.environment.clone(),
        configuration: record.configuration.clone(),
        reference: Reference {
            number: record.reference.number,
            digest: record.reference.digest,
        },
        sequence: seen.map(|it| it.sequence),
        asked: asked(record, &wish.names),
        moment: wish.moment,
        since: wish.since,
        taken: now,
        engine_clock: info.system_time.parse().ok(),
        expires: expires.map_err(|error| Error::usage("it would never expire").because(error))?,
        reason,
        containers: gathering.containers().await?,
        removed: redaction.removed(),
        too_short: redaction.short().to_vec(),
        in_data: BTreeMap::new(),
        data: None,
        left_out: Vec::new(),
    })
}

fn asked(record: &InstanceRecord, names: &[String]) -> Asked {
    let versions = record.versions.iter().map(|(name, it)| {
        let pinned = Pinned {
            version: it.version.clone(),
            digest: it.digest,
        };
        (name.clone(), pinned)
    });
    let is_all = names.is_empty();
    Asked {
        names: if is_all {
            record.asked.clone()
        } else {
            names.to_vec()
        },
        all: is_all && record.all,
        without: record.without.clone(),
        proxy: record.proxy,
        versions: versions.collect(),
        replicas: record.replicas.clone(),
    }
}

/// The data: of a snapshot that is there, or of one that is taken for it and removed again.
async fn data(gathering: &Gathering<'_>, wish: &Wish, manifest: &mut Manifest) -> Result<Blob> {
    let (session, open) = (gathering.session, gathering.open);
    let Some(name) = &wish.snapshot else {
        let name = format!("capsule-{}", random_hex(6)?);
        let name = SnapshotName::new(name).map_err(Error::bug)?;
        let instance = Instance::new(session, open)?;
        let saved = Box::pin(instance.save_snapshot(&name, wish.timeout)).await;
        let packed = match saved {
            Ok(saved) => packed(gathering, saved.snapshot, manifest).await,
            Err(error) => Err(error),
        };
        if snapshot::find(session, open, &name).is_ok() {
            snapshot::remove(session, open, &name).await?;
        }
        return packed;
    };
    let taken = snapshot::load(session, open, name)?;
    if taken.digest != manifest.reference.digest {
        let (of, runs) = (taken.reference, manifest.reference.number);
        let text = format!("the snapshot {name} is of reference {of}, and {runs} runs here");
        return Err(Error::usage(text)
            .hint("without `--snapshot` the data of the instance as it is now is taken"));
    }
    packed(gathering, taken, manifest).await
}

/// What is in the data cannot be taken out: it is told, and asked about.
async fn packed(
    gathering: &Gathering<'_>,
    taken: Snapshot,
    manifest: &mut Manifest,
) -> Result<Blob> {
    let (session, open) = (gathering.session, gathering.open);
    let redaction = gathering.scrub.redaction();
    let found = snapshot::search(session, open, &taken, redaction).await?;
    for (container, secrets) in &found {
        for (name, times) in secrets {
            session.reporter.warn(&format!(
                "the data of {container} holds the value of the secret {name} {times} times: \
                 bytes of a database cannot be taken out of it"
            ));
            *manifest.in_data.entry(name.clone()).or_default() += times;
        }
    }
    let question = "save the capsule with these secrets in its data?";
    if !found.is_empty() && !session.reporter.confirm(question, "--yes")? {
        return Err(Error::usage("nothing was saved")
            .hint("without `snapshot` in `--with` the capsule has no data"));
    }
    manifest.data = Some(taken.size());
    let spool = kept(Spool::new_in(&gathering.folder))?;
    let spool = snapshot::export_to(session, open, taken, spool).await?;
    kept(spool.end())
}

async fn write(
    session: &Session,
    file: &Path,
    wish: Wish,
    manifest: &Manifest,
    parts: Vec<(Part, Blob)>,
) -> Result<Written> {
    let manifest = serde_json::to_vec(manifest)
        .map_err(|error| Error::bug("cannot write a manifest").because(error))?;
    // What nobody could open is not written.
    Manifest::parse(&manifest)?;
    let (file, work) = (file.to_owned(), session.reporter.work("capsule"));
    let contents = Contents { manifest, parts };
    let written = tokio::task::spawn_blocking(move || {
        let written = pack::write(&file, contents, &wish.lock, wish.key.as_ref(), &*work);
        work.finish("written");
        written
    });
    written
        .await
        .map_err(|error| Error::bug("the thread of a file ended").because(error))?
}
