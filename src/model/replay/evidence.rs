//! The result of a replay in one line: for whoever decides about a change. Pure.

use std::fmt;

use serde::Deserialize;
use serde::de::IgnoredAny;

use crate::error::{Error, Kind, Place};
use crate::model::name::PlatformName;
use crate::model::visible::visible;

/// Bytes of a file with a result.
pub const LARGEST: u64 = 64 << 20;

/// Places that are named.
const NAMED: usize = 3;

/// Characters of each.
const LONGEST: usize = 100;

fn cut(text: &str) -> String {
    match text.chars().count() {
        ..=LONGEST => text.to_owned(),
        _ => text.chars().take(LONGEST - 1).chain(['…']).collect(),
    }
}

/// What `devenv replay --json` printed last.
#[derive(Debug, Deserialize)]
pub struct Evidence {
    /// Whose references.
    pub platform: PlatformName,
    old: Side,
    new: Side,
    requests: u64,
    sessions: u64,
    differences: Vec<Differs>,
    times: Vec<IgnoredAny>,
    logs: Vec<IgnoredAny>,
    mask: Vec<IgnoredAny>,
}

#[derive(Debug, Deserialize)]
struct Side {
    reference: u64,
}

#[derive(Debug, Deserialize)]
struct Differs {
    endpoint: String,
    place: String,
}

impl Evidence {
    /// Reads the output of `devenv replay --json`: its last line counts.
    ///
    /// # Errors
    /// What is no such output.
    pub fn parse(file: &str, text: &str) -> Result<Self, Error> {
        let lines = text
            .lines()
            .enumerate()
            .filter(|(_, it)| !it.trim().is_empty());
        let Some((index, line)) = lines.last() else {
            return Err(Error::usage(format!("{file} is empty")));
        };
        serde_json::from_str(line).map_err(|_| {
            let place = Place::line(file, index + 1);
            let error = Error::at(Kind::Usage, place, "it is no result of `devenv replay`");
            error.hint("`devenv replay FILE --against OLD,NEW --json > evidence.json` writes one")
        })
    }

    /// The newer reference.
    pub fn reference(&self) -> u64 {
        self.new.reference
    }
}

impl fmt::Display for Evidence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} requests of {} sessions, reference {} against {}: ",
            self.requests, self.sessions, self.old.reference, self.new.reference
        )?;
        match self.differences.len() {
            0 => f.write_str("no answer differs beyond the noise")?,
            count => {
                let named = self.differences.iter().take(NAMED);
                let named: Vec<String> = named
                    .map(|it| cut(&visible(&format!("{} {}", it.endpoint, it.place))))
                    .collect();
                let more = if count > NAMED { ", …" } else { "" };
                let named = named.join(", ");
                write!(f, "answers differ in {count} places ({named}{more})")?;
            }
        }
        write!(
            f,
            "; other times: {}; other log lines: {}; masked: {}",
            self.times.len(),
            self.logs.len(),
            self.mask.len()
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_told_in_one_line() {
        let line = |differences: &str| {
            format!(
                "{{\"event\":\"begin\",\"step\":\"x\"}}\n{{\"event\":\"result\",\"platform\":\"acme\",\
                 \"old\":{{\"reference\":12}},\"new\":{{\"reference\":13}},\"requests\":40,\"sessions\":3,\
                 \"differences\":[{differences}],\"times\":[{{}}],\"logs\":[],\"mask\":[1,2]}}\n"
            )
        };
        let read = |text: &str| Evidence::parse("e.json", text);
        let same = read(&line("")).unwrap();
        assert_eq!(same.reference(), 13);
        assert_eq!(
            same.to_string(),
            "40 requests of 3 sessions, reference 12 against 13: no answer differs beyond the noise; \
             other times: 1; other log lines: 0; masked: 2"
        );
        let one = "{\"endpoint\":\"GET /a\\u001b\",\"place\":\"status\"}";
        let told = read(&line(&[one; 4].join(","))).unwrap().to_string();
        let places =
            "in 4 places (GET /a\\u{1b} status, GET /a\\u{1b} status, GET /a\\u{1b} status, …)";
        assert!(told.contains(places), "{told}");
        for wrong in ["", "\n", "{}", "hunter2", &line("1")] {
            let error = read(wrong).unwrap_err();
            assert!(!error.to_string().contains("hunter2"), "{error}");
        }
    }
}
