//! What recognising a host goes by, from the engine's own description and its address.

use std::net::IpAddr;

use super::docker::EngineInfo;
use super::endpoint::Endpoint;
use crate::model::host_profile::{EndpointKind, HostFacts};

impl Endpoint {
    /// The name or address of the engine's host, where the endpoint has one.
    pub fn host(&self) -> Option<&str> {
        match self {
            Self::Unix(_) | Self::Pipe(_) => None,
            Self::Tcp { host, .. } | Self::Tls { host, .. } | Self::Ssh { host, .. } => Some(host),
        }
    }

    fn kind(&self) -> EndpointKind {
        match self {
            Self::Unix(_) => EndpointKind::Unix,
            Self::Pipe(_) => EndpointKind::Pipe,
            Self::Tcp { .. } | Self::Tls { .. } => EndpointKind::Tcp,
            Self::Ssh { .. } => EndpointKind::Ssh,
        }
    }
}

/// The facts about an engine, seen from `client`, a system in Rust's words.
pub fn facts(info: &EngineInfo, endpoint: &Endpoint, client: &str) -> HostFacts {
    let mut components: Vec<String> = info.components.iter().map(|it| it.0.clone()).collect();
    components.extend(Some(info.platform.clone()).filter(|it| !it.is_empty()));
    HostFacts {
        operating_system: info.operating_system.clone(),
        name: info.name.clone(),
        kernel: info.kernel.clone(),
        labels: info.labels.clone(),
        security_options: info.security_options.clone(),
        components,
        endpoint: endpoint.kind(),
        loopback: endpoint.host().is_none_or(is_loopback),
        client: client.to_owned(),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|it| it.is_loopback())
}
