//! An instance's logs: what its containers print and the files in their log volumes, as one.

mod copy;
mod file;
mod folder;
mod follow;
mod line;
mod merge;
mod places;
mod reached;
mod read;
mod share;
mod snapshot;
mod time;

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, PoisonError};

use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::model::name::ContainerName;

pub use crate::model::name::LOGS as VOLUME;
pub use copy::{Copied, copy};
pub use folder::check_folder;
pub use follow::follow;
pub use line::{Line, Query, Source};
pub use places::{Place, Volume, left, places};
pub use reached::Reached;
pub use share::is_shared;

/// What is there now.
pub struct Backlog {
    /// The lines, by time.
    pub lines: BoxStream<'static, Result<Line>>,
    /// What was left out.
    pub notes: Vec<String>,
    /// For [`follow`], once the lines were read.
    pub reached: Reached,
}

/// Volumes that are read at the same time.
const AT_ONCE: usize = 4;

/// Reads what is there now. Files are spooled to disk, so that memory stays bounded.
pub async fn backlog(engine: &Docker, places: &[Place], query: Query) -> Result<Backlog> {
    let with_files = places
        .iter()
        .filter(|place| !query.no_files && place.volume.is_some());
    let files: Vec<_> =
        stream::iter(with_files)
            .map(|place| async move {
                Ok::<_, Error>((place, read::files(engine, place, query).await?))
            })
            .buffered(AT_ONCE)
            .try_collect::<Vec<_>>()
            .await?;
    let mut logs = Vec::new();
    for place in places.iter().filter(|_| !query.no_output) {
        logs.extend(read::output(engine, place, query));
    }
    let (mut notes, mut reached) = (Vec::new(), Reached::default());
    for (place, files) in files {
        logs.extend(files.logs);
        notes.extend(files.notes);
        reached.read.insert(place.container.clone(), files.offsets);
    }
    let seen = Arc::clone(&reached.seen);
    let lines = read::merged(logs).inspect_ok(move |line| {
        if line.source.file().is_none() {
            let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
            let last = seen.entry(line.container.clone()).or_insert(line.time);
            *last = line.time.max(*last);
        }
    });
    let lines = match query.tail {
        Some(count) => last_of_each(lines.boxed(), count).await,
        None => lines.boxed(),
    };
    Ok(Backlog {
        lines,
        notes,
        reached,
    })
}

/// The last lines of each container, in their order.
async fn last_of_each(
    mut lines: BoxStream<'static, Result<Line>>,
    count: usize,
) -> BoxStream<'static, Result<Line>> {
    let mut last: BTreeMap<ContainerName, VecDeque<(u64, Line)>> = BTreeMap::new();
    let mut number = 0;
    while let Some(line) = lines.next().await {
        let line = match line {
            Ok(line) => line,
            Err(error) => return stream::iter([Err(error)]).boxed(),
        };
        let own = last.entry(line.container.clone()).or_default();
        number += 1;
        own.push_back((number, line));
        if own.len() > count {
            own.pop_front();
        }
    }
    let mut all: Vec<_> = last.into_values().flatten().collect();
    all.sort_by_key(|(number, _)| *number);
    stream::iter(all.into_iter().map(|(_, line)| Ok(line))).boxed()
}

/// The last lines of the files at a path of a container: for a report of what went wrong.
pub async fn last_lines(engine: &Docker, place: &Place, count: usize) -> Vec<Line> {
    let query = Query {
        tail: Some(count),
        no_output: true,
        ..Query::default()
    };
    let Ok(backlog) = backlog(engine, std::slice::from_ref(place), query).await else {
        return Vec::new();
    };
    let lines: Vec<_> = backlog.lines.collect().await;
    lines.into_iter().filter_map(Result::ok).collect()
}
