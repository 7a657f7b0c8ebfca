//! rpm's database: a header for each package, in `SQLite` (since Fedora 33 and RHEL 9) or in rpm's own
//! format `ndb` (SUSE). Sources: rpm's `docs/manual/format_header.md`, `lib/backend/ndb/rpmpkg.cc`.
//!
//! The Berkeley DB of older systems is not read; that it is there is told.

use std::collections::BTreeSet;

use super::budget::Budget;
use super::sqlite;
use crate::model::sbom::{Origin, Package};
use crate::model::visible::visible;

/// Where the databases are.
const FOLDERS: [&str; 2] = ["var/lib/rpm/", "usr/lib/sysimage/rpm/"];
/// Their names.
const SQLITE: &str = "rpmdb.sqlite";
const NDB: &str = "Packages.db";
const BERKELEY: &str = "Packages";

/// Tags of a header. Source: rpm's `include/rpm/rpmtag.h`.
const NAME: u32 = 1000;
const VERSION: u32 = 1001;
const RELEASE: u32 = 1002;
const EPOCH: u32 = 1003;
const ARCHITECTURE: u32 = 1022;
/// Types of values.
const INT32: u32 = 4;
const STRING: u32 = 6;
/// Entries of one header.
const MOST_ENTRIES: usize = 10_000;
/// Bytes of one text.
const LONGEST: usize = 4096;

/// Whether a file is a database.
pub(super) fn is_database(path: &str) -> bool {
    let name = FOLDERS.iter().find_map(|folder| path.strip_prefix(folder));
    name.is_some_and(|name| [SQLITE, NDB, BERKELEY].contains(&name))
}

/// The packages of a database; `None` where it cannot be read.
pub(super) fn read(path: &str, bytes: &[u8], budget: &mut Budget) -> Option<BTreeSet<Package>> {
    let mut found = BTreeSet::new();
    let mut visit = |header: &[u8]| match package(header) {
        Some(package) => budget.add(&mut found, package),
        None => Some(()),
    };
    match path.rsplit('/').next()? {
        SQLITE => sqlite::blobs(bytes, "Packages", visit)?,
        NDB => ndb(bytes, &mut visit)?,
        _ => return None,
    }
    Some(found)
}

/// Slots of 16 bytes in pages of 4096 bytes: magic, package, offset and length in blocks of 16.
fn ndb(bytes: &[u8], visit: &mut dyn FnMut(&[u8]) -> Option<()>) -> Option<()> {
    let word = |at: usize| little(bytes, at);
    if bytes.get(..4)? != b"RpmP" {
        return None;
    }
    let pages = usize::try_from(word(12)?).ok()?;
    // No byte is part of two blobs, whatever the slots say.
    let mut left = bytes.len();
    // The first two slots are the file's own header.
    for slot in 2..pages.checked_mul(4096 / 16)?.min(bytes.len() / 16) {
        let at = slot * 16;
        if bytes.get(at..at + 4)? != b"Slot" {
            return None;
        }
        let (index, block) = (word(at + 4)?, usize::try_from(word(at + 8)?).ok()?);
        if index == 0 || block == 0 {
            continue;
        }
        // A blob begins with `BlbS`, package, generation and length.
        let start = block.checked_mul(16)?;
        if bytes.get(start..start + 4)? != b"BlbS" {
            return None;
        }
        let length = usize::try_from(word(start + 12)?).ok()?;
        left = left.checked_sub(length)?;
        visit(bytes.get(start + 16..(start + 16).checked_add(length)?)?)?;
    }
    Some(())
}

/// A header: counts of entries and bytes, the entries (tag, type, offset, count), the bytes.
fn package(header: &[u8]) -> Option<Package> {
    let count = usize::try_from(big(header, 0)?).ok()?;
    if count > MOST_ENTRIES {
        return None;
    }
    let store = header.get(8 + count * 16..)?;
    let entry = |tag: u32, kind: u32| {
        let at = (0..count)
            .map(|index| 8 + index * 16)
            .find(|at| big(header, *at) == Some(tag) && big(header, at + 4) == Some(kind))?;
        store.get(usize::try_from(big(header, at + 8)?).ok()?..)
    };
    let text = |tag: u32| {
        let bytes = entry(tag, STRING)?;
        let bytes = &bytes[..bytes.len().min(LONGEST)];
        let end = bytes.iter().position(|byte| *byte == 0)?;
        Some(visible(&String::from_utf8_lossy(&bytes[..end])))
    };
    let epoch = entry(EPOCH, INT32).and_then(|bytes| big(bytes, 0));
    let epoch = epoch.map_or(String::new(), |it| format!("{it}:"));
    Some(Package {
        origin: Origin::Rpm,
        name: text(NAME)?,
        version: format!("{epoch}{}-{}", text(VERSION)?, text(RELEASE)?),
        architecture: text(ARCHITECTURE),
        place: None,
    })
}

fn big(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_be_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn little(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use flate2::read::GzDecoder;

    use super::*;

    /// A header as rpm writes it.
    fn header(name: &str, epoch: Option<u32>) -> Vec<u8> {
        let (mut entries, mut store, mut count) = (Vec::new(), Vec::<u8>::new(), 0_u32);
        let mut add = |tag: u32, kind: u32, value: &[u8]| {
            for word in [tag, kind, u32::try_from(store.len()).unwrap(), 1] {
                entries.extend(word.to_be_bytes());
            }
            store.extend(value);
            count += 1;
        };
        for (tag, text) in [
            (NAME, name),
            (VERSION, "5.1"),
            (RELEASE, "2.el9"),
            (ARCHITECTURE, "x86_64"),
        ] {
            add(tag, STRING, format!("{text}\0").as_bytes());
        }
        if let Some(epoch) = epoch {
            add(EPOCH, INT32, &epoch.to_be_bytes());
        }
        let mut header = count.to_be_bytes().to_vec();
        header.extend(u32::try_from(store.len()).unwrap().to_be_bytes());
        header.extend(entries);
        header.extend(store);
        header
    }

    #[test]
    fn a_header_names_its_package() {
        let found = package(&header("bash", Some(1))).unwrap();
        assert_eq!(found.to_string(), "bash 1:5.1-2.el9");
        assert_eq!(found.architecture.as_deref(), Some("x86_64"));
        let whole = header("bash", None);
        for end in 0..whole.len() {
            let _ = package(&whole[..end]);
        }
    }

    /// As rpm 4.18 itself made it, of one package that `rpmbuild` built.
    #[test]
    fn a_real_database_is_read() {
        let mut file = Vec::new();
        let packed = include_bytes!("rpmdb.sqlite.gz");
        std::io::copy(&mut GzDecoder::new(&packed[..]), &mut file).unwrap();
        let mut budget = Budget::default();
        let found = read("var/lib/rpm/rpmdb.sqlite", &file, &mut budget).unwrap();
        let found: Vec<_> = found.iter().map(Package::to_string).collect();
        assert_eq!(found, ["hello-house 2:1.4.1-3"]);
    }

    /// A database whose first `slots` slots lead to one header.
    fn ndb_of(blob: &[u8], slots: usize) -> Vec<u8> {
        let mut file = vec![0; 4096];
        file[..4].copy_from_slice(b"RpmP");
        file[12..16].copy_from_slice(&1_u32.to_le_bytes());
        for slot in 2..256 {
            file[slot * 16..slot * 16 + 4].copy_from_slice(b"Slot");
        }
        for slot in 2..2 + slots {
            file[slot * 16 + 4..slot * 16 + 8].copy_from_slice(&7_u32.to_le_bytes());
            file[slot * 16 + 8..slot * 16 + 12].copy_from_slice(&256_u32.to_le_bytes());
        }
        file.extend(b"BlbS\x07\0\0\0\x01\0\0\0");
        file.extend(u32::try_from(blob.len()).unwrap().to_le_bytes());
        file.extend(blob);
        file
    }

    const PATH: &str = "usr/lib/sysimage/rpm/Packages.db";

    #[test]
    fn ndb_is_read() {
        let file = ndb_of(&header("zypper", None), 1);
        let mut budget = Budget::default();
        let found = read(PATH, &file, &mut budget).unwrap();
        assert_eq!(found.first().unwrap().to_string(), "zypper 5.1-2.el9");
        for end in 0..file.len() {
            let _ = read(PATH, &file[..end], &mut budget);
        }
    }

    #[test]
    fn many_slots_of_one_blob_are_not_many_blobs() {
        let blob = [header("zypper", None), vec![0; 2000]].concat();
        let visited = |slots: usize| {
            let mut count = 0;
            let mut visit = |_: &[u8]| {
                count += 1;
                Some(())
            };
            let read = ndb(&ndb_of(&blob, slots), &mut visit);
            (count, read)
        };
        assert_eq!(visited(1), (1, Some(())));
        assert_eq!(visited(200), (2, None));
    }

    #[test]
    fn more_than_may_be_kept_is_not() {
        let file = ndb_of(&header("zypper", None), 1);
        let mut budget = Budget::new(0, 100);
        assert_eq!(read(PATH, &file, &mut budget), None);
        assert!(budget.check().is_err());
    }
}
