//! What wrote the data of containers last. That older code is to start on what newer code wrote is said,
//! and asked about.

use std::collections::BTreeMap;

use super::Instance;
use super::intent::{Intent, Manner};
use super::snapshot::volumes;
use crate::converge::desired::Desired;
use crate::converge::observe::Observation;
use crate::error::{Error, Result};
use crate::model::name::ContainerName;
use crate::model::snapshot::Writer;
use crate::proposals::RunImage;

/// What is to run, by container.
type Next = BTreeMap<ContainerName, Writer>;

/// When it is noted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum When {
    /// Before it starts: it may write at once, and never become ready.
    Before,
    /// It runs.
    Done,
}

/// What is to run.
pub(super) fn next(images: &BTreeMap<ContainerName, RunImage>, reference: u64) -> Next {
    let writer = |image: &RunImage| Writer {
        version: image.image().version.clone(),
        digest: image.image().digest,
        reference,
    };
    let all = images.iter();
    all.map(|(name, image)| (name.clone(), writer(image)))
        .collect()
}

/// Says where older code is to start on data that newer code wrote, and asks, unless that is intended.
///
/// # Errors
/// A refused question.
pub(super) fn ask(
    instance: &Instance<'_>,
    observation: &Observation,
    next: &Next,
    intent: &Intent,
    manner: Manner,
) -> Result<()> {
    if intent.takes_newer_data() {
        return Ok(());
    }
    let data = instance.data()?;
    let there = &observation.observed.volumes;
    let mut names: Vec<ContainerName> = volumes::of_instance(&instance.identity, &data, there)
        .into_iter()
        .map(|it| it.container)
        .collect();
    names.dedup();
    let reporter = &instance.session.reporter;
    for name in names {
        let (Some(wrote), Some(next)) = (data.written.get(&name), next.get(&name)) else {
            continue;
        };
        if !wrote.is_newer_than(next) {
            continue;
        }
        reporter.warn(&format!("data was last written by {}", wrote.of(&name)));
        let older = next.of(&name);
        if manner.is_plan() {
            reporter.warn(&format!("`up` asks before it starts {older} on it"));
        } else if !reporter.confirm(&format!("start {older} on it, which is older?"), "--yes")? {
            return Err(Error::usage("nothing was started").hint(
                "`devenv snapshot restore NAME` brings back data of that time, `devenv help data` tells of it",
            ));
        }
    }
    Ok(())
}

/// Remembers what writes the data from now on. Before a start, older code does not hide what newer code
/// wrote.
///
/// # Errors
/// A file that cannot be written.
pub(super) fn note(
    instance: &Instance<'_>,
    desired: &Desired,
    next: &Next,
    when: When,
) -> Result<()> {
    let all = desired.containers.iter();
    let with_data = all.filter(|it| it.data_volumes().next().is_some());
    let writers: Vec<_> = with_data
        .filter_map(|it| Some((it.name.clone(), next.get(&it.name)?.clone())))
        .collect();
    instance.change_data(|data| {
        for (name, writer) in writers {
            let older = data.written.get(&name);
            let older = older.is_some_and(|wrote| wrote.is_newer_than(&writer));
            if when == When::Done || !older {
                data.written.insert(name, writer);
            }
        }
    })
}
