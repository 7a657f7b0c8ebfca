//! A commit, and its name.

use crate::model::visible::visible;
use git2::Oid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

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
                visible(text)
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
