//! Whether what is to run can read the data of a snapshot.

use std::collections::BTreeMap;

use crate::converge::plan::lifecycle::Entries;
use crate::error::{Error, Result};
use crate::home::state::VersionRecord;
use crate::model::container::Kind;
use crate::model::name::ContainerName;
use crate::model::reference::Reference;
use crate::model::snapshot::{SavedDump, Snapshot, Writer};

/// Why a reference, some of its containers in versions of their own, cannot read the data of a snapshot; `None`
/// where nothing speaks against it.
pub(in crate::instance) fn unread(
    saved: &Snapshot,
    reference: &Reference,
    versions: &BTreeMap<ContainerName, VersionRecord>,
) -> Option<String> {
    let writer = |name: &ContainerName| {
        let entry = reference.containers.get(name)?;
        let own = versions.get(name);
        let own = own.map(|it| (it.version.clone(), it.digest));
        let (version, digest) = own.or_else(|| Some((entry.version.clone()?, entry.digest?)))?;
        let writer = Writer {
            version: version.to_string(),
            digest,
            reference: reference.number,
        };
        Some((name.clone(), writer))
    };
    let reads = |it: &SavedDump| {
        let entry = reference.containers.get(&it.container);
        entry.is_some_and(|it| it.run.snapshot.is_some())
    };
    if let Some(dump) = saved.dumps.iter().find(|it| !reads(it)) {
        let (name, snapshot) = (&dump.container, &saved.name);
        return Some(format!(
            "its {name} cannot read what {name} wrote into {snapshot}"
        ));
    }
    let next = saved.writers.keys().filter_map(writer).collect();
    let refused = refuse_another_major(saved, &next, &reference.containers);
    refused.err().map(|error| error.to_string())
}

/// What a container wrote is read by a command in it, so it has to run.
pub(super) fn refuse_unread(
    snapshot: &Snapshot,
    runs: impl Fn(&ContainerName) -> bool,
) -> Result<()> {
    let mut dumps = snapshot.dumps.iter().map(|it| &it.container);
    let Some(name) = dumps.find(|it| !runs(it)) else {
        return Ok(());
    };
    let snapshot = &snapshot.name;
    let text = format!("{snapshot} holds what {name} wrote, which only {name} can read");
    Err(Error::usage(text).hint(format!("`devenv up {name}` starts it, then restore")))
}

/// A database does not read what another major version of it wrote; applications are none.
pub(super) fn refuse_another_major(
    snapshot: &Snapshot,
    next: &BTreeMap<ContainerName, Writer>,
    entries: &Entries,
) -> Result<()> {
    let is_service = |name: &ContainerName| {
        let entry = entries.get(name);
        entry.is_none_or(|it| it.run.kind == Kind::Service)
    };
    let writers = snapshot.writers.iter().filter(|(name, _)| is_service(name));
    let other = writers.into_iter().find_map(|(name, wrote)| {
        let next = next.get(name).filter(|it| wrote.is_of_another_major(it))?;
        Some((name, wrote, next))
    });
    let Some((name, wrote, next)) = other else {
        return Ok(());
    };
    let (snapshot, version, reference) = (&snapshot.name, &wrote.version, wrote.reference);
    let text = format!(
        "{snapshot} holds data of {}, and {} runs here: another major version does not read it",
        wrote.of(name),
        next.of(name)
    );
    Err(Error::usage(text)
        .hint(format!(
            "`devenv up {name}:{version}` runs that version, then restore"
        ))
        .hint(format!(
            "`devenv up --reference {reference}` runs all versions that the data is from"
        )))
}
