//! What a verification found: every check in words, and the verdict.

use std::fmt;

use crate::error::{Error, Result};

/// How one check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It holds.
    Passed,
    /// Worth knowing; decides nothing.
    Noted,
    /// It does not hold.
    Failed,
}

/// One check, in words that are safe to print.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// How it ended.
    pub outcome: Outcome,
    /// What was found, and if it failed what was wanted.
    pub text: String,
}

/// The result of a verification with the way to it.
#[derive(Debug)]
pub struct Verdict<T> {
    /// All checks that were made, in order.
    pub checks: Vec<Check>,
    /// What was verified, or the refusal ([`crate::error::Kind::Trust`]) with the failed checks.
    pub result: Result<T>,
}

/// Collects checks.
#[derive(Debug, Default)]
pub(super) struct Checks(pub(super) Vec<Check>);

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let outcome = match self.outcome {
            Outcome::Passed => "passed",
            Outcome::Noted => "note",
            Outcome::Failed => "FAILED",
        };
        write!(f, "{outcome}: {}", self.text)
    }
}

impl Checks {
    pub(super) fn pass(&mut self, text: impl Into<String>) {
        self.push(Outcome::Passed, text);
    }

    pub(super) fn note(&mut self, text: impl Into<String>) {
        self.push(Outcome::Noted, text);
    }

    pub(super) fn fail(&mut self, text: impl Into<String>) {
        self.push(Outcome::Failed, text);
    }

    /// Records one of the two.
    pub(super) fn that(
        &mut self,
        holds: bool,
        passed: impl FnOnce() -> String,
        failed: impl FnOnce() -> String,
    ) {
        if holds {
            self.pass(passed());
        } else {
            self.fail(failed());
        }
    }

    pub(super) fn first_failure(&self) -> Option<&str> {
        let failed = |check: &&Check| check.outcome == Outcome::Failed;
        self.0.iter().find(failed).map(|check| check.text.as_str())
    }

    pub(super) fn passed(&self) -> usize {
        let passed = |check: &&Check| check.outcome == Outcome::Passed;
        self.0.iter().filter(passed).count()
    }

    fn push(&mut self, outcome: Outcome, text: impl Into<String>) {
        let text = text.into();
        self.0.push(Check { outcome, text });
    }
}

/// The refusal of `title`: the first failed check speaks, all of them follow as a detail.
pub(super) fn refusal(title: &str, checks: &Checks) -> Error {
    let failure = checks.first_failure().unwrap_or("nothing was verified");
    let lines: Vec<String> = checks.0.iter().map(ToString::to_string).collect();
    Error::trust(format!("{title} is refused: {failure}")).detail(lines.join("\n"))
}
