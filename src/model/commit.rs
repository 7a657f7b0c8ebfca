//! The commit of a definitions repository, as git names it.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::visible::visible;

/// A full commit id: 40 (SHA-1) or 64 (SHA-256) hexadecimal digits in lower case.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Commit(String);

impl Commit {
    /// The whole id.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The first 12 digits, for people.
    pub fn short(&self) -> &str {
        &self.0[..12]
    }
}

impl FromStr for Commit {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text
            .bytes()
            .all(|byte| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte));
        if digits && matches!(text.len(), 40 | 64) {
            Ok(Self(text.to_owned()))
        } else {
            Err(format!(
                "`{}` is not a commit (40 or 64 hexadecimal digits)",
                visible(text)
            ))
        }
    }
}

impl TryFrom<String> for Commit {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Commit> for String {
    fn from(commit: Commit) -> Self {
        commit.0
    }
}

impl fmt::Display for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Commit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_full_ids() {
        assert!("a".repeat(40).parse::<Commit>().is_ok());
        assert!("0".repeat(64).parse::<Commit>().is_ok());
        for bad in ["", "main", "abc123", &"A".repeat(40), &"g".repeat(40)] {
            assert!(bad.parse::<Commit>().is_err(), "{bad}");
        }
    }
}
