//! The tags that reserve: their names, and what their annotations say.

use std::collections::BTreeMap;
use std::fmt;

use git2::Oid;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::commit_id::CommitId;
use super::history::timestamp;
use crate::error::{Error, Result};
use crate::model::name::{ContainerName, EnvironmentName, Version};
use crate::model::visible::visible;

/// What can be reserved.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Tag {
    /// `release/<container>/<version>`
    Release(ContainerName, Version),
    /// `reference/<number>`
    Reference(u64),
    /// `<environment>/<sequence>`
    Sequence(EnvironmentName, u64),
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Release(container, version) => write!(f, "release/{container}/{version}"),
            Self::Reference(number) => write!(f, "reference/{number}"),
            Self::Sequence(environment, sequence) => write!(f, "{environment}/{sequence}"),
        }
    }
}

impl Tag {
    /// Fails with [`crate::error::Kind::Usage`] where git or another tag of devenv forbids it.
    pub(super) fn full_name(&self) -> Result<String> {
        if let Self::Sequence(environment, _) = self
            && ["release", "reference"].contains(&environment.as_str())
        {
            let text = format!("`{environment}` cannot be an environment: its tags are taken");
            return Err(Error::usage(text));
        }
        let name = format!("refs/tags/{self}");
        if git2::Reference::is_valid_name(&name) {
            return Ok(name);
        }
        Err(Error::usage(format!("git allows no tag `{self}`"))
            .hint("no `..`, no dot and no `.lock` at the end"))
    }
}

/// Who reserves and what for. The same again resumes; anything else is another's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reservation {
    /// A random text that is kept in state.
    pub token: String,
    /// What goes into the result: commit, artifacts' digests, …
    pub inputs: BTreeMap<String, String>,
}

/// A tag that is ours.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// What is reserved.
    pub tag: Tag,
    /// Whether it was so already: an earlier attempt got it.
    pub resumed: bool,
    pub(super) id: Oid,
}

/// Whose a tag is. Texts are fit to show.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Who made the tag: `Anna <anna@acme.example>`; `None` for a tag without annotation.
    pub tagger: Option<String>,
    /// When.
    pub at: Option<Timestamp>,
    /// The tag's message.
    pub message: String,
    /// What devenv wrote into it; `None` when it was not devenv.
    pub reservation: Option<Reservation>,
    /// The commit that it keeps.
    pub commit: Option<CommitId>,
    pub(super) id: Oid,
}

/// Reads the holder out of a tag; `None` for one without annotation.
pub(super) fn describe(tag: Option<&git2::Tag<'_>>, id: Oid, commit: Option<CommitId>) -> Holder {
    let text = |bytes: &[u8]| visible(&String::from_utf8_lossy(bytes));
    let message = tag.and_then(git2::Tag::message_bytes).unwrap_or_default();
    let message = String::from_utf8_lossy(message);
    let tagger = tag.and_then(git2::Tag::tagger);
    Holder {
        tagger: tagger
            .as_ref()
            .map(|who| format!("{} <{}>", text(who.name_bytes()), text(who.email_bytes()))),
        at: tagger.as_ref().map(|who| timestamp(who.when())),
        reservation: message
            .trim_end()
            .lines()
            .last()
            .and_then(|line| serde_json::from_str(line).ok()),
        message: message
            .lines()
            .take(50)
            .map(visible)
            .collect::<Vec<_>>()
            .join("\n"),
        commit,
        id,
    }
}
