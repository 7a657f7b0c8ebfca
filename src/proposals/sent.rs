//! What a proposal remembers of being tried and of being sent.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definitions::CommitId;
use crate::model::forge::ForgeKind;
use crate::model::name::EnvironmentName;
use crate::proposals::forge::{Draft, Request, State};

/// How the container last ran from the proposal, among production's own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ran {
    /// The reference that the others were from.
    pub reference: u64,
    /// The environment that runs that reference.
    pub environment: EnvironmentName,
    /// The image: `local-` and digits.
    pub version: String,
    /// How it was known to be ready: `healthy`, `answers`, `started`, `completed`.
    pub ready: String,
    /// From the plan's first step until then.
    pub milliseconds: u64,
    /// When.
    pub at: Timestamp,
    /// The proposal then, as a commit; `None`: an earlier devenv did not keep it.
    #[serde(default)]
    pub commit: Option<CommitId>,
}

/// What the developer wrote.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Typed {
    /// One line.
    pub title: String,
    /// Markdown; may be empty.
    pub description: String,
    /// Whether it is not to be merged yet.
    pub draft: bool,
}

/// What was sent, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sent {
    /// What the server is.
    pub kind: ForgeKind,
    /// The branch there.
    pub branch: String,
    /// The branch that it is for.
    pub target: String,
    /// The commit that was sent last, and taken.
    #[serde(default)]
    pub commit: Option<CommitId>,
    /// The commit that was about to be sent; it may have arrived.
    #[serde(default)]
    pub sending: Option<CommitId>,
    /// With which words.
    #[serde(default)]
    pub typed: Option<Typed>,
    /// The whole description.
    #[serde(default)]
    pub description: String,
    /// The request, as last seen.
    #[serde(default)]
    pub request: Option<Request>,
    /// The number of a request that the push itself made, without a branch.
    #[serde(default)]
    pub topic: Option<u64>,
    /// When it was taken.
    #[serde(default)]
    pub at: Option<Timestamp>,
}

impl Sent {
    /// Whether the server's branch is as it was left here.
    pub(super) fn knows(&self, there: CommitId) -> bool {
        [self.commit, self.sending].contains(&Some(there))
    }

    /// The commits that are or may be on the server.
    pub(super) fn commits(&self) -> Vec<CommitId> {
        self.sending.into_iter().chain(self.commit).collect()
    }

    /// Enough to find the request by.
    pub(super) fn draft(&self) -> Draft {
        Draft {
            title: String::new(),
            description: String::new(),
            source: self.branch.clone(),
            target: self.target.clone(),
            draft: false,
        }
    }

    /// What became of the request, as last seen.
    pub fn state(&self) -> Option<State> {
        self.request.as_ref().map(|it| it.state)
    }
}
