//! What comes later: output as it is printed, files as they grow, across restarts and replacements.

use std::collections::BTreeMap;
use std::sync::PoisonError;
use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt;
use jiff::Timestamp;
use tokio::sync::mpsc;

use super::file::{Dated, Dating, trim_end};
use super::line::printed;
use super::places::{Place, Volume};
use super::reached::{Offsets, Reached};
use super::snapshot::{self, LARGEST, Wanted};
use super::time::Clock;
use super::{Line, Query, Source};
use crate::engine::docker::{Docker, FileState, LogOptions};
use crate::engine::{Fault, FaultKind};
use crate::model::name::ContainerName;

/// Between two looks at the files of a container.
const LOOK: Duration = Duration::from_millis(700);

/// Until output is looked for again after a container stopped.
const AGAIN: Duration = Duration::from_secs(1);

/// What a file's growth may bring at one look.
const GROWTH: u64 = 16 << 20;

/// Lines that are written from now on, after a backlog that was shown; never ends by itself.
pub fn follow(
    engine: &Docker,
    places: &[Place],
    query: Query,
    reached: Reached,
) -> mpsc::Receiver<Line> {
    let (sender, lines) = mpsc::channel(256);
    let mut read = reached.read;
    let seen = reached.seen.lock().unwrap_or_else(PoisonError::into_inner);
    for place in places {
        let name = &place.container;
        if !query.no_output {
            let last = seen.get(name).copied().or(query.since);
            let (engine, place, sender) = (engine.clone(), place.clone(), sender.clone());
            tokio::spawn(async move { output(&engine, &place, last, &sender).await });
        }
        if let (false, Some(Volume::Mounted { path, .. })) = (query.no_files, &place.volume) {
            let growing = Growing {
                engine: engine.clone(),
                object: place.object.clone(),
                container: name.clone(),
                folder: path.clone(),
                offsets: read.remove(name).unwrap_or_default(),
                states: BTreeMap::new(),
                open: BTreeMap::new(),
            };
            let sender = sender.clone();
            tokio::spawn(growing.watch(sender));
        }
    }
    lines
}

/// The output of whichever container has the name, over and over.
async fn output(
    engine: &Docker,
    place: &Place,
    mut last: Option<Timestamp>,
    sender: &mpsc::Sender<Line>,
) {
    loop {
        let options = LogOptions {
            follow: true,
            since: last.map(Timestamp::as_second),
            tail: None,
        };
        // The engine compares seconds: what was shown comes once more.
        let shown = last;
        let mut lines = engine.logs(&place.object, options);
        let mut time = last.unwrap_or(Timestamp::MIN);
        while let Some(Ok(line)) = lines.next().await {
            let line = printed(line, &place.container, &mut time);
            if shown.is_some_and(|shown| line.time <= shown) {
                continue;
            }
            last = Some(last.map_or(line.time, |last| last.max(line.time)));
            if sender.send(line).await.is_err() {
                return;
            }
        }
        tokio::select! {
            () = tokio::time::sleep(AGAIN) => {}
            () = sender.closed() => return,
        }
    }
}

/// The files of one log volume.
struct Growing {
    engine: Docker,
    object: String,
    container: ContainerName,
    folder: String,
    offsets: Offsets,
    /// What the engine said of each folder and file last.
    states: BTreeMap<String, FileState>,
    /// Files that were read, with the line that has no end yet.
    open: BTreeMap<String, (Dating, Vec<u8>)>,
}

impl Growing {
    async fn watch(mut self, sender: mpsc::Sender<Line>) {
        loop {
            // A container that is being replaced is looked for again.
            let mut lines = self.look().await.unwrap_or_default();
            lines.sort_by_key(|(dated, _)| dated.order);
            for (dated, path) in lines {
                let line = Line {
                    time: dated.time,
                    container: self.container.clone(),
                    source: Source::File(path),
                    text: dated.text,
                };
                if sender.send(line).await.is_err() {
                    return;
                }
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK) => {}
                () = sender.closed() => return,
            }
        }
    }

    async fn look(&mut self) -> Result<Vec<(Dated, String)>, Fault> {
        if self.entries_changed().await? {
            let archive = self.engine.read_archive(&self.object, &self.folder);
            let found = snapshot::take(archive, Wanted::Nothing).await?;
            self.offsets.renew(&Offsets::of(&found));
            self.open
                .retain(|path, _| self.offsets.files.contains_key(path));
        }
        let mut lines = Vec::new();
        let paths: Vec<String> = self.offsets.files.keys().cloned().collect();
        for path in paths {
            match self.grown(&path).await {
                Ok(more) => lines.extend(more.into_iter().map(|line| (line, path.clone()))),
                // It was rotated away: the folder tells at the next look.
                Err(fault) if fault.kind == FaultKind::NotFound => {}
                Err(fault) => return Err(fault),
            }
        }
        Ok(lines)
    }

    /// Whether a file came or went since the last look.
    async fn entries_changed(&mut self) -> Result<bool, Fault> {
        let mut folders = self.offsets.folders.clone();
        if folders.is_empty() {
            folders.push(String::new());
        }
        let mut changed = false;
        for folder in folders {
            let state = match self
                .engine
                .file_state(&self.object, &self.path(&folder))
                .await
            {
                Err(fault) if fault.kind == FaultKind::NotFound && !folder.is_empty() => {
                    changed = true;
                    continue;
                }
                other => other?,
            };
            changed |= self.states.insert(folder, state) != Some(state);
        }
        Ok(changed)
    }

    fn path(&self, inside: &str) -> String {
        format!("{}/{inside}", self.folder.trim_end_matches('/'))
    }

    /// The lines that were added to a file.
    async fn grown(&mut self, path: &str) -> Result<Vec<Dated>, Fault> {
        let full = self.path(path);
        let state = self.engine.file_state(&self.object, &full).await?;
        let same = self.states.insert(path.to_owned(), state) == Some(state);
        let offset = self.offsets.files.get(path).copied().unwrap_or(0);
        // Truncated: what is in it now is new.
        let offset = if state.size < offset { 0 } else { offset };
        if state.size == offset || (same && state.size < offset) || has_no_lines(path) {
            self.offsets.files.insert(path.to_owned(), state.size);
            return Ok(Vec::new());
        }
        let begin = offset.max(state.size.saturating_sub(LARGEST));
        let archive = self.engine.read_archive(&self.object, &full);
        let bytes = snapshot::beyond(archive, begin, GROWTH).await?;
        self.offsets
            .files
            .insert(path.to_owned(), begin + bytes.len() as u64);
        Ok(self.lines(path, &bytes, state))
    }

    /// Cuts what was added into lines; the last one may still grow.
    fn lines(&mut self, path: &str, bytes: &[u8], state: FileState) -> Vec<Dated> {
        let modified = state.modified.unwrap_or_else(Timestamp::now);
        let last = bytes
            .split(|it| *it == b'\n')
            .rev()
            .find_map(super::time::find);
        let (dating, open) = self.open.entry(path.to_owned()).or_insert_with(|| {
            (
                Dating::new(Clock::guess(modified, last), modified),
                Vec::new(),
            )
        });
        dating.wrote(modified);
        let mut lines = Vec::new();
        for piece in bytes.split_inclusive(|it| *it == b'\n') {
            open.extend_from_slice(piece);
            if piece.last() == Some(&b'\n') || open.len() >= 1 << 20 {
                let mut line = std::mem::take(open);
                trim_end(&mut line);
                lines.push(dating.date(Bytes::from(line)));
            }
        }
        lines
    }
}

/// A packed file is a rotated one: its lines were shown before it was packed.
fn has_no_lines(path: &str) -> bool {
    [".gz", ".hprof", ".zip"]
        .iter()
        .any(|end| path.ends_with(end))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offsets(files: &[(&str, u64)]) -> Offsets {
        Offsets {
            files: files
                .iter()
                .map(|(path, size)| ((*path).to_owned(), *size))
                .collect(),
            folders: vec![String::new()],
        }
    }

    #[test]
    fn a_rotated_file_is_not_shown_twice() {
        let mut read = offsets(&[("access.log", 10), ("catalina.log", 500)]);
        let found = [
            ("access.log", 12),
            ("catalina.log", 20),
            ("catalina.log.1", 520),
        ];
        read.renew(&offsets(&found));
        // The end of the former file and all of the new one are still to be read.
        let left = [
            ("access.log", 10),
            ("catalina.log", 0),
            ("catalina.log.1", 500),
        ];
        assert_eq!(read, offsets(&left));
    }

    #[test]
    fn a_new_file_is_read_from_its_beginning() {
        let mut read = offsets(&[("access.23.log", 10)]);
        read.renew(&offsets(&[("access.23.log", 10), ("access.24.log", 30)]));
        assert_eq!(
            read,
            offsets(&[("access.23.log", 10), ("access.24.log", 0)])
        );
    }
}
