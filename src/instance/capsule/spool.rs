//! Content on its way into a capsule or out of it: in a file that has no name, with its digest.

use std::fs::File;
use std::io::{self, Read, Seek as _, SeekFrom, Write};
use std::path::Path;

use ring::digest::{Context, SHA256};

use crate::model::digest::Digest;

/// What is being written.
pub(super) struct Spool {
    file: File,
    context: Context,
    size: u64,
}

/// What was written, to be read from its beginning.
#[derive(Debug)]
pub(super) struct Blob {
    pub(super) file: File,
    pub(super) digest: Digest,
    /// How many bytes it has, as it is kept.
    pub(super) size: u64,
}

impl Spool {
    /// In a folder that is there; the file goes with its last handle, however the program ends.
    pub(super) fn new_in(folder: &Path) -> io::Result<Self> {
        Ok(Self {
            file: tempfile::tempfile_in(folder)?,
            context: Context::new(&SHA256),
            size: 0,
        })
    }

    /// Takes all of it, no more than so many bytes.
    pub(super) fn fill(mut self, from: impl Read, most: u64) -> io::Result<Blob> {
        let copied = io::copy(&mut from.take(most.saturating_add(1)), &mut self)?;
        if copied > most {
            return Err(io::Error::other("it is larger than it may be"));
        }
        self.end()
    }

    /// All was written.
    pub(super) fn end(mut self) -> io::Result<Blob> {
        self.file.seek(SeekFrom::Start(0))?;
        let mut digest = [0; 32];
        digest.copy_from_slice(self.context.finish().as_ref());
        Ok(Blob {
            file: self.file,
            digest: Digest::from_bytes(digest),
            size: self.size,
        })
    }
}

impl Write for Spool {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.context.update(&bytes[..written]);
        self.size += written as u64;
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}
