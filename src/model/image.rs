//! Where an image lives: registry host, repository path, and what names it there.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::visible::without_login;

/// A repository with its registry's host: `registry.acme.example:5000/platform/billing`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Repository {
    text: String,
    host_length: usize,
}

impl Repository {
    /// `host[:port]`
    pub fn host(&self) -> &str {
        &self.text[..self.host_length]
    }

    /// The path behind the host, without a slash in front.
    pub fn path(&self) -> &str {
        &self.text[self.host_length + 1..]
    }

    /// The repository below this one.
    pub fn join(&self, name: &str) -> Result<Self, String> {
        format!("{}/{name}", self.text).parse()
    }

    /// `repository@sha256:…`
    pub fn at(&self, digest: &Digest) -> String {
        [&self.text, "@sha256:", &digest.hex()].concat()
    }

    /// `repository:tag`
    pub fn tagged(&self, tag: &str) -> String {
        format!("{}:{tag}", self.text)
    }

    /// The whole name.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for Repository {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is not a repository (host[:port]/path in lower case)",
                without_login(text)
            )
        };
        let (host, path) = text.split_once('/').ok_or_else(wrong)?;
        let (name, port) = host.split_once(':').unwrap_or((host, "1"));
        let host_ok = !name.is_empty()
            && (name == "localhost" || name.contains('.') || host.contains(':'))
            && name
                .chars()
                .all(|c| c.is_ascii_alphanumeric() || ".-".contains(c))
            && port.parse::<u16>().is_ok();
        let part_ok = |part: &str| {
            part.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part.ends_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
                && part
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "._-".contains(c))
        };
        if !host_ok || text.len() > 255 || !path.split('/').all(part_ok) {
            return Err(wrong());
        }
        Ok(Self {
            text: text.to_owned(),
            host_length: host.len(),
        })
    }
}

impl TryFrom<String> for Repository {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Repository> for String {
    fn from(repository: Repository) -> Self {
        repository.text
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Debug for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&self.text, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn host_and_path() {
        let repository: Repository = "registry.acme.example:5000/platform/billing"
            .parse()
            .unwrap();
        assert_eq!(repository.host(), "registry.acme.example:5000");
        assert_eq!(repository.path(), "platform/billing");
        assert_eq!(repository.join("x").unwrap().path(), "platform/billing/x");
    }

    #[test]
    fn names_that_docker_would_read_otherwise_are_refused() {
        for bad in [
            "billing",
            "acme/billing",
            "host.example/Billing",
            "host.example/a b",
            "host.example/../a",
            "h.example:x/a",
            "h.example//a",
        ] {
            assert!(bad.parse::<Repository>().is_err(), "{bad}");
        }
        let error = "https://anna:s<e'cret@r.example/acme".parse::<Repository>();
        let error = error.unwrap_err();
        assert!(
            !error.contains("cret") && error.contains("r.example"),
            "{error}"
        );
    }
}
