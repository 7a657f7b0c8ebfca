//! A request that somebody merges, and what a kind of forge can do about it.

use std::collections::BTreeMap;

use futures_util::future::BoxFuture;
use serde::{Deserialize, Serialize};

use super::heard::Heard;
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
pub(super) fn foremost<T>(mut all: Vec<T>, is_open: impl Fn(&T) -> bool) -> Option<T> {
    let open = all.iter().position(is_open).unwrap_or_default();
    (open < all.len()).then(|| all.swap_remove(open))
}

/// Requests that pushes made without a branch: their topics and numbers.
pub type Topics = BTreeMap<String, u64>;

/// The request that a push made, as far as its address tells.
pub fn at(url: &str) -> Request {
    let number = url.trim_end_matches('/').rsplit('/').next();
    Request {
        number: number.and_then(|it| it.parse().ok()),
        url: url.to_owned(),
        state: State::Open,
        merged_as: None,
    }
}
