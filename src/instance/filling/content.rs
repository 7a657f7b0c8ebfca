//! What volumes are filled with: a seed of the definitions, or what a container wrote into a snapshot.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::future::ready;
use futures_util::stream::{self, BoxStream, StreamExt};
use tokio::sync::watch;

use crate::definitions::CommitId;
use crate::error::{Error, Kind, Result};
use crate::instance::Instance;
use crate::instance::snapshot::DumpReader;
use crate::model::filling::FilledFrom;
use crate::model::lfs;
use crate::model::name::{ContainerName, FileName};
use crate::model::reference::Reference;
use crate::proposals::{Overlay, RunImage};

/// Bytes of a seed that are given at once.
const PIECE: usize = 64 << 10;

/// What one container is given.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) from: FilledFrom,
    pub(super) command: Vec<String>,
    pub(super) bytes: Source,
}

#[derive(Debug)]
pub(super) enum Source {
    Seed(Bytes),
    Dump(DumpReader),
}

impl Source {
    pub(super) fn size(&self) -> u64 {
        match self {
            Self::Seed(bytes) => bytes.len() as u64,
            Self::Dump(dump) => dump.size(),
        }
    }

    /// Its pieces; how many bytes were written is told on the way.
    pub(super) fn stream(&self, done: watch::Sender<u64>) -> BoxStream<'static, Bytes> {
        let pieces = match self {
            Self::Seed(bytes) => {
                let bytes = bytes.clone();
                let starts = (0..bytes.len()).step_by(PIECE);
                let piece = move |at: usize| bytes.slice(at..bytes.len().min(at + PIECE));
                stream::iter(starts).map(piece).boxed()
            }
            Self::Dump(dump) => dump.stream(),
        };
        // The next piece is asked for once the one before was written.
        let end = stream::once(ready(None));
        let pieces = pieces.map(Some).chain(end);
        let written = pieces.scan(0, move |before, piece| {
            done.send_modify(|it| *it += std::mem::take(before));
            *before = piece.as_ref().map_or(0, |it| it.len() as u64);
            ready(piece)
        });
        written.boxed()
    }

    /// Why the pieces ended before their end.
    pub(super) fn fault(&self) -> Result<()> {
        match self {
            Self::Seed(_) => Ok(()),
            Self::Dump(dump) => dump.fault(),
        }
    }
}

/// What did not come to its end, around why.
pub(super) fn failed(container: &ContainerName, content: &Content, why: Error) -> Error {
    why.within(match &content.from {
        FilledFrom::Seed(file) => format!("the seed {file} of {container} failed"),
        FilledFrom::Snapshot(name) => format!("the data of {container} in {name} was not read"),
    })
}

/// The seed of a container, from the commit of the definitions that its signed build statement names;
/// of a proposal, from the commit that it was built from.
pub(super) fn seed(
    instance: &Instance<'_>,
    overlay: &Overlay,
    images: &BTreeMap<ContainerName, RunImage>,
    name: &ContainerName,
    file: &FileName,
) -> Result<Content> {
    let unknown = || Error::bug(format!("the seed of {name} is from nowhere"));
    let run = &overlay
        .reference
        .containers
        .get(name)
        .ok_or_else(unknown)?
        .run;
    let seed = run.seed.as_ref().ok_or_else(unknown)?;
    let commit: CommitId = match images.get(name).ok_or_else(unknown)? {
        RunImage::Released(image) => image.commit.parse().map_err(Error::trust)?,
        RunImage::Local(local) => local.commit.ok_or_else(unknown)?,
    };
    let path = format!("containers/{}/{file}", overlay.reference.origin(name));
    let cannot = |error: Error| {
        error
            .within(format!("cannot read the seed of {name}"))
            .hint("`devenv sync` fetches the definitions")
    };
    let definitions = instance.session.definitions(&instance.open.name)?;
    let bytes = definitions.read(commit, &path).map_err(cannot)?;
    let bytes = bytes.ok_or_else(|| {
        let text = format!(
            "there is no {path} in the definitions at {}",
            commit.short()
        );
        cannot(Error::definitions(text))
    })?;
    if lfs::is_pointer(&bytes) {
        return Err(lfs::refusal(Kind::Definitions, &path));
    }
    Ok(Content {
        from: FilledFrom::Seed(file.clone()),
        command: seed.command.clone(),
        bytes: Source::Seed(bytes.into()),
    })
}

/// What was dumped is read by the command of what runs: a snapshot's own word is not enough.
pub(super) fn restored(
    reference: &Reference,
    name: &ContainerName,
    from: &FilledFrom,
    dump: DumpReader,
) -> Result<Content> {
    let entry = reference.containers.get(name);
    let dumping = entry.and_then(|it| it.run.snapshot.as_ref());
    let dumping = dumping.ok_or_else(|| {
        Error::definitions(format!(
            "{name} has no `snapshot` here whose `restore` could read its data"
        ))
        .hint("`devenv up --reference NUMBER` runs the definitions that the snapshot is from")
    })?;
    Ok(Content {
        from: from.clone(),
        command: dumping.restore.clone(),
        bytes: Source::Dump(dump),
    })
}
