//! One container's create body, and the hash that tells whether it changed.

use std::borrow::Cow;
use std::collections::BTreeMap;

use ring::hmac;

use super::{Image, Inputs, Secrets};
use crate::model::container::{Health, Publish};
use crate::model::create_body::{
    BIND, CreateBody, Empty, EndpointBody, HealthcheckBody, HostConfigBody, MountBody,
    NetworkingBody, PortBindingBody, UlimitBody, VOLUME,
};
use crate::model::digest::Digest;
use crate::model::identity;
use crate::model::name::{ContainerName, LOGS, VolumeName};
use crate::model::reference::ReferenceContainer;
use crate::model::run_specification::RunSpecification;
use crate::model::secret::Secret;

/// An address that no connection can be made to: the kernel refuses broadcast at once.
const UNREACHABLE: &str = "255.255.255.255";

/// The body without the labels [`identity::REFERENCE`] and [`identity::SPEC`].
pub(super) fn body(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    entry: &ReferenceContainer,
    image: &Image,
    unreachable: &[&ContainerName],
) -> CreateBody {
    let run = &entry.run;
    let network = inputs.identity.network();
    let aliases = vec![name.to_string()];
    CreateBody {
        cmd: run.command.clone(),
        entrypoint: run.entrypoint.clone(),
        env: environment(inputs, name, run),
        exposed_ports: published(inputs, name, run)
            .iter()
            .map(|publish| (format!("{}/tcp", publish.container), Empty {}))
            .collect(),
        healthcheck: run.health.as_ref().map(|health| healthcheck(health, run)),
        host_config: HostConfigBody {
            extra_hosts: unreachable
                .iter()
                .map(|other| format!("{other}:{UNREACHABLE}"))
                .collect(),
            ..host_config(inputs, name, run, &network)
        },
        hostname: run.hostname.as_ref().map(ToString::to_string),
        image: image.repository.at(&image.digest),
        labels: labels(inputs, name, image),
        networking_config: NetworkingBody {
            endpoints_config: BTreeMap::from([(network, EndpointBody { aliases })]),
        },
        stop_signal: run.stop_signal.as_ref().map(ToString::to_string),
        stop_timeout: run
            .stop_grace
            .map(crate::model::quantity::Span::whole_seconds),
        user: run.user.as_ref().map(ToString::to_string),
    }
}

/// Makes the hashes that tell whether a container changed.
pub(super) struct Hasher<'a> {
    /// Keyed hashes of the secrets' values, by variable.
    hidden: BTreeMap<&'a str, hmac::Tag>,
    text: Vec<u8>,
}

impl<'a> Hasher<'a> {
    /// The secrets' own key hides them in the hashes.
    pub(super) fn new(secrets: &'a Secrets) -> Self {
        let key = hmac::Key::new(hmac::HMAC_SHA256, secrets.key.expose().as_bytes());
        let hidden = secrets.values.iter().map(|(name, value)| {
            let hidden = hmac::sign(&key, value.expose().as_bytes());
            (name.as_str(), hidden)
        });
        Self {
            hidden: hidden.collect(),
            text: Vec::new(),
        }
    }

    /// SHA-256 over the canonical body and keyed hashes of the secrets, in hexadecimal digits.
    pub(super) fn spec(&mut self, body: &CreateBody, secrets: &[(String, Secret)]) -> String {
        self.text.clear();
        body.canonical(&mut self.text);
        for (name, _) in secrets {
            self.text.extend_from_slice(name.as_bytes());
            if let Some(hidden) = self.hidden.get(name.as_str()) {
                self.text.extend_from_slice(hidden.as_ref());
            }
        }
        Digest::of(&self.text).hex()
    }
}

fn labels(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    image: &Image,
) -> BTreeMap<Cow<'static, str>, String> {
    let identity = inputs.identity;
    let is_proxy = *name == inputs.reference.proxy;
    let labels = [
        (identity::CONTAINER, name.as_str().to_owned()),
        (identity::DIGEST, image.digest.to_string()),
        (identity::INSTANCE, identity.instance.as_str().to_owned()),
        (identity::OWNER, identity.owner.clone()),
        (identity::PLATFORM, identity.platform.as_str().to_owned()),
        (identity::SOURCE, image.source.as_str().to_owned()),
    ];
    let version = (!is_proxy).then(|| (identity::VERSION, image.version.clone()));
    labels
        .into_iter()
        .chain(version)
        .map(|(name, value)| (Cow::Borrowed(name), value))
        .collect()
}

/// The container's own, then the configuration's, then the user's; last what picks the settings.
fn environment(inputs: &Inputs<'_>, name: &ContainerName, run: &RunSpecification) -> Vec<String> {
    let mut variables: BTreeMap<&str, &str> = BTreeMap::new();
    let overlay = run
        .configurations
        .get(inputs.configuration)
        .map(|it| &it.environment);
    let own = inputs.overrides.of(name).map(|it| &it.environment);
    for layer in [Some(&run.environment), overlay, own].into_iter().flatten() {
        variables.extend(
            layer
                .iter()
                .map(|(name, value)| (name.as_str(), value.as_str())),
        );
    }
    variables.insert(
        inputs.reference.configuration_variable.as_str(),
        inputs.configuration.as_str(),
    );
    variables
        .iter()
        .map(|(name, value)| [*name, "=", *value].concat())
        .collect()
}

/// What the definition publishes and what the user adds.
pub(super) fn published(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    run: &RunSpecification,
) -> Vec<Publish> {
    let own = inputs
        .overrides
        .of(name)
        .map(|it| it.publish.as_slice())
        .unwrap_or_default();
    run.publish.iter().chain(own).copied().collect()
}

fn host_config(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    run: &RunSpecification,
    network: &str,
) -> HostConfigBody {
    let memory = inputs
        .overrides
        .of(name)
        .and_then(|it| it.memory)
        .or(run.memory);
    let mut port_bindings: BTreeMap<String, Vec<PortBindingBody>> = BTreeMap::new();
    for publish in published(inputs, name, run) {
        let host = inputs.ports.of(name, publish).unwrap_or(publish.host);
        port_bindings
            .entry(format!("{}/tcp", publish.container))
            .or_default()
            .push(PortBindingBody {
                host_ip: inputs.host.publish_address.to_string(),
                host_port: host.to_string(),
            });
    }
    HostConfigBody {
        extra_hosts: Vec::new(),
        memory: memory.map_or(0, crate::model::quantity::ByteSize::get),
        mounts: run
            .volumes
            .iter()
            .map(|(volume, path)| mount(inputs, name, volume, path.to_string()))
            .collect(),
        nano_cpus: run.cpus.map_or(0, crate::model::quantity::Cpus::nano),
        network_mode: network.to_owned(),
        port_bindings,
        readonly_rootfs: run.read_only,
        tmpfs: run
            .tmpfs
            .iter()
            .map(|path| (path.to_string(), String::new()))
            .collect(),
        ulimits: run
            .ulimits
            .iter()
            .map(|(name, limit)| UlimitBody {
                hard: i64::from(*limit),
                name: name.to_string(),
                soft: i64::from(*limit),
            })
            .collect(),
    }
}

/// A named volume; of the log files the folder that the user shares instead.
fn mount(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    volume: &VolumeName,
    target: String,
) -> MountBody {
    match &inputs.overrides.logs_to {
        Some(folder) if volume.as_str() == LOGS => MountBody {
            source: format!("{}/{name}", folder.trim_end_matches('/')),
            target,
            kind: BIND.to_owned(),
        },
        _ => MountBody {
            source: inputs.identity.volume(name, volume),
            target,
            kind: VOLUME.to_owned(),
        },
    }
}

fn healthcheck(health: &Health, run: &RunSpecification) -> HealthcheckBody {
    let test = match (&health.command, &health.path) {
        (Some(command), _) => ["CMD".to_owned()]
            .into_iter()
            .chain(command.iter().cloned())
            .collect(),
        (None, path) => {
            let port = run
                .port
                .or_else(|| run.publish.first().map(|publish| publish.container))
                .unwrap_or(80);
            let path = path.as_ref().map_or("/", |path| path.as_str());
            vec![
                "CMD-SHELL".to_owned(),
                http_probe(port, path, health.timeout.whole_seconds().max(1)),
            ]
        }
    };
    HealthcheckBody {
        interval: health.interval.nanoseconds(),
        retries: health.retries,
        start_interval: health.interval.nanoseconds(),
        start_period: health.start_period.nanoseconds(),
        test,
        timeout: health.timeout.nanoseconds(),
    }
}

/// A shell command that asks for `path` with whichever client the image has; fails from 400 on.
fn http_probe(port: u16, path: &str, seconds: u64) -> String {
    let url = format!("http://127.0.0.1:{port}{path}");
    format!(
        "if command -v curl >/dev/null; then exec curl -fsS -m {seconds} -o /dev/null '{url}'; \
         elif command -v wget >/dev/null; then exec wget -q -T {seconds} -O /dev/null '{url}'; \
         else exec bash -c 'exec 3<>/dev/tcp/127.0.0.1/{port} && \
         printf \"GET {path} HTTP/1.0\\r\\nHost: localhost\\r\\n\\r\\n\" >&3 && \
         read -r _ code _ <&3 && echo \"HTTP $code\" && [ \"$code\" -lt 400 ]'; fi"
    )
}
