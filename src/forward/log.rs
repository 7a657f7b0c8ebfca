//! What a forwarder tells: a file, because nobody is there to read.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;

use jiff::Timestamp;

use crate::error::{Kind, PathContext, Result};
use crate::model::visible::printable;

/// A longer file of an earlier forwarder begins anew.
const LONGEST: u64 = 256 * 1024;

/// The file, shared by all that write.
#[derive(Debug, Clone)]
pub(super) struct Log(Arc<File>);

impl Log {
    pub(super) fn open(path: &Path) -> Result<Self> {
        let long = path.metadata().is_ok_and(|it| it.len() > LONGEST);
        if long {
            File::create(path).at(Kind::Usage, "empty", path)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path);
        Ok(Self(Arc::new(file.at(Kind::Usage, "open", path)?)))
    }

    /// One line with the time. A log that cannot be written is no reason to stop.
    pub(super) fn write(&self, text: &str) {
        let time = Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ");
        let _ = (&*self.0).write_all(format!("{time} {}\n", printable(text)).as_bytes());
    }

    /// The same file, for a program that is started.
    pub(super) fn stdio(&self) -> Stdio {
        self.0
            .try_clone()
            .map_or_else(|_| Stdio::null(), Stdio::from)
    }
}
