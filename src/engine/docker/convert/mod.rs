//! The engine's answers as the model's types, and the create body as bollard's.

use std::collections::{BTreeMap, HashMap};
use std::net::{IpAddr, Ipv4Addr};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerState as StateBody,
    ContainerStateStatusEnum, ContainerSummary, ContainerSummaryStateEnum, EndpointSettings,
    Health as HealthBody, HealthConfig, HealthStatusEnum, ImageInspect, MountPoint, PortSummary,
    PortSummaryTypeEnum,
};

use crate::engine::{Fault, FaultKind};
use crate::model::create_body::{BIND, CreateBody, HealthcheckBody, VOLUME};
use crate::model::digest::Digest;
use crate::model::image_configuration::ImageDefaults;
use crate::model::observed::{
    ContainerDetails, ContainerState, Endpoint, Health, ObservedContainer, ObservedImage, Probe,
    PublishedPort,
};
use crate::model::secret::Secret;
use crate::model::visible::{printable, visible};

/// One row of a container list.
pub(super) fn listed(summary: ContainerSummary) -> ObservedContainer {
    let status = visible(&summary.status.unwrap_or_default());
    let networks = summary.network_settings.and_then(|all| all.networks);
    ObservedContainer {
        id: summary.id.unwrap_or_default(),
        object: name(summary.names.unwrap_or_default()),
        labels: sorted(summary.labels),
        image: digest(summary.image_id.as_deref()),
        state: listed_state(summary.state, &status),
        health: health_in(&status),
        ports: summary
            .ports
            .unwrap_or_default()
            .iter()
            .filter_map(published)
            .collect(),
        networks: endpoints(networks, ""),
        volumes: summary
            .mounts
            .unwrap_or_default()
            .into_iter()
            .filter_map(volume)
            .collect(),
        created: summary.created.unwrap_or_default(),
        status,
    }
}

/// An inspected container.
pub(super) fn inspected(body: ContainerInspectResponse) -> ContainerDetails {
    let id = body.id.unwrap_or_default();
    let state = body.state.unwrap_or_default();
    let networks = body.network_settings.and_then(|all| all.networks);
    let memory = body.host_config.and_then(|host| host.memory);
    ContainerDetails {
        check: body
            .config
            .and_then(|it| it.healthcheck)
            .and_then(healthcheck),
        image: digest(body.image.as_deref()),
        health: state.health.as_ref().and_then(checked),
        probes: state.health.as_ref().map(probes).unwrap_or_default(),
        out_of_memory: state.oom_killed.unwrap_or_default(),
        error: visible(state.error.as_deref().unwrap_or_default()),
        memory: memory.and_then(|bytes| bytes.try_into().ok()).unwrap_or(0),
        networks: endpoints(networks, &id),
        volumes: body
            .mounts
            .into_iter()
            .flatten()
            .filter_map(volume)
            .collect(),
        started: state
            .started_at
            .clone()
            .filter(|time| !time.starts_with("0001-"))
            .unwrap_or_default(),
        process: state
            .pid
            .and_then(|pid| pid.try_into().ok())
            .filter(|pid| *pid > 0),
        restarts: body
            .restart_count
            .and_then(|count| count.try_into().ok())
            .unwrap_or(0),
        state: inspected_state(&state),
        id,
    }
}

pub(super) fn healthcheck(body: HealthConfig) -> Option<HealthcheckBody> {
    let nanoseconds = |value: Option<i64>| value.and_then(|it| it.try_into().ok()).unwrap_or(0);
    Some(HealthcheckBody {
        test: body.test?,
        interval: nanoseconds(body.interval),
        // An engine takes 3 where nothing is said.
        retries: body
            .retries
            .filter(|it| *it > 0)
            .map_or(3, |it| it.try_into().unwrap_or(u32::MAX)),
        start_interval: nanoseconds(body.start_interval),
        start_period: nanoseconds(body.start_period),
        timeout: nanoseconds(body.timeout),
    })
}

/// An inspected image.
pub(super) fn image(body: ImageInspect) -> Option<ObservedImage> {
    let settings = body.config.unwrap_or_default();
    let test = settings.healthcheck.and_then(|check| check.test);
    let volumes = settings.volumes.unwrap_or_default();
    Some(ObservedImage {
        defaults: ImageDefaults::new(test.as_deref(), volumes.iter().map(String::as_str)),
        id: digest(body.id.as_deref())?,
        architecture: body.architecture.unwrap_or_default(),
        os: body.os.unwrap_or_default(),
        size: body
            .size
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or(0),
        tags: body.repo_tags.unwrap_or_default(),
        layers: body
            .root_fs
            .and_then(|root| root.layers)
            .unwrap_or_default()
            .iter()
            .filter_map(|layer| layer.parse().ok())
            .collect(),
        labels: sorted(settings.labels),
    })
}

/// The body as bollard sends it, secrets at the end of the environment.
pub(super) fn create_body(
    body: &CreateBody,
    secrets: &[(String, Secret)],
) -> Result<ContainerCreateBody, Fault> {
    let mut request: ContainerCreateBody = serde_json::to_value(body)
        .and_then(serde_json::from_value)
        .map_err(|error| Fault::new(FaultKind::Failed, format!("create body: {error}")))?;
    request.env.get_or_insert_default().extend(
        secrets
            .iter()
            .map(|(name, value)| format!("{name}={}", value.expose())),
    );
    Ok(request)
}

/// `Some` of a well-formed `sha256:…`
pub(super) fn digest(text: Option<&str>) -> Option<Digest> {
    text.and_then(|text| text.parse().ok())
}

/// The same map, sorted.
pub(super) fn sorted(map: Option<HashMap<String, String>>) -> BTreeMap<String, String> {
    map.unwrap_or_default().into_iter().collect()
}

/// Its own name; the others, with a second slash, are other containers' links to it.
fn name(names: Vec<String>) -> String {
    names
        .into_iter()
        .map(|name| name.trim_start_matches('/').to_owned())
        .find(|name| !name.contains('/'))
        .unwrap_or_default()
}

fn listed_state(state: Option<ContainerSummaryStateEnum>, status: &str) -> ContainerState {
    use ContainerSummaryStateEnum as Body;
    match state {
        Some(Body::CREATED) => ContainerState::Created,
        Some(Body::RUNNING | Body::STOPPING) => ContainerState::Running,
        Some(Body::PAUSED) => ContainerState::Paused,
        Some(Body::RESTARTING) => ContainerState::Restarting,
        Some(Body::REMOVING) => ContainerState::Removing,
        Some(Body::EXITED) => ContainerState::Exited(exit_code_in(status)),
        Some(Body::DEAD) => ContainerState::Dead,
        Some(Body::EMPTY) | None => match status.split_whitespace().next() {
            Some("Up") => ContainerState::Running,
            Some("Exited") => ContainerState::Exited(exit_code_in(status)),
            _ => ContainerState::Created,
        },
    }
}

fn inspected_state(state: &StateBody) -> ContainerState {
    use ContainerStateStatusEnum as Body;
    match state.status {
        Some(Body::CREATED) => ContainerState::Created,
        Some(Body::RUNNING | Body::STOPPING) => ContainerState::Running,
        Some(Body::PAUSED) => ContainerState::Paused,
        Some(Body::RESTARTING) => ContainerState::Restarting,
        Some(Body::REMOVING) => ContainerState::Removing,
        Some(Body::DEAD) => ContainerState::Dead,
        Some(Body::EMPTY) | None if state.running == Some(true) => ContainerState::Running,
        Some(Body::EXITED | Body::EMPTY) | None => ContainerState::Exited(state.exit_code),
    }
}

/// `Exited (137) 3 seconds ago`; the source is moby's `container/state.go`, `State.String`.
fn exit_code_in(status: &str) -> Option<i64> {
    let rest = status.strip_prefix("Exited (")?;
    rest.split_once(')')?.0.parse().ok()
}

/// `Up 3 minutes (healthy)`, `(unhealthy)`, `(health: starting)`: from the same place.
fn health_in(status: &str) -> Option<Health> {
    if status.ends_with("(healthy)") {
        Some(Health::Healthy)
    } else if status.ends_with("(unhealthy)") {
        Some(Health::Unhealthy)
    } else if status.ends_with("(health: starting)") {
        Some(Health::Starting)
    } else {
        None
    }
}

fn checked(health: &HealthBody) -> Option<Health> {
    match health.status? {
        HealthStatusEnum::STARTING => Some(Health::Starting),
        HealthStatusEnum::HEALTHY => Some(Health::Healthy),
        HealthStatusEnum::UNHEALTHY => Some(Health::Unhealthy),
        HealthStatusEnum::EMPTY | HealthStatusEnum::NONE => None,
    }
}

fn probes(health: &HealthBody) -> Vec<Probe> {
    let runs = health.log.iter().flatten();
    runs.map(|run| Probe {
        at: run.start.clone().unwrap_or_default(),
        exit_code: run.exit_code.unwrap_or(-1),
        output: printable(run.output.as_deref().unwrap_or_default().trim()),
    })
    .collect()
}

/// TCP only: the platform publishes nothing else, and other protocols' ports do not clash with it.
fn published(port: &PortSummary) -> Option<PublishedPort> {
    if !matches!(port.typ, None | Some(PortSummaryTypeEnum::TCP)) {
        return None;
    }
    let address = port.ip.as_deref().unwrap_or_default();
    Some(PublishedPort {
        container: port.private_port,
        host: port.public_port?,
        address: address.parse().unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)),
    })
}

fn volume(mount: MountPoint) -> Option<(String, String)> {
    match mount.typ.as_deref() {
        Some(VOLUME) => Some((mount.name?, mount.destination?)),
        Some(BIND) => Some((mount.source?, mount.destination?)),
        _ => None,
    }
}

/// `id` is the container's; engines before API 1.45 add its first 12 digits to the aliases.
fn endpoints(
    networks: Option<HashMap<String, EndpointSettings>>,
    id: &str,
) -> BTreeMap<String, Endpoint> {
    let short = id.get(..12).unwrap_or(id);
    let endpoint = |settings: EndpointSettings| Endpoint {
        network: settings.network_id.unwrap_or_default(),
        address: [settings.ip_address, settings.global_ipv6_address]
            .into_iter()
            .flatten()
            .find_map(|address| address.parse().ok()),
        aliases: settings
            .aliases
            .unwrap_or_default()
            .into_iter()
            .filter(|alias| alias != short)
            .collect(),
    };
    networks
        .unwrap_or_default()
        .into_iter()
        .map(|(name, settings)| (name, endpoint(settings)))
        .collect()
}

#[cfg(test)]
mod tests;
