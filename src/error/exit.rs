//! The one table of exit codes.

use std::process::ExitCode;

use super::kind::Kind;

/// How the program ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// 0: done.
    Done,
    /// 1: a comparison found a difference, or a search found no single answer.
    Difference,
    /// 2: wrong usage or settings.
    Usage,
    /// 3: the definitions.
    Definitions,
    /// 4: the engine.
    Engine,
    /// 5: trust.
    Trust,
    /// 6: git or the forge.
    Git,
    /// 7: not healthy.
    NotHealthy,
    /// 8: the registry.
    Registry,
    /// 70: a bug of devenv.
    Bug,
    /// 130: interrupted.
    Interrupted,
    /// 143: terminated.
    Terminated,
    /// `exec` and `shell` end with the command's own code.
    Command(u8),
}

impl Exit {
    /// Every way to end but a command's own code, as `devenv help exit-codes` shows it.
    pub const TABLE: &'static [(Self, &'static str)] = &[
        (Self::Done, "done"),
        (
            Self::Difference,
            "a comparison found a difference, or a search no single answer",
        ),
        (
            Self::Usage,
            "the command line, a setting or a local file is wrong",
        ),
        (Self::Definitions, "the definitions are wrong"),
        (Self::Engine, "the Docker engine refused or did not answer"),
        (
            Self::Trust,
            "a signature, a digest or a key is not what it has to be",
        ),
        (Self::Git, "git or the forge refused or did not answer"),
        (Self::NotHealthy, "a container did not become ready"),
        (Self::Registry, "the registry refused or did not answer"),
        (Self::Bug, "a bug of devenv"),
        (Self::Interrupted, "interrupted by Ctrl-C"),
        (Self::Terminated, "terminated by the system"),
    ];

    /// The number that the shell sees.
    pub fn code(self) -> u8 {
        match self {
            Self::Done => 0,
            Self::Difference => 1,
            Self::Usage => 2,
            Self::Definitions => 3,
            Self::Engine => 4,
            Self::Trust => 5,
            Self::Git => 6,
            Self::NotHealthy => 7,
            Self::Registry => 8,
            Self::Bug => 70,
            Self::Interrupted => 130,
            Self::Terminated => 143,
            Self::Command(code) => code,
        }
    }
}

impl From<Kind> for Exit {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Usage => Self::Usage,
            Kind::Definitions => Self::Definitions,
            Kind::Engine => Self::Engine,
            Kind::Trust => Self::Trust,
            Kind::Git => Self::Git,
            Kind::NotHealthy => Self::NotHealthy,
            Kind::Registry => Self::Registry,
            Kind::Undecided => Self::Difference,
            Kind::Bug => Self::Bug,
            Kind::Interrupted => Self::Interrupted,
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        ExitCode::from(exit.code())
    }
}
