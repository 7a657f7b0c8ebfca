//! Log files copied out of their volumes into a folder of this machine, where it cannot be shared.

use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::places::Place;
use super::{read, snapshot};
use crate::engine::FaultKind;
use crate::engine::docker::Docker;
use crate::error::{Error, Kind, PathContext, Result};

/// Brings `folder/<container>` up to what is in the log volumes of these places; files that are
/// gone over there stay. Gives how many files were written.
pub async fn copy(engine: &Docker, places: &[Place], folder: &Path) -> Result<usize> {
    let mut written = 0;
    for place in places {
        let Some(source) = read::open(engine, place).await? else {
            continue;
        };
        let target = folder.join(place.container.as_str());
        fs::create_dir_all(&target).at(Kind::Usage, "create", &target)?;
        let taken =
            snapshot::entries(source.archive, move |archive| unpack(archive, &target)).await;
        if let Some(reader) = source.reader {
            reader.remove(engine).await?;
        }
        match taken {
            Ok(count) => written += count,
            // Removed meanwhile: there is nothing more to copy.
            Err(fault) if fault.kind == FaultKind::NotFound => {}
            Err(fault) => {
                let what = format!("cannot copy the log files of {}", place.container);
                return Err(Error::from(fault).within(what));
            }
        }
    }
    Ok(written)
}

/// Only files and folders, only below `target`: what a container wrote is nobody's friend.
fn unpack<R: Read>(mut archive: tar::Archive<R>, target: &Path) -> io::Result<usize> {
    let mut written = 0;
    for entry in archive.entries()? {
        let mut entry = entry?;
        let path = below(target, &entry.path()?);
        let Some(path) = path.filter(|path| !leads_elsewhere(target, path)) else {
            continue;
        };
        let kind = entry.header().entry_type();
        if kind.is_dir() {
            fs::create_dir_all(&path)?;
            continue;
        }
        let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(entry.header().mtime()?);
        if !kind.is_file() || is_same(&path, entry.size(), modified) {
            continue;
        }
        let parent = path.parent().unwrap_or(target);
        fs::create_dir_all(parent)?;
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        io::copy(&mut entry, &mut file)?;
        file.as_file().set_modified(modified)?;
        file.persist(&path).map_err(|error| error.error)?;
        written += 1;
    }
    Ok(written)
}

/// The path without the folder that was asked for; `None` for one that leaves it.
fn below(target: &Path, path: &Path) -> Option<PathBuf> {
    let mut whole = target.to_owned();
    for part in path.components().skip(1) {
        match part {
            Component::Normal(name) => whole.push(name),
            _ => return None,
        }
    }
    Some(whole)
}

fn is_same(path: &Path, size: u64, modified: SystemTime) -> bool {
    // Not opened: a pipe that a container left would be waited for.
    fs::symlink_metadata(path)
        .is_ok_and(|it| it.is_file() && it.len() == size && it.modified().ok() == Some(modified))
}

/// Whether a part of the path below `target` is a link, as a container may have left it there while
/// it shared the folder.
fn leads_elsewhere(target: &Path, path: &Path) -> bool {
    let is_link = |it: &Path| fs::symlink_metadata(it).is_ok_and(|it| it.is_symlink());
    path.ancestors().take_while(|it| *it != target).any(is_link)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, kind, bytes) in entries {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(*kind);
            header.set_size(bytes.len() as u64);
            header.set_mtime(1_000_000);
            // `set_path` refuses what a hostile archive says.
            header.as_mut_bytes()[..path.len()].copy_from_slice(path.as_bytes());
            if kind.is_symlink() {
                header.set_link_name("/etc").unwrap();
            }
            header.set_cksum();
            builder.append(&header, *bytes).unwrap();
        }
        builder.into_inner().unwrap()
    }

    #[test]
    fn files_are_copied_once_and_nothing_leaves_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("billing");
        fs::create_dir(&target).unwrap();
        let entries: [(&str, tar::EntryType, &[u8]); 5] = [
            ("logs/", tar::EntryType::Directory, b""),
            ("logs/catalina.log", tar::EntryType::Regular, b"a line\n"),
            ("logs/deep/access.log", tar::EntryType::Regular, b"GET\n"),
            ("logs/../../evil", tar::EntryType::Regular, b"evil"),
            ("logs/link", tar::EntryType::Symlink, b""),
        ];
        let bytes = archive(&entries);
        let unpacked = || unpack(tar::Archive::new(bytes.as_slice()), &target).unwrap();
        assert_eq!(unpacked(), 2);
        assert_eq!(unpacked(), 0, "nothing changed");
        let text = fs::read_to_string(target.join("deep/access.log")).unwrap();
        assert_eq!(text, "GET\n");
        assert!(!folder.path().join("evil").exists());
        assert!(fs::symlink_metadata(target.join("link")).is_err());
    }
    #[cfg(unix)]
    #[test]
    fn a_link_that_was_left_in_the_folder_is_not_followed() {
        let folder = tempfile::tempdir().unwrap();
        let (target, private) = (folder.path().join("billing"), folder.path().join("private"));
        fs::create_dir(&target).unwrap();
        fs::create_dir(&private).unwrap();
        std::os::unix::fs::symlink(&private, target.join("deep")).unwrap();
        std::os::unix::fs::symlink(private.join("keys"), target.join("link.log")).unwrap();
        let bytes = archive(&[
            ("logs/deep/more/", tar::EntryType::Directory, b""),
            ("logs/deep/keys", tar::EntryType::Regular, b"mine\n"),
            ("logs/deep/more/keys", tar::EntryType::Regular, b"mine\n"),
            ("logs/link.log", tar::EntryType::Regular, b"mine\n"),
            ("logs/plain.log", tar::EntryType::Regular, b"a line\n"),
        ]);
        let written = unpack(tar::Archive::new(bytes.as_slice()), &target).unwrap();
        assert_eq!(written, 1);
        assert_eq!(fs::read_dir(private).unwrap().count(), 0);
    }
}
