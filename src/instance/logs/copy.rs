//! Log files copied out of their volumes into a folder of this machine, where it cannot be shared.
//! What a container wrote is nobody's friend: how much, how sparse and under which names is its own
//! choice.

use std::fs::{self, File};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::{Component, Path, PathBuf};
use std::time::{Duration, SystemTime};

use super::places::Place;
use super::{read, snapshot};
use crate::engine::FaultKind;
use crate::engine::docker::Docker;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::visible::printable;
use crate::system::{Here, System as _};

/// Bytes with content, holes aside, that are copied of one file.
const LARGEST: u64 = 1 << 30;

/// The same of one volume.
const LARGEST_VOLUME: u64 = 4 << 30;

/// Files that are copied of one volume.
const MOST_FILES: usize = 10_000;

/// Bytes that stay free on this machine's disk.
const SPARE: u64 = 256 << 20;

/// Bytes, holes included, that are read of one volume.
const LONGEST: u64 = 64 << 30;

/// Bytes of a file's name. Source: `NAME_MAX` of Linux and macOS.
const LONGEST_NAME: usize = 255;

/// Notes about what is left out of one volume.
const MOST_NOTES: usize = 10;

/// A block of zeros this long becomes a hole.
const BLOCK: usize = 64 << 10;

/// What was copied.
#[derive(Debug, Default)]
pub struct Copied {
    /// Files that were written.
    pub files: usize,
    /// What was left out, and why.
    pub notes: Vec<String>,
}

/// Brings `folder/<container>` up to what is in the log volumes of these places; files that are
/// gone over there stay.
pub async fn copy(engine: &Docker, places: &[Place], folder: &Path) -> Result<Copied> {
    let mut all = Copied::default();
    for place in places {
        let Some(source) = read::open(engine, place).await? else {
            continue;
        };
        let target = folder.join(place.container.as_str());
        Here::create_private(&target).at(Kind::Usage, "create", &target)?;
        let unpack = move |archive| Unpacking::into(&target).run(archive);
        let taken = snapshot::entries(source.archive, unpack).await;
        if let Some(reader) = source.reader {
            reader.remove(engine).await?;
        }
        match taken {
            Ok(copied) => {
                all.files += copied.files;
                let notes = copied.notes.into_iter();
                all.notes
                    .extend(notes.map(|it| format!("{}: {it}", place.container)));
            }
            // Removed meanwhile: there is nothing more to copy.
            Err(fault) if fault.kind == FaultKind::NotFound => {}
            Err(fault) => {
                let what = format!("cannot copy the log files of {}", place.container);
                return Err(Error::from(fault).within(what));
            }
        }
    }
    Ok(all)
}

/// One volume on its way into a folder.
struct Unpacking<'a> {
    target: &'a Path,
    /// Bytes that the volume may still have.
    left: u64,
    copied: Copied,
}

impl<'a> Unpacking<'a> {
    fn into(target: &'a Path) -> Self {
        Self {
            target,
            left: LARGEST_VOLUME,
            copied: Copied::default(),
        }
    }

    /// Only files and folders, only below the target.
    fn run<R: Read>(mut self, mut archive: tar::Archive<R>) -> io::Result<Copied> {
        let mut read = 0;
        for entry in archive.entries()? {
            let mut entry = entry?;
            read += entry.size();
            if read > LONGEST {
                let text = format!("what follows {} GiB is left out", LONGEST >> 30);
                self.note(text);
                break;
            }
            let path = below(self.target, &entry.path()?);
            let Some(path) = path.filter(|path| !leads_elsewhere(self.target, path)) else {
                continue;
            };
            let kind = entry.header().entry_type();
            if kind.is_dir() {
                Here::create_private(&path)?;
                continue;
            }
            let modified = SystemTime::UNIX_EPOCH + Duration::from_secs(entry.header().mtime()?);
            let size = entry.size();
            let is_file = kind.is_file() || kind.is_gnu_sparse();
            if is_file && !is_same(&path, size, modified) {
                self.file(&mut entry, &path, modified)?;
            }
        }
        Ok(self.copied)
    }

    fn file(&mut self, entry: &mut impl Read, path: &Path, modified: SystemTime) -> io::Result<()> {
        let name = path.strip_prefix(self.target).unwrap_or(path).display();
        let left_out = |why: &str| format!("{name} is left out: {why}");
        if self.copied.files >= MOST_FILES {
            self.note(left_out(&format!("{MOST_FILES} files were copied already")));
            return Ok(());
        }
        let parent = path.parent().unwrap_or(self.target);
        Here::create_private(parent)?;
        let free = Here::free_space(parent).map_or(u64::MAX, |free| free.saturating_sub(SPARE));
        let limit = LARGEST.min(self.left).min(free);
        let mut file = tempfile::NamedTempFile::new_in(parent)?;
        let Some(bytes) = with_holes(entry, file.as_file_mut(), limit)? else {
            let why = if limit == free {
                format!("the disk of {} is full", self.target.display())
            } else if limit == self.left {
                format!("more than {} MiB are copied", LARGEST_VOLUME >> 20)
            } else {
                format!("it has more than {} MiB", limit >> 20)
            };
            self.note(left_out(&why));
            return Ok(());
        };
        self.left -= bytes;
        file.as_file().set_modified(modified)?;
        file.persist(path).map_err(|error| error.error)?;
        self.copied.files += 1;
        Ok(())
    }
}

impl Unpacking<'_> {
    /// What is left out is told, as far as anybody reads it.
    fn note(&mut self, text: String) {
        match self.copied.notes.len() {
            MOST_NOTES => self.copied.notes.push("more is left out".to_owned()),
            ..MOST_NOTES => self.copied.notes.push(text),
            _ => {}
        }
    }
}

/// Copies with holes for zeros; gives how many bytes were written, `None` where `limit` is too few.
fn with_holes(from: &mut impl Read, to: &mut File, limit: u64) -> io::Result<Option<u64>> {
    let (mut block, mut length, mut written) = (Vec::with_capacity(BLOCK), 0, 0);
    loop {
        block.clear();
        let read = from.by_ref().take(BLOCK as u64).read_to_end(&mut block)? as u64;
        if read == 0 {
            to.set_len(length)?;
            return Ok(Some(written));
        }
        length += read;
        if block.iter().all(|byte| *byte == 0) {
            to.seek(SeekFrom::Start(length))?;
            continue;
        }
        written += read;
        if written > limit {
            return Ok(None);
        }
        to.write_all(&block)?;
    }
}

/// The path without the folder that was asked for, control characters shown as their codes; `None`
/// for one that leaves it.
fn below(target: &Path, path: &Path) -> Option<PathBuf> {
    let mut whole = target.to_owned();
    for part in path.components().skip(1) {
        match part {
            Component::Normal(name) => whole.push(harmless(&name.to_string_lossy())),
            _ => return None,
        }
    }
    Some(whole)
}

/// A name that a terminal may print, no longer than file systems take.
fn harmless(name: &str) -> String {
    let mut shown = printable(name).replace('\n', "\\n").replace('\t', "\\t");
    while shown.len() > LONGEST_NAME {
        shown.pop();
    }
    shown
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

    fn unpack(archive: &[u8], target: &Path) -> Copied {
        let unpacking = Unpacking::into(target);
        unpacking.run(tar::Archive::new(archive)).unwrap()
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn holes_stay_holes_and_what_is_too_much_is_left_out() {
        use std::os::unix::fs::MetadataExt;

        let folder = tempfile::tempdir().unwrap();
        let mut sparse = vec![0; 8 << 20];
        sparse[5 << 20] = 1;
        let zeros = vec![0; 1 << 20];
        let bytes = archive(&[
            ("logs/sparse", tar::EntryType::Regular, &sparse),
            ("logs/zeros", tar::EntryType::Regular, &zeros),
            ("logs/small", tar::EntryType::Regular, b"a line\n"),
        ]);
        assert_eq!(unpack(&bytes, folder.path()).files, 3);
        for (name, content, most) in [("sparse", &sparse, 64), ("zeros", &zeros, 0)] {
            let path = folder.path().join(name);
            assert_eq!(fs::read(&path).unwrap(), *content);
            let blocks = fs::metadata(&path).unwrap().blocks() * 512;
            assert!(blocks <= most << 11, "{name}: {blocks} bytes on disk");
        }
        let again = tempfile::tempdir().unwrap();
        let mut unpacking = Unpacking::into(again.path());
        unpacking.left = 100;
        let copied = unpacking.run(tar::Archive::new(bytes.as_slice())).unwrap();
        assert_eq!(copied.files, 2, "{copied:?}");
        assert!(
            copied.notes[0].starts_with("sparse is left out"),
            "{copied:?}"
        );
        assert!(!again.path().join("sparse").exists());
    }

    #[test]
    fn a_name_that_a_terminal_would_obey_is_made_harmless() {
        let folder = tempfile::tempdir().unwrap();
        let bytes = archive(&[
            ("logs/a\u{1b}[31m\n.log", tar::EntryType::Regular, b"x"),
            ("logs/\u{202e}d\u{7}/plain", tar::EntryType::Regular, b"x"),
        ]);
        assert_eq!(unpack(&bytes, folder.path()).files, 2);
        assert!(folder.path().join("a\\u{1b}[31m\\n.log").is_file());
        let shown = r"\u{202e}d\u{7}/plain";
        let path = format!("{}/{shown}", folder.path().display());
        assert!(std::path::Path::new(&path).is_file());
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
        let unpacked = || unpack(&bytes, &target).files;
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
        assert_eq!(unpack(&bytes, &target).files, 1);
        assert_eq!(fs::read_dir(private).unwrap().count(), 0);
    }
}
