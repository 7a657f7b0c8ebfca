//! What devenv keeps on this machine, and what the user says: paths, settings, state, locks, secrets.
//! A [`session::Session`] is one command's home with the connections that it opens.

pub mod cache;
pub mod chunks;
pub mod data;
pub mod environment;
pub mod file;
pub mod hosts;
pub mod lock;
pub mod paths;
mod platforms;
mod profiles;
pub mod reporter;
pub mod secrets;
pub mod session;
pub mod settings;
pub mod snapshots;
pub mod state;

use std::path::Path;

use jiff::Timestamp;

use environment::Environment;
use paths::Paths;
use settings::Settings;

/// Where devenv keeps what it keeps, what the user set, and the clock.
#[derive(Debug, Clone)]
pub struct Home {
    /// The process's environment, read once.
    pub environment: Environment,
    /// Every file and folder of devenv.
    pub paths: Paths,
    /// Flags, variables and `settings.yaml`, resolved.
    pub settings: Settings,
}

impl Home {
    /// The present.
    pub fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    /// The user's own folder (`HOME`); empty where there is none.
    pub fn folder(&self) -> &Path {
        self.environment.home.as_deref().unwrap_or(Path::new(""))
    }
}
