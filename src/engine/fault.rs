//! How an engine refuses, told apart as far as callers decide by it.

use std::fmt;

use crate::error::Error;

/// A refusal by the engine, with its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// Which kind of refusal.
    pub kind: FaultKind,
    /// What the engine said, control characters made visible.
    pub message: String,
    /// Who said it, to what, with which status, where the words alone do not explain.
    pub about: Option<Box<str>>,
    /// What to do about it, where this fault knows better than its kind.
    pub hint: Option<Box<str>>,
    /// What a build said before.
    pub detail: Option<Box<str>>,
}

/// Kinds of refusal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// No such container, image, network or volume.
    NotFound,
    /// The name is taken, or the object is in use or in another state.
    Conflict,
    /// A host port is taken or may not be bound.
    PortTaken,
    /// The engine's disk is full.
    NoSpace,
    /// The registry that it asked has too much to do (429).
    Busy,
    /// Its networks use all addresses that it gives to networks.
    NoAddresses,
    /// No answer: not running, wrong address, connection lost.
    Unreachable,
    /// It took the request and did not answer in time.
    Hung,
    /// It is there, but TLS or ssh to it did not come about: certificates, keys, names.
    Handshake,
    /// It failed itself (status 500) and its words tell no more.
    Internal,
    /// The user may not talk to it.
    Denied,
    /// Anything else it answered.
    Failed,
}

impl Fault {
    /// A fault of `kind` with the engine's words.
    pub fn new(kind: FaultKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            about: None,
            hint: None,
            detail: None,
        }
    }

    /// Whether it is there, answers badly, and may be well again soon.
    pub fn may_pass(&self) -> bool {
        matches!(self.kind, FaultKind::Hung | FaultKind::Internal)
    }

    /// Whether it may still be at what it was told: no answer came.
    pub fn is_silence(&self) -> bool {
        matches!(self.kind, FaultKind::Unreachable | FaultKind::Hung)
    }

    /// Whether observing and planning again may help.
    pub fn is_stale(&self) -> bool {
        matches!(
            self.kind,
            FaultKind::NotFound | FaultKind::Conflict | FaultKind::PortTaken
        )
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.about {
            Some(about) if self.message.is_empty() => f.write_str(about),
            Some(about) => write!(f, "{about}: {}", self.message),
            None => f.write_str(&self.message),
        }
    }
}

impl std::error::Error for Fault {}

/// What helps where a registry counts how much is asked of it.
pub const BUSY: &str = "the registry limits how much is asked of it: wait, log in with `docker login`, or \
     name a mirror in `registry_mirrors` of the settings";

impl From<Fault> for Error {
    fn from(fault: Fault) -> Self {
        let mut error = Error::engine(fault.to_string());
        if fault.is_silence() {
            error = error.passing();
        }
        if let Some(detail) = fault.detail {
            error = error.detail(detail);
        }
        if let Some(hint) = fault.hint {
            return error.hint(hint);
        }
        match fault.kind {
            FaultKind::Unreachable => {
                error.hint("is the engine running? `docker info` shows what the docker client sees")
            }
            FaultKind::Hung => {
                error.hint("something takes connections there and says nothing: an engine that hangs wants a restart")
            }
            FaultKind::Internal => {
                error.hint("the engine's own log says more: `journalctl --unit docker`, or the log of the program that runs it")
            }
            FaultKind::Denied => error.hint("add yourself to the group `docker`, then log in again"),
            FaultKind::NoSpace => {
                error.hint("`devenv clean` removes what no environment refers to; `docker system df` shows the rest")
            }
            FaultKind::Busy => error.hint(BUSY),
            FaultKind::NoAddresses => error.hint(
                "an instance that runs takes two networks: `devenv down` ends one that nobody needs, `docker network prune` removes networks without containers; `default-address-pools` in the engine's daemon.json gives more",
            ),
            _ => error,
        }
    }
}
