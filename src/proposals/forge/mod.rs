//! Forges: where a pushed branch becomes a request that somebody merges. One file per kind behind
//! [`Forge`]; what needs a token is apart, in [`Requests`].

mod api;
mod gitea;
mod github;
mod gitlab;
mod heard;
mod place;
mod plain;
mod request;

use reqwest::Url;

pub use api::{Api, Authorization, Reply, Token};
pub use heard::{Heard, hear};
pub use place::{OWN_WORD, Place};
use request::foremost;
pub use request::{Delivery, Draft, Forge, Made, Request, Requests, State, Topics, at};

use crate::error::Result;
use crate::model::forge::ForgeKind;

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
