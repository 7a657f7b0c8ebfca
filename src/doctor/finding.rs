//! What a check found: observations, each with a verdict and what to do about it.

use serde::Serialize;

use super::mending::Mending;
use crate::error::{Error, Kind};

/// How it stands. The order is that of gravity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// It could not be judged here, and need not be.
    Skipped,
    /// As it should be.
    Ok,
    /// It works, but may stop to.
    Warn,
    /// Something that devenv does will fail of it.
    Fail,
}

impl Verdict {
    /// As it is shown.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Skipped => "skipped",
            Self::Ok => "ok",
            Self::Warn => "warn",
            Self::Fail => "fail",
        }
    }
}

/// One thing that was seen.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Observation {
    /// How it stands.
    pub verdict: Verdict,
    /// What was seen, in words.
    pub seen: String,
    /// What to do, where something is to be done.
    pub advice: Vec<String>,
    /// Which family of failures it belongs to, where that is not the check's own.
    #[serde(skip)]
    pub kind: Option<Kind>,
    /// What `--fix` can do about it.
    #[serde(skip)]
    pub mending: Option<Mending>,
}

impl Observation {
    fn new(verdict: Verdict, seen: impl Into<String>) -> Self {
        Self {
            verdict,
            seen: seen.into(),
            advice: Vec::new(),
            kind: None,
            mending: None,
        }
    }

    /// Nothing to judge, and why.
    pub fn skipped(why: impl Into<String>) -> Self {
        Self::new(Verdict::Skipped, why)
    }

    /// As it should be.
    pub fn ok(seen: impl Into<String>) -> Self {
        Self::new(Verdict::Ok, seen)
    }

    /// It works, but may stop to.
    pub fn warn(seen: impl Into<String>) -> Self {
        Self::new(Verdict::Warn, seen)
    }

    /// Something will fail of it.
    pub fn fail(seen: impl Into<String>) -> Self {
        Self::new(Verdict::Fail, seen)
    }

    /// An error that a probe met: its chain is what was seen, its hints are the advice.
    pub fn error(error: &Error) -> Self {
        let mut seen = Self::fail(error.chain().join(": "));
        seen.advice = error.hints().to_vec();
        seen.kind = Some(error.kind());
        seen
    }

    /// What to do.
    #[must_use]
    pub fn advise(mut self, advice: impl Into<String>) -> Self {
        self.advice.push(advice.into());
        self
    }

    /// What `--fix` can do.
    #[must_use]
    pub fn mend(mut self, mending: Mending) -> Self {
        self.mending = Some(mending);
        self
    }
}

/// What one check found.
#[derive(Debug, Clone, Serialize)]
pub struct Finding {
    /// The check.
    pub name: &'static str,
    /// The gravest of its observations.
    pub verdict: Verdict,
    /// Why it matters.
    pub why: &'static str,
    /// What was seen, in order.
    pub observations: Vec<Observation>,
    /// Which family a failure belongs to: it decides the exit code.
    #[serde(skip)]
    pub kind: Kind,
}

impl Finding {
    /// Sums up what a check saw; `kind` is that of failures that do not say themselves.
    pub fn new(
        name: &'static str,
        why: &'static str,
        kind: Kind,
        observations: Vec<Observation>,
    ) -> Self {
        let gravest = observations.iter().max_by_key(|it| it.verdict);
        Self {
            name,
            why,
            verdict: gravest.map_or(Verdict::Skipped, |it| it.verdict),
            kind: observations
                .iter()
                .find(|it| it.verdict == Verdict::Fail)
                .and_then(|it| it.kind)
                .unwrap_or(kind),
            observations,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_gravest_observation_decides() {
        let of = |seen: Vec<Observation>| Finding::new("x", "y", Kind::Engine, seen);
        let (ok, warn) = (Observation::ok("a"), Observation::warn("b"));
        assert_eq!(of(vec![ok.clone(), warn.clone()]).verdict, Verdict::Warn);
        assert_eq!(of(vec![Observation::skipped("c"), ok]).verdict, Verdict::Ok);
        assert_eq!(of(Vec::new()).verdict, Verdict::Skipped);
        let failed = Observation::error(&Error::trust("no").hint("do"));
        assert_eq!(failed.advice, ["do"]);
        let finding = of(vec![warn, failed]);
        assert_eq!(
            (finding.verdict, finding.kind),
            (Verdict::Fail, Kind::Trust)
        );
    }
}
