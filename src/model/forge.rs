//! The kinds of forges: servers that take proposals beside git.

use crate::model::visible::visible;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How a server takes proposals.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ForgeKind {
    /// Merge requests, by push options or REST.
    GitLab,
    /// Pull requests, by `refs/for/…` or REST.
    Gitea,
    /// As Gitea.
    Forgejo,
    /// Pull requests, by REST.
    GitHub,
    /// None: a branch, a text and a patch file.
    Plain,
}

impl ForgeKind {
    /// All of them.
    pub const ALL: [Self; 5] = [
        Self::GitLab,
        Self::Gitea,
        Self::Forgejo,
        Self::GitHub,
        Self::Plain,
    ];

    /// As it is written in `platform.yaml`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GitLab => "gitlab",
            Self::Gitea => "gitea",
            Self::Forgejo => "forgejo",
            Self::GitHub => "github",
            Self::Plain => "plain",
        }
    }

    /// What it calls a request.
    pub fn request(self) -> &'static str {
        match self {
            Self::GitLab => "merge request",
            Self::Gitea | Self::Forgejo | Self::GitHub => "pull request",
            Self::Plain => "request",
        }
    }

    /// The kind that a host's name suggests; only a question to the user.
    pub fn suggested_by(host: &str) -> Option<Self> {
        let host = host.to_ascii_lowercase();
        let named = Self::ALL
            .into_iter()
            .find(|kind| *kind != Self::Plain && host.contains(kind.as_str()));
        named.or_else(|| host.contains("codeberg").then_some(Self::Forgejo))
    }
}

impl fmt::Display for ForgeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl std::str::FromStr for ForgeKind {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut all = Self::ALL.into_iter();
        all.find(|kind| kind.as_str() == text).ok_or_else(|| {
            let known = Self::ALL.map(Self::as_str).join(", ");
            format!("`{}` is none of: {known}", visible(text))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_host_suggests_what_its_name_says() {
        for (host, kind) in [
            ("gitlab.acme.example", Some(ForgeKind::GitLab)),
            ("github.com:443", Some(ForgeKind::GitHub)),
            ("codeberg.org", Some(ForgeKind::Forgejo)),
            ("git.acme.example", None),
        ] {
            assert_eq!(ForgeKind::suggested_by(host), kind, "{host}");
        }
    }

    #[test]
    fn names_are_read_as_they_are_written() {
        for kind in ForgeKind::ALL {
            assert_eq!(kind.as_str().parse(), Ok(kind));
            assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
        }
        assert!("svn".parse::<ForgeKind>().unwrap_err().contains("gitea"));
    }
}
