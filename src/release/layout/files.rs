//! Which files two images do not have alike, down to the entries of jars, wars and ears.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::io::{BufReader, Read, Seek as _, Write as _};

use flate2::read::MultiGzDecoder;
use ring::digest::{Context, SHA256};
use serde::Serialize;
use tempfile::SpooledTempFile;
use zip::ZipArchive;

use super::entries::{self, Head};
use super::jar::is_jar;
use super::tree::plain;
use super::{Layout, refuse};
use crate::error::{Kind, PathContext, Result};
use crate::model::digest::Digest;
use crate::model::visible::visible;

/// Entries of one layer.
const MOST: usize = 1_000_000;
/// Bytes of a jar that is looked into; a larger one is compared as a whole.
const LARGEST_JAR: u64 = 512 << 20;
/// Bytes of a jar that stay in memory.
const IN_MEMORY: usize = 16 << 20;

/// A file that two images do not have alike.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct FileDifference {
    /// `/srv/tomcat/webapps/billing.war!/index.jsp`: an entry of that file.
    pub path: String,
    /// What became of it.
    pub change: FileChange,
}

/// What became of a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum FileChange {
    /// Only the second image has it.
    Added,
    /// Only the first one has it.
    Removed,
    /// Its content, mode or kind differs.
    Changed,
}

/// By path. Times are not compared.
///
/// # Errors
/// A layer that cannot be read.
pub fn differing(one: &Layout, other: &Layout) -> Result<Vec<FileDifference>> {
    Ok(compared(&files(one)?, &files(other)?))
}

type Files = BTreeMap<String, Print>;

/// What is compared of a file.
#[derive(Debug, PartialEq, Eq)]
struct Print {
    kind: u8,
    mode: u32,
    link: Option<String>,
    content: Digest,
    /// Of a jar: checksum and size by entry.
    entries: Option<BTreeMap<String, (u32, u64)>>,
}

fn files(layout: &Layout) -> Result<Files> {
    let mut files = Files::new();
    for layer in &layout.manifest.layers {
        let path = layout.blob(&layer.digest);
        let file = BufReader::new(File::open(&path).at(Kind::Usage, "read", &path)?);
        let read = if layer.media_type.ends_with("gzip") {
            lay(&mut files, MultiGzDecoder::new(file))
        } else {
            lay(&mut files, file)
        };
        read.map_err(|error| error.within(format!("cannot read the layer {}", layer.digest)))?;
    }
    Ok(files)
}

/// Puts one layer on top.
fn lay(files: &mut Files, layer: impl Read) -> Result<()> {
    entries::each(layer, MOST, |head, content| {
        let Some(path) = plain(&head.path) else {
            return Ok(());
        };
        let (folder, name) = path.rsplit_once('/').unwrap_or(("", &path));
        match name.strip_prefix(".wh.") {
            Some(".wh..opq") => remove_below(files, folder),
            Some(removed) => {
                let removed = plain(&format!("{folder}/{removed}")).unwrap_or_default();
                remove_below(files, &removed);
                files.remove(&removed);
            }
            None => {
                let print = Print::of(&path, head, content)?;
                files.insert(path, print);
            }
        }
        Ok(())
    })
}

fn remove_below(files: &mut Files, folder: &str) {
    let folder = format!("{folder}/");
    files.retain(|path, _| !path.starts_with(&folder));
}

impl Print {
    fn of(path: &str, head: &Head, content: &mut dyn Read) -> Result<Self> {
        let mut hash = Context::new(&SHA256);
        let mut jar =
            (head.kind.is_file() && is_jar(path)).then(|| SpooledTempFile::new(IN_MEMORY));
        let (mut size, mut piece) = (0, vec![0; 64 << 10]);
        loop {
            let wrong = |error| refuse("it ends too early").because(error);
            let count = content.read(&mut piece).map_err(wrong)?;
            if count == 0 {
                break;
            }
            hash.update(&piece[..count]);
            size += count as u64;
            let fits = size <= LARGEST_JAR;
            jar = jar.filter(|_| fits);
            if let Some(file) = &mut jar {
                let full = |error| refuse("it cannot be kept aside").because(error);
                file.write_all(&piece[..count]).map_err(full)?;
            }
        }
        let mut bytes = [0; 32];
        bytes.copy_from_slice(hash.finish().as_ref());
        Ok(Self {
            kind: head.kind.as_byte(),
            mode: head.mode,
            link: head.link.clone(),
            content: Digest::from_bytes(bytes),
            entries: jar.and_then(of_jar),
        })
    }
}

/// `None` where it is none, whatever its name says.
fn of_jar(mut jar: SpooledTempFile) -> Option<BTreeMap<String, (u32, u64)>> {
    jar.rewind().ok()?;
    let mut archive = ZipArchive::new(jar).ok()?;
    let mut entries = BTreeMap::new();
    for index in 0..archive.len() {
        let entry = archive.by_index_raw(index).ok()?;
        entries.insert(
            entry.name().ok()?.into_owned(),
            (entry.crc32(), entry.size()),
        );
    }
    Some(entries)
}

fn compared(one: &Files, other: &Files) -> Vec<FileDifference> {
    let mut found = Vec::new();
    for (path, change) in differences(one, other) {
        let both = one.get(path).zip(other.get(path));
        let entries = both.and_then(|(one, other)| {
            let both = one.entries.as_ref().zip(other.entries.as_ref());
            both.filter(|(one, other)| one != other)
        });
        match entries {
            None => found.push(FileDifference {
                path: visible(&format!("/{path}")),
                change,
            }),
            Some((one, other)) => {
                let inner = differences(one, other).into_iter();
                found.extend(inner.map(|(name, change)| FileDifference {
                    path: visible(&format!("/{path}!/{name}")),
                    change,
                }));
            }
        }
    }
    found
}

/// What two maps do not have alike, by key.
fn differences<'a, T: PartialEq>(
    one: &'a BTreeMap<String, T>,
    other: &'a BTreeMap<String, T>,
) -> Vec<(&'a String, FileChange)> {
    let keys: BTreeSet<&String> = one.keys().chain(other.keys()).collect();
    let of = |key: &'a String| match (one.get(key), other.get(key)) {
        (None, _) => Some((key, FileChange::Added)),
        (_, None) => Some((key, FileChange::Removed)),
        (one, other) => (one != other).then_some((key, FileChange::Changed)),
    };
    keys.into_iter().filter_map(of).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &[u8])]) -> Vec<u8> {
        let mut builder = tar::Builder::new(Vec::new());
        for (path, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            builder.append_data(&mut header, path, *content).unwrap();
        }
        builder.into_inner().unwrap()
    }

    fn war(files: &[(&str, &str)], year: u16) -> Vec<u8> {
        let mut war = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
        let at = zip::DateTime::from_date_and_time(year, 1, 1, 0, 0, 0).unwrap();
        let options = zip::write::SimpleFileOptions::default().last_modified_time(at);
        for (name, content) in files {
            war.start_file(*name, options).unwrap();
            war.write_all(content.as_bytes()).unwrap();
        }
        war.finish().unwrap().into_inner()
    }

    fn told(one: &[Vec<u8>], other: &[Vec<u8>]) -> Vec<String> {
        let [one, other] = [one, other].map(|layers| {
            let mut files = Files::new();
            for it in layers {
                lay(&mut files, &it[..]).unwrap();
            }
            files
        });
        let told = compared(&one, &other).into_iter();
        told.map(|it| format!("{:?} {}", it.change, it.path))
            .collect()
    }

    #[test]
    fn files_and_entries_are_told_and_times_are_not() {
        let old = war(&[("index.jsp", "sum"), ("a.css", "x"), ("gone", "")], 2024);
        let new = war(&[("index.jsp", "sun"), ("a.css", "x"), ("come", "")], 2026);
        let same = war(&[("index.jsp", "sum"), ("a.css", "x"), ("gone", "")], 2024);
        let base = layer(&[("etc/a", b"1"), ("etc/b", b"1"), ("etc/d/c", b"1")]);
        let one = [
            base.clone(),
            layer(&[("app/x.war", &old), ("app/y.war", &old)]),
        ];
        let other = [
            base,
            layer(&[("app/x.war", &new), ("app/y.war", &same), ("etc/a", b"2")]),
            layer(&[
                ("etc/.wh.b", b""),
                ("etc/d/.wh..wh..opq", b""),
                ("etc/d/e", b""),
            ]),
        ];
        assert_eq!(
            told(&one, &other),
            [
                "Added /app/x.war!/come",
                "Removed /app/x.war!/gone",
                "Changed /app/x.war!/index.jsp",
                "Changed /etc/a",
                "Removed /etc/b",
                "Removed /etc/d/c",
                "Added /etc/d/e",
            ]
        );
        assert_eq!(told(&one, &one), [""; 0]);
    }

    #[test]
    fn what_is_no_jar_is_a_file() {
        let one = [layer(&[("x.war", b"no zip")])];
        let other = [layer(&[("x.war", b"no war")])];
        assert_eq!(told(&one, &other), ["Changed /x.war"]);
    }
}
