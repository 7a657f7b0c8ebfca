//! Where the logs of a server are: on the containers of all generations, and in volumes that outlive them.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use jiff::Timestamp;

use super::open::Open;
use super::state::State;
use crate::converge::plan::Observed;
use crate::engine::{Docker, Engine as _};
use crate::error::{Error, Result};
use crate::home::session::Session;
use crate::instance::logs::{Place, places};
use crate::model::name::ContainerName;
use crate::model::observed::ContainerState;

/// Where the logs of these containers are, of every generation; of all that are there without names.
///
/// # Errors
/// A name that is no container's; an engine that does not answer.
pub async fn log_places(session: &Session, names: &[String]) -> Result<(Docker, Vec<Place>)> {
    let open = Open::new(session)?;
    let now = Timestamp::now;
    let server = open.server(&now, None);
    let mut all = server.containers().await?;
    // The one that serves first: from it files are read, and its lines are followed.
    all.sort_by_key(|(origin, _, it)| {
        (
            Reverse(it.state == ContainerState::Running),
            Reverse(*origin),
        )
    });
    let mut observed = Observed::default();
    observed.volumes.extend(server.volumes().await?);
    for (_, name, mut it) in all {
        if it.volumes.is_empty() {
            it.volumes = server.engine.inspect(&it.id).await?.volumes;
        }
        observed.containers.entry(name).or_default().push(it);
    }
    let names: Result<Vec<_>, _> = names.iter().map(ContainerName::new).collect();
    let names = with_copies(&open.state()?, names.map_err(Error::usage)?);
    let mut found = places(&server.keeper(), &observed, &names);
    for place in &mut found {
        let mut objects = observed
            .containers
            .get(&place.container)
            .into_iter()
            .flatten();
        if let Some(first) = objects.next() {
            place.object.clone_from(&first.object);
        }
    }
    drop(server);
    Ok((open.engine, found))
}

/// These names, and those of the copies that any generation has of them.
fn with_copies(state: &State, names: Vec<ContainerName>) -> Vec<ContainerName> {
    let places = state.generations.values().flat_map(|it| &it.containers);
    let copies = places.filter(|(_, place)| {
        let mut names = names.iter();
        names.any(|name| place.aliases.contains(name.as_str()))
    });
    let copies: BTreeSet<ContainerName> = copies.map(|(name, _)| name.clone()).collect();
    names
        .into_iter()
        .collect::<BTreeSet<_>>()
        .union(&copies)
        .cloned()
        .collect()
}
