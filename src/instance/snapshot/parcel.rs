//! A snapshot as one file to give away: a tar archive of its manifest and of its chunks as they are kept.
//! What comes from such a file is nobody's friend until every byte of it was checked.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::{self, BufReader, Read, Write};
use std::path::{Component, Path};

use tar::EntryType;

use super::{store, waits};
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::chunks::Chunks;
use crate::home::reporter::Work;
use crate::home::session::{OpenPlatform, Session};
use crate::home::snapshots::Snapshots;
use crate::model::chunking::LARGEST;
use crate::model::digest::Digest;
use crate::model::name::{PlatformName, SnapshotName};
use crate::model::snapshot::{Chunk, SavedVolume, Snapshot};

const MANIFEST: &str = "manifest.json";
const CHUNKS: &str = "chunks";

/// Bytes of a manifest: enough for 500 GB.
const LARGEST_MANIFEST: u64 = 64 << 20;

/// What does not get smaller is stored as it is, with a few bytes around it.
const LARGEST_PACKED: u64 = LARGEST as u64 + (64 << 10);

/// A snapshot that came from a file.
#[derive(Debug)]
pub struct Imported {
    /// What it holds.
    pub snapshot: Snapshot,
    /// Bytes on this disk that were not there before.
    pub added: u64,
}

/// Writes a snapshot into a file that is not there yet; gives its size in bytes.
///
/// # Errors
/// No such snapshot, a file that is there, a chunk that is damaged.
pub async fn export(
    session: &Session,
    open: &OpenPlatform,
    name: &SnapshotName,
    file: &Path,
) -> Result<u64> {
    if file.exists() {
        let text = format!("{} is there already", file.display());
        return Err(Error::usage(text).hint("name another file"));
    }
    let snapshots = store(session, open);
    let _lock = snapshots.lock(|| waits(session)).await?;
    let snapshot = snapshots.load(name)?;
    let (chunks, file) = (snapshots.chunks(), file.to_owned());
    let work = session.reporter.work("export");
    blocking(move || write(&snapshot, &chunks, &file, &*work)).await
}

fn write(snapshot: &Snapshot, chunks: &Chunks, file: &Path, work: &dyn Work) -> Result<u64> {
    let folder = file.parent().filter(|it| !it.as_os_str().is_empty());
    let folder = folder.unwrap_or(Path::new("."));
    let part =
        tempfile::NamedTempFile::new_in(folder).at(Kind::Usage, "create a file in", folder)?;
    let part = pack(snapshot, chunks, io::BufWriter::new(part), work)?;
    let part = part.into_inner().map_err(io::IntoInnerError::into_error);
    let part = part.at(Kind::Usage, "write", file)?;
    part.as_file().sync_all().at(Kind::Usage, "write", file)?;
    let written = part.persist_noclobber(file);
    let written = written.map_err(|error| error.error);
    let size = written.and_then(|it| Ok(it.metadata()?.len()));
    work.finish(&format!("{} MB written", snapshot.size() / 1_000_000));
    size.at(Kind::Usage, "write", file)
}

/// Writes the archive.
fn pack<W: Write>(snapshot: &Snapshot, chunks: &Chunks, to: W, work: &dyn Work) -> Result<W> {
    let unwritten = |it: io::Error| Error::usage("cannot write a snapshot").because(it);
    let mut archive = tar::Builder::new(to);
    let manifest = serde_json::to_vec(snapshot)
        .map_err(|error| Error::bug("cannot write a manifest").because(error))?;
    let mut add = |path: &str, bytes: &[u8]| {
        let mut header = tar::Header::new_ustar();
        header.set_size(bytes.len() as u64);
        header.set_mode(0o600);
        let added = archive.append_data(&mut header, path, bytes);
        added.map_err(unwritten)
    };
    add(MANIFEST, &manifest)?;
    let (mut seen, mut done) = (BTreeSet::new(), 0);
    for chunk in snapshot.chunks() {
        done += u64::from(chunk.size);
        if seen.insert(chunk.digest) {
            // Damage is told here, not to whom the file is given.
            chunks.read(chunk)?;
            let path = format!("{CHUNKS}/{}", chunk.digest.hex());
            add(&path, &chunks.packed(chunk)?)?;
        }
        work.bytes(done, snapshot.size());
    }
    archive.into_inner().map_err(unwritten)
}

/// Writes the archive to where it is kept for now.
///
/// # Errors
/// A chunk that is damaged; what cannot be written.
pub(in crate::instance) async fn export_to<W: Write + Send + 'static>(
    session: &Session,
    open: &OpenPlatform,
    snapshot: Snapshot,
    to: W,
) -> Result<W> {
    let snapshots = store(session, open);
    let _lock = snapshots.lock(|| waits(session)).await?;
    let (chunks, work) = (snapshots.chunks(), session.reporter.work("export"));
    blocking(move || {
        let to = pack(&snapshot, &chunks, to, &*work)?;
        work.finish(&format!("{} MB packed", snapshot.size() / 1_000_000));
        Ok(to)
    })
    .await
}

/// Takes a snapshot from a file, under another name where that is wanted.
///
/// # Errors
/// A file that is not what it must be, a snapshot of another platform, a name that is taken.
pub async fn import(
    session: &Session,
    open: &OpenPlatform,
    file: &Path,
    name: Option<SnapshotName>,
) -> Result<Imported> {
    let within = |error: Error| error.within(format!("cannot import {}", file.display()));
    let from = File::open(file).at(Kind::Usage, "read", file);
    import_from(session, open, from.map_err(within)?, name)
        .await
        .map_err(within)
}

/// The same of an open file.
///
/// # Errors
/// As [`import`].
pub(in crate::instance) async fn import_from(
    session: &Session,
    open: &OpenPlatform,
    from: File,
    name: Option<SnapshotName>,
) -> Result<Imported> {
    let snapshots = store(session, open);
    let _lock = snapshots.lock(|| waits(session)).await?;
    let platform = open.name.clone();
    let work = session.reporter.work("import");
    blocking(move || {
        let read = read(&snapshots, &platform, from, name, &*work);
        if read.is_err() {
            snapshots.sweep()?;
        }
        read
    })
    .await
}

/// What an archive says of itself, none of it checked against its content.
///
/// # Errors
/// What is no archive of a snapshot.
pub(in crate::instance) fn peek(from: impl Read) -> Result<Snapshot> {
    let mut archive = tar::Archive::new(BufReader::new(from));
    let mut entries = archive.entries().map_err(|it| unreadable(&it))?.raw(true);
    manifest(&mut entries)
}

fn manifest(entries: &mut tar::Entries<'_, impl Read>) -> Result<Snapshot> {
    let first = entries.next().ok_or_else(|| wrong("it is empty"))?;
    let mut first = first.map_err(|it| unreadable(&it))?;
    if path(&first)? != MANIFEST {
        return Err(wrong("it does not begin with a manifest"));
    }
    let manifest = bytes(&mut first, LARGEST_MANIFEST)?;
    let snapshot: Snapshot = serde_json::from_slice(&manifest)
        .map_err(|it| wrong("its manifest cannot be read").because(it))?;
    snapshot.check()?;
    Ok(snapshot)
}

fn read(
    snapshots: &Snapshots,
    platform: &PlatformName,
    from: File,
    name: Option<SnapshotName>,
    work: &dyn Work,
) -> Result<Imported> {
    let mut archive = tar::Archive::new(BufReader::new(from));
    // Names of any length, and what other kinds of entries bring, are not read.
    let mut entries = archive.entries().map_err(|it| unreadable(&it))?.raw(true);
    let mut snapshot = manifest(&mut entries)?;
    if snapshot.platform != *platform {
        let text = format!(
            "it is of the platform {}, not of {platform}",
            snapshot.platform
        );
        return Err(Error::usage(text));
    }
    snapshot.name = name.unwrap_or(snapshot.name);
    snapshots.refuse_known(&snapshot.name)?;
    let chunks = snapshots.chunks();
    let mut wanted: std::collections::BTreeMap<String, Chunk> = snapshot
        .chunks()
        .map(|it| (format!("{CHUNKS}/{}", it.digest.hex()), *it))
        .collect();
    let (mut added, mut done) = (0, 0);
    for entry in entries {
        let mut entry = entry.map_err(|it| unreadable(&it))?;
        let path = path(&entry)?;
        let Some(chunk) = wanted.remove(&path) else {
            return Err(wrong("it has something that its manifest does not name"));
        };
        let packed = bytes(&mut entry, LARGEST_PACKED)?;
        added += chunks.keep_packed(&chunk, &packed)?.added;
        done += u64::from(chunk.size);
        work.bytes(done, snapshot.size());
    }
    // What two manifests say of one digest cannot both be true.
    let sizes: BTreeSet<(Digest, u32)> = snapshot.chunks().map(|it| (it.digest, it.size)).collect();
    if !wanted.is_empty() || sizes.len() != snapshot.digests().len() {
        return Err(wrong("chunks of it are missing"));
    }
    for saved in &snapshot.volumes {
        check(saved, &chunks)?;
    }
    snapshots.save(&snapshot)?;
    work.finish(&format!("{} MB read", done / 1_000_000));
    Ok(Imported { snapshot, added })
}

/// Only files, folders, links and pipes below the volume's own folder.
fn check(saved: &SavedVolume, chunks: &Chunks) -> Result<()> {
    let content = Content {
        chunks,
        next: saved.chunks.iter(),
        rest: io::Cursor::new(Vec::new()),
    };
    let mut archive = tar::Archive::new(content);
    let wrong = |what: &str| wrong(&format!("the archive of {saved} {what}"));
    let unreadable = |it: io::Error| wrong("cannot be read").because(it);
    for entry in archive.entries().map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let is_inside = |path: &Path| {
            let mut parts = path.components();
            parts.all(|it| matches!(it, Component::Normal(_) | Component::CurDir))
        };
        let kind = entry.header().entry_type();
        let link = entry.link_name().map_err(unreadable)?;
        let is_fine = match kind {
            EntryType::Regular
            | EntryType::Continuous
            | EntryType::Directory
            | EntryType::Symlink
            | EntryType::Fifo => true,
            EntryType::Link => link.is_some_and(|it| is_inside(&it)),
            _ => false,
        };
        if !is_fine {
            return Err(wrong(
                "has something else than files, folders, links and pipes",
            ));
        }
        if !is_inside(&entry.path().map_err(unreadable)?) {
            return Err(wrong("leads out of the volume"));
        }
    }
    Ok(())
}

/// The bytes of chunks, one after another, each checked.
struct Content<'a> {
    chunks: &'a Chunks,
    next: std::slice::Iter<'a, Chunk>,
    rest: io::Cursor<Vec<u8>>,
}

impl Read for Content<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.rest.read(buffer)?;
            if read > 0 || buffer.is_empty() {
                return Ok(read);
            }
            let Some(chunk) = self.next.next() else {
                return Ok(0);
            };
            let bytes = self.chunks.read(chunk).map_err(io::Error::other)?;
            self.rest = io::Cursor::new(bytes);
        }
    }
}

fn path(entry: &tar::Entry<'_, impl Read>) -> Result<String> {
    if entry.header().entry_type() != EntryType::Regular {
        return Err(wrong("it has something else than files"));
    }
    let path = entry.path_bytes();
    String::from_utf8(path.into_owned()).map_err(|_| wrong("it has a path that none can have"))
}

fn bytes(entry: &mut impl Read, most: u64) -> Result<Vec<u8>> {
    let mut bytes = Vec::new();
    let read = entry.take(most + 1).read_to_end(&mut bytes);
    if read.map_err(|it| unreadable(&it))? as u64 > most {
        return Err(wrong("a part of it is too large"));
    }
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> Error {
    wrong(&format!("it cannot be read: {error}"))
}

fn wrong(what: &str) -> Error {
    Error::usage(what).hint("`devenv snapshot export` writes such files")
}

async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|error| Error::bug("the thread of a file ended").because(error))?
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::{ContainerName, VolumeName};

    fn archive(change: impl FnOnce(&mut tar::Builder<Vec<u8>>)) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_entry_type(EntryType::Directory);
        header.set_size(0);
        builder.append_data(&mut header, "./", &[][..]).unwrap();
        change(&mut builder);
        builder.into_inner().unwrap()
    }

    fn entry(builder: &mut tar::Builder<Vec<u8>>, kind: EntryType, path: &str, link: Option<&str>) {
        let mut header = tar::Header::new_gnu();
        header.as_old_mut().name[..path.len()].copy_from_slice(path.as_bytes());
        header.set_entry_type(kind);
        header.set_size(0);
        if let Some(link) = link {
            header.set_link_name(link).unwrap();
        }
        header.set_cksum();
        builder.append(&header, &[][..]).unwrap();
    }

    fn checked(archive: &[u8]) -> Result<(), String> {
        let folder = tempfile::tempdir().unwrap();
        let chunks = Chunks::in_folder(folder.path().to_owned());
        let pieces = archive.chunks(700);
        let saved = SavedVolume {
            container: ContainerName::new("db").unwrap(),
            volume: VolumeName::new("data").unwrap(),
            chunks: pieces.map(|it| chunks.keep(it).unwrap().chunk).collect(),
        };
        check(&saved, &chunks).map_err(|error| error.to_string())
    }

    #[test]
    fn an_archive_stays_in_its_volume() {
        let fine = archive(|it| {
            entry(it, EntryType::Regular, "./a", None);
            entry(it, EntryType::Symlink, "./b", Some("/etc/passwd"));
            entry(it, EntryType::Link, "./c", Some("./a"));
            entry(it, EntryType::Fifo, "./d/e", None);
        });
        assert_eq!(checked(&fine), Ok(()));
        for (kind, path, link, what) in [
            (EntryType::Regular, "./../x", None, "leads out"),
            (EntryType::Regular, "/x", None, "leads out"),
            (EntryType::Link, "./x", Some("../x"), "something else"),
            (EntryType::Char, "./x", None, "something else"),
            (EntryType::Block, "./x", None, "something else"),
        ] {
            let bad = archive(|it| entry(it, kind, path, link));
            let said = checked(&bad).unwrap_err();
            assert!(said.contains(what), "{path}: {said}");
        }
        let torn = &fine[..fine.len() - 1500];
        let said = checked(&torn[..700]);
        assert!(said.is_err(), "{said:?}");
    }
}
