//! A line of a log, and which lines are wanted.

use bytes::Bytes;
use jiff::Timestamp;

use crate::engine::docker::{LogLine, LogStream};
use crate::model::name::ContainerName;

/// Where a line was written to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Source {
    /// Standard output.
    Stdout,
    /// Standard error.
    Stderr,
    /// A file, by its path in the log volume.
    File(String),
}

impl Source {
    /// `stdout`, `stderr` or `file`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
            Self::File(_) => "file",
        }
    }

    /// The file's path in the log volume.
    pub fn file(&self) -> Option<&str> {
        match self {
            Self::File(path) => Some(path),
            Self::Stdout | Self::Stderr => None,
        }
    }
}

/// One line of a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    /// When it was written, as far as it is known.
    pub time: Timestamp,
    /// Whose it is.
    pub container: ContainerName,
    /// Where it was written to.
    pub source: Source,
    /// Without its end; any bytes.
    pub text: Bytes,
}

/// Which lines are wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Query {
    /// Only those written since.
    pub since: Option<Timestamp>,
    /// Only the last of each container.
    pub tail: Option<usize>,
    /// Leaves out what containers print.
    pub no_output: bool,
    /// Leaves out files.
    pub no_files: bool,
}

/// A line of a container's output; without a time it is as old as the one before.
pub(super) fn printed(line: LogLine, container: &ContainerName, last: &mut Timestamp) -> Line {
    *last = line.time.unwrap_or(*last);
    Line {
        time: *last,
        container: container.clone(),
        source: match line.stream {
            LogStream::Stdout => Source::Stdout,
            LogStream::Stderr => Source::Stderr,
        },
        text: line.bytes,
    }
}
