//! What becomes of a container: what a start sets in motion, ends, pauses.

use super::*;

impl State {
    /// The Id when it was started by this.
    pub fn start(&mut self, container: &str) -> Result<Option<String>, Fault> {
        let place = self.place(container)?;
        let wanted = self.containers[place].clone();
        match wanted.state {
            ContainerState::Running => return Ok(None),
            ContainerState::Paused => {
                let text = "cannot start a paused container, try unpause instead";
                return Err(fault(FaultKind::Conflict, text));
            }
            _ => {}
        }
        let mut networks = wanted.networks.clone();
        for (name, aliases) in &wanted.pending {
            let endpoint = Endpoint {
                network: self.network(name)?.id.clone(),
                address: None,
                aliases: aliases.clone(),
            };
            networks.insert(name.clone(), endpoint);
        }
        for endpoint in networks.values() {
            self.network(&endpoint.network)?;
        }
        for port in wanted.ports() {
            let mut others = self.containers.iter().filter(|other| other.is_up());
            let taken = self.taken.contains(&port.host)
                || others.any(|other| other.ports().iter().any(|p| p.host == port.host));
            if taken {
                let text = format!("Bind for {} failed: port is already allocated", port.host);
                return Err(fault(FaultKind::PortTaken, text));
            }
        }
        for endpoint in networks.values_mut() {
            endpoint.address = Some(address(place));
        }
        let checked = wanted.body.healthcheck.is_some()
            || self
                .plays
                .get(&wanted.object)
                .is_some_and(|play| play.health.is_some());
        let container = &mut self.containers[place];
        container.networks = networks;
        container.pending.clear();
        container.state = ContainerState::Running;
        container.health = checked.then_some(Health::Starting);
        container.out_of_memory = false;
        container.starts += 1;
        let id = container.id.clone();
        self.tell(&id, ContainerChange::Started);
        Ok(Some(id))
    }

    /// What a start sets in motion.
    pub fn motions(&self, id: &str) -> Vec<(Duration, Motion)> {
        let Ok(container) = self.find(id) else {
            return Vec::new();
        };
        let play = match self.plays.get(&container.object) {
            Some(play) => play.clone(),
            None => by_body(&container.body),
        };
        let health = play
            .health
            .map(|(after, health)| (after, Motion::Health(health)));
        let exit = play.exit.map(|(after, code)| (after, Motion::Exit(code)));
        let memory = play.out_of_memory.map(|after| (after, Motion::OutOfMemory));
        [health, exit, memory].into_iter().flatten().collect()
    }

    /// Something happens to a running container; to another it does not.
    pub fn happen(&mut self, id: &str, motion: Motion) {
        let Ok(place) = self.place(id) else { return };
        let container = &mut self.containers[place];
        if container.state != ContainerState::Running {
            return;
        }
        match motion {
            Motion::Health(health) => {
                container.health = Some(health);
                let healthy = health == Health::Healthy;
                container.probes.push(Probe {
                    at: "2026-11-23T09:00:01Z".to_owned(),
                    exit_code: i64::from(!healthy),
                    output: if healthy { "ok" } else { "refused" }.to_owned(),
                });
                self.tell(id, ContainerChange::Health(health));
            }
            Motion::Exit(code) => self.end(place, code),
            Motion::OutOfMemory => {
                container.out_of_memory = true;
                self.tell(id, ContainerChange::OutOfMemory);
                self.end(place, 137);
            }
        }
    }

    pub(super) fn end(&mut self, place: usize, code: i64) {
        let container = &mut self.containers[place];
        container.state = ContainerState::Exited(Some(code));
        for endpoint in container.networks.values_mut() {
            endpoint.address = None;
        }
        if container.health.is_some() {
            container.health = Some(Health::Unhealthy);
        }
        let id = container.id.clone();
        self.files.remove(&id);
        self.tell(&id, ContainerChange::Died(code));
    }

    pub fn stop(&mut self, container: &str) -> Result<(), Fault> {
        let place = self.place(container)?;
        if self.containers[place].is_up() {
            self.end(place, 143);
        }
        Ok(())
    }

    pub fn remove(&mut self, container: &str) {
        let Ok(place) = self.place(container) else {
            return;
        };
        if self.containers[place].is_up() {
            self.end(place, 137);
        }
        let id = self.containers[place].id.clone();
        self.tell(&id, ContainerChange::Removed);
        self.containers.remove(place);
    }

    pub fn rename(&mut self, container: &str, object: &str) -> Result<(), Fault> {
        if self.containers.iter().any(|other| other.object == object) {
            let text = format!("the container name /{object} is already in use");
            return Err(fault(FaultKind::Conflict, text));
        }
        let place = self.place(container)?;
        object.clone_into(&mut self.containers[place].object);
        Ok(())
    }

    pub fn restart_by_itself(&mut self, container: &str, restarts: bool) -> Result<(), Fault> {
        let place = self.place(container)?;
        self.containers[place].restarts = restarts;
        Ok(())
    }

    pub fn unpack(&mut self, container: &str, folder: &str, archive: &[u8]) -> Result<(), Fault> {
        let place = self.place(container)?;
        for entry in tar::Archive::new(archive).entries().unwrap() {
            let entry = entry.unwrap();
            let path = format!("{folder}/{}", entry.path().unwrap().display());
            let path = path.trim_end_matches('/').replace("//", "/");
            let is_file = entry.header().entry_type().is_file();
            self.containers[place].unpacked.insert(path, is_file);
        }
        Ok(())
    }

    pub fn pause(&mut self, container: &str) -> Result<(), Fault> {
        self.swap(container, ContainerState::Running, ContainerState::Paused)?;
        // As the engine does, whatever the last probe found.
        let place = self.place(container)?;
        let health = &mut self.containers[place].health;
        *health = health.map(|_| Health::Unhealthy);
        Ok(())
    }

    pub fn unpause(&mut self, container: &str) -> Result<(), Fault> {
        self.swap(container, ContainerState::Paused, ContainerState::Running)
    }

    pub(super) fn swap(
        &mut self,
        container: &str,
        from: ContainerState,
        to: ContainerState,
    ) -> Result<(), Fault> {
        let place = self.place(container)?;
        let container = &mut self.containers[place];
        if container.state != from {
            let text = format!("container is not {from:?}");
            return Err(fault(FaultKind::Conflict, text));
        }
        container.state = to;
        let id = container.id.clone();
        self.tell(&id, ContainerChange::Other);
        Ok(())
    }
}

/// The exit code that a command names: `… exit 3`.
pub fn code(command: &[String]) -> Option<i64> {
    let [.., verb, code] = command else {
        return None;
    };
    (verb == "exit").then(|| code.parse().ok())?
}

pub(super) fn by_body(body: &CreateBody) -> Play {
    let soon = Duration::from_millis(20);
    let command = body.cmd.as_deref().unwrap_or_default();
    let health = body.healthcheck.as_ref().map(|check| {
        let passes = code(&check.test).unwrap_or(0) == 0;
        let health = if passes {
            Health::Healthy
        } else {
            Health::Unhealthy
        };
        (soon, health)
    });
    let eats = command.last().is_some_and(|word| word == "eat");
    Play {
        health,
        exit: code(command).map(|code| (soon, code)),
        out_of_memory: eats.then_some(soon),
    }
}
