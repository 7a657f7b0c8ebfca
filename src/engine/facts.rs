//! What recognising a host goes by, from the engine's own description and its address.

use std::net::IpAddr;

use super::connect::endpoint::Endpoint;
use super::docker::EngineInfo;
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

/// The facts about an engine, seen from `client`, a system in Rust's words, whose machine calls itself
/// `machine` where that is known.
pub fn facts(
    info: &EngineInfo,
    endpoint: &Endpoint,
    client: &str,
    machine: Option<&str>,
) -> HostFacts {
    let loopback = endpoint.host().is_none_or(is_loopback);
    // A port of loopback may lead into a virtual machine, or on by another tunnel.
    let is_here = endpoint.kind() != EndpointKind::Ssh || machine == Some(&info.name);
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
        loopback: loopback && is_here,
        client: client.to_owned(),
    }
}

fn is_loopback(host: &str) -> bool {
    let address = host.parse::<IpAddr>();
    host == "localhost" || address.is_ok_and(|it| it.is_loopback())
}

#[cfg(test)]
mod tests {
    use bollard::models::{SystemInfo, SystemVersion};
    use serde::Deserialize;

    use super::*;
    use crate::engine::connect::endpoint::parse_host;
    use crate::engine::docker::described;
    use crate::model::host_profile::{HostProfile, recognise};

    /// What an engine answered, and where that was read.
    #[derive(Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Recorded {
        source: String,
        #[serde(default, rename = "note")]
        _note: String,
        endpoint: String,
        client: String,
        info: SystemInfo,
        version: SystemVersion,
    }

    #[test]
    fn every_kind_of_host_is_recognised_by_what_its_engine_answered() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/hosts/info");
        let profiles = HostProfile::all(Vec::new()).unwrap();
        let mut seen = std::collections::BTreeSet::new();
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            let file = path.file_stem().unwrap().to_str().unwrap().to_owned();
            let (expected, _) = file.rsplit_once('-').unwrap();
            let text = std::fs::read(&path).unwrap();
            let recorded: Recorded = serde_json::from_slice(&text)
                .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
            assert!(recorded.source.starts_with("https://"), "{file}");
            let endpoint = parse_host(&recorded.endpoint, None).unwrap();
            let info = described(recorded.info, recorded.version);
            let facts = facts(&info, &endpoint, &recorded.client, None);
            let (found, why) = recognise(&profiles, &facts).unwrap();
            assert_eq!(found.name, expected, "{file}: {why}");
            seen.insert(found.name.clone());
        }
        for profile in &profiles {
            assert!(seen.contains(&profile.name), "{} was seen", profile.name);
        }
    }

    #[test]
    fn ssh_to_loopback_leads_here_only_where_the_engine_has_this_machines_name() {
        let info = EngineInfo {
            name: "workstation".to_owned(),
            ..EngineInfo::default()
        };
        let loopback = |address: &str, machine| {
            let endpoint = parse_host(address, None).unwrap();
            facts(&info, &endpoint, "linux", machine).loopback
        };
        let ssh = "ssh://me@127.0.0.1:2222";
        assert!(loopback(ssh, Some("workstation")));
        assert!(!loopback(ssh, Some("another")));
        assert!(!loopback(ssh, None));
        assert!(!loopback("ssh://me@far.example", Some("workstation")));
        assert!(loopback("tcp://127.0.0.1:2375", None));
        assert!(loopback("unix:///x", None));
    }

    #[test]
    fn loopback_is_told_from_elsewhere() {
        for (host, here) in [
            ("localhost", true),
            ("127.0.0.1", true),
            ("127.3.2.1", true),
            ("::1", true),
            ("192.168.99.100", false),
            ("localhost.example", false),
        ] {
            assert_eq!(is_loopback(host), here, "{host}");
        }
    }
}
