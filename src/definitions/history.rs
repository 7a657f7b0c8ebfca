//! Commits: naming, reading, listing and comparing them.

use git2::{Oid, Sort};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::repository::{Definitions, local};
use super::text::visible;
use crate::error::Result;

/// A commit's name: 40 hexadecimal digits. Not the git library's own type, whose every use starts
/// that library.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct CommitId([u8; 20]);

impl CommitId {
    /// The first 10 digits, for people.
    pub fn short(&self) -> String {
        self.to_string()[..10].to_owned()
    }

    /// In the git library's words.
    pub(super) fn oid(self) -> Oid {
        // Twenty bytes always make one.
        Oid::from_bytes(&self.0).unwrap_or(Oid::ZERO_SHA1)
    }
}

impl From<Oid> for CommitId {
    fn from(id: Oid) -> Self {
        let mut bytes = [0; 20];
        bytes.copy_from_slice(&id.as_bytes()[..20]);
        Self(bytes)
    }
}

impl std::fmt::Display for CommitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl std::fmt::Debug for CommitId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl std::str::FromStr for CommitId {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is not a commit (40 hexadecimal digits)",
                text.escape_default()
            )
        };
        let digit = |byte: &u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(byte);
        if text.len() != 40 || !text.as_bytes().iter().all(digit) {
            return Err(wrong());
        }
        let mut bytes = [0; 20];
        for (index, byte) in bytes.iter_mut().enumerate() {
            let pair = &text[2 * index..2 * index + 2];
            *byte = u8::from_str_radix(pair, 16).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for CommitId {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<CommitId> for String {
    fn from(id: CommitId) -> Self {
        id.to_string()
    }
}

/// A commit, as people want to read it; control characters are made visible.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Its name.
    pub id: CommitId,
    /// When it was committed.
    pub time: Timestamp,
    /// Who wrote it: `Anna <anna@acme.example>`.
    pub author: String,
    /// The first line of its message.
    pub subject: String,
}

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
        const PREFIX: &str = "refs/tags/reference/";
        let action = "list the tags of references";
        let found = self.repository.references_glob(&format!("{PREFIX}*"));
        let mut found = found.map_err(local(action))?;
        let names = found.names().filter_map(std::result::Result::ok);
        let mut numbers: Vec<u64> = names
            .filter_map(|name| name.strip_prefix(PREFIX)?.parse().ok())
            .collect();
        numbers.sort_unstable();
        Ok(numbers)
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
