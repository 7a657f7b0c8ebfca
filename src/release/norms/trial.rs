//! An image is started once: whether it answers HTTP on its port, and writes to its log volume.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::StreamExt as _;

use crate::engine::docker::Docker;
use crate::engine::{Endpoint, Engine as _, Fault, FaultKind};
use crate::error::Result;
use crate::home::state;
use crate::model::container::Kind;
use crate::model::create_body::{
    CreateBody, Empty, HostConfigBody, MountBody, PortBindingBody, VOLUME,
};
use crate::model::digest::Digest;
use crate::model::identity;
use crate::model::name::LOGS;
use crate::model::observed::ContainerState;
use crate::model::platform::Platform;
use crate::model::quantity::Span;
use crate::model::run_specification::RunSpecification;
use crate::model::secret::Secret;
use crate::network::probe;

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(150);
/// Marks what an interrupted trial leaves behind, for `clean`.
const TRIAL: &str = "trial";
/// What a secret is while nobody's is needed.
const NO_SECRET: &str = "not-a-secret";
/// This engine's own network.
const NETWORK: &str = "bridge";
/// So much of a log folder is looked at.
const LARGEST_LOG: usize = 1 << 20;

/// One start.
pub(super) struct Trial<'a> {
    pub(super) docker: &'a Docker,
    pub(super) owner: &'a str,
    pub(super) platform: &'a Platform,
    pub(super) run: RunSpecification,
    pub(super) within: Span,
}

impl Trial<'_> {
    /// Only apps have the interface that is tried.
    pub(super) fn applies(&self) -> bool {
        self.run.kind == Kind::App && self.run.port.is_some()
    }

    /// Starts the image, looks until everything is seen or the time is up, and removes it. Gives
    /// what is not as it has to be.
    pub(super) async fn run(&self, image: Digest) -> Result<Vec<String>> {
        if !is_here(self.docker.endpoint()) {
            let text = "it could not be tried: the engine is on another machine";
            return Ok(vec![text.to_owned()]);
        }
        let mark = state::random_hex(8)?;
        let object = format!("devenv-trial-{mark}");
        let secrets = self.run.secrets.iter();
        let secrets: Vec<(String, Secret)> = secrets
            .map(|name| (name.to_string(), Secret::new(NO_SECRET)))
            .collect();
        let body = self.body(&image, &mark);
        let container = match self.docker.create(&object, &body, &secrets).await {
            Ok(container) => container,
            Err(fault) => return unstarted(fault),
        };
        let seen = async {
            let logs = match self.logs() {
                Some(path) => Some((path, self.written(&container, path).await?)),
                None => None,
            };
            match self.docker.start(&container).await {
                Ok(()) => self.look(&container, &mark, logs).await,
                Err(fault) => unstarted(fault),
            }
        };
        let seen = seen.await;
        self.docker.remove(&container).await?;
        seen
    }

    /// Where it is to write its logs.
    fn logs(&self) -> Option<&str> {
        let mut volumes = self.run.volumes.iter();
        let logs = volumes.find(|(name, _)| name.as_str() == LOGS);
        logs.map(|(_, path)| path.as_str())
    }

    /// `logs`: where they are to be, and what the image has there.
    async fn look(
        &self,
        container: &str,
        mark: &str,
        logs: Option<(&str, Written)>,
    ) -> Result<Vec<String>> {
        let port = self.run.port.unwrap_or_default();
        let (mut answers, mut writes) = (false, logs.is_none());
        let end = tokio::time::Instant::now() + self.within.duration();
        loop {
            let label = format!("{TRIAL_LABEL}={mark}");
            let found = self.docker.containers_with(&label).await?;
            let found = found.into_iter().find(|it| it.id == container);
            let state = found.as_ref().map(|it| it.state);
            let published = found.and_then(|it| {
                let mut ports = it.ports.into_iter();
                ports.find(|it| it.container == port).map(|it| it.host)
            });
            if let Some(host) = published.filter(|_| !answers) {
                let address = IpAddr::V4(Ipv4Addr::LOCALHOST);
                answers = probe::status(address, host, "localhost", "/", probe::QUICK)
                    .await
                    .is_some();
            }
            if let Some((path, before)) = logs.as_ref().filter(|_| !writes) {
                let written = self.written(container, path).await?;
                writes = written.difference(before).next().is_some();
            }
            let end_of_it = match state {
                Some(ContainerState::Exited(code)) => End::Ended(code),
                None => End::Ended(None),
                _ => End::InTime,
            };
            let ended = matches!(end_of_it, End::Ended(_));
            if (answers && writes) || ended || tokio::time::Instant::now() >= end {
                let logs = logs.filter(|_| !writes).map(|(path, _)| path);
                return Ok(self.missing(port, logs, answers, end_of_it));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    fn missing(&self, port: u16, logs: Option<&str>, answers: bool, end: End) -> Vec<String> {
        let why = match end {
            End::Ended(Some(code)) => format!("it ended with {code}"),
            End::Ended(None) => "it ended".to_owned(),
            End::InTime => format!("within {}", self.within),
        };
        let port = (!answers).then(|| format!("it does not answer HTTP on port {port}: {why}"));
        let logs = logs.map(|path| format!("it writes nothing to {path}: {why}"));
        port.into_iter().chain(logs).collect()
    }

    /// The files in the folder that have content, as far as the first [`LARGEST_LOG`] bytes of it show.
    async fn written(&self, container: &str, path: &str) -> Result<Written> {
        let mut pieces = self.docker.read_archive(container, path);
        let mut archive = Vec::new();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) => archive.extend_from_slice(&piece),
                Err(fault) if fault.kind == FaultKind::NotFound => return Ok(Written::new()),
                Err(fault) => return Err(fault.into()),
            }
            if archive.len() > LARGEST_LOG {
                break;
            }
        }
        let mut archive = tar::Archive::new(&archive[..]);
        let entries = archive
            .entries()
            .into_iter()
            .flatten()
            .map_while(Result::ok);
        let files = entries.filter(|it| it.header().entry_type().is_file() && it.size() > 0);
        let file = |it: tar::Entry<'_, &[u8]>| {
            let modified = it.header().mtime().unwrap_or_default();
            (it.path_bytes().into_owned(), it.size(), modified)
        };
        Ok(files.map(file).collect())
    }

    fn body(&self, image: &Digest, mark: &str) -> CreateBody {
        let run = &self.run;
        let port = format!("{}/tcp", run.port.unwrap_or_default());
        let mut variables = run.environment.clone();
        if let Some(first) = self.platform.environments.first() {
            let of_it = run.configurations.iter();
            let of_it = of_it.filter(|(name, _)| name.as_str() == first.as_str());
            variables.extend(of_it.flat_map(|(_, it)| it.environment.clone()));
            let variable = self.platform.configuration_variable.clone();
            variables.insert(variable, first.to_string());
        }
        let labels = [
            (identity::OWNER, self.owner),
            (identity::PLATFORM, self.platform.platform.as_str()),
            (identity::READER, TRIAL),
            (TRIAL_LABEL, mark),
        ];
        CreateBody {
            image: image.to_string(),
            cmd: run.command.clone(),
            entrypoint: run.entrypoint.clone(),
            env: variables
                .iter()
                .map(|(name, value)| format!("{name}={value}"))
                .collect(),
            exposed_ports: [(port.clone(), Empty {})].into(),
            host_config: HostConfigBody {
                memory: run.memory.map_or(0, crate::model::quantity::ByteSize::get),
                // As anywhere else, what the image has there is in them; they go with the container.
                mounts: run
                    .volumes
                    .values()
                    .map(|path| MountBody::new(VOLUME, String::new(), path.to_string()))
                    .collect(),
                network_mode: NETWORK.to_owned(),
                port_bindings: BTreeMap::from([(
                    port,
                    vec![PortBindingBody {
                        host_ip: Ipv4Addr::LOCALHOST.to_string(),
                        host_port: String::new(),
                    }],
                )]),
                tmpfs: run
                    .tmpfs
                    .iter()
                    .map(|path| (path.to_string(), String::new()))
                    .collect(),
                ..HostConfigBody::default()
            },
            labels: labels
                .map(|(name, value)| (name.into(), value.to_owned()))
                .into(),
            user: run.user.as_ref().map(ToString::to_string),
            ..CreateBody::default()
        }
    }
}

/// What it means that the engine did not start it: something about the image, unless the engine itself
/// is in need.
fn unstarted(fault: Fault) -> Result<Vec<String>> {
    match fault.kind {
        FaultKind::NotFound | FaultKind::Conflict | FaultKind::Internal | FaultKind::Failed => {
            Ok(vec![format!("it cannot be started: {fault}")])
        }
        FaultKind::PortTaken
        | FaultKind::NoSpace
        | FaultKind::NoAddresses
        | FaultKind::Busy
        | FaultKind::Unreachable
        | FaultKind::Hung
        | FaultKind::Handshake
        | FaultKind::Denied => Err(fault.into()),
    }
}

/// Files by path, size in bytes and time of their last change.
type Written = BTreeSet<(Vec<u8>, u64, u64)>;

/// Why looking ended.
#[derive(Clone, Copy)]
enum End {
    /// The container did, with this code.
    Ended(Option<i64>),
    /// All was seen, or the time was up.
    InTime,
}

/// Which trial a container belongs to.
const TRIAL_LABEL: &str = "devenv.trial";

/// Whether the engine's loopback address is this machine's.
fn is_here(endpoint: &Endpoint) -> bool {
    match endpoint {
        Endpoint::Unix(_) | Endpoint::Pipe(_) => true,
        Endpoint::Tcp { host, .. } | Endpoint::Tls { host, .. } => {
            host == "localhost" || host.parse::<IpAddr>().is_ok_and(|it| it.is_loopback())
        }
        Endpoint::Ssh { .. } => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_started_is_a_finding_unless_the_engine_is_in_need() {
        let about = |kind| unstarted(Fault::new(kind, "no such file")).ok();
        let finding = Some(vec!["it cannot be started: no such file".to_owned()]);
        for of_image in [FaultKind::NotFound, FaultKind::Failed, FaultKind::Internal] {
            assert_eq!(about(of_image), finding);
        }
        for of_engine in [FaultKind::Unreachable, FaultKind::Hung, FaultKind::NoSpace] {
            assert_eq!(about(of_engine), None);
        }
    }
}
