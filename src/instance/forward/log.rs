//! What a forwarder tells: a file, because nobody is there to read.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::io::{AsyncBufReadExt, AsyncRead, AsyncReadExt, BufReader};

use crate::error::{Kind, PathContext, Result};
use crate::model::visible::printable;

/// A longer file begins anew.
const LONGEST: u64 = 256 * 1024;

/// A longer line of a program's is cut into several, in bytes.
const LONGEST_LINE: u64 = 4 * 1024;

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

    /// What a program says that was started, line by line, until it has said all.
    pub(super) async fn follow(&self, of: &str, words: impl AsyncRead + Unpin) {
        let mut words = BufReader::new(words);
        let mut line = Vec::new();
        loop {
            line.clear();
            let mut piece = (&mut words).take(LONGEST_LINE);
            if !matches!(piece.read_until(b'\n', &mut line).await, Ok(1..)) {
                return;
            }
            let text = String::from_utf8_lossy(&line);
            self.write(&format!("{of}: {}", text.trim_end()));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_a_program_says_is_harmless_and_counted() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log");
        let log = Log::open(&path).unwrap();
        let said = b"a \x1b[31mred\r\nword\n\xff";
        log.follow("ssh", said.as_slice()).await;
        let text = std::fs::read_to_string(&path).unwrap();
        let lines: Vec<&str> = text
            .lines()
            .filter_map(|it| it.split_once(' '))
            .map(|it| it.1)
            .collect();
        assert_eq!(lines[..2], ["ssh: a \\u{1b}[31mred", "ssh: word"]);
        assert_eq!(lines.len(), 3);
        let much = "x".repeat(1024 * 1024);
        log.follow("ssh", much.as_bytes()).await;
        assert!(std::fs::metadata(&path).unwrap().len() <= LONGEST + 2 * LONGEST_LINE);
    }
}
