//! What an unfinished operation remembers, so that running it again goes on where it was.

use std::fs::File;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, PathContext, Result};
use crate::home::file;
use crate::home::lock;
use crate::home::paths::Paths;
use crate::home::state;
use crate::model::name::PlatformName;

/// What is kept of an attempt.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Saved {
    /// Marks the reservation in git as ours.
    token: String,
    /// The number or sequence that was reserved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    number: Option<u64>,
}

/// One attempt at one operation. While it lives, no other process of this home tries the same.
#[derive(Debug)]
pub(super) struct Attempt {
    path: PathBuf,
    saved: Saved,
    /// Whether an earlier run left it unfinished.
    pub(super) resumed: bool,
    _lock: File,
}

impl Attempt {
    /// Begins, or takes up what an interrupted run left. `what` names the operation, `scope` what
    /// only one process of this home does at a time; both are plain file names. Fails with
    /// [`Kind::Usage`] where another does it.
    pub(super) fn begin(
        paths: &Paths,
        platform: &PlatformName,
        scope: &str,
        what: &str,
    ) -> Result<Self> {
        let folder = paths.releases(platform);
        let lock_path = folder.join(format!("{scope}.lock"));
        let lock = lock::open(&lock_path)?;
        if !lock::try_lock(&lock, &lock_path)? {
            let text = format!("another devenv on this machine is at it already ({scope})");
            return Err(Error::usage(text).hint("wait until it has ended"));
        }
        let path = folder.join(format!("{what}.json"));
        let before: Option<Saved> = file::load(&path)?;
        let resumed = before.is_some();
        let saved = match before {
            Some(saved) => saved,
            None => Saved {
                token: state::random_hex(8)?,
                number: None,
            },
        };
        Ok(Self {
            path,
            saved,
            resumed,
            _lock: lock,
        })
    }

    /// Marks reservations and staging tags as this attempt's: 16 hexadecimal digits.
    pub(super) fn token(&self) -> &str {
        &self.saved.token
    }

    /// The number or sequence that the attempt is about.
    pub(super) fn number(&self) -> Option<u64> {
        self.saved.number
    }

    /// Remembers it from now on.
    pub(super) fn save(&mut self, number: Option<u64>) -> Result<()> {
        self.saved.number = number;
        file::save(&self.path, &self.saved)
    }

    /// Forgets it: it is finished, or it left nothing behind. The next one gets another token.
    pub(super) fn finish(&mut self) -> Result<()> {
        self.resumed = false;
        self.saved = Saved {
            token: state::random_hex(8)?,
            number: None,
        };
        let removed = std::fs::remove_file(&self.path);
        removed
            .if_there(Kind::Usage, "remove", &self.path)
            .map(drop)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::environment::Environment;

    #[test]
    fn an_interrupted_attempt_is_taken_up_and_a_finished_one_is_not() {
        let home = tempfile::tempdir().unwrap();
        let variables = [("DEVENV_HOME".to_owned(), home.path().into())];
        let paths = Paths::locate(&Environment::from_variables(variables)).unwrap();
        let acme = PlatformName::new("acme").unwrap();
        let begin = || Attempt::begin(&paths, &acme, "reference", "reference");

        let mut first = begin().unwrap();
        assert!(!first.resumed);
        first.save(Some(7)).unwrap();
        let token = first.token().to_owned();
        assert_eq!(begin().unwrap_err().kind(), Kind::Usage);
        drop(first);

        let mut second = begin().unwrap();
        assert!(second.resumed);
        assert_eq!((second.token(), second.number()), (token.as_str(), Some(7)));
        second.finish().unwrap();
        drop(second);

        let third = begin().unwrap();
        assert!(!third.resumed);
        assert_ne!(third.token(), token);
    }
}
