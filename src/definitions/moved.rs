//! Moving a proposal's work tree to the newest commit, and what that leaves to be settled by hand.

use std::path::Path;

use git2::build::CheckoutBuilder;
use git2::{Oid, Repository, Tree};

use super::catalogue::Changed;
use super::commit_id::CommitId;
use super::repository::{Definitions, local};
use crate::error::{Error, Result};
use crate::model::visible::visible;

/// What the two sides of a conflict are called where they are marked.
const SIDES: [&str; 2] = ["newest", "proposal"];
/// Commits that are looked at for a proposal.
const MOST: usize = 5000;

impl Definitions {
    /// Moves a proposal's work tree at `path`, with its branch, to the newest accepted commit: what
    /// `snapshot` (grown from `base`) changed in the folder is put on top of it. Gives that commit,
    /// and the files that both sides changed, which then have both, marked as git marks them.
    ///
    /// Outside of the folder nothing is overwritten: what differs there is an error, as is a file
    /// that git ignores and that is in the way. Nothing has changed then.
    pub fn update_worktree(
        &self,
        path: &Path,
        base: CommitId,
        snapshot: CommitId,
        folder: &str,
    ) -> Result<(CommitId, Vec<String>)> {
        self.folder(snapshot, folder)?;
        let newest = self.head_id()?;
        self.check_for_work_tree(newest)?;
        self.refuse_in_the_way(path, base, snapshot, newest)?;
        let update = || {
            let only = self.with_folder(base, snapshot, folder)?;
            let tree = Repository::open(path)?;
            let (ours, theirs) = (tree.find_commit(newest.oid())?, tree.find_commit(only)?);
            let mut merged = tree.merge_commits(&ours, &theirs, None)?;
            let conflicts = conflicts(&merged)?;
            check_out_rest(&tree, base, &ours.tree()?, folder)?;
            let mut inside = CheckoutBuilder::new();
            // What stands there is in the snapshot, and so in what is merged.
            inside.force().path(folder).disable_pathspec_match(true);
            inside.overwrite_ignored(false).conflict_style_merge(true);
            inside.our_label(SIDES[0]).their_label(SIDES[1]);
            tree.checkout_index(Some(&mut merged), Some(&mut inside))?;
            let mut head = tree.head()?;
            head.set_target(newest.oid(), "devenv: updated")?;
            let mut index = tree.index()?;
            index.read_tree(&ours.tree()?)?;
            index.write()?;
            Ok(conflicts)
        };
        let updated: std::result::Result<_, git2::Error> = update();
        let conflicts = updated.map_err(local(format!("update {}", path.display())))?;
        Ok((newest, conflicts))
    }

    /// A file that git ignores is in no snapshot: one that the newest commit has would replace it.
    fn refuse_in_the_way(
        &self,
        path: &Path,
        base: CommitId,
        snapshot: CommitId,
        newest: CommitId,
    ) -> Result<()> {
        let kept = self.commit(snapshot)?;
        let kept = kept.tree().map_err(local("read the work tree's files"))?;
        for file in self.changed_files(base, newest)? {
            let there = path.join(&file.path);
            let is_kept = entry(&kept, Path::new(&file.path)).is_some();
            if file.change == Changed::Added && !is_kept && there.symlink_metadata().is_ok() {
                return Err(Error::usage(format!(
                    "{} is in the way: the newest definitions have such a file, and git ignores yours",
                    there.display()
                ))
                .hint("move it elsewhere, then run the same command again"));
            }
        }
        Ok(())
    }

    /// The first line in a folder that marks two sides, as [`Self::update_worktree`] writes it:
    /// `path:line`.
    pub fn marked(&self, commit: CommitId, folder: &str) -> Result<Option<String>> {
        let marks = [
            format!("<<<<<<< {}", SIDES[0]),
            format!(">>>>>>> {}", SIDES[1]),
        ];
        for file in self.folder(commit, folder)? {
            let mut lines = file.bytes.split(|byte| *byte == b'\n');
            let found = lines.position(|line| {
                let line = line.strip_suffix(b"\r").unwrap_or(line);
                marks.iter().any(|mark| mark.as_bytes() == line)
            });
            if let Some(index) = found {
                return Ok(Some(format!("{folder}/{}:{}", file.path, index + 1)));
            }
        }
        Ok(None)
    }

    /// Whether a commit that `tip` has, and the parent of `sent` has not, has every file that
    /// `sent` changed as `sent` left it: merged or squashed, whatever came after.
    pub fn has_arrived(&self, sent: CommitId, tip: CommitId) -> Result<bool> {
        let look = || {
            let commit = self.repository.find_commit(sent.oid())?;
            let parent = commit.parent(0)?;
            let (before, after) = (parent.tree()?, commit.tree()?);
            let difference =
                self.repository
                    .diff_tree_to_tree(Some(&before), Some(&after), None)?;
            let paths: Vec<&Path> = difference
                .deltas()
                .filter_map(|delta| delta.new_file().path())
                .collect();
            let mut walk = self.repository.revwalk()?;
            walk.push(tip.oid())?;
            walk.hide(parent.id())?;
            for id in walk.take(MOST) {
                let tree = self.repository.find_commit(id?)?.tree()?;
                if !paths.is_empty() && paths.iter().all(|it| entry(&tree, it) == entry(&after, it))
                {
                    return Ok(true);
                }
            }
            Ok(false)
        };
        let found: std::result::Result<bool, git2::Error> = look();
        found.map_err(local(format!(
            "look for {} in {}",
            sent.short(),
            tip.short()
        )))
    }
}

/// What is outside of the folder, from `base` to `newest`; an error where a file there is neither.
fn check_out_rest(
    tree: &Repository,
    base: CommitId,
    newest: &Tree<'_>,
    folder: &str,
) -> std::result::Result<(), git2::Error> {
    let before = tree.find_commit(base.oid())?.tree()?;
    let difference = tree.diff_tree_to_tree(Some(&before), Some(newest), None)?;
    let mut outside = CheckoutBuilder::new();
    outside.safe().overwrite_ignored(false);
    outside.disable_pathspec_match(true);
    let mut any = false;
    for delta in difference.deltas() {
        let path = delta.new_file().path();
        if let Some(path) = path.filter(|path| !path.starts_with(folder)) {
            outside.path(path);
            any = true;
        }
    }
    if any {
        tree.checkout_tree(newest.as_object(), Some(&mut outside))?;
    }
    Ok(())
}

/// What is at a path; none where there is nothing.
fn entry(tree: &Tree<'_>, path: &Path) -> Option<(Oid, i32)> {
    let entry = tree.get_path(path).ok()?;
    Some((entry.id(), entry.filemode()))
}

/// The files that both sides changed.
pub(super) fn conflicts(index: &git2::Index) -> std::result::Result<Vec<String>, git2::Error> {
    let mut names = Vec::new();
    for conflict in index.conflicts()? {
        let conflict = conflict?;
        let entry = conflict.our.or(conflict.their).or(conflict.ancestor);
        names.extend(entry.map(|it| visible(&String::from_utf8_lossy(&it.path))));
    }
    names.sort();
    names.dedup();
    Ok(names)
}
