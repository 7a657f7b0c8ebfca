//! Volumes on their way between an engine and the chunks of this machine: in pieces, never whole in
//! memory, as many at once as there are processors.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use futures_util::stream::{self, FuturesOrdered, Stream, StreamExt};
use tokio::task::{JoinHandle, spawn_blocking};

use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::chunks::{Chunks, Kept};
use crate::instance::reader::Reader;
use crate::model::chunking::Cutter;
use crate::model::identity::Identity;
use crate::model::snapshot::{Chunk, SavedVolume};

/// What the label of a container says that data is read or written through.
pub(super) const DATA: &str = "data";

/// Where a volume is mounted: no image has such a folder.
const FOLDER: &str = "/devenv-data";

/// What is read: the names in its archive begin with a dot, and are unpacked into the folder itself. Podman
/// puts what is written beside a volume below it.
const CONTENT: &str = "/devenv-data/.";

/// Two empty blocks end a tar archive.
const END: usize = 1024;

/// What was read of a volume.
#[derive(Debug, Default)]
pub(super) struct Taken {
    /// Its content.
    pub(super) chunks: Vec<Chunk>,
    /// Bytes on this disk that were not there before.
    pub(super) added: u64,
}

/// Reads a volume of the engine into chunks; `told` hears of bytes as they come.
pub(super) async fn read(
    engine: &Docker,
    identity: &Identity,
    object: &str,
    chunks: &Chunks,
    told: impl Fn(u64),
) -> Result<Taken> {
    let reader = Reader::of(engine, identity, object, FOLDER, DATA).await?;
    let read = keep_archive(engine, &reader, chunks, told).await;
    let removed = reader.remove(engine).await;
    let taken = read.map_err(|error| error.within(format!("cannot save the volume {object}")))?;
    removed?;
    Ok(taken)
}

async fn keep_archive(
    engine: &Docker,
    reader: &Reader,
    chunks: &Chunks,
    told: impl Fn(u64),
) -> Result<Taken> {
    let end = Mutex::new(Vec::new());
    let archive = engine.read_archive(reader.id(), CONTENT);
    let archive = archive.map(|piece| piece.map_err(Error::from));
    let watched = archive.inspect(|piece| {
        let Ok(piece) = piece else { return };
        let mut end = end.lock().unwrap_or_else(PoisonError::into_inner);
        end.extend_from_slice(&piece[piece.len().saturating_sub(END)..]);
        let surplus = end.len().saturating_sub(END);
        end.drain(..surplus);
    });
    let taken = keep(watched, chunks, told).await?;
    let end = end.into_inner().unwrap_or_else(PoisonError::into_inner);
    if end.len() < END || end.iter().any(|byte| *byte != 0) {
        return Err(Error::engine(
            "the engine's archive of it ends in the middle",
        ));
    }
    Ok(taken)
}

/// Cuts what comes into chunks, and keeps them; `told` hears of bytes as they come.
pub(super) async fn keep(
    pieces: impl Stream<Item = Result<Bytes>>,
    chunks: &Chunks,
    told: impl Fn(u64),
) -> Result<Taken> {
    let mut pieces = std::pin::pin!(pieces);
    let mut cutter = Cutter::default();
    let mut keeping = Keeping {
        chunks: chunks.clone(),
        tasks: FuturesOrdered::new(),
        taken: Taken::default(),
    };
    while let Some(piece) = pieces.next().await {
        let piece = piece?;
        cutter.push(&piece);
        told(piece.len() as u64);
        while let Some(piece) = cutter.next_piece() {
            keeping.add(piece).await?;
        }
    }
    while let Some(piece) = cutter.last_piece() {
        keeping.add(piece).await?;
    }
    keeping.end().await
}

/// The bytes of chunks in their order, each checked.
pub(super) fn pieces(
    saved: Vec<Chunk>,
    chunks: &Chunks,
) -> impl Stream<Item = Result<Bytes>> + Send + 'static {
    let chunks = chunks.clone();
    stream::iter(saved)
        .map(move |chunk| {
            let chunks = chunks.clone();
            spawn_blocking(move || chunks.read(&chunk))
        })
        .buffered(at_once())
        .map(|read| joined(read).map(Bytes::from))
}

/// Chunks that are being compressed and written, in order.
struct Keeping {
    chunks: Chunks,
    tasks: FuturesOrdered<JoinHandle<Result<Kept>>>,
    taken: Taken,
}

impl Keeping {
    async fn add(&mut self, piece: Bytes) -> Result<()> {
        while self.tasks.len() > at_once() {
            self.next().await?;
        }
        let chunks = self.chunks.clone();
        let task = spawn_blocking(move || chunks.keep(&piece));
        self.tasks.push_back(task);
        Ok(())
    }

    async fn next(&mut self) -> Result<bool> {
        let Some(kept) = self.tasks.next().await else {
            return Ok(false);
        };
        let kept = joined(kept)?;
        self.taken.chunks.push(kept.chunk);
        self.taken.added += kept.added;
        Ok(true)
    }

    async fn end(mut self) -> Result<Taken> {
        while self.next().await? {}
        Ok(self.taken)
    }
}

/// Unpacks what was read into an empty volume; each chunk is checked before it is sent.
pub(super) async fn write(
    engine: &Docker,
    identity: &Identity,
    (object, saved): (&str, &SavedVolume),
    chunks: &Chunks,
    told: impl Fn(u64) + Send + Sync + 'static,
) -> Result<()> {
    let reader = Reader::of(engine, identity, object, FOLDER, DATA).await?;
    let broken: Arc<Mutex<Option<Error>>> = Arc::default();
    let failed = Arc::clone(&broken);
    let pieces = pieces(saved.chunks.clone(), chunks).map(move |read| match read {
        Ok(bytes) => {
            told(bytes.len() as u64);
            Ok(bytes)
        }
        Err(error) => {
            let text = error.to_string();
            *failed.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
            Err(std::io::Error::other(text))
        }
    });
    let written = engine.write_archive(reader.id(), FOLDER, pieces).await;
    let removed = reader.remove(engine).await;
    // The engine was only told that nothing more comes.
    let own = broken.lock().unwrap_or_else(PoisonError::into_inner).take();
    let error = own.or(written.err().map(Error::from));
    match error {
        Some(error) => Err(error.within(format!("cannot restore {saved}"))),
        None => Ok(removed?),
    }
}

fn joined<T>(task: Result<Result<T>, tokio::task::JoinError>) -> Result<T> {
    task.map_err(|error| Error::bug("a chunk's thread ended").because(error))?
}

fn at_once() -> usize {
    std::thread::available_parallelism().map_or(2, |it| it.get().min(8))
}
