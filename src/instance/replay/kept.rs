//! Which instances belong to a replay: written down before they are made, so that the next one removes what an
//! interrupted one left.

use serde::{Deserialize, Serialize};

use crate::error::{Error, Kind, PathContext as _, Result};
use crate::home::file;
use crate::home::lock::Lock;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::model::name::InstanceName;

/// The older reference, the same again, the newer one.
const ENDINGS: [&str; 3] = ["old", "again", "new"];

/// The instances of a replay.
#[derive(Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Kept {
    pub(super) instances: Vec<InstanceName>,
}

impl Kept {
    /// Held as long as it goes on.
    ///
    /// # Errors
    /// Another command holds it.
    pub(super) fn lock(session: &Session, open: &OpenPlatform) -> Result<Lock> {
        let path = session.home.paths.replay(&open.name, &session.instance);
        Lock::take_now(&path.with_extension("lock"))?.ok_or_else(|| {
            let instance = &session.instance;
            let text = format!("another `devenv replay` is at work beside the instance {instance}");
            Error::usage(text).hint("`devenv --instance NAME replay …` works beside it")
        })
    }

    /// What an earlier replay left.
    pub(super) fn load(session: &Session, open: &OpenPlatform) -> Result<Option<Self>> {
        file::load(&session.home.paths.replay(&open.name, &session.instance))
    }

    /// Names three instances, and writes them down.
    ///
    /// # Errors
    /// One of them is there already: then it is somebody's.
    pub(super) fn begin(session: &Session, open: &OpenPlatform) -> Result<Self> {
        let paths = &session.home.paths;
        let own = &session.instance;
        let name = |ending: &str| {
            let name = InstanceName::new(format!("{own}_{ending}"));
            name.map_err(|why| {
                let text = format!("cannot name an instance beside {own}: {why}");
                Error::usage(text).hint("`devenv --instance NAME replay …` with a shorter name")
            })
        };
        let instances = ENDINGS
            .iter()
            .map(|it| name(it))
            .collect::<Result<Vec<_>>>()?;
        for it in &instances {
            if InstanceRecord::load(paths, &open.name, it)?.is_some() {
                let text = format!("the instance {it} is there already, and no replay made it");
                let hint =
                    format!("`devenv --instance {it} down --volumes` removes it with its data");
                return Err(Error::usage(text).hint(hint));
            }
        }
        let kept = Self { instances };
        file::save(&paths.replay(&open.name, own), &kept)?;
        Ok(kept)
    }

    /// Forgets them.
    pub(super) fn remove(session: &Session, open: &OpenPlatform) -> Result<()> {
        let path = session.home.paths.replay(&open.name, &session.instance);
        let removed = std::fs::remove_file(&path).if_there(Kind::Usage, "remove", &path);
        removed.map(drop)
    }
}
