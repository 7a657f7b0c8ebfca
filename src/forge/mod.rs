//! Forges: where a pushed branch becomes a request that somebody merges. One file per kind behind
//! [`Forge`]; what needs a token is apart, in [`Requests`].

mod api;
mod gitea;
mod github;
mod gitlab;
mod heard;
mod place;
mod plain;

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use reqwest::Url;
use serde::{Deserialize, Serialize};

pub use api::{Api, Authorization, Reply, Token};
pub use heard::{Heard, at, hear};
pub use place::{OWN_WORD, Place};

use crate::error::Result;
use crate::model::forge::ForgeKind;

/// What is asked of those who merge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// One line.
    pub title: String,
    /// Markdown.
    pub description: String,
    /// The branch that is proposed.
    pub source: String,
    /// The branch that it is for.
    pub target: String,
    /// Whether it is not to be merged yet.
    pub draft: bool,
}

/// A merge or pull request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Request {
    /// The forge's number, where it is known.
    pub number: Option<u64>,
    /// Where people see it.
    pub url: String,
    /// What became of it, as last seen.
    pub state: State,
    /// The commit that it was merged as, where the forge says.
    #[serde(default)]
    pub merged_as: Option<String>,
}

/// A request as it was made or changed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Made {
    /// The request itself.
    pub request: Request,
    /// Whether it is not to be merged yet, which may be other than asked for.
    pub draft: bool,
}

/// What became of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It waits.
    Open,
    /// It was taken.
    Merged,
    /// It was not.
    Closed,
}

/// How a branch is pushed so that a request comes of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delivery {
    /// The reference to push to.
    pub target: String,
    /// Push options.
    pub options: Vec<String>,
    /// Whether the request is made by the push itself; else by [`Requests`], or not at all.
    pub creates: bool,
    /// What the options could not carry: for the user.
    pub lost: Option<String>,
}

impl Delivery {
    /// The branch alone.
    pub fn branch(draft: &Draft) -> Self {
        Self {
            target: format!("refs/heads/{}", draft.source),
            ..Self::default()
        }
    }
}

/// A kind of forge at a place.
pub trait Forge: Send + Sync {
    /// Which kind.
    fn kind(&self) -> ForgeKind;

    /// Whether a request that a push made keeps its words, whatever later pushes say.
    fn keeps_words(&self) -> bool {
        false
    }

    /// How the branch is pushed.
    fn delivery(&self, draft: &Draft) -> Delivery;

    /// What the server's lines after a push mean.
    fn heard(&self, said: &[String]) -> Heard;

    /// The forge's requests; only where a token is known and the forge has such a thing.
    fn requests(&self) -> Option<&dyn Requests>;

    /// The page where people make the request themselves, where the forge has one that is known
    /// beforehand.
    fn by_hand(&self, _: &Draft) -> Option<String> {
        None
    }
}

/// A forge's requests, by REST. Errors are [`crate::error::Kind::Git`].
pub trait Requests: Send + Sync {
    /// The newest request about a branch, whatever its state; an open one first.
    fn find<'a>(&'a self, draft: &'a Draft) -> BoxFuture<'a, Result<Option<Request>>>;

    /// Makes one. Where there is one already, gives that.
    fn create<'a>(&'a self, draft: &'a Draft) -> BoxFuture<'a, Result<Made>>;

    /// Gives an open one another text.
    fn update<'a>(&'a self, number: u64, draft: &'a Draft) -> BoxFuture<'a, Result<Made>>;

    /// Closes an open one.
    fn close(&self, number: u64) -> BoxFuture<'_, Result<Request>>;
}

/// Of the requests for a branch, newest first: the open one, else the newest.
fn foremost<T>(mut all: Vec<T>, is_open: impl Fn(&T) -> bool) -> Option<T> {
    let open = all.iter().position(is_open).unwrap_or_default();
    (open < all.len()).then(|| all.swap_remove(open))
}

/// The root of a kind's REST interface at a place; none where there is no such thing.
pub fn root(kind: ForgeKind, place: &Place) -> Option<Url> {
    match kind {
        ForgeKind::Plain => None,
        ForgeKind::GitHub => github::root(place),
        _ => place.api().cloned(),
    }
}

/// Whether a forge takes this token. Fails where it gives no answer to that.
pub async fn accepts(kind: ForgeKind, api: &Api) -> Result<bool> {
    let (path, authorization): (&[&str], _) = match kind {
        ForgeKind::GitLab => (&["api", "v4", "user"], Authorization::Bearer),
        ForgeKind::Gitea | ForgeKind::Forgejo => (&["api", "v1", "user"], Authorization::Token),
        ForgeKind::GitHub => (&["user"], Authorization::Bearer),
        ForgeKind::Plain => return Ok(false),
    };
    api.accepts(authorization, path).await
}

/// Requests that pushes made without a branch: their topics and numbers.
pub type Topics = BTreeMap<String, u64>;

/// The forge of a kind. Without `api` nothing but git is used. Fails where the place is none of that
/// kind's.
pub fn of(
    kind: ForgeKind,
    place: Place,
    api: Option<Api>,
    topics: Topics,
) -> Result<Box<dyn Forge>> {
    Ok(match kind {
        ForgeKind::GitLab => Box::new(gitlab::GitLab::new(place, api)),
        ForgeKind::Gitea | ForgeKind::Forgejo => {
            place.owner_and_name()?;
            Box::new(gitea::Gitea::new(kind, place, api, topics))
        }
        ForgeKind::GitHub => {
            place.owner_and_name()?;
            Box::new(github::GitHub::new(place, api))
        }
        ForgeKind::Plain => Box::new(plain::Plain::new(place)),
    })
}
