//! Networks and volumes.

use super::*;

impl State {
    pub fn networks_by(&self, label: &str) -> Vec<ObservedNetwork> {
        let all = self.networks.iter();
        all.filter(|network| carries(&network.labels, label))
            .cloned()
            .collect()
    }

    pub fn volumes_by(&self, label: &str) -> Vec<ObservedVolume> {
        let all = self.volumes.iter();
        all.filter(|volume| carries(&volume.labels, label))
            .cloned()
            .collect()
    }

    pub fn create_network(&mut self, name: &str, labels: &Labels) -> String {
        let id = self.new_id("network");
        self.networks.push(ObservedNetwork {
            id: id.clone(),
            name: name.to_owned(),
            labels: labels.clone(),
        });
        id
    }

    pub(super) fn network(&self, name_or_id: &str) -> Result<&ObservedNetwork, Fault> {
        if let Some(found) = self.networks.iter().find(|n| n.id == name_or_id) {
            return Ok(found);
        }
        let named: Vec<_> = self
            .networks
            .iter()
            .filter(|network| network.name == name_or_id)
            .collect();
        match named.as_slice() {
            [one] => Ok(one),
            [] => Err(fault(
                FaultKind::NotFound,
                format!("network {name_or_id} not found"),
            )),
            _ => Err(fault(
                FaultKind::Conflict,
                format!("network {name_or_id} is ambiguous"),
            )),
        }
    }

    /// A container that never ran knows its networks by name, whatever it was told.
    pub(super) fn name_of(&self, network: &str) -> String {
        let mut all = self.networks.iter();
        let found = all.find(|it| it.id == network);
        found.map_or(network, |it| it.name.as_str()).to_owned()
    }

    pub fn remove_network(&mut self, id: &str) -> Result<(), Fault> {
        let network = self.network(id)?.clone();
        let used = self.containers.iter().any(|container| {
            let attached = container.networks.values();
            container.is_up()
                && attached
                    .into_iter()
                    .any(|endpoint| endpoint.network == network.id)
        });
        if used {
            let text = format!("network {} has active endpoints", network.name);
            return Err(fault(FaultKind::Conflict, text));
        }
        self.networks.retain(|other| other.id != network.id);
        Ok(())
    }

    pub fn create_volume(&mut self, name: &str, labels: &Labels) {
        if !self.volumes.iter().any(|volume| volume.name == name) {
            self.volumes.push(ObservedVolume {
                name: name.to_owned(),
                labels: labels.clone(),
            });
        }
    }

    pub fn remove_volume(&mut self, name: &str) -> Result<(), Fault> {
        let mounts = |container: &FakeContainer| {
            let mut mounts = container.body.host_config.mounts.iter();
            mounts.any(|mount| mount.source == name)
        };
        if self.containers.iter().any(mounts) {
            return Err(fault(FaultKind::Conflict, "volume is in use"));
        }
        self.kept.remove(name);
        let before = self.volumes.len();
        self.volumes.retain(|volume| volume.name != name);
        if self.volumes.len() == before {
            return Err(fault(
                FaultKind::NotFound,
                format!("no such volume: {name}"),
            ));
        }
        Ok(())
    }

    /// The volume that a container has at a path.
    fn volume_at(&self, container: &str, path: &str) -> Result<String, Fault> {
        let mounts = &self.find(container)?.body.host_config.mounts;
        let found = mounts.iter().find(|it| it.target == path);
        Ok(found.map(|it| it.source.clone()).unwrap_or_default())
    }

    /// What a container keeps in the volume at a path.
    pub fn entries(&self, container: &str, path: &str) -> Result<BTreeSet<String>, Fault> {
        let volume = self.volume_at(container, path)?;
        Ok(self.kept.get(&volume).cloned().unwrap_or_default())
    }

    pub fn carry(&mut self, from: &str, to: &str, path: &str) -> Result<(), Fault> {
        let both = [self.find(from)?, self.find(to)?];
        assert!(!both.iter().any(|it| it.is_up()), "{path} is in use");
        let (files, volume) = (self.entries(from, path)?, self.volume_at(to, path)?);
        self.kept.entry(volume).or_default().extend(files);
        Ok(())
    }

    pub fn connect(
        &mut self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), Fault> {
        let network = self.network(network)?.clone();
        let place = self.place(container)?;
        let container = &mut self.containers[place];
        if container.is_up() && container.networks.contains_key(&network.name) {
            let text = format!("endpoint already exists in network {}", network.name);
            return Err(fault(FaultKind::Conflict, text));
        }
        let up = container.is_up();
        if container.starts == 0 {
            container.pending.push((network.name, aliases.to_vec()));
            return Ok(());
        }
        let endpoint = Endpoint {
            network: network.id,
            address: up.then(|| address(place)),
            aliases: aliases.to_vec(),
        };
        container.networks.insert(network.name, endpoint);
        Ok(())
    }

    pub fn disconnect(&mut self, network: &str, container: &str) -> Result<(), Fault> {
        let network = self.network(network)?.clone();
        let place = self.place(container)?;
        let container = &mut self.containers[place];
        let before = container.pending.len();
        container.pending.retain(|(name, _)| *name != network.name);
        if container.pending.len() < before {
            return Ok(());
        }
        match container.networks.remove(&network.name) {
            Some(_) => Ok(()),
            None => Err(fault(
                FaultKind::NotFound,
                format!("container is not connected to network {}", network.name),
            )),
        }
    }
}
