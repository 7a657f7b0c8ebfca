//! What happened on a server, as JSON lines: who, what, from, to, why, how long.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::Path;
use std::time::Instant;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::error::{Kind, PathContext, Result};
use crate::home::file;
use crate::home::reporter::Reporter;

/// A larger file becomes the old one, which goes then.
const LARGEST: u64 = 4 << 20;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// When it was done.
    pub at: Timestamp,
    /// Who had it done: a user, or `system`: the timer.
    pub by: String,
    /// `switch`, `rollback`, `failed`, `drift`.
    pub what: What,
    /// The reference that served before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub from: Option<u64>,
    /// The reference that was to serve.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub to: Option<u64>,
    /// In words.
    #[serde(skip_serializing_if = "String::is_empty", default)]
    pub why: String,
    /// How long it took.
    pub milliseconds: u64,
}

/// A kind of event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum What {
    /// Requests are led to another generation.
    Switch,
    /// The same, by hand.
    Rollback,
    /// A generation could not be brought up.
    Failed,
    /// What somebody changed by hand was made as it was.
    Drift,
}

/// How long it took since then.
pub(super) fn milliseconds(begun: Instant) -> u64 {
    u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX)
}

/// Appends an event. The server goes on where that cannot be done; who looks is told.
pub fn record(reporter: &dyn Reporter, path: &Path, event: &Event) {
    if let Err(error) = append(path, event) {
        let why = error.chain().join(": ");
        reporter.warn(&format!("what was done is not in the log of events: {why}"));
    }
}

/// Appends an event; a file that grew large is kept as `.old` once.
fn append(path: &Path, event: &Event) -> Result<()> {
    file::create_parent(path)?;
    if std::fs::metadata(path).is_ok_and(|it| it.len() > LARGEST) {
        let old = path.with_extension("jsonl.old");
        std::fs::rename(path, &old).at(Kind::Usage, "rename", path)?;
    }
    let mut line = serde_json::to_vec(event).unwrap_or_default();
    line.push(b'\n');
    let opened = OpenOptions::new().create(true).append(true).open(path);
    let mut file = opened.at(Kind::Usage, "open", path)?;
    file.write_all(&line).at(Kind::Usage, "write", path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_file_is_kept_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("log/events.jsonl");
        let event = Event {
            at: Timestamp::UNIX_EPOCH,
            by: "system".to_owned(),
            what: What::Switch,
            from: Some(1),
            to: Some(2),
            why: String::new(),
            milliseconds: 5,
        };
        append(&path, &event).unwrap();
        append(&path, &event).unwrap();
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 2);
        let read: Event = serde_json::from_str(text.lines().next().unwrap()).unwrap();
        assert_eq!(read, event);
        let large = vec![b' '; usize::try_from(LARGEST).unwrap() + 1];
        std::fs::write(&path, large).unwrap();
        append(&path, &event).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap().lines().count(), 1);
        assert!(path.with_extension("jsonl.old").exists());
    }
}
