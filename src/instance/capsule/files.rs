//! What a capsule that was opened leaves on this machine for other commands: a folder for its instance.

use std::fs;
use std::io::{self, Seek as _};
use std::path::{Path, PathBuf};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::chest::Chest;
use super::content;
use crate::error::{Error, Kind, PathContext as _, Result};
use crate::home::file;
use crate::home::session::{OpenPlatform, Session};
use crate::model::capsule::part::Part;
use crate::model::digest::Digest;
use crate::model::name::InstanceName;

/// The file that tells which capsule the folder is of.
const OWN: &str = "capsule.json";

/// What is remembered of a capsule.
#[derive(Debug, Serialize, Deserialize)]
struct Remembered {
    digest: Digest,
    expires: Timestamp,
}

/// The folder of one instance.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    pub(super) fn of(session: &Session, open: &OpenPlatform, instance: &InstanceName) -> Self {
        let all = session.home.paths.capsules(&open.name);
        Self {
            path: all.join(instance.as_str()),
        }
    }

    /// Whether the instance was begun from this capsule.
    pub(super) fn is_of(&self, digest: &Digest) -> bool {
        remembered(&self.path).is_some_and(|it| it.digest == *digest)
    }

    /// Writes the parts that other commands read, in the place of another capsule's, and remembers whose they are.
    pub(super) fn write(&self, chest: &Chest) -> Result<()> {
        let removed = fs::remove_dir_all(&self.path);
        removed.if_there(Kind::Usage, "remove", &self.path)?;
        file::save(&self.path.join("manifest.json"), &chest.manifest)?;
        for (part, blob) in &chest.parts {
            if let Some(path) = self.part(*part) {
                file::write(&path, &content::whole(*part, blob)?)?;
            }
        }
        let remembered = Remembered {
            digest: chest.digest,
            expires: chest.manifest.expires,
        };
        file::save(&self.path.join(OWN), &remembered)
    }

    /// Where a part is.
    pub(super) fn part(&self, part: Part) -> Option<PathBuf> {
        let name = match part {
            Part::Facts => "facts.json",
            Part::Logs => "logs.jsonl",
            Part::Requests => "requests.har",
            Part::Snapshot => return None,
        };
        Some(self.path.join(name))
    }
}

fn remembered(folder: &Path) -> Option<Remembered> {
    file::load(&folder.join(OWN)).ok().flatten()
}

/// Removes what capsules left whose time is over; gives the names of their instances, and which capsules they were.
pub(super) fn sweep(session: &Session, open: &OpenPlatform) -> Result<Vec<(String, Digest)>> {
    let all = session.home.paths.capsules(&open.name);
    let now = session.home.now();
    let mut gone = Vec::new();
    for name in file::names(&all)? {
        let folder = all.join(&name);
        if let Some(it) = remembered(&folder).filter(|it| it.expires <= now) {
            fs::remove_dir_all(&folder).at(Kind::Usage, "remove", &folder)?;
            gone.push((name, it.digest));
        }
    }
    Ok(gone)
}

/// A part to be read from its beginning.
pub(super) fn rewound(file: &fs::File) -> Result<fs::File> {
    let again = || -> io::Result<fs::File> {
        let mut file = file.try_clone()?;
        file.rewind()?;
        Ok(file)
    };
    again().map_err(|error| Error::usage("a part of the capsule cannot be read").because(error))
}
