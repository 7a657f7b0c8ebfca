//! How large the logs of a server are, and how fast they grow.

use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The size of all logs at a time.
#[derive(Debug, Clone, Copy, Serialize, Deserialize)]
pub(super) struct Sample {
    pub(super) at: Timestamp,
    pub(super) bytes: u64,
}

/// From what was seen so many seconds ago growth is told: less is a passing burst.
const YOUNGEST: i64 = 600;

/// What was seen so many seconds ago is replaced.
const OLDEST: i64 = 3600;

impl Sample {
    /// Whether growth is still told from it.
    pub(super) fn is_young(self, now: Timestamp) -> bool {
        (0..OLDEST).contains(&now.duration_since(self.at).as_secs())
    }

    /// Bytes in an hour since then; `None`: too early to be said.
    pub(super) fn hourly(self, now: Timestamp, bytes: u64) -> Option<u64> {
        let seconds = now.duration_since(self.at).as_secs();
        let seconds = u64::try_from(seconds)
            .ok()
            .filter(|_| seconds >= YOUNGEST)?;
        Some(bytes.saturating_sub(self.bytes).saturating_mul(3600) / seconds)
    }
}

/// Bytes of these log volumes, and of what these containers print; `None`: they cannot be read here.
pub(super) async fn log_size(data: PathBuf, volumes: Vec<String>, ids: Vec<String>) -> Option<u64> {
    let sum = move || {
        std::fs::read_dir(&data).ok()?;
        let volumes = volumes
            .iter()
            .map(|it| data.join("volumes").join(it).join("_data"));
        let files = volumes
            .map(|folder| size_below(&folder, |_| true))
            .sum::<u64>();
        let printed = ids.iter().map(|it| data.join("containers").join(it));
        let printed = printed.map(|folder| size_below(&folder, |name| name.contains("-json.log")));
        Some(files + printed.sum::<u64>())
    };
    tokio::task::spawn_blocking(sum).await.ok()?
}

/// Bytes of the files below a folder; what cannot be read counts nothing.
fn size_below(folder: &Path, wanted: fn(&str) -> bool) -> u64 {
    let mut folders = vec![folder.to_owned()];
    let mut bytes = 0;
    while let Some(folder) = folders.pop() {
        let Ok(entries) = std::fs::read_dir(folder) else {
            continue;
        };
        for entry in entries.flatten() {
            // Without following links: what they lead to is not a log's.
            match entry.metadata() {
                Ok(it) if it.is_dir() => folders.push(entry.path()),
                Ok(it) if it.is_file() && wanted(&entry.file_name().to_string_lossy()) => {
                    bytes += it.len();
                }
                _ => {}
            }
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn growth_is_told_after_ten_minutes_and_never_negative() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let then = Sample {
            at: at(0),
            bytes: 100,
        };
        assert_eq!(then.hourly(at(599), 500), None);
        assert_eq!(then.hourly(at(1800), 500), Some(800));
        assert_eq!(then.hourly(at(1800), 50), Some(0), "rotated");
        assert_eq!(then.hourly(at(-5), 500), None, "the clock was put back");
        assert!(then.is_young(at(3599)) && !then.is_young(at(3600)) && !then.is_young(at(-1)));
    }

    #[tokio::test]
    async fn files_of_volumes_and_printed_lines_count() {
        let data = tempfile::tempdir().unwrap();
        let write = |path: &str, bytes: usize| {
            let path = data.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, vec![b'x'; bytes]).unwrap();
        };
        write("volumes/a/_data/catalina.out", 10);
        write("volumes/a/_data/old/access.log", 5);
        write("volumes/other/_data/x", 1000);
        write("containers/id/id-json.log", 3);
        write("containers/id/id-json.log.1", 4);
        write("containers/id/hostname", 100);
        let all = |data: PathBuf| log_size(data, vec!["a".to_owned()], vec!["id".to_owned()]);
        assert_eq!(all(data.path().to_owned()).await, Some(22));
        assert_eq!(all(data.path().join("gone")).await, None);
    }
}
