//! Reading, listing and comparing commits.

use git2::Sort;
use jiff::Timestamp;

use super::commit_id::{Commit, CommitId};
use super::repository::{Definitions, local};
use crate::error::Result;
use crate::model::visible::visible;

impl Definitions {
    /// The commits that `to` has and `from` has not, newest first, at most `most`.
    pub fn log_between(&self, from: CommitId, to: CommitId, most: usize) -> Result<Vec<Commit>> {
        let walk = || {
            let mut walk = self.repository.revwalk()?;
            walk.set_sorting(Sort::TOPOLOGICAL | Sort::TIME)?;
            walk.push(to.oid())?;
            walk.hide(from.oid())?;
            walk.take(most).collect::<std::result::Result<Vec<_>, _>>()
        };
        let ids = walk().map_err(local(format!("list the commits from {from} to {to}")))?;
        ids.into_iter().map(|id| self.resolve(id.into())).collect()
    }

    /// Reads a commit; an error says when it is not in the clone (see [`Definitions::fetch`]).
    pub fn resolve(&self, id: CommitId) -> Result<Commit> {
        let commit = self.commit(id)?;
        let author = commit.author();
        let text = |bytes: &[u8]| visible(&String::from_utf8_lossy(bytes));
        let subject = commit.summary_bytes().unwrap_or_default();
        Ok(Commit {
            id,
            time: timestamp(commit.time()),
            author: format!(
                "{} <{}>",
                text(author.name_bytes()),
                text(author.email_bytes())
            ),
            subject: text(subject),
        })
    }

    /// The numbers of references that are reserved, as of the last fetch.
    pub fn reference_numbers(&self) -> Result<Vec<u64>> {
        let tags = self.tags_below("refs/tags/reference/")?.into_iter();
        let mut numbers: Vec<u64> = tags.filter_map(|(name, _)| name.parse().ok()).collect();
        numbers.sort_unstable();
        Ok(numbers)
    }

    /// The versions of a container that are reserved, as of the last fetch, oldest first.
    pub fn versions(&self, container: &str) -> Result<Vec<String>> {
        let mut tags = self.tags_below(&format!("refs/tags/release/{container}/"))?;
        tags.sort_by_key(|(_, at)| *at);
        Ok(tags.into_iter().map(|(name, _)| name).collect())
    }

    /// Names without this prefix, and when each tag was made.
    fn tags_below(&self, prefix: &str) -> Result<Vec<(String, Option<Timestamp>)>> {
        let found = self.repository.references_glob(&format!("{prefix}*"));
        let found = found.map_err(local(format!("list the tags {prefix}*")))?;
        let tags = found.filter_map(|tag| {
            let tag = tag.ok()?;
            let name = tag.name().ok()?.strip_prefix(prefix)?.to_owned();
            let made = tag.peel_to_tag().ok();
            let made = made.and_then(|it| Some(timestamp(it.tagger()?.when())));
            Some((name, made))
        });
        Ok(tags.collect())
    }

    /// Whether `descendant` contains `ancestor`; a commit contains itself.
    pub fn is_ancestor(&self, ancestor: CommitId, descendant: CommitId) -> Result<bool> {
        if ancestor == descendant {
            return Ok(true);
        }
        self.repository
            .graph_descendant_of(descendant.oid(), ancestor.oid())
            .map_err(local(format!("compare {ancestor} with {descendant}")))
    }

    /// The commit that this one grew from; the first of several, none where it is a first one.
    pub fn parent(&self, id: CommitId) -> Result<Option<CommitId>> {
        Ok(self.commit(id)?.parent_id(0).ok().map(CommitId::from))
    }

    pub(super) fn commit(&self, id: CommitId) -> Result<git2::Commit<'_>> {
        self.repository
            .find_commit(id.oid())
            .map_err(local(format!("find commit {id} in the definitions")))
    }
}

pub(super) fn timestamp(time: git2::Time) -> Timestamp {
    Timestamp::from_second(time.seconds()).unwrap_or(Timestamp::UNIX_EPOCH)
}
