//! What happened around a moment: lines of logs, requests, starts of containers, by time.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::model::name::ContainerName;
use crate::model::requests::recorded::Recorded;

/// A line of a log, as a capsule keeps it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogLine {
    /// When it was written, as far as it is known.
    pub time: Timestamp,
    /// Whose it is.
    pub container: ContainerName,
    /// `stdout`, `stderr` or `file`.
    pub source: String,
    /// The file's path in the log volume.
    pub file: Option<String>,
    /// Without its end.
    pub line: String,
}

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A container was started, again or at first.
    Start,
    /// A request.
    Request,
    /// A line of a log.
    Line,
}

/// Something that happened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Event {
    /// When.
    pub time: Timestamp,
    /// What it is.
    pub kind: Kind,
    /// In which container, where that is known.
    pub container: Option<ContainerName>,
    /// In words; from elsewhere.
    pub text: String,
}

impl Event {
    /// A line of a log.
    pub fn line(it: LogLine) -> Self {
        let text = match &it.file {
            Some(file) => format!("{file}: {}", it.line),
            None => it.line,
        };
        Self {
            time: it.time,
            kind: Kind::Line,
            container: Some(it.container),
            text,
        }
    }

    /// A request; `None` where its source does not say when it was made.
    pub fn request(it: &Recorded) -> Option<Self> {
        let status = it
            .status
            .map_or_else(|| "-".to_owned(), |it| it.to_string());
        let (session, method, line) = (&it.session, &it.method, it.target.line());
        let host = it.target.host.as_ref().map_or("", |it| it.as_str());
        Some(Self {
            time: it.at?,
            kind: Kind::Request,
            container: None,
            text: format!("{session} {method} {host}{line} {status}"),
        })
    }
}

/// The events that are nearest to a moment: of each side no more than so many are kept.
#[derive(Debug)]
pub struct Timeline {
    moment: Timestamp,
    most: usize,
    before: BTreeMap<(Timestamp, u64), Event>,
    after: BTreeMap<(Timestamp, u64), Event>,
    count: u64,
}

impl Timeline {
    /// Nothing happened yet. `most`: events before the moment; half as many after it.
    pub fn around(moment: Timestamp, most: usize) -> Self {
        Self {
            moment,
            most,
            before: BTreeMap::new(),
            after: BTreeMap::new(),
            count: 0,
        }
    }

    /// Something happened. What happened at one time stays in this order.
    pub fn add(&mut self, event: Event) {
        self.count += 1;
        let key = (event.time, self.count);
        if event.time <= self.moment {
            self.before.insert(key, event);
            if self.before.len() > self.most {
                self.before.pop_first();
            }
        } else {
            self.after.insert(key, event);
            if self.after.len() > self.most / 2 {
                self.after.pop_last();
            }
        }
    }

    /// Those that were kept, by time, and how many there were in all.
    pub fn events(self) -> (Vec<Event>, u64) {
        let all = self.before.into_values().chain(self.after.into_values());
        (all.collect(), self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::time;

    #[test]
    fn what_is_nearest_to_the_moment_is_kept_in_order() {
        let mut timeline = Timeline::around(time(10), 3);
        for at in [1, 9, 30, 8, 11, 10, 12, 7] {
            timeline.add(Event {
                time: time(at),
                kind: Kind::Start,
                container: None,
                text: at.to_string(),
            });
        }
        let (events, count) = timeline.events();
        let texts: Vec<&str> = events.iter().map(|it| it.text.as_str()).collect();
        assert_eq!((texts, count), (vec!["8", "9", "10", "11"], 8));
    }
}
