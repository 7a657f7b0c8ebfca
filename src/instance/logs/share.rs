//! Whether a folder of this machine is one that the engine's containers see: proven, never assumed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::engine::docker::Docker;
use crate::engine::{Fault, FaultKind};
use crate::error::{Kind, PathContext, Result};
use crate::instance::reader::Reader;
use crate::model::create_body::{BIND, MountBody};
use crate::model::identity::Identity;

/// Where the container that is never run mounts it.
const INSIDE: &str = "/devenv-share";

/// What a marker's name begins with; so many characters of its text follow.
const MARKER: &str = ".devenv-";
const NAMED: usize = 8;
/// A marker of this age is no other call's: that one was killed.
const STALE: Duration = Duration::from_secs(3600);

/// A file that goes with the call, also where that is given up half-way.
struct Marker(PathBuf);

impl Drop for Marker {
    fn drop(&mut self) {
        let _ = std::fs::remove_file(&self.0);
    }
}

/// Whether a marker written into `folder` is seen at `there` on the engine's side. Something else
/// may be there: an engine elsewhere has a folder of that name too.
pub async fn is_shared(
    engine: &Docker,
    identity: &Identity,
    folder: &Path,
    there: &str,
) -> Result<bool> {
    let word = crate::home::state::random_hex(16)?;
    let name = format!("{MARKER}{}", &word[..NAMED]);
    remove_stale(folder);
    let marker = Marker(folder.join(&name));
    std::fs::write(&marker.0, &word).at(Kind::Usage, "write", &marker.0)?;
    let seen = read(engine, identity, there, &name).await;
    drop(marker);
    match seen {
        Ok(bytes) => Ok(contains(&bytes, word.as_bytes())),
        // The folder is not there, or not to be mounted: engines say that in many ways.
        Err(fault) => match fault.kind {
            FaultKind::Unreachable | FaultKind::Hung | FaultKind::NoSpace => Err(fault.into()),
            _ => Ok(false),
        },
    }
}

/// The archive of the marker, read through a container that never runs.
async fn read(
    engine: &Docker,
    identity: &Identity,
    there: &str,
    marker: &str,
) -> Result<Vec<u8>, Fault> {
    let mount = MountBody::new(BIND, there.to_owned(), INSIDE.to_owned());
    let name = format!("share{marker}");
    let reader = Reader::mounting(engine, identity, &name, mount, "logs").await?;
    let archive = engine
        .read_small_archive(reader.id(), &format!("{INSIDE}/{marker}"))
        .await;
    reader.remove(engine).await?;
    archive
}

fn contains(bytes: &[u8], word: &[u8]) -> bool {
    bytes.windows(word.len()).any(|window| window == word)
}

/// Removes what calls that were killed have left. Its text shows that it is a marker.
fn remove_stale(folder: &Path) {
    let entries = std::fs::read_dir(folder).into_iter().flatten().flatten();
    for entry in entries {
        let name = entry.file_name();
        let Some(named) = name.to_str().and_then(|it| it.strip_prefix(MARKER)) else {
            continue;
        };
        let is_old = entry.metadata().is_ok_and(|it| {
            let age = it.modified().ok().and_then(|it| it.elapsed().ok());
            it.is_file() && it.len() == 32 && age.is_some_and(|age| age > STALE)
        });
        let is_marker = |text: String| named.len() == NAMED && text.starts_with(named);
        if is_old && std::fs::read_to_string(entry.path()).is_ok_and(is_marker) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_markers_go_and_nothing_else() {
        let folder = tempfile::tempdir().unwrap();
        let word = "0123456789abcdef0123456789abcdef";
        let mut names = Vec::new();
        for (name, text, age) in [
            (".devenv-01234567", word, 2),
            (".devenv-0123456x", word, 2),
            (".devenv-76543210", "76543210", 2),
            ("01234567", word, 2),
        ] {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            let then = std::time::SystemTime::now() - STALE * age;
            let file = std::fs::File::options().append(true).open(&path).unwrap();
            file.set_modified(then).unwrap();
            names.push(path);
        }
        remove_stale(folder.path());
        let left: Vec<bool> = names.iter().map(|it| it.exists()).collect();
        assert_eq!(left, [false, true, true, true]);
        let fresh = Marker(folder.path().join(".devenv-01234567"));
        std::fs::write(&fresh.0, word).unwrap();
        remove_stale(folder.path());
        assert!(fresh.0.exists(), "another call may be at it");
        let path = fresh.0.clone();
        drop(fresh);
        assert!(!path.exists());
    }
}
