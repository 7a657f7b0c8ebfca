//! What a policy can have rules about, and how strict a rule is.

use std::fmt;

use serde::{Deserialize, Serialize, Serializer};

use crate::model::text::Word;

/// One rule.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rule {
    /// It does not run as root.
    Root,
    /// It adds no program that runs as another user than the one that starts it.
    Setuid,
    /// It answers HTTP on its port and writes to its log volume.
    Interface,
    /// It has a configuration for every environment.
    Configuration,
    /// No secret is in its files.
    Secrets,
    /// Its base is neither old nor superseded.
    Base,
    /// It is not too large.
    Size,
    /// It has none of these packages.
    Packages,
    /// A program of others finds nothing.
    Scanner(Word),
}

impl Rule {
    /// Those that devenv judges itself.
    pub const OWN: [Self; 8] = [
        Self::Root,
        Self::Setuid,
        Self::Interface,
        Self::Configuration,
        Self::Secrets,
        Self::Base,
        Self::Size,
        Self::Packages,
    ];

    /// Its name in `policy.yaml`.
    pub fn name(&self) -> &str {
        match self {
            Self::Root => "root",
            Self::Setuid => "setuid",
            Self::Interface => "interface",
            Self::Configuration => "configuration",
            Self::Secrets => "secrets",
            Self::Base => "base",
            Self::Size => "size",
            Self::Packages => "packages",
            Self::Scanner(name) => name.as_str(),
        }
    }

    /// Whether it can be judged only once there is an image.
    pub fn needs_image(&self) -> bool {
        !matches!(self, Self::Configuration | Self::Secrets | Self::Base)
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl Serialize for Rule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

/// What comes of a finding that nobody waived.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// It is not released.
    Refuse,
    /// The operator is told.
    Warn,
}

impl Level {
    /// The word in the file.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Refuse => "refuse",
            Self::Warn => "warn",
        }
    }
}
