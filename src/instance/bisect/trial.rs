//! A change, a candidate, and what came of it.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use crate::home::state::VersionRecord;
use crate::model::bisection::Verdict;
use crate::model::name::ContainerName;

/// What differs between two references, in a container that both have; of the proxy, all that is not a
/// version of another container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Change {
    /// The container that is another one in the bad reference.
    pub container: ContainerName,
    /// The versions of the good and of the bad one; `None`: it is the proxy.
    pub versions: Option<(VersionRecord, VersionRecord)>,
}

/// What is to be tried.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Trial {
    /// The reference.
    pub reference: u64,
    /// Versions in place of its own.
    pub versions: BTreeMap<ContainerName, VersionRecord>,
}

/// What came of a trial.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tried {
    /// What was tried.
    pub trial: Trial,
    /// What was found.
    pub verdict: Verdict,
    /// The exit codes of the command.
    pub codes: Vec<i32>,
    /// Why it was not judged.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

impl Trial {
    /// A reference as it is.
    pub fn of(reference: u64) -> Self {
        Self {
            reference,
            versions: BTreeMap::new(),
        }
    }
}

impl fmt::Display for Trial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "reference {}", self.reference)?;
        for (at, (name, version)) in self.versions.iter().enumerate() {
            let before = if at == 0 { " with" } else { "," };
            write!(f, "{before} {name} {}", version.version)?;
        }
        Ok(())
    }
}

impl fmt::Display for Tried {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.trial, self.verdict.as_str())?;
        let codes: Vec<String> = self.codes.iter().map(ToString::to_string).collect();
        match codes.as_slice() {
            [] => {}
            [code] => write!(f, " (exit code {code})")?,
            codes => write!(f, " (exit codes {})", codes.join(" "))?,
        }
        self.why.iter().try_for_each(|why| write!(f, ": {why}"))
    }
}

impl fmt::Display for Change {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.versions {
            Some((before, after)) => {
                let (container, old, new) = (&self.container, &before.version, &after.version);
                let other = if old == new {
                    " with another image"
                } else {
                    ""
                };
                write!(f, "{container} {old} → {new}{other}")
            }
            None => write!(
                f,
                "{} (the proxy, and what only one of them has)",
                self.container
            ),
        }
    }
}
