//! A search beside its instance: kept until it is over, and one command at a time goes on with it.

use super::search::Search;
use crate::error::{Error, Kind, PathContext, Result};
use crate::home::file;
use crate::home::lock::Lock;
use crate::home::session::{OpenPlatform, Session};

impl Search {
    /// The search on the instance that is meant.
    pub fn load(session: &Session, open: &OpenPlatform) -> Result<Option<Self>> {
        let paths = &session.home.paths;
        file::load(&paths.bisection(&open.name, &session.instance))
    }

    /// Held as long as it goes on: two at once would judge each other's candidates.
    ///
    /// # Errors
    /// Another command holds it.
    pub fn lock(session: &Session, open: &OpenPlatform) -> Result<Lock> {
        let path = session.home.paths.bisection(&open.name, &session.instance);
        Lock::take_now(&path.with_extension("lock"))?.ok_or_else(|| {
            let instance = &session.instance;
            let text = format!("another `devenv bisect` is at work on the instance {instance}");
            Error::usage(text).hint("`devenv --instance NAME bisect …` searches beside it")
        })
    }

    /// Writes it down.
    pub fn save(&self, session: &Session, open: &OpenPlatform) -> Result<()> {
        let paths = &session.home.paths;
        file::save(&paths.bisection(&open.name, &session.instance), self)
    }

    /// Forgets it.
    pub fn remove(session: &Session, open: &OpenPlatform) -> Result<()> {
        let path = session.home.paths.bisection(&open.name, &session.instance);
        let removed = std::fs::remove_file(&path).if_there(Kind::Usage, "remove", &path);
        removed.map(drop)
    }
}
