//! Reading definitions from tree blobs, never from a work tree: what a hostile repository holds
//! besides plain files with plain names is refused, not followed.

use std::collections::BTreeMap;

use git2::{ErrorCode, ObjectType, Oid, Tree, TreeEntry};

use super::commit_id::CommitId;
use super::repository::{Definitions, local};
use crate::error::{Error, Place, Result};
use crate::model::name::ContainerName;
use crate::model::visible::visible;

/// The most bytes in one folder, all files together.
pub const MOST_BYTES: usize = 32 * 1024 * 1024;
/// The most files and folders below one folder.
pub const MOST_ENTRIES: usize = 5000;
/// How deep folders may lie in each other.
pub const DEEPEST: usize = 16;

/// One regular file of a folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TreeFile {
    /// Where it lies below the folder, with `/`: plain components only.
    pub path: String,
    /// Whether it may be executed.
    pub executable: bool,
    /// Its content.
    pub bytes: Vec<u8>,
}

/// What a tree entry is, when it is something that definitions may have.
enum Entry {
    Folder,
    File { executable: bool },
}

/// What may still be read of one folder.
struct Allowance {
    bytes: usize,
    entries: usize,
}

impl Definitions {
    /// The content of one file at `commit`; `None` when there is none. Fails with
    /// [`crate::error::Kind::Definitions`] where the path leads to or through anything that is
    /// not a plain file, and on more than [`MOST_BYTES`].
    pub fn read(&self, commit: CommitId, path: &str) -> Result<Option<Vec<u8>>> {
        let Some((folder, name)) = path.rsplit_once('/').or(Some(("", path))) else {
            return Ok(None);
        };
        let Some(tree) = self.walk(commit, folder)? else {
            return Ok(None);
        };
        let Some(entry) = tree.get_name(name) else {
            return Ok(None);
        };
        match accept(&entry, path)? {
            Entry::Folder => Err(refuse(path, "is a folder, not a file")),
            Entry::File { .. } => {
                let mut allowance = Allowance::new();
                self.blob(entry.id(), path, &mut allowance).map(Some)
            }
        }
    }

    /// All files below the folder at `path`, by path. Empty when there is no such folder. Fails
    /// with [`crate::error::Kind::Definitions`] on symlinks, submodules, odd names, names that
    /// differ in case only, and beyond [`MOST_BYTES`], [`MOST_ENTRIES`] and [`DEEPEST`].
    pub fn folder(&self, commit: CommitId, path: &str) -> Result<Vec<TreeFile>> {
        let mut files = Vec::new();
        if let Some(tree) = self.walk(commit, path)? {
            self.collect(&tree, path, path.len(), &mut Allowance::new(), &mut files)?;
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// The containers that have a folder under `containers/`, by name. Plain files beside them
    /// (a README) are passed over.
    pub fn containers(&self, commit: CommitId) -> Result<Vec<ContainerName>> {
        let mut names: Vec<ContainerName> = self
            .each_container(commit)?
            .into_iter()
            .collect::<Result<_>>()?;
        names.sort();
        Ok(names)
    }

    /// The same in git's order, each with what is wrong with it alone.
    pub fn each_container(&self, commit: CommitId) -> Result<Vec<Result<ContainerName>>> {
        let Some(tree) = self.walk(commit, "containers")? else {
            return Ok(Vec::new());
        };
        let container = |entry: TreeEntry<'_>| {
            let path = join("containers", &name(&entry));
            match accept(&entry, &path) {
                Ok(Entry::File { .. }) => None,
                Ok(Entry::Folder) => {
                    let name = ContainerName::new(name(&entry));
                    Some(name.map_err(|why| refuse(&path, &why)))
                }
                Err(refused) => Some(Err(refused)),
            }
        };
        Ok(tree.iter().filter_map(container).collect())
    }

    /// The tree at `path`, each step checked. `None` when a step is missing.
    fn walk(&self, commit: CommitId, path: &str) -> Result<Option<Tree<'_>>> {
        let mut tree = self
            .commit(commit)?
            .tree()
            .map_err(local(format!("read the files of {commit}")))?;
        let mut so_far = String::new();
        for step in path.split('/').filter(|step| !step.is_empty()) {
            so_far = join(&so_far, step);
            let id = match tree.get_name(step) {
                None => return Ok(None),
                Some(entry) => match accept(&entry, &so_far)? {
                    Entry::File { .. } => return Err(refuse(&so_far, "is a file, not a folder")),
                    Entry::Folder => entry.id(),
                },
            };
            tree = self.tree(id, &so_far)?;
        }
        Ok(Some(tree))
    }

    fn collect(
        &self,
        tree: &Tree<'_>,
        path: &str,
        root: usize,
        allowance: &mut Allowance,
        files: &mut Vec<TreeFile>,
    ) -> Result<()> {
        let depth = path[root..].split('/').count();
        if depth > DEEPEST {
            return Err(refuse(
                path,
                &format!("lies more than {DEEPEST} folders deep"),
            ));
        }
        let mut spellings = BTreeMap::new();
        for entry in tree {
            let (name, full) = (name(&entry), join(path, &name(&entry)));
            let kind = accept(&entry, &full)?;
            if let Some(other) = spellings.insert(name.to_ascii_lowercase(), name.clone()) {
                let why = format!("differs from `{other}` only in case");
                return Err(refuse(&full, &why));
            }
            allowance.entries = allowance.entries.checked_sub(1).ok_or_else(|| {
                refuse(
                    &full,
                    &format!("is one of more than {MOST_ENTRIES} files and folders"),
                )
            })?;
            match kind {
                Entry::Folder => {
                    let below = self.tree(entry.id(), &full)?;
                    self.collect(&below, &full, root, allowance, files)?;
                }
                Entry::File { executable } => files.push(TreeFile {
                    bytes: self.blob(entry.id(), &full, allowance)?,
                    path: full[root..].trim_start_matches('/').to_owned(),
                    executable,
                }),
            }
        }
        Ok(())
    }

    fn tree(&self, id: Oid, path: &str) -> Result<Tree<'_>> {
        let tree = self.repository.find_tree(id);
        tree.map_err(|error| unreadable(path, &error))
    }

    fn blob(&self, id: Oid, path: &str, allowance: &mut Allowance) -> Result<Vec<u8>> {
        let read = |error: git2::Error| unreadable(path, &error);
        let store = self.repository.odb().map_err(read)?;
        // The size first: a huge file is refused before it is unpacked.
        let (size, kind) = store.read_header(id).map_err(read)?;
        if kind != ObjectType::Blob {
            return Err(refuse(path, "is not a file"));
        }
        allowance.bytes = allowance.bytes.checked_sub(size).ok_or_else(|| {
            refuse(
                path,
                &format!("makes the folder larger than {MOST_BYTES} bytes"),
            )
        })?;
        let blob = self.repository.find_blob(id).map_err(read)?;
        Ok(blob.content().to_vec())
    }
}

impl Allowance {
    fn new() -> Self {
        Self {
            bytes: MOST_BYTES,
            entries: MOST_ENTRIES,
        }
    }
}

/// Whether a path component may occur in definitions: letters, digits, `.`, `_`, `-`; not `.`,
/// `..` or `.git` in any case.
pub fn plain_component(name: &str) -> bool {
    (1..=200).contains(&name.len())
        && name != "."
        && name != ".."
        && !name.eq_ignore_ascii_case(".git")
        && name
            .chars()
            .all(|c| c.is_ascii_alphanumeric() || "._-".contains(c))
}

fn accept(entry: &TreeEntry<'_>, path: &str) -> Result<Entry> {
    let kind = match entry.filemode_raw() {
        0o040_000 => Entry::Folder,
        0o100_644 | 0o100_664 => Entry::File { executable: false },
        0o100_755 => Entry::File { executable: true },
        0o120_000 => return Err(refuse(path, "is a symbolic link")),
        0o160_000 => return Err(refuse(path, "is a submodule")),
        mode => return Err(refuse(path, &format!("has the mode {mode:o}"))),
    };
    if plain_component(&name(entry)) {
        Ok(kind)
    } else {
        Err(refuse(
            path,
            "has a name with other than letters, digits, `.`, `_`, `-`",
        ))
    }
}

fn name(entry: &TreeEntry<'_>) -> String {
    String::from_utf8_lossy(entry.name_bytes()).into_owned()
}

fn join(folder: &str, name: &str) -> String {
    if folder.is_empty() {
        name.to_owned()
    } else {
        format!("{folder}/{name}")
    }
}

fn refuse(path: &str, why: &str) -> Error {
    Error::definitions(format!("`{}` {why}", visible(path)))
        .about(Place::file(visible(path)))
        .hint("definitions are plain files with plain names")
}

fn unreadable(path: &str, error: &git2::Error) -> Error {
    let missing = error.code() == ErrorCode::NotFound;
    let why = if missing {
        "is missing from the clone"
    } else {
        "cannot be read"
    };
    let text = format!("`{}` {why}", visible(path));
    Error::definitions(text).because(Error::git(visible(error.message())))
}
