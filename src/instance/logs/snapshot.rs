//! The files of a log volume as they are at one moment, spooled to disk: memory stays bounded
//! however big they are.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use bytes::Bytes;
use flate2::read::MultiGzDecoder;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use jiff::Timestamp;
use tokio::sync::mpsc;

use crate::engine::{Fault, FaultKind};
use crate::error::{Error, Kind, Result};

/// Only the end of a bigger file is read.
pub(super) const LARGEST: u64 = 64 << 20;

/// No more than this is spooled of one volume.
const LARGEST_VOLUME: u64 = 1 << 30;

/// No more files than this are read of one volume.
const MOST_FILES: usize = 500;

/// A null byte within this makes a file binary.
const LOOK: usize = 8 << 10;

/// A file of a log volume.
#[derive(Debug)]
pub(super) struct Spooled {
    /// Its path in the volume.
    pub(super) path: String,
    /// When it was last written.
    pub(super) modified: Timestamp,
    /// How many bytes it had, those that were not spooled included.
    pub(super) size: u64,
    /// Its lines; `None` where they are not wanted.
    pub(super) content: Option<File>,
}

/// The files of a volume, and what has to be said of them.
#[derive(Debug, Default)]
pub(super) struct Snapshot {
    pub(super) files: Vec<Spooled>,
    /// Paths of the folders in the volume; its own is empty.
    pub(super) folders: Vec<String>,
    pub(super) notes: Vec<String>,
}

/// Which files are to be spooled.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wanted {
    /// Those written since, or all.
    Since(Option<Timestamp>),
    /// Only names and sizes.
    Nothing,
}

/// Reads the archive of a folder.
pub(super) async fn take(
    archive: BoxStream<'static, Result<Bytes, Fault>>,
    wanted: Wanted,
) -> Result<Snapshot, Fault> {
    entries(archive, move |archive| spool(archive, wanted)).await
}

/// What a file has beyond `offset`, at most `limit` bytes.
pub(super) async fn beyond(
    archive: BoxStream<'static, Result<Bytes, Fault>>,
    offset: u64,
    limit: u64,
) -> Result<Vec<u8>, Fault> {
    entries(archive, move |mut archive| {
        let mut bytes = Vec::new();
        for entry in archive.entries()? {
            let mut entry = entry?;
            if entry.header().entry_type().is_file() {
                io::copy(&mut (&mut entry).take(offset), &mut io::sink())?;
                entry.take(limit).read_to_end(&mut bytes)?;
                break;
            }
        }
        Ok(bytes)
    })
    .await
}

/// Hands the archive to a thread that may block.
pub(super) async fn entries<T: Send + 'static>(
    mut archive: BoxStream<'static, Result<Bytes, Fault>>,
    read: impl FnOnce(tar::Archive<Pieces>) -> io::Result<T> + Send + 'static,
) -> Result<T, Fault> {
    let (sender, pieces) = mpsc::channel(8);
    let pieces = Pieces {
        pieces,
        rest: VecDeque::new(),
    };
    let reading = tokio::task::spawn_blocking(move || read(tar::Archive::new(pieces)));
    let mut failure = None;
    while let Some(piece) = archive.next().await {
        match piece {
            Ok(piece) => {
                if sender.send(piece).await.is_err() {
                    break;
                }
            }
            Err(fault) => {
                failure = Some(fault);
                break;
            }
        }
    }
    drop(sender);
    let failed =
        |text: String| Fault::new(FaultKind::Failed, format!("cannot read the files: {text}"));
    let read = reading.await.map_err(|error| failed(error.to_string()))?;
    match failure {
        Some(fault) => Err(fault),
        None => read.map_err(|error| failed(error.to_string())),
    }
}

/// The pieces of a stream, for a reader that blocks.
pub(super) struct Pieces {
    pieces: mpsc::Receiver<Bytes>,
    rest: VecDeque<u8>,
}

impl Read for Pieces {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.rest.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.rest = Vec::from(piece).into(),
                None => return Ok(0),
            }
        }
        self.rest.read(buffer)
    }
}

fn spool(mut archive: tar::Archive<Pieces>, wanted: Wanted) -> io::Result<Snapshot> {
    let mut snapshot = Snapshot::default();
    let mut left = LARGEST_VOLUME;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = inside(&entry.path()?);
        let kind = entry.header().entry_type();
        if !kind.is_file() {
            snapshot.folders.extend(kind.is_dir().then_some(path));
            continue;
        }
        let seconds = entry.header().mtime()?.try_into().unwrap_or(0);
        let modified = Timestamp::from_second(seconds).unwrap_or_default();
        let size = entry.size();
        let fresh = match wanted {
            Wanted::Since(since) => since.is_none_or(|since| modified >= since),
            Wanted::Nothing => false,
        };
        let mut content = None;
        if fresh && (snapshot.files.len() >= MOST_FILES || left == 0) {
            snapshot
                .notes
                .push(format!("{path} is left out: there is too much"));
        } else if fresh {
            let copied = copy(&mut entry, &path, size, left, &mut snapshot.notes)?;
            content = copied.map(|(file, length)| {
                left -= length.min(left);
                file
            });
        }
        snapshot.files.push(Spooled {
            path,
            modified,
            size,
            content,
        });
    }
    snapshot.files.sort_by(|a, b| a.path.cmp(&b.path));
    Ok(snapshot)
}

/// The path without the folder that was asked for.
fn inside(path: &Path) -> String {
    let parts = path.components().skip(1);
    parts.collect::<std::path::PathBuf>().display().to_string()
}

/// The end of a file, unpacked; `None` where it holds no text.
fn copy(
    entry: &mut impl Read,
    path: &str,
    size: u64,
    left: u64,
    notes: &mut Vec<String>,
) -> io::Result<Option<(File, u64)>> {
    let limit = LARGEST.min(left);
    let is_packed = Path::new(path).extension().is_some_and(|it| it == "gz");
    let mut reader: Box<dyn Read> = if is_packed {
        Box::new(MultiGzDecoder::new(entry).take(limit))
    } else {
        let skipped = size.saturating_sub(limit);
        if skipped > 0 {
            notes.push(format!(
                "{path} has {} MiB: only its last {} MiB are read",
                size >> 20,
                limit >> 20
            ));
        }
        io::copy(&mut entry.take(skipped), &mut io::sink())?;
        Box::new(entry)
    };
    let mut beginning = Vec::new();
    let looked = (&mut reader).take(LOOK as u64).read_to_end(&mut beginning);
    if looked.is_err() || beginning.contains(&0) {
        notes.push(format!("{path} is left out: it holds no text"));
        return Ok(None);
    }
    let mut file = tempfile::tempfile()?;
    file.write_all(&beginning)?;
    let copied = io::copy(&mut reader, &mut file);
    if copied.is_err() && !is_packed {
        copied?;
    }
    let length = file.seek(SeekFrom::End(0))?;
    Ok(Some((file, length)))
}

/// An error for the user.
pub(super) fn unreadable(fault: Fault, what: &str) -> Error {
    let error = Error::new(Kind::Engine, format!("cannot read {what}"));
    error.because(fault)
}

#[cfg(test)]
mod tests {
    use flate2::Compression;
    use flate2::write::GzEncoder;
    use futures_util::stream;

    use super::*;

    fn archive(files: &[(&str, u64, &[u8])]) -> BoxStream<'static, Result<Bytes, Fault>> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, modified, bytes) in files {
            let mut header = tar::Header::new_gnu();
            header.set_size(bytes.len() as u64);
            header.set_mtime(*modified);
            builder.append_data(&mut header, path, *bytes).unwrap();
        }
        let bytes = builder.into_inner().unwrap();
        let pieces: Vec<_> = bytes
            .chunks(700)
            .map(|piece| Ok(Bytes::copy_from_slice(piece)))
            .collect();
        stream::iter(pieces).boxed()
    }

    fn text(file: &mut Spooled) -> Option<String> {
        let content = file.content.as_mut()?;
        let mut text = String::new();
        content.rewind().unwrap();
        content.read_to_string(&mut text).unwrap();
        Some(text)
    }

    #[tokio::test]
    async fn text_is_kept_packed_text_unpacked_and_the_rest_left_out() {
        let mut packed = GzEncoder::new(Vec::new(), Compression::fast());
        packed.write_all(b"packed\n").unwrap();
        let packed = packed.finish().unwrap();
        let files: [(&str, u64, &[u8]); 4] = [
            ("logs/a.log", 100, b"plain\n"),
            ("logs/old.log", 10, b"old\n"),
            ("logs/deep/b.log.gz", 100, &packed),
            ("logs/heap.hprof", 100, b"JAVA\0"),
        ];
        let since = Timestamp::from_second(50).ok();
        let taken = take(archive(&files), Wanted::Since(since)).await;
        let mut snapshot = taken.unwrap();
        let found: Vec<_> = snapshot
            .files
            .iter_mut()
            .map(|file| (text(file), file.path.clone()))
            .collect();
        let expected = [
            (Some("plain\n"), "a.log"),
            (Some("packed\n"), "deep/b.log.gz"),
            (None, "heap.hprof"),
            (None, "old.log"),
        ];
        let expected = expected.map(|(text, path)| (text.map(ToOwned::to_owned), path.to_owned()));
        assert_eq!(found, expected);
        assert_eq!(snapshot.notes, ["heap.hprof is left out: it holds no text"]);
    }

    #[tokio::test]
    async fn growth_is_what_lies_beyond() {
        let file: [(&str, u64, &[u8]); 1] = [("a.log", 1, b"0123456789")];
        assert_eq!(beyond(archive(&file), 4, 3).await.unwrap(), b"456");
        assert_eq!(beyond(archive(&file), 20, 3).await.unwrap(), b"");
    }

    #[tokio::test]
    async fn a_stream_that_breaks_is_an_error() {
        let fault = Fault::new(FaultKind::Unreachable, "gone");
        let broken = archive(&[("a.log", 1, &[b'x'; 5000])]).take(2);
        let broken = broken.chain(stream::iter([Err(fault.clone())])).boxed();
        let taken = take(broken, Wanted::Since(None)).await;
        assert_eq!(taken.unwrap_err(), fault);
    }
}
