//! Opening a capsule: the very reference and data of it as an instance, and what is not as it was.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::chest::Chest;
use super::files::{self, Folder};
use super::signature::Signer;
use crate::error::{Error, Result};
use crate::home::data::DataRecord;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{ReferenceRecord, VersionRecord};
use crate::instance::facets::comparison::Comparison;
use crate::instance::intent::{Addition, Intent, Manner, RunFrom, Until};
use crate::instance::running::Running;
use crate::instance::snapshot::volumes;
use crate::instance::{Brought, Instance, snapshot};
use crate::model::capsule::manifest::Manifest;
use crate::model::capsule::part::Part;
use crate::model::digest::Digest;
use crate::model::facets::record::Runs;
use crate::model::name::{ContainerName, InstanceName, SnapshotName};
use crate::verify::choose::{Choice, Preparation, Versions};

/// The instance that nobody named.
const UNNAMED: &str = "default";

/// Differences that are told one by one.
const SHOWN: usize = 10;

/// How a capsule is opened.
#[derive(Debug, Clone, Copy)]
pub struct Opening {
    /// Whether a reference that was never promoted anywhere may run.
    pub unpromoted: bool,
    /// How long one container may take to become ready.
    pub timeout: Duration,
}

/// A capsule that was opened.
#[derive(Debug)]
pub struct Opened {
    /// The instance that runs it.
    pub instance: InstanceName,
    /// What it was brought to.
    pub brought: Brought,
    /// The snapshot that its data was filled from.
    pub snapshot: Option<SnapshotName>,
    /// Where its requests are, for `devenv replay`.
    pub requests: Option<PathBuf>,
    /// Where its record is, for `devenv compare`.
    pub facts: Option<PathBuf>,
    /// What is not as it was, in words.
    pub not_reproduced: Vec<String>,
}

/// Makes an instance of a capsule: that very reference, verified as ever, on that data. The same capsule again
/// begins once more, after a question.
///
/// # Errors
/// A refused question; an instance of the name that is something else; a reference that is not verified, or
/// not here without a network; what does not become ready.
pub async fn open(
    session: &Session,
    open: &OpenPlatform,
    chest: &Chest,
    opening: Opening,
) -> Result<Opened> {
    let manifest = &chest.manifest;
    agree(session, chest)?;
    let instance = instance_name(session, chest)?;
    let folder = Folder::of(session, open, &instance);
    if is_there(session, open, &instance).await? {
        agree_to_replace(session, &instance, folder.is_of(&chest.digest))?;
    }
    let registry = session.registry();
    let preparation = Preparation::new(session, open, registry.as_ref());
    let reference = ReferenceRecord {
        number: manifest.reference.number,
        digest: manifest.reference.digest,
    };
    let pinned = Choice::Pinned(reference.number, reference.digest);
    preparation.choose(&pinned).await.map_err(|error| {
        let text = format!("cannot run reference {} of the capsule", reference.number);
        error.within(text)
    })?;
    for name in sweep(session, open).await? {
        let text = format!("removed what the capsule of {name} had left: it expired");
        session.reporter.note(&text);
    }
    let snapshot = import(session, open, chest).await?;
    folder.write(chest)?;
    let here = session.beside(instance.clone());
    let intent = intent(manifest, reference, opening.unpromoted);
    let manner = Manner {
        until: Until::Ready,
        limit: opening.timeout,
    };
    session.reporter.note(&format!(
        "instance {instance}: reference {}",
        reference.number
    ));
    let copy = Instance::new(&here, open)?;
    let brought = match &snapshot {
        Some(name) => Box::pin(copy.up_on(name, &intent, manner)).await,
        None => Box::pin(copy.up(&intent, manner)).await,
    };
    let brought = brought
        .map_err(|error| error.within(format!("cannot bring up the instance {instance}")))?;
    let facts = folder.part(Part::Facts).filter(|it| it.exists());
    let mut not_reproduced = not_reproduced(manifest, chest);
    if let Some(facts) = &facts {
        let compared = Box::pin(Comparison::of(&here, open, &[], Some(facts))).await;
        not_reproduced.extend(differences(compared));
    }
    Ok(Opened {
        requests: folder.part(Part::Requests).filter(|it| it.exists()),
        instance,
        brought,
        snapshot,
        facts,
        not_reproduced,
    })
}

/// What nobody vouches for is asked about.
fn agree(session: &Session, chest: &Chest) -> Result<()> {
    if chest.signer != Signer::Nobody {
        return Ok(());
    }
    let reporter = &session.reporter;
    reporter.warn(
        "nobody signed the capsule: its logs, requests and data are what whoever wrote it wanted them to be",
    );
    if reporter.confirm("open it all the same?", "--yes")? {
        return Ok(());
    }
    Err(Error::usage("nothing was opened").hint("`devenv capsule show FILE` starts nothing"))
}

fn instance_name(session: &Session, chest: &Chest) -> Result<InstanceName> {
    if session.instance.as_str() != UNNAMED {
        return Ok(session.instance.clone());
    }
    let name = format!("capsule_{}", chest.digest.short());
    InstanceName::new(name).map_err(Error::bug)
}

/// Whether something of an instance of this name is there.
async fn is_there(session: &Session, open: &OpenPlatform, instance: &InstanceName) -> Result<bool> {
    let running = Running::look_at(session, open, instance).await?;
    let observed = &running.observation.observed;
    let data = DataRecord::load(&session.home.paths, &open.name, instance)?;
    let volumes = volumes::of_instance(&running.identity, &data, &observed.volumes);
    let asks = running.record.is_some_and(|it| it.asks_for_something());
    Ok(asks || !observed.containers.is_empty() || !volumes.is_empty())
}

/// What is there of another one is neither changed nor taken for the capsule's; what was made of the data of this one
/// meanwhile is lost only where the user agrees.
fn agree_to_replace(session: &Session, instance: &InstanceName, is_of_it: bool) -> Result<()> {
    let another = "`devenv --instance NAME capsule open FILE` makes one of another name";
    if !is_of_it {
        let text = format!("the instance {instance} is there already, and is not of this capsule");
        return Err(Error::usage(text).hint(another).hint(format!(
            "`devenv --instance {instance} down --volumes` ends that one, with its data"
        )));
    }
    let question =
        format!("the instance {instance} is there: begin again, with the data of the capsule?");
    if session.reporter.confirm(&question, "--yes")? {
        return Ok(());
    }
    Err(Error::usage("nothing was opened; the instance is as it was").hint(another))
}

/// Removes what capsules left whose time is over, their data too; gives the names of their instances.
async fn sweep(session: &Session, open: &OpenPlatform) -> Result<Vec<String>> {
    let mut gone = Vec::new();
    for (name, digest) in files::sweep(session, open)? {
        let snapshot = snapshot_name(&digest)?;
        if snapshot::find(session, open, &snapshot).is_ok() {
            snapshot::remove(session, open, &snapshot).await?;
        }
        gone.push(name);
    }
    Ok(gone)
}

/// What the data of a capsule is called here.
fn snapshot_name(capsule: &Digest) -> Result<SnapshotName> {
    SnapshotName::new(format!("capsule-{}", capsule.short())).map_err(Error::bug)
}

/// The data becomes a snapshot of this machine: with it the instance can begin again as often as is wanted.
async fn import(
    session: &Session,
    open: &OpenPlatform,
    chest: &Chest,
) -> Result<Option<SnapshotName>> {
    let Some(blob) = chest.parts.get(&Part::Snapshot) else {
        return Ok(None);
    };
    let name = snapshot_name(&chest.digest)?;
    // An earlier try may have left it; what is in it is only known of what is in the capsule.
    if snapshot::find(session, open, &name).is_ok() {
        snapshot::remove(session, open, &name).await?;
    }
    let from = files::rewound(&blob.file)?;
    snapshot::import_from(session, open, from, Some(name.clone()))
        .await
        .map_err(|error| error.within("cannot take the data of the capsule"))?;
    Ok(Some(name))
}

fn intent(manifest: &Manifest, reference: ReferenceRecord, unpromoted: bool) -> Intent {
    let asked = &manifest.asked;
    let versions = asked.versions.iter().map(|(name, it)| {
        let known = VersionRecord {
            version: it.version.clone(),
            digest: it.digest,
        };
        (name.clone(), RunFrom::Exactly(known))
    });
    Intent::Add(Box::new(Addition {
        names: asked.names.clone(),
        all: asked.all,
        without: asked.without.clone(),
        proxy: Some(asked.proxy),
        versions: Versions::Exactly(reference, Some(manifest.environment.clone())),
        unpromoted,
        over_newer_data: true,
        configuration: Some(manifest.configuration.clone()),
        sources: versions.collect(),
        replicas: asked.replicas.clone(),
        ..Addition::default()
    }))
}

fn not_reproduced(manifest: &Manifest, chest: &Chest) -> Vec<String> {
    let mut found = Vec::new();
    if !chest.parts.contains_key(&Part::Snapshot) {
        found
            .push("data: the capsule has none, and the volumes are as at a first start".to_owned());
    }
    for (name, ran) in &manifest.containers {
        if ran.source == Runs::Local {
            found.push(format!(
                "{name} ran from a proposal there; here it runs as it was released"
            ));
        }
    }
    let removed: Vec<String> = manifest
        .removed
        .iter()
        .map(|(name, count)| format!("{name} ({count} ×)"))
        .collect();
    if !removed.is_empty() {
        found.push(format!(
            "secrets were taken out of it, and this workstation's own values run: {}",
            removed.join(", ")
        ));
    }
    let left_out = manifest.left_out.iter();
    found.extend(left_out.map(|it| format!("not in the capsule: {it}")));
    found
}

/// The facets that differ, the first ones by name.
fn differences(compared: Result<Comparison>) -> Vec<String> {
    let compared = match compared {
        Ok(compared) => compared,
        Err(error) => {
            let why = error.chain().join(": ");
            return vec![format!("whether it runs as there is unknown: {why}")];
        }
    };
    let different = compared
        .facets
        .iter()
        .filter(|it| it.verdict == "different");
    let mut told: Vec<String> = different
        .map(|it| {
            let of = it
                .container
                .as_ref()
                .map_or("the engine", ContainerName::as_str);
            format!("{} of {of}: {} here, {} there", it.facet, it.here, it.there)
        })
        .collect();
    let more = told.len().saturating_sub(SHOWN);
    told.truncate(SHOWN);
    if more > 0 {
        told.push(format!("and {more} more facets differ"));
    }
    let mut absent: BTreeMap<&str, usize> = BTreeMap::new();
    let unknown = compared.facets.iter().filter(|it| it.verdict == "unknown");
    for it in unknown {
        *absent
            .entry(it.because.as_deref().unwrap_or(""))
            .or_default() += 1;
    }
    told.extend(
        absent
            .into_iter()
            .map(|(why, count)| format!("{count} facets are unknown: {why}")),
    );
    let names: Vec<String> = compared.not_here.iter().map(ToString::to_string).collect();
    if !names.is_empty() {
        told.push(format!("does not run here: {}", names.join(", ")));
    }
    told
}
