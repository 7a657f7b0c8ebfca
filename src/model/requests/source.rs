//! Which kind of file requests come from, and how each is read. Pure.

use super::recorded::Reading;
use super::{access_log, audit, forensic, har};
use crate::error::{Error, Kind, Place};

/// A kind of file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Apache's access log: `combined`, `vhost_combined`.
    AccessLog,
    /// Apache's `mod_log_forensic`.
    Forensic,
    /// `ModSecurity`'s audit log.
    Audit,
    /// What a browser wrote down (HAR 1.2).
    Har,
    /// What devenv wrote down: an entry of HAR on each line.
    Lines,
}

impl Source {
    /// The kind that a file looks like by its beginning.
    pub fn of(text: &str) -> Self {
        let text = text.trim_start();
        let first = text.lines().next().unwrap_or_default();
        if first.starts_with('{') && first.contains("\"_session\"") {
            Self::Lines
        } else if first.starts_with('{') {
            Self::Har
        } else if first.starts_with("--") && first.ends_with("-A--") {
            Self::Audit
        } else if first.starts_with(['+', '-']) && (first.contains('|') || !first.contains(' ')) {
            Self::Forensic
        } else {
            Self::AccessLog
        }
    }

    /// For people.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::AccessLog => "an access log",
            Self::Forensic => "a forensic log",
            Self::Audit => "an audit log",
            Self::Har => "a HAR file",
            Self::Lines => "a file of `devenv requests`",
        }
    }

    /// Reads a file; `sites` are hosts of a browser's file besides the first.
    ///
    /// # Errors
    /// What is of another kind, with its place.
    pub fn read(self, file: &str, text: &str, sites: &[String]) -> Result<Reading, Error> {
        let read = match self {
            Self::AccessLog => access_log::read(text).map_err(|line| (line, None)),
            Self::Forensic => forensic::read(text).map_err(|line| (line, None)),
            Self::Audit => audit::read(text).map_err(|line| (line, None)),
            Self::Har => har::read(text, sites).map_err(|(line, why)| (line, Some(why))),
            Self::Lines => har::read_lines(text).map_err(|(line, why)| (line, Some(why))),
        };
        read.map_err(|(line, why)| {
            let why = why.unwrap_or_else(|| format!("it is no line of {}", self.as_str()));
            Error::at(Kind::Usage, Place::line(file, line), &why)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_known_by_its_beginning() {
        for (text, source) in [
            ("10.0.0.7 - - [01/Mar/2026", Source::AccessLog),
            ("+1:2:3|GET / HTTP/1.1|Host:x\n-1:2:3\n", Source::Forensic),
            ("-1:2:3\n", Source::Forensic),
            ("--8f3c1e5a-A--\n", Source::Audit),
            ("\n{ \"log\": {", Source::Har),
            ("{\"_session\":\"s1\"}", Source::Lines),
            ("", Source::AccessLog),
        ] {
            assert_eq!(Source::of(text), source, "{text}");
        }
    }

    #[test]
    fn a_place_is_told_and_no_text() {
        let error = Source::AccessLog.read("a.log", "hunter2", &[]).unwrap_err();
        assert_eq!(error.to_string(), "a.log:1: it is no line of an access log");
        let error = Source::Har.read("a.har", "{\"hunter2\"", &[]).unwrap_err();
        let told = format!("{error} {:?}", error.chain());
        assert!(
            told.starts_with("a.har:1: ") && !told.contains("hunter2"),
            "{told}"
        );
    }
}
