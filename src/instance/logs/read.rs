//! Reads what is there now, from the engine and from spooled files.

use bytes::Bytes;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use jiff::Timestamp;

use super::file::Lines;
use super::line::printed;
use super::merge::{Ascending, Merge};
use super::places::{Place, Volume};
use super::reached::Offsets;
use super::snapshot::{self, Snapshot, Spooled, Wanted};
use super::{Line, Query, Source};
use crate::engine::docker::{Docker, LogOptions};
use crate::engine::{Fault, FaultKind};
use crate::error::{Error, Result};
use crate::instance::reader::Reader;
use crate::model::name::ContainerName;

/// One log: its lines with the times by which they are merged, which ascend.
pub(super) type Log = BoxStream<'static, Result<(Timestamp, Line)>>;

/// Logs of files, how far they were read, and what was left out.
pub(super) struct Files {
    pub(super) logs: Vec<Log>,
    pub(super) offsets: Offsets,
    pub(super) notes: Vec<String>,
}

/// What a container's objects printed.
pub(super) fn output(engine: &Docker, place: &Place, query: Query) -> Vec<Log> {
    let options = LogOptions {
        follow: false,
        since: query.since.map(Timestamp::as_second),
        // At least one: it tells where following goes on.
        tail: query
            .tail
            .map(|it| u32::try_from(it.max(1)).unwrap_or(u32::MAX)),
    };
    let log = |id: &String| {
        let mut order = Ascending::new();
        let mut last = query.since.unwrap_or(Timestamp::MIN);
        let (container, since) = (place.container.clone(), query.since);
        let lines = engine.logs(id, options).filter_map(move |line| {
            let line = match line {
                Ok(line) => printed(line, &container, &mut last),
                // It was replaced meanwhile.
                Err(fault) if fault.kind == FaultKind::NotFound => return std::future::ready(None),
                Err(fault) => {
                    let error =
                        Error::from(fault).within(format!("cannot read the output of {container}"));
                    return std::future::ready(Some(Err(error)));
                }
            };
            let own = if continues(&line.text) {
                Timestamp::MIN
            } else {
                line.time
            };
            let wanted = since.is_none_or(|since| line.time >= since);
            std::future::ready(wanted.then(|| Ok((order.next(own), line))))
        });
        lines.boxed()
    };
    place.ids.iter().map(log).collect()
}

/// Whether a printed line is a part of a stack trace: it stays with the line before it.
fn continues(text: &Bytes) -> bool {
    text.starts_with(b"\t") || text.starts_with(b"    ") || text.starts_with(b"Caused by: ")
}

/// The files of a container's log volume.
pub(super) async fn files(engine: &Docker, place: &Place, query: Query) -> Result<Files> {
    let wanted = Wanted::Since(query.since);
    let snapshot = take(engine, place, wanted).await?;
    let name = &place.container;
    let offsets = Offsets::of(&snapshot);
    let notes = snapshot
        .notes
        .iter()
        .map(|note| format!("{name}: {note}"))
        .collect();
    let mut logs = Vec::new();
    for file in snapshot.files {
        logs.extend(log(name, file, query)?);
    }
    Ok(Files {
        logs,
        offsets,
        notes,
    })
}

async fn take(engine: &Docker, place: &Place, wanted: Wanted) -> Result<Snapshot> {
    let what = format!("the log files of {}", place.container);
    match read(engine, place, wanted).await {
        // The container was replaced meanwhile, or the folder is not there any more.
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(Snapshot {
            notes: vec![format!("its files cannot be read: {fault}")],
            ..Snapshot::default()
        }),
        other => other.map_err(|fault| snapshot::unreadable(fault, &what)),
    }
}

async fn read(engine: &Docker, place: &Place, wanted: Wanted) -> Result<Snapshot, Fault> {
    let Some(opened) = open(engine, place).await? else {
        return Ok(Snapshot::default());
    };
    let taken = snapshot::take(opened.archive, wanted).await;
    if let Some(reader) = opened.reader {
        reader.remove(engine).await?;
    }
    taken
}

/// Where the reader mounts the volume.
const READER_PATH: &str = "/devenv-logs";

/// The archive of a log volume.
pub(super) struct Opened {
    pub(super) archive: BoxStream<'static, Result<Bytes, Fault>>,
    /// To be removed once it was read.
    pub(super) reader: Option<Reader>,
}

/// The log volume of a place, if it has one.
pub(super) async fn open(engine: &Docker, place: &Place) -> Result<Option<Opened>, Fault> {
    let (reader, id, path) = match &place.volume {
        None => return Ok(None),
        Some(Volume::Mounted { id, path }) => (None, id.clone(), path.as_str()),
        Some(Volume::Detached { name, identity }) => {
            let reader = Reader::of(engine, identity, name, READER_PATH, "logs").await?;
            let id = reader.id().to_owned();
            (Some(reader), id, READER_PATH)
        }
    };
    Ok(Some(Opened {
        archive: engine.read_archive(&id, path),
        reader,
    }))
}

/// The lines of a spooled file.
fn log(container: &ContainerName, file: Spooled, query: Query) -> Result<Option<Log>> {
    let Some(content) = file.content else {
        return Ok(None);
    };
    let (container, path) = (container.clone(), file.path);
    let what = format!("{path} of {container}");
    let failed =
        move |error: std::io::Error| Error::engine(format!("cannot read {what}")).because(error);
    // With `since` the last lines are those of the whole.
    let lines = Lines::open(content, file.modified, query.tail).map_err(&failed)?;
    let lines = lines.filter_map(move |line| {
        let line = match line {
            Ok(line) => line,
            Err(error) => return Some(Err(failed(error))),
        };
        query
            .since
            .is_none_or(|since| line.order >= since)
            .then(|| {
                let shown = Line {
                    time: line.time,
                    container: container.clone(),
                    source: Source::File(path.clone()),
                    text: line.text,
                };
                Ok((line.order, shown))
            })
    });
    Ok(Some(stream::iter(lines).boxed()))
}

/// Logs as one, by time; one line of each is in memory.
pub(super) fn merged(logs: Vec<Log>) -> BoxStream<'static, Result<Line>> {
    let state = (Merge::new(), logs, None);
    stream::try_unfold(state, |(mut merge, mut logs, mut empty)| async move {
        // All logs at first, later the one whose line was taken.
        let missing = empty.take().map_or(0..logs.len(), |index| index..index + 1);
        for index in missing {
            if let Some(line) = logs[index].next().await {
                let (order, line) = line?;
                merge.offer(index, order, line);
            }
        }
        let next = merge.take();
        Ok(next.map(|(index, line)| (line, (merge, logs, Some(index)))))
    })
    .boxed()
}
