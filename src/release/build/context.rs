//! The build context: what the builder sees, as a tar archive that the same inputs make the same.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};
use ring::digest::{Context as Hash, SHA256};
use tokio::io::AsyncReadExt;

use crate::definitions::TreeFile;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::digest::Digest;
use crate::model::lfs;
use crate::model::name::FileName;
use crate::model::visible::visible;

/// How much of an artifact is in memory at a time.
const PIECE: usize = 256 * 1024;
/// A tar archive consists of blocks of this size.
const BLOCK: usize = 512;

/// A file that production received: hashed once, read again when the context is sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Artifact {
    /// The name that the definition knows it by.
    pub name: FileName,
    /// Where it lies.
    pub path: PathBuf,
    /// Bytes.
    pub size: u64,
    /// Of its content.
    pub digest: Digest,
}

impl Artifact {
    /// Reads the file at `path` to the end and notes size and digest. Fails with
    /// [`Kind::Usage`] where there is no such file.
    pub async fn open(name: FileName, path: &Path) -> Result<Self> {
        let mut file =
            tokio::fs::File::open(path)
                .await
                .at(Kind::Usage, "read the artifact", path)?;
        let (mut hash, mut size) = (Hash::new(&SHA256), 0);
        let mut piece = vec![0; PIECE];
        let mut is_pointer = false;
        loop {
            let count = file.read(&mut piece).await.at(Kind::Usage, "read", path)?;
            if count == 0 {
                break;
            }
            is_pointer |= size == 0 && lfs::is_pointer(&piece[..count]);
            hash.update(&piece[..count]);
            size += count as u64;
        }
        if is_pointer {
            return Err(lfs::refusal(Kind::Usage, &path.display().to_string())
                .hint("fetch the content where it lies: `git lfs pull`"));
        }
        Ok(Self {
            name,
            path: path.to_owned(),
            size,
            digest: finish(hash),
        })
    }
}

fn finish(hash: Hash) -> Digest {
    let mut value = [0; 32];
    value.copy_from_slice(hash.finish().as_ref());
    Digest::from_bytes(value)
}

/// Files by path.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Context {
    entries: BTreeMap<String, Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Entry {
    executable: bool,
    content: Content,
}

#[derive(Debug, Clone, PartialEq, Eq)]
enum Content {
    Bytes(Bytes),
    Artifact(Artifact),
}

impl Content {
    fn size(&self) -> u64 {
        match self {
            Self::Bytes(bytes) => bytes.len() as u64,
            Self::Artifact(artifact) => artifact.size,
        }
    }

    fn digest(&self) -> Digest {
        match self {
            Self::Bytes(bytes) => Digest::of(bytes),
            Self::Artifact(artifact) => artifact.digest,
        }
    }
}

impl Context {
    /// A context of these files (a definition's folder, templates rendered) and artifacts. Fails
    /// with [`Kind::Definitions`] where two claim one path, or a path is too long for an archive.
    pub fn new(files: Vec<TreeFile>, artifacts: Vec<Artifact>) -> Result<Self> {
        let mut context = Self::default();
        for file in files {
            if file.path == ".dockerignore" {
                let text = "a `.dockerignore` is not read";
                return Err(Error::definitions(text)
                    .hint("remove it; in the Dockerfile, COPY only what is wanted"));
            }
            let content = Content::Bytes(file.bytes.into());
            context.add(file.path, file.executable, content)?;
        }
        for artifact in artifacts {
            let name = artifact.name.to_string();
            context.add(name, false, Content::Artifact(artifact))?;
        }
        // Paths are checked here, so that an archive that has begun can be finished.
        for (path, entry) in &context.entries {
            header(path, entry.content.size(), 0o644)?;
        }
        Ok(context)
    }

    fn add(&mut self, path: String, executable: bool, content: Content) -> Result<()> {
        let entry = Entry {
            executable,
            content,
        };
        let text = format!("two files of the build context are called `{path}`");
        match self.entries.insert(path, entry) {
            None => Ok(()),
            Some(_) => Err(Error::definitions(text)
                .hint("an artifact and a rendered template need names of their own")),
        }
    }

    /// The content of a file that is in memory.
    pub fn get(&self, path: &str) -> Option<&Bytes> {
        match &self.entries.get(path)?.content {
            Content::Bytes(bytes) => Some(bytes),
            Content::Artifact(_) => None,
        }
    }

    /// Its paths, in order.
    pub fn paths(&self) -> impl Iterator<Item = &str> {
        self.entries.keys().map(String::as_str)
    }

    /// What the whole context is: equal exactly where path, mode and content of all files are.
    pub fn digest(&self) -> Digest {
        let mut text = String::new();
        for (path, entry) in &self.entries {
            let mode = if entry.executable { "755" } else { "644" };
            // Paths have no line breaks; writing to a text cannot fail.
            let _ = writeln!(text, "{mode} {} {path}", entry.content.digest());
        }
        Digest::of(text.as_bytes())
    }

    /// The archive: folders, then files, by name; owner 0, time 0, modes 644 and 755. An artifact
    /// that is not any more what was hashed ends it with an error.
    pub fn archive(&self) -> BoxStream<'static, io::Result<Bytes>> {
        let mut folders = BTreeSet::new();
        for path in self.entries.keys() {
            for (end, _) in path.match_indices('/') {
                folders.insert(path[..end].to_owned());
            }
        }
        let folders = stream::iter(folders).map(|folder| {
            let header = header(&format!("{folder}/"), 0, 0o755).map_err(io::Error::other)?;
            Ok(Bytes::copy_from_slice(header.as_bytes()))
        });
        let files = stream::iter(self.entries.clone()).flat_map(|(path, entry)| file(&path, entry));
        let end = stream::iter([Ok(Bytes::from_static(&[0; 2 * BLOCK]))]);
        folders.chain(files).chain(end).boxed()
    }
}

fn file(path: &str, entry: Entry) -> BoxStream<'static, io::Result<Bytes>> {
    let mode = if entry.executable { 0o755 } else { 0o644 };
    let size = entry.content.size();
    let head = header(path, size, mode)
        .map(|header| Bytes::copy_from_slice(header.as_bytes()))
        .map_err(io::Error::other);
    let padding = usize::try_from(size.next_multiple_of(BLOCK as u64) - size).unwrap_or_default();
    let content = match entry.content {
        Content::Bytes(bytes) => stream::iter([Ok(bytes)]).boxed(),
        Content::Artifact(artifact) => pieces(artifact),
    };
    let padding = stream::iter([Ok(Bytes::from_static(&[0; BLOCK]).slice(..padding))]);
    stream::iter([head]).chain(content).chain(padding).boxed()
}

/// An artifact piece by piece, exactly as it was hashed.
fn pieces(artifact: Artifact) -> BoxStream<'static, io::Result<Bytes>> {
    struct Reading {
        file: Option<tokio::fs::File>,
        hash: Hash,
        left: u64,
    }
    let begin = Reading {
        file: None,
        hash: Hash::new(&SHA256),
        left: artifact.size,
    };
    stream::try_unfold((begin, artifact), |(mut reading, artifact)| async move {
        let changed = || io::Error::other(format!("{} changed meanwhile", artifact.path.display()));
        let mut file = match reading.file.take() {
            Some(file) => file,
            None => tokio::fs::File::open(&artifact.path).await?,
        };
        let mut piece = BytesMut::with_capacity(PIECE);
        let count = file.read_buf(&mut piece).await? as u64;
        if count == 0 {
            let same = reading.left == 0 && finish(reading.hash) == artifact.digest;
            return if same { Ok(None) } else { Err(changed()) };
        }
        reading.left = reading.left.checked_sub(count).ok_or_else(changed)?;
        reading.hash.update(&piece);
        reading.file = Some(file);
        Ok(Some((piece.freeze(), (reading, artifact))))
    })
    .boxed()
}

fn header(path: &str, size: u64, mode: u32) -> Result<tar::Header> {
    let mut header = tar::Header::new_ustar();
    header.set_path(path).map_err(|error| {
        let text = format!("`{}` does not fit into a build context", visible(path));
        Error::definitions(text).because(error)
    })?;
    header.set_entry_type(if path.ends_with('/') {
        tar::EntryType::Directory
    } else {
        tar::EntryType::Regular
    });
    header.set_size(size);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_cksum();
    Ok(header)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, executable: bool, text: &str) -> TreeFile {
        TreeFile {
            path: path.to_owned(),
            executable,
            bytes: text.as_bytes().to_vec(),
        }
    }

    async fn archived(context: &Context) -> io::Result<Vec<u8>> {
        let mut archive = context.archive();
        let mut bytes = Vec::new();
        while let Some(piece) = archive.next().await {
            bytes.extend_from_slice(&piece?);
        }
        Ok(bytes)
    }

    async fn artifact(folder: &tempfile::TempDir, bytes: &[u8]) -> Artifact {
        let path = folder.path().join("received.war");
        std::fs::write(&path, bytes).unwrap();
        let name = FileName::new("billing.war").unwrap();
        Artifact::open(name, &path).await.unwrap()
    }

    #[tokio::test]
    async fn the_archive_holds_what_went_in() {
        let folder = tempfile::tempdir().unwrap();
        let war = vec![7; PIECE * 2 + 100];
        let files = vec![file("start", true, "#!/bin/sh\n"), file("a/b/c", false, "")];
        let context = Context::new(files, vec![artifact(&folder, &war).await]).unwrap();
        let bytes = archived(&context).await.unwrap();
        let mut archive = tar::Archive::new(&bytes[..]);
        let entries: Vec<_> = archive
            .entries()
            .unwrap()
            .map(|entry| {
                let mut entry = entry.unwrap();
                let mut content = Vec::new();
                io::Read::read_to_end(&mut entry, &mut content).unwrap();
                let path = entry.path().unwrap().display().to_string();
                let header = entry.header();
                assert_eq!((header.uid().unwrap(), header.mtime().unwrap()), (0, 0));
                (path, header.mode().unwrap(), content.len())
            })
            .collect();
        let wanted = [
            ("a/", 0o755, 0),
            ("a/b/", 0o755, 0),
            ("a/b/c", 0o644, 0),
            ("billing.war", 0o644, war.len()),
            ("start", 0o755, 10),
        ];
        let wanted: Vec<_> = wanted
            .map(|(path, mode, size)| (path.to_owned(), mode, size))
            .to_vec();
        assert_eq!(entries, wanted);
        assert_eq!(bytes, archived(&context).await.unwrap());
    }

    #[tokio::test]
    async fn the_digest_follows_path_mode_and_content() {
        let of = |files| Context::new(files, vec![]).unwrap().digest();
        let one = of(vec![file("a", false, "x"), file("b", false, "y")]);
        assert_eq!(one, of(vec![file("b", false, "y"), file("a", false, "x")]));
        assert_ne!(one, of(vec![file("a", true, "x"), file("b", false, "y")]));
        assert_ne!(one, of(vec![file("a", false, "x"), file("b", false, "z")]));
        assert_ne!(one, of(vec![file("a", false, "x"), file("c", false, "y")]));
    }

    #[tokio::test]
    async fn a_changed_artifact_ends_the_archive() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = artifact(&folder, b"first").await;
        let context = Context::new(vec![], vec![artifact.clone()]).unwrap();
        for other in [&b"other"[..], b"longer than that", b"less"] {
            std::fs::write(&artifact.path, other).unwrap();
            let error = archived(&context).await.unwrap_err();
            assert!(error.to_string().contains("changed meanwhile"), "{error}");
        }
    }

    #[tokio::test]
    async fn clashes_and_what_has_no_place_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let artifact = artifact(&folder, b"war").await;
        let error = Context::new(vec![file("billing.war", false, "")], vec![artifact]).unwrap_err();
        assert!(error.to_string().contains("two files"), "{error}");
        let error = Context::new(vec![file(".dockerignore", false, "*")], vec![]).unwrap_err();
        assert!(error.to_string().contains("not read"), "{error}");
        let error = Context::new(vec![file(&"a".repeat(150), false, "")], vec![]).unwrap_err();
        assert!(error.to_string().contains("does not fit"), "{error}");
        let pointer = format!(
            "version https://git-lfs.github.com/spec/v1\noid sha256:{}\nsize 9\n",
            "a".repeat(64)
        );
        let (name, path) = (FileName::new("a.war").unwrap(), folder.path().join("a.war"));
        std::fs::write(&path, pointer).unwrap();
        let error = Artifact::open(name, &path).await.unwrap_err();
        assert!(
            error.to_string().contains("a.war: a git-LFS pointer"),
            "{error}"
        );
        let (name, none) = (FileName::new("a.war").unwrap(), folder.path().join("none"));
        let error = Artifact::open(name, &none).await.unwrap_err();
        assert_eq!(error.kind(), Kind::Usage);
    }
}
