//! One request in the logs: by a mark that the proxy writes down, else by its line and its time.

use std::time::Duration;

use futures_util::StreamExt as _;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;

use crate::error::Result;
use crate::instance::logs::{self, Line, Query};
use crate::instance::running::Running;
use crate::model::name::ContainerName;
use crate::model::requests::target::Target;
use crate::model::visible::visible;

/// How far back logs are read: the engine's clock may be another one.
const BACK: SignedDuration = SignedDuration::from_secs(60);

/// How much earlier than it was sent a request may be written down: logs round to seconds.
const EARLIER: SignedDuration = SignedDuration::from_secs(2);

/// Pauses between looks: servers write a line once the answer is over.
const PAUSES: [u64; 4] = [100, 200, 400, 800];

/// Lines of one container that are shown.
const MOST: usize = 5;

/// How a line was recognised.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum FoundBy {
    /// It has the mark that the request carried as its `User-Agent`: it is the request.
    Mark,
    /// It has the request's path, and its time.
    Time,
}

/// A line that is about the request.
#[derive(Debug, Clone, Serialize)]
pub struct Logged {
    /// Whose log.
    pub container: ContainerName,
    /// `stdout`, `stderr` or `file`.
    pub source: &'static str,
    /// The file in the log volume.
    pub file: Option<String>,
    /// When it was written.
    pub time: Timestamp,
    /// The line.
    pub line: String,
    /// How it was recognised.
    pub found_by: FoundBy,
}

/// A request that is about to be sent.
pub(super) struct Search {
    mark: String,
    line: String,
    begun: Timestamp,
}

impl Search {
    pub(super) fn begin(target: &Target, mark: String) -> Self {
        Self {
            mark,
            line: target.line(),
            begun: Timestamp::now(),
        }
    }

    /// What the request says it comes from.
    pub(super) fn agent(&self) -> String {
        format!("devenv-explain/{}", self.mark)
    }

    /// The lines of these containers, as soon as there are enough, and what has to be said of the logs.
    pub(super) async fn find(
        &self,
        running: &Running,
        names: &[ContainerName],
        is_enough: impl Fn(&[Logged]) -> bool,
    ) -> Result<(Vec<Logged>, Vec<String>)> {
        let places = logs::places(&running.identity, &running.observation.observed, names);
        let query = Query {
            since: self.begun.checked_sub(BACK).ok(),
            ..Query::default()
        };
        let (mut found, mut notes) = (Vec::new(), Vec::new());
        for pause in PAUSES {
            tokio::time::sleep(Duration::from_millis(pause)).await;
            let mut backlog = logs::backlog(&running.engine, &places, query).await?;
            found.clear();
            notes = backlog.notes;
            while let Some(line) = backlog.lines.next().await {
                found.extend(self.recognised(&line?));
            }
            if is_enough(&found) {
                break;
            }
        }
        Ok((chosen(found), notes))
    }

    fn recognised(&self, line: &Line) -> Option<Logged> {
        let text = String::from_utf8_lossy(&line.text);
        let found_by = if text.contains(&self.mark) {
            FoundBy::Mark
        } else if self.has_path(&text) && line.time >= self.begun.checked_sub(EARLIER).ok()? {
            FoundBy::Time
        } else {
            return None;
        };
        Some(Logged {
            container: line.container.clone(),
            source: line.source.as_str(),
            file: line.source.file().map(ToOwned::to_owned),
            time: line.time,
            line: visible(&text),
            found_by,
        })
    }

    /// As a word of the line: `GET /billing HTTP/1.1`, not a part of another path.
    fn has_path(&self, text: &str) -> bool {
        let word = |it: &str| it.trim_matches(['"', '\'']) == self.line;
        text.split_whitespace().any(word)
    }
}

/// Of each container those with the mark, where there are any: others are of somebody else's request.
fn chosen(found: Vec<Logged>) -> Vec<Logged> {
    let marked: Vec<ContainerName> = found
        .iter()
        .filter(|it| it.found_by == FoundBy::Mark)
        .map(|it| it.container.clone())
        .collect();
    let mut chosen: Vec<Logged> = Vec::new();
    for it in found {
        let is_right = it.found_by == FoundBy::Mark || !marked.contains(&it.container);
        let count = chosen
            .iter()
            .filter(|other| other.container == it.container);
        if is_right && count.count() < MOST {
            chosen.push(it);
        }
    }
    chosen
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::instance::logs::Source;

    #[test]
    fn a_mark_is_proof_and_a_path_needs_its_time() {
        let target = Target::parse("/billing?a=1").unwrap();
        let search = Search::begin(&target, "0123456789abcdef".to_owned());
        let line = |name: &str, seconds: i64, text: &str| Line {
            time: search.begun + SignedDuration::from_secs(seconds),
            container: ContainerName::new(name).unwrap(),
            source: Source::File("access.log".to_owned()),
            text: text.to_owned().into(),
        };
        let mark = search.agent();
        let lines = [
            line("front", 0, "\"GET /billing?a=1 HTTP/1.1\" 200 \"curl\""),
            line(
                "front",
                0,
                &format!("\"GET /billing?a=1 HTTP/1.1\" 200 \"{mark}\""),
            ),
            line("billing", -30, "\"GET /billing?a=1 HTTP/1.1\" 200"),
            line("billing", -1, "\"GET /billing?a=1 HTTP/1.1\" 200"),
            line("billing", 1, "\"GET /billing?a=11 HTTP/1.1\" 200"),
            line("billing", 1, "\"GET /billing HTTP/1.1\" 200"),
        ];
        let found = lines
            .iter()
            .filter_map(|it| search.recognised(it))
            .collect();
        let found = chosen(found);
        assert_eq!(found.len(), 2, "{found:?}");
        assert_eq!(found[0].found_by, FoundBy::Mark);
        assert!(found[0].line.contains(&mark));
        assert_eq!(found[1].found_by, FoundBy::Time);
        assert_eq!(found[1].time, lines[3].time);
    }
}
