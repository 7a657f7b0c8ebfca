//! The facets of what serves, for comparisons with workstations.

use jiff::Timestamp;

use super::follow::Follow;
use super::open::Open;
use super::state::Generation;
use crate::error::{Error, Result};
use crate::home::session::Session;
use crate::instance::facets::{About, Scene};
use crate::model::facets::record::{Place, Record};
use crate::model::reference::Reference;

/// The record of the containers that serve: of these, or of all but one-shots.
///
/// # Errors
/// A server that serves nothing, a name that it does not serve, an engine that does not answer.
pub async fn facts(session: &Session, names: &[String]) -> Result<Record> {
    let open = Open::new(session)?;
    let state = open.state()?;
    let (_, serving) = state.current().ok_or_else(|| {
        Error::usage("this server serves nothing yet").hint("`devenv server apply` brings it up")
    })?;
    let missing = |name: &&String| !serving.containers.contains_key(name.as_str());
    if let Some(name) = names.iter().find(missing) {
        return Err(Error::usage(format!("this server does not run `{name}`"))
            .hint("`devenv server status` shows what it runs"));
    }
    let now = Timestamp::now;
    let server = open.server(&now, None);
    let all = server.containers().await?;
    let wanted = serving.containers.iter().filter(|(name, place)| {
        let is_asked = names.iter().any(|it| it == name.as_str());
        is_asked || (names.is_empty() && !place.once)
    });
    let found = wanted.filter_map(|(name, place)| {
        let mut all = all.iter();
        let found = all.find(|(origin, it, _)| it == name && *origin == place.origin)?;
        Some((name, &found.2))
    });
    let scene = Scene::take(&open.engine, found).await?;
    let reference = reference(&open, serving).await;
    if reference.is_none() {
        session.reporter.warn(
            "the reference that serves is not in the cache any more: no variable but the images' own is recorded",
        );
    }
    scene.record(&About {
        platform: &open.file.platform,
        place: Place::Server,
        now: session.home.now(),
        environment: &open.file.environment,
        configuration: &open.file.configuration()?,
        reference: reference.as_ref().map(|it| (serving.reference, it)),
    })
}

/// What serves, verified again from the cache, with an entry for each copy.
async fn reference(open: &Open<'_>, serving: &Generation) -> Option<Reference> {
    let follow = Follow {
        registry: None,
        ..open.follow()
    };
    let look = follow.look().await.ok()?;
    let verified = follow.reference(&look, serving.reference).await.ok()?;
    let environment = &open.file.environment;
    let copies = verified.reference.spread(|_, run| {
        let copies = run.replicas.get(environment).copied();
        copies.unwrap_or(1)
    });
    Some(copies)
}
