//! What a commit must not hold when its files are put into a work tree, where an editor and the
//! user's own git meet them: checked before anything is written.

use std::collections::BTreeMap;
use std::path::Path;

use git2::{ConfigLevel, ObjectType, Repository, Tree};

use super::commit_id::CommitId;
use super::repository::{Definitions, local};
use crate::error::{Error, Result};
use crate::model::visible::visible;

/// The most files and folders of a commit.
const MOST_ENTRIES: usize = 100_000;
/// How deep folders may lie in each other.
const DEEPEST: usize = 64;
/// Settings of the clone, which its work trees share: links are never made, and names that other
/// systems take for `.git` are refused by git as well.
const SETTINGS: [(&str, bool); 3] = [
    ("core.symlinks", false),
    ("core.protectHFS", true),
    ("core.protectNTFS", true),
];

impl Definitions {
    /// Makes sure that the files of `commit` are only what they seem. Fails with
    /// [`crate::error::Kind::Definitions`] on a link or a submodule among the containers, and
    /// anywhere on names that mean something else to a file system or a terminal.
    pub(super) fn check_for_work_tree(&self, commit: CommitId) -> Result<()> {
        set(&self.repository).map_err(local("prepare the clone for a work tree"))?;
        let tree = self.commit(commit)?.tree();
        let tree = tree.map_err(local(format!("read the files of {commit}")))?;
        let mut left = MOST_ENTRIES;
        self.check(&tree, "", 0, &mut left)
    }

    fn check(&self, tree: &Tree<'_>, folder: &str, depth: usize, left: &mut usize) -> Result<()> {
        if depth > DEEPEST {
            return Err(refuse(folder, "lies too deep"));
        }
        let mut spellings = BTreeMap::new();
        for entry in tree {
            let Ok(name) = std::str::from_utf8(entry.name_bytes()) else {
                let name = String::from_utf8_lossy(entry.name_bytes());
                return Err(refuse(
                    &format!("{folder}{name}"),
                    "has a name that is not UTF-8",
                ));
            };
            let path = format!("{folder}{name}");
            *left = left
                .checked_sub(1)
                .ok_or_else(|| refuse(&path, "is one of too many files"))?;
            if let Some(why) = misleads(name) {
                return Err(refuse(&path, why));
            }
            if let Some(other) = spellings.insert(name.to_lowercase(), name.to_owned()) {
                return Err(refuse(
                    &path,
                    &format!("differs from `{other}` only in case"),
                ));
            }
            let among_containers = path.starts_with("containers/") || path == "containers";
            match entry.filemode_raw() {
                0o120_000 if among_containers => return Err(refuse(&path, "is a symbolic link")),
                0o160_000 if among_containers => return Err(refuse(&path, "is a submodule")),
                _ if entry.kind() == Some(ObjectType::Tree) => {
                    let below = self.repository.find_tree(entry.id());
                    let below = below.map_err(local(format!("read {}", visible(&path))))?;
                    self.check(&below, &format!("{path}/"), depth + 1, left)?;
                }
                _ => {}
            }
        }
        Ok(())
    }
}

fn set(clone: &Repository) -> std::result::Result<(), git2::Error> {
    let mut config = clone.config()?.open_level(ConfigLevel::Local)?;
    for (name, value) in SETTINGS {
        if config.get_bool(name).ok() != Some(value) {
            config.set_bool(name, value)?;
        }
    }
    Ok(())
}

/// Why a name is not what it seems, if so.
fn misleads(name: &str) -> Option<&'static str> {
    // As git's own `verify_path` has it for HFS+ and NTFS: what those leave out of a name.
    let ignored = |c: &char| matches!(c, '\u{200c}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{206a}'..='\u{206f}' | '\u{feff}');
    if name.contains(|c: char| {
        c.is_control() || c == '\\' || ignored(&c) || ('\u{2066}'..='\u{2069}').contains(&c)
    }) {
        return Some("has a name with a backslash or an invisible character");
    }
    if name.is_empty() || name == "." || name == ".." || name.contains('/') {
        return Some("has a name that leads elsewhere");
    }
    let stem = name.split(':').next().unwrap_or(name);
    let stem = stem.trim_end_matches([' ', '.']).to_ascii_lowercase();
    if [".git", "git~1"].contains(&stem.as_str()) {
        return Some("has a name that is taken for git's own folder");
    }
    None
}

fn refuse(path: &str, why: &str) -> Error {
    Error::definitions(format!("`{}` {why}", visible(path)))
        .hint("no work tree is made of it; whoever merged it into the definitions removes it")
}

/// Makes sure that nothing on the way from a work tree to one of its files is a link, which would
/// lead an editor to a file elsewhere. Fails with [`crate::error::Kind::Definitions`].
pub fn refuse_links(work_tree: &Path, path: &str) -> Result<()> {
    let mut place = work_tree.to_owned();
    for step in path.split('/') {
        place.push(step);
        let link = place.symlink_metadata().is_ok_and(|it| it.is_symlink());
        if link {
            return Err(Error::definitions(format!(
                "{} is a symbolic link, and may lead to any file of yours",
                place.display()
            ))
            .hint("definitions are plain files: remove the link"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_are_taken_for_others() {
        for name in [
            ".git",
            ".GIT",
            "git~1",
            "GIT~1",
            ".git ",
            ".git...",
            ".git::$INDEX_ALLOCATION",
            ".g\u{200c}it",
            "a\\b",
            "a\u{1b}[31m",
            "a\nb",
            "a\u{202e}b",
            "..",
            "",
            "a/b",
        ] {
            assert!(misleads(name).is_some(), "{name:?}");
        }
        for name in [
            ".gitignore",
            ".gitlab-ci.yml",
            ".github",
            "git~2",
            "a b",
            "caf\u{e9}",
            "a:b",
        ] {
            assert!(misleads(name).is_none(), "{name:?}");
        }
    }
}
