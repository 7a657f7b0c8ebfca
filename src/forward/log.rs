//! What a forwarder tells: a file, because nobody is there to read.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;

use crate::error::{Kind, PathContext, Result};
use crate::model::visible::printable;

/// A longer file begins anew.
const LONGEST: u64 = 256 * 1024;

/// The file, shared by all that write.
#[derive(Debug, Clone)]
pub(super) struct Log(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    file: File,
    /// Bytes written since the file was empty, as far as this process knows.
    written: AtomicU64,
}

impl Log {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let file = OpenOptions::new().create(true).append(true).open(path);
        let file = file.at(Kind::Usage, "open", path)?;
        let written = AtomicU64::new(file.metadata().map_or(0, |it| it.len()));
        Ok(Self(Arc::new(Shared { file, written })))
    }

    /// One line with the time. A log that cannot be written is no reason to stop.
    pub(super) fn write(&self, text: &str) {
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let line = format!("{time} {}\n", printable(text));
        let bytes = u64::try_from(line.len()).unwrap_or(LONGEST);
        if self.0.written.fetch_add(bytes, Ordering::Relaxed) > LONGEST {
            self.0.written.store(bytes, Ordering::Relaxed);
            let _ = self.0.file.set_len(0);
        }
        let _ = (&self.0.file).write_all(line.as_bytes());
    }

    /// The same file, for a program that is started.
    pub(super) fn stdio(&self) -> Stdio {
        let file = self.0.file.try_clone();
        file.map_or_else(|_| Stdio::null(), Stdio::from)
    }
}
