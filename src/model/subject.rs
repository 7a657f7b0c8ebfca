//! What a statement is about.

use std::fmt;
use std::str::FromStr;

use super::digest::Digest;
use super::name::{ContainerName, PlatformName};
use super::visible::visible;

/// The image that a statement is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// Its logical name, which is no host's.
    pub name: SubjectName,
    /// The digest of its manifest or index.
    pub digest: Digest,
}

/// `<platform>/<container>`, or `<platform>/trust`
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubjectName {
    /// The platform.
    pub platform: PlatformName,
    /// What of it.
    pub part: Part,
}

/// A part of a platform that statements are about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// A container's image.
    Container(ContainerName),
    /// The trust file. No container can have its name.
    Trust,
}

/// How [`Part::Trust`] is written.
const TRUST: &str = "trust";

impl fmt::Display for SubjectName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.platform, self.part)
    }
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Container(name) => name.fmt(f),
            Self::Trust => f.write_str(TRUST),
        }
    }
}

impl SubjectName {
    /// A container of a platform.
    pub fn container(platform: &PlatformName, name: &ContainerName) -> Self {
        Self {
            platform: platform.clone(),
            part: Part::Container(name.clone()),
        }
    }
}

impl FromStr for SubjectName {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let parts = text.split_once('/').and_then(|(platform, part)| {
            Some(Self {
                platform: PlatformName::new(platform).ok()?,
                part: match part {
                    TRUST => Part::Trust,
                    name => Part::Container(ContainerName::new(name).ok()?),
                },
            })
        });
        parts.ok_or_else(|| {
            format!(
                "its subject is named `{}`, not `<platform>/<container>`",
                visible(text)
            )
        })
    }
}
