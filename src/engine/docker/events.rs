//! The engine's container events as changes.

use std::collections::HashMap;
use std::sync::Arc;

use bollard::models::EventMessage;
use bollard::query_parameters::EventsOptions;
use futures_util::StreamExt;
use futures_util::stream::{self, BoxStream};

use super::Docker;
use super::refusal::fault;
use super::transport::Accepted;
use crate::engine::{Fault, FaultKind};
use crate::model::observed::{ContainerChange, ContainerEvent, Health};

/// What is asked for; the rest (`exec_create` of every health probe first of all) stays there.
const ACTIONS: [&str; 11] = [
    "create",
    "start",
    "restart",
    "die",
    "stop",
    "oom",
    "health_status",
    "destroy",
    "pause",
    "unpause",
    "rename",
];

pub(super) type Events = BoxStream<'static, Result<ContainerEvent, Fault>>;

/// Subscribes; the engine has accepted the request when this returns.
pub(super) async fn subscribe(
    docker: &Docker,
    label: &str,
    since: Option<i64>,
) -> Result<Events, Fault> {
    let accepted = Accepted::default();
    let notified = Arc::clone(&accepted.0);
    let client = docker
        .client
        .clone()
        .with_request_modifier(move |mut request| {
            request.extensions_mut().insert(accepted.clone());
            request
        });
    let options = EventsOptions {
        since: since.map(|seconds| seconds.to_string()),
        until: None,
        filters: Some(HashMap::from([
            ("type".to_owned(), vec!["container".to_owned()]),
            ("label".to_owned(), vec![label.to_owned()]),
            (
                "event".to_owned(),
                ACTIONS.iter().map(ToString::to_string).collect(),
            ),
        ])),
    };
    let mut events = Box::pin(client.events(Some(options)));
    // bollard sends with the first poll, and that poll ends with the first event only.
    let first = tokio::time::timeout(docker.limit, async {
        tokio::select! {
            biased;
            item = events.next() => Some(item),
            () = notified.notified() => None,
        }
    })
    .await
    .map_err(|_| Fault::new(FaultKind::Hung, "the engine did not answer in time"))?;
    let first = match first {
        Some(Some(Err(error))) => return Err(fault(error)),
        Some(item) => stream::iter(item),
        None => stream::iter(None),
    };
    Ok(first
        .chain(events)
        .map(|item| item.map(changed).map_err(fault))
        .boxed())
}

fn changed(message: EventMessage) -> ContainerEvent {
    let actor = message.actor.unwrap_or_default();
    let attributes = actor.attributes.unwrap_or_default();
    let change = match message.action.as_deref().unwrap_or_default() {
        "start" => ContainerChange::Started,
        "die" => ContainerChange::Died(
            attributes
                .get("exitCode")
                .and_then(|code| code.parse().ok())
                .unwrap_or(-1),
        ),
        "oom" => ContainerChange::OutOfMemory,
        "destroy" => ContainerChange::Removed,
        "health_status: healthy" => ContainerChange::Health(Health::Healthy),
        "health_status: unhealthy" => ContainerChange::Health(Health::Unhealthy),
        "health_status: starting" => ContainerChange::Health(Health::Starting),
        _ => ContainerChange::Other,
    };
    ContainerEvent {
        id: actor.id.unwrap_or_default(),
        change,
    }
}
