//! Why a git server could not be used, sorted by what the user can do about it.

use std::fmt;

use super::super::remote_url::redact;
use super::cause::{Cause, classify};
use crate::error::Error;
use crate::model::visible::visible;

impl Cause {
    /// The cause of an error that came from this module.
    pub fn of(error: &Error) -> Option<Self> {
        let mut next: Option<&(dyn std::error::Error + 'static)> = Some(error);
        while let Some(error) = next {
            if let Some(failure) = error.downcast_ref::<Failure>() {
                return Some(failure.cause);
            }
            next = error.source();
        }
        None
    }
}

/// A failed exchange with a git server.
#[derive(Debug, Clone)]
pub struct Failure {
    /// Its family.
    pub cause: Cause,
    /// What git said, in one line.
    pub said: String,
    /// All that was said, line by line.
    pub log: Vec<String>,
}

impl Failure {
    /// Sorts what git said on its standard error.
    pub(super) fn from_lines(lines: &[String], otherwise: &str) -> Self {
        let log: Vec<String> = lines.iter().map(|line| redact(line)).collect();
        let blamed = |line: &&String| {
            ["fatal: ", "error: ", "ERROR: "]
                .iter()
                .any(|prefix| line.trim_start_matches("remote: ").starts_with(prefix))
        };
        let said = log.iter().find(blamed).or(log.last());
        let said = said.map_or(otherwise, |line| {
            line.trim_start_matches("remote: ")
                .trim_start_matches("fatal: ")
                .trim_start_matches("error: ")
                .trim_start_matches("ERROR: ")
        });
        Self {
            cause: classify(&log.join("\n")),
            said: said.to_owned(),
            log,
        }
    }

    /// Sorts an error of the built-in library.
    pub(super) fn from_library(error: &git2::Error, said: &[String]) -> Self {
        let mut lines = said.to_vec();
        lines.push(visible(error.message()));
        let mut failure = Self::from_lines(&lines, "");
        failure.said = failure.log.last().cloned().unwrap_or_default();
        match error.code() {
            git2::ErrorCode::Auth => failure.cause = Cause::Authentication,
            git2::ErrorCode::Certificate => failure.cause = Cause::Untrusted,
            git2::ErrorCode::Owner => failure.cause = Cause::Foreign,
            _ => {}
        }
        failure
    }

    pub(super) fn timed_out(patience: std::time::Duration, log: &[String]) -> Self {
        Self {
            cause: Cause::TimedOut,
            said: format!("no sign of life for {} s", patience.as_secs_f32()),
            log: log.iter().map(|line| redact(line)).collect(),
        }
    }

    pub(super) fn too_large(largest: u64) -> Self {
        Self {
            cause: Cause::TooLarge,
            said: format!("it holds more than {} MiB", largest >> 20),
            log: Vec::new(),
        }
    }

    pub(super) fn other(said: impl Into<String>) -> Self {
        Self {
            cause: Cause::Other,
            said: redact(&said.into()),
            log: Vec::new(),
        }
    }

    /// The error that the user meets; `action` reads `cannot fetch from https://…`.
    pub fn into_error(self, action: &str) -> Error {
        let message = match self.cause.phrase() {
            Some(phrase) => format!("{action}: {phrase}"),
            None => action.to_owned(),
        };
        let mut error = Error::git(message);
        for hint in self.cause.hints(&self.log) {
            error = error.hint(hint);
        }
        if self.log.len() > 1 {
            error = error.detail(self.log.join("\n"));
        }
        error.because(self)
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.said)
    }
}

impl std::error::Error for Failure {}

#[cfg(test)]
mod tests {
    use super::*;

    fn cause(text: &str) -> Cause {
        let lines: Vec<String> = text.lines().map(ToOwned::to_owned).collect();
        Failure::from_lines(&lines, "").cause
    }

    #[test]
    fn git_s_words_are_sorted() {
        let ssh_end = "fatal: Could not read from remote repository.\n\nPlease make sure you have \
                       the correct access rights\nand the repository exists.";
        for (text, expected) in [
            (
                "fatal: repository 'https://h/x.git/' not found",
                Cause::NotFound,
            ),
            (
                "fatal: '/x' does not appear to be a git repository",
                Cause::NotFound,
            ),
            ("ERROR: Repository not found.", Cause::NotFound),
            (
                "fatal: Authentication failed for 'https://h/'",
                Cause::Authentication,
            ),
            (
                "fatal: could not read Username for 'https://h': terminal prompts disabled",
                Cause::Authentication,
            ),
            (
                "fatal: unable to access 'https://h/': Could not resolve host: h",
                Cause::Unreachable,
            ),
            (
                &format!("ssh: connect to host h port 22: Connection refused\n{ssh_end}"),
                Cause::Unreachable,
            ),
            (
                "fatal: unable to access 'https://h/': SSL certificate problem: self-signed certificate",
                Cause::Untrusted,
            ),
            (
                &format!("Host key verification failed.\n{ssh_end}"),
                Cause::Untrusted,
            ),
            (
                "fatal: unable to access 'https://h/': SSL: no alternative certificate subject name matches target host name 'h'",
                Cause::WrongName,
            ),
            (
                "fatal: unable to access 'https://h/': SSL: certificate subject name (x) does not match target host name 'h'",
                Cause::WrongName,
            ),
            (
                "fatal: unable to access 'https://h/': SSL certificate problem: certificate has expired",
                Cause::WrongTime,
            ),
            ("fatal: bad object", Cause::Other),
        ] {
            assert_eq!(cause(text), expected, "{text}");
        }
    }

    #[test]
    fn what_git_finds_in_repositories_and_keys_is_told_apart() {
        let ssh_end = "fatal: Could not read from remote repository.\n\nPlease make sure you have \
                       the correct access rights\nand the repository exists.";
        for (text, expected) in [
            (
                &format!("git@h: Permission denied (publickey).\n{ssh_end}"),
                Cause::Key,
            ),
            (
                &format!("fatal: detected dubious ownership in repository at '/x'\n{ssh_end}"),
                Cause::Foreign,
            ),
            (
                &"error: object 12: gitmodulesUrl: no\nfatal: fsck error in packed object"
                    .to_owned(),
                Cause::Malformed,
            ),
        ] {
            assert_eq!(cause(text), expected, "{text}");
        }
        let said =
            "error: object 12: gitmodulesUrl: disallowed\nfatal: fsck error in packed object";
        let lines: Vec<String> = said.lines().map(ToOwned::to_owned).collect();
        let error = Failure::from_lines(&lines, "").into_error("cannot fetch");
        assert!(
            error.hints()[1].contains("fetch.fsck.gitmodulesUrl warn"),
            "{:?}",
            error.hints()
        );
    }

    #[test]
    fn the_error_says_what_git_said_without_the_password() {
        let lines =
            ["fatal: unable to access 'https://a:pw@h/x': Could not resolve host: h".to_owned()];
        let error = Failure::from_lines(&lines, "").into_error("cannot fetch from https://h/x");
        let chain = error.chain().join(" / ");
        assert!(chain.contains("cannot be reached") && chain.contains("Could not resolve host"));
        assert!(!chain.contains("pw"), "{chain}");
        assert_eq!(Cause::of(&error), Some(Cause::Unreachable));
    }
}
