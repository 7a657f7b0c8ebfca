//! Pieces of content by the digest of what they are uncompressed: each is kept once, compressed.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::file;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::chunking::LARGEST;
use crate::model::digest::Digest;
use crate::model::snapshot::Chunk;

/// zstd's fastest that still is its own: the next ones are half as quick for a tenth of the size.
const LEVEL: i32 = 1;

/// A folder of chunks, in folders by the first two digits of their digests.
#[derive(Debug, Clone)]
pub struct Chunks {
    folder: PathBuf,
}

/// A chunk that is there.
#[derive(Debug, Clone, Copy)]
pub struct Kept {
    /// Its digest and size.
    pub chunk: Chunk,
    /// Bytes on this disk that were not there before.
    pub added: u64,
}

impl Chunks {
    /// The chunks in this folder.
    pub fn in_folder(folder: PathBuf) -> Self {
        Self { folder }
    }

    fn path(&self, digest: &Digest) -> PathBuf {
        let hex = digest.hex();
        self.folder.join(&hex[..2]).join(hex)
    }

    /// Keeps a piece of 1 to [`LARGEST`] bytes. It takes the time of compressing where it is new.
    pub fn keep(&self, bytes: &[u8]) -> Result<Kept> {
        let digest = Digest::of(bytes);
        let size = u32::try_from(bytes.len()).map_err(|_| Error::bug("a chunk is too large"))?;
        let chunk = Chunk { digest, size };
        let path = self.path(&digest);
        if path.exists() {
            return Ok(Kept { chunk, added: 0 });
        }
        let packed = zstd::bulk::compress(bytes, LEVEL).at(Kind::Usage, "compress", &path)?;
        file::write_durably(&path, &packed)?;
        let added = packed.len() as u64;
        Ok(Kept { chunk, added })
    }

    /// Keeps a piece that is compressed already, once it is known to be what its digest says.
    pub fn keep_packed(&self, chunk: &Chunk, packed: &[u8]) -> Result<Kept> {
        unpack(chunk, packed).map_err(|why| damaged(&chunk.digest.to_string(), &why))?;
        let (path, chunk) = (self.path(&chunk.digest), *chunk);
        if path.exists() {
            return Ok(Kept { chunk, added: 0 });
        }
        file::write_durably(&path, packed)?;
        let added = packed.len() as u64;
        Ok(Kept { chunk, added })
    }

    /// The bytes of a chunk, checked.
    pub fn read(&self, chunk: &Chunk) -> Result<Vec<u8>> {
        let packed = self.packed(chunk)?;
        let path = self.path(&chunk.digest);
        unpack(chunk, &packed).map_err(|why| damaged(&path.display().to_string(), &why))
    }

    /// The same, compressed as they are and not checked.
    pub fn packed(&self, chunk: &Chunk) -> Result<Vec<u8>> {
        let path = self.path(&chunk.digest);
        std::fs::read(&path).at(Kind::Usage, "read", &path)
    }

    /// Bytes that a chunk takes on this disk; `None` where it is not there.
    pub fn stored(&self, digest: &Digest) -> Option<u64> {
        let metadata = std::fs::metadata(self.path(digest)).ok()?;
        metadata.is_file().then_some(metadata.len())
    }

    /// Removes what nobody needs, halves of killed commands among them; gives the bytes that are free now.
    pub fn sweep(&self, needed: &BTreeSet<Digest>) -> Result<u64> {
        let mut free = 0;
        for path in self.unneeded(needed)? {
            free += remove(&path)?;
        }
        for folder in file::names(&self.folder)? {
            // It stays where something is left in it.
            let _ = std::fs::remove_dir(self.folder.join(folder));
        }
        Ok(free)
    }

    /// The files that nobody needs.
    pub fn unneeded(&self, needed: &BTreeSet<Digest>) -> Result<Vec<PathBuf>> {
        let names: BTreeSet<String> = needed.iter().map(Digest::hex).collect();
        let mut found = Vec::new();
        for folder in file::names(&self.folder)? {
            let folder = self.folder.join(folder);
            let all = file::names(&folder)?.into_iter();
            let surplus = all.filter(|it| !names.contains(it));
            found.extend(surplus.map(|it| folder.join(it)));
        }
        Ok(found)
    }
}

fn remove(path: &Path) -> Result<u64> {
    let size = std::fs::symlink_metadata(path).map_or(0, |it| it.len());
    std::fs::remove_file(path).if_there(Kind::Usage, "remove", path)?;
    Ok(size)
}

/// Never more bytes than a chunk can have, whatever the compressed ones say.
fn unpack(chunk: &Chunk, packed: &[u8]) -> Result<Vec<u8>, String> {
    let size = chunk.size as usize;
    if size > LARGEST {
        return Err("it is too large".to_owned());
    }
    let bytes = zstd::bulk::decompress(packed, size).map_err(|error| error.to_string())?;
    if bytes.len() != size || Digest::of(&bytes) != chunk.digest {
        return Err("its content is not what its digest says".to_owned());
    }
    Ok(bytes)
}

fn damaged(what: &str, why: &str) -> Error {
    let text = format!("the chunk {what} is damaged: {why}");
    Error::usage(text)
        .hint("a snapshot that needs it cannot be restored: import it again, or take another")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chunks() -> (tempfile::TempDir, Chunks) {
        let folder = tempfile::tempdir().unwrap();
        let chunks = Chunks::in_folder(folder.path().join("chunks"));
        (folder, chunks)
    }

    #[test]
    fn a_chunk_is_kept_once_and_read_back() {
        let (_folder, chunks) = chunks();
        let bytes = vec![7; 100_000];
        let first = chunks.keep(&bytes).unwrap();
        assert!((1..1000).contains(&first.added), "{first:?}");
        assert_eq!(chunks.stored(&first.chunk.digest), Some(first.added));
        assert_eq!(chunks.keep(&bytes).unwrap().added, 0);
        assert_eq!(chunks.read(&first.chunk).unwrap(), bytes);
    }

    #[test]
    fn what_is_not_what_it_says_is_refused() {
        let (_folder, chunks) = chunks();
        let kept = chunks.keep(b"one").unwrap().chunk;
        let other = zstd::bulk::compress(b"two", 1).unwrap();
        assert!(chunks.keep_packed(&kept, &other).is_err());
        let bomb = zstd::bulk::compress(&vec![0; 9 << 20], 1).unwrap();
        assert!(chunks.keep_packed(&kept, &bomb).is_err());
        std::fs::write(chunks.path(&kept.digest), other).unwrap();
        let error = chunks.read(&kept).unwrap_err().to_string();
        assert!(error.ends_with("is not what its digest says"), "{error}");
    }

    #[test]
    fn only_what_nobody_needs_goes() {
        let (_folder, chunks) = chunks();
        let kept = chunks.keep(b"kept").unwrap().chunk;
        let gone = chunks.keep(b"gone").unwrap();
        let half = chunks.path(&kept.digest).with_file_name(".tmp1");
        std::fs::write(&half, b"half").unwrap();
        let needed = [kept.digest].into();
        let unneeded = chunks.unneeded(&needed).unwrap();
        assert_eq!(unneeded.len(), 2, "{unneeded:?}");
        let free = chunks.sweep(&needed).unwrap();
        assert!(chunks.unneeded(&needed).unwrap().is_empty());
        assert_eq!(free, gone.added + 4);
        assert_eq!(chunks.stored(&gone.chunk.digest), None);
        assert_eq!(chunks.read(&kept).unwrap(), b"kept");
    }
}
