//! A container as an engine shows it.

use super::*;

impl FakeContainer {
    pub fn is_up(&self) -> bool {
        matches!(self.state, ContainerState::Running | ContainerState::Paused)
    }

    pub(super) fn ports(&self) -> Vec<PublishedPort> {
        let bindings = self.body.host_config.port_bindings.iter();
        bindings
            .flat_map(|(port, places)| {
                let container = port.split('/').next().unwrap().parse().unwrap();
                places.iter().map(move |place| PublishedPort {
                    container,
                    host: place.host_port.parse().unwrap(),
                    address: place.host_ip.parse().unwrap(),
                })
            })
            .collect()
    }

    /// As a list shows it.
    pub fn listed(&self) -> ObservedContainer {
        let mut networks = self.networks.clone();
        for endpoint in networks.values_mut() {
            endpoint.aliases.clear();
        }
        for (name, _) in &self.pending {
            let endpoint = Endpoint {
                network: String::new(),
                address: None,
                aliases: Vec::new(),
            };
            networks.insert(name.clone(), endpoint);
        }
        let mounts = self.body.host_config.mounts.iter();
        ObservedContainer {
            id: self.id.clone(),
            object: self.object.clone(),
            labels: (self.body.labels.iter())
                .map(|(name, value)| (name.to_string(), value.clone()))
                .collect(),
            image: Some(self.image),
            state: self.state,
            health: self
                .health
                .filter(|_| self.state == ContainerState::Running),
            ports: if self.is_up() {
                self.ports()
            } else {
                Vec::new()
            },
            networks,
            volumes: mounts
                .map(|mount| (mount.source.clone(), mount.target.clone()))
                .collect(),
            created: self.created,
            status: format!("{:?}", self.state),
        }
    }

    /// As an inspect shows it.
    pub fn details(&self) -> ContainerDetails {
        let mut networks = self.networks.clone();
        for (name, aliases) in &self.pending {
            let endpoint = Endpoint {
                network: String::new(),
                address: None,
                aliases: aliases.clone(),
            };
            networks.insert(name.clone(), endpoint);
        }
        ContainerDetails {
            id: self.id.clone(),
            image: Some(self.image),
            state: self.state,
            health: self.health,
            check: self.body.healthcheck.clone(),
            probes: self.probes.clone(),
            out_of_memory: self.out_of_memory,
            error: String::new(),
            memory: self.body.host_config.memory,
            volumes: self.listed().volumes,
            networks,
            started: if self.starts == 0 {
                String::new()
            } else {
                "2026-11-23T09:00:00Z".to_owned()
            },
            process: self.is_up().then_some(4321),
            restarts: self.starts.saturating_sub(1),
        }
    }
}
