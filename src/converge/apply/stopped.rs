//! Why a container will not come as far as it should.

use std::fmt;
use std::time::Duration;

use crate::engine::Fault;
use crate::model::container::Until;

/// Why a container will not come as far as it should.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stopped {
    /// Its process ended with this code.
    Exited { code: i64, out_of_memory: bool },
    /// The engine's check gave up on it.
    Unhealthy,
    /// It was removed meanwhile.
    Removed,
    /// It took too long.
    TimedOut { after: Duration, until: Until },
    /// It runs, but its route never answered.
    Silent { after: Duration },
    /// The engine could not be asked.
    Engine(Fault),
}

impl fmt::Display for Stopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Exited {
                out_of_memory: true,
                ..
            } => f.write_str("was killed: it used more memory than its limit"),
            Self::Exited { code: 137, .. } => f.write_str("was killed (exit code 137)"),
            Self::Exited { code, .. } => write!(f, "exited with code {code}"),
            Self::Unhealthy => f.write_str("is unhealthy"),
            Self::Removed => f.write_str("was removed meanwhile"),
            Self::TimedOut { after, until } => {
                write!(f, "was not {} after {} s", until.as_str(), after.as_secs())
            }
            Self::Silent { after } => write!(
                f,
                "runs, but its route did not answer within {} s",
                after.as_secs()
            ),
            Self::Engine(fault) => write!(f, "could not be watched: {fault}"),
        }
    }
}
