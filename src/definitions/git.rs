//! Which git is used, in which environment, with whose configuration.

use std::ffi::OsString;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::OnceCell;

use super::environment::Environment;
use super::transport::{Limits, Tell, Transport, builtin::BuiltIn, program::GitProgram};
use crate::error::{Error, Result};

/// How long a helper that may be asking the user is waited for, where somebody is at a terminal.
const FOR_PEOPLE: Duration = Duration::from_secs(300);
/// The same where nobody is.
const FOR_HELPERS: Duration = Duration::from_secs(15);
/// After this long it is said that somebody is waited for.
const ALOUD: Duration = Duration::from_secs(3);

/// How the network is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum GitChoice {
    /// The `git` program where it is present and at least 2.30, else what is built in.
    #[default]
    Auto,
    /// The `git` program; its absence is an error.
    Program,
    /// The git library that is built in.
    BuiltIn,
}

/// How git is to work.
#[derive(Clone)]
pub struct Options {
    /// How the network is reached.
    pub choice: GitChoice,
    /// How long a server may show no sign of life.
    pub patience: Duration,
    /// Who may sign commits, where only signed ones are taken: a file as git's
    /// `gpg.ssh.allowedSignersFile`.
    pub signers: Option<PathBuf>,
    /// Names of variables that git's helpers need beside those that git needs.
    pub passed: Vec<String>,
    /// Bytes that a clone may hold at most.
    pub largest: u64,
    /// Told whom git waits for; with it, helpers that ask the user are waited for.
    pub waiting: Option<Tell>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            choice: GitChoice::default(),
            patience: Duration::from_secs(60),
            signers: None,
            passed: Vec::new(),
            largest: 1 << 30,
            waiting: None,
        }
    }
}

/// git as the user's environment sets it up. Cheap to clone; nothing runs before it is needed.
#[derive(Clone)]
pub struct Git(Arc<Inner>);

struct Inner {
    options: Options,
    environment: Environment,
    transport: OnceCell<Arc<dyn Transport>>,
}

impl Git {
    /// `environment` is the whole environment; of it, git and its helpers get what they need.
    pub fn new(
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        options: Options,
    ) -> Self {
        Self(Arc::new(Inner {
            environment: Environment::new(environment, options.passed.clone()),
            options,
            transport: OnceCell::new(),
        }))
    }

    /// The way to the network. Fails with [`crate::error::Kind::Git`] where the program is asked
    /// for and missing or too old.
    pub async fn transport(&self) -> Result<Arc<dyn Transport>> {
        let transport = self.0.transport.get_or_try_init(|| self.choose()).await?;
        Ok(Arc::clone(transport))
    }

    async fn choose(&self) -> Result<Arc<dyn Transport>> {
        let Options {
            choice,
            patience,
            largest,
            waiting,
            ..
        } = &self.0.options;
        let limits = Limits {
            silence: *patience,
            largest: *largest,
            people: waiting.clone().map(|tell| (FOR_PEOPLE, tell)),
        };
        let environment = self.environment().clone();
        if *choice == GitChoice::BuiltIn {
            return Ok(Arc::new(BuiltIn::new(environment, limits)));
        }
        match GitProgram::find(environment.clone(), limits.clone()).await {
            Ok(program) => Ok(Arc::new(program)),
            Err(_) if *choice == GitChoice::Auto => Ok(Arc::new(BuiltIn::new(environment, limits))),
            Err(why) => Err(Error::git(why)
                .hint("install git 2.30 or newer, or let devenv use the git that is built in")),
        }
    }

    /// The list of those who may sign commits, where only signed ones are taken.
    pub(super) fn signers(&self) -> Option<&Path> {
        self.0.options.signers.as_deref()
    }

    pub(super) fn environment(&self) -> &Environment {
        &self.0.environment
    }

    /// Whether somebody is at a terminal, whom helpers may ask.
    pub(super) fn is_watched(&self) -> bool {
        self.0.options.waiting.is_some()
    }

    /// How long a helper may take.
    pub(super) fn helper_patience(&self) -> Duration {
        if self.is_watched() {
            FOR_PEOPLE
        } else {
            FOR_HELPERS
        }
    }

    /// Says whom git waits for.
    pub(super) fn tell(&self, text: &str) {
        if let Some(tell) = &self.0.options.waiting {
            tell(text);
        }
    }

    /// Waits, and says for what once that has taken a while.
    pub(super) async fn waiting_for<T>(&self, whom: &str, work: impl Future<Output = T>) -> T {
        tokio::pin!(work);
        if let Ok(done) = tokio::time::timeout(ALOUD, &mut work).await {
            return done;
        }
        self.tell(&format!("waiting for {whom}"));
        work.await
    }
}
