//! One container's create body, and the hash that tells whether it changed.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};

use ring::hmac;

use super::{Image, Inputs, Placement, Secrets, probe, secret_files};
use crate::model::container::Health;
use crate::model::create_body::{
    BIND, CreateBody, Empty, EndpointBody, HealthcheckBody, HostConfigBody, MountBody,
    NetworkingBody, PortBindingBody, UlimitBody, VOLUME,
};
use crate::model::digest::Digest;
use crate::model::identity;
use crate::model::image_configuration::volume_name;
use crate::model::name::{ContainerName, LOGS, VariableName, VolumeName};
use crate::model::overrides::{HealthOverride, Mount};
use crate::model::reference::Reference;
use crate::model::run_specification::RunSpecification;
use crate::model::secret_use;
use crate::model::text::AbsolutePath;

/// An address that no connection can be made to: the kernel refuses broadcast at once.
const UNREACHABLE: &str = "255.255.255.255";

/// What runs as `run` says; without the labels [`identity::REFERENCE`] and [`identity::SPEC`].
pub(super) fn body(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    run: &RunSpecification,
    image: &Image,
    unreachable: &[String],
) -> CreateBody {
    let network = inputs.identity.network();
    let mut aliases = vec![name.to_string()];
    aliases.extend(inputs.reference.aliases(name));
    if *name == inputs.reference.proxy {
        aliases.extend(hosts(inputs.reference));
        aliases.extend(inputs.reference.absent_members());
    }
    let endpoint = EndpointBody {
        aliases,
        address: inputs.placement.address(name),
    };
    CreateBody {
        cmd: run.command.clone(),
        entrypoint: run.entrypoint.clone(),
        env: environment(inputs, name, run),
        exposed_ports: run
            .publish
            .iter()
            .map(|publish| (format!("{}/tcp", publish.container), Empty {}))
            .collect(),
        healthcheck: match inputs.overrides.of(name).and_then(|own| own.health) {
            Some(HealthOverride::Off) => Some(HealthcheckBody::none()),
            None => run.health.as_ref().map(|health| healthcheck(health, run)),
        },
        host_config: HostConfigBody {
            extra_hosts: unreachable
                .iter()
                .map(|other| format!("{other}:{UNREACHABLE}"))
                .collect(),
            ..host_config(inputs, name, run, image, &network)
        },
        hostname: run.hostname.as_ref().map(ToString::to_string),
        image: image.repository.at(&image.digest),
        labels: labels(inputs, name, run, image),
        networking_config: NetworkingBody {
            endpoints_config: BTreeMap::from([(network, endpoint)]),
        },
        stop_signal: run.stop_signal.as_ref().map(ToString::to_string),
        stop_timeout: run
            .stop_grace
            .map(crate::model::quantity::Span::whole_seconds),
        user: run.user.as_ref().map(ToString::to_string),
    }
}

/// The hosts of all routes, which lead to the proxy inside an instance, by their bare names too:
/// those are production's outside.
pub(super) fn hosts(reference: &Reference) -> BTreeSet<String> {
    let routes = reference.containers.values().flat_map(|it| &it.routes);
    let hosts = routes.filter_map(|route| route.host.as_ref());
    // A container's own name goes first, and those of its copies.
    let is_taken = |name: &str| {
        let mut members = reference.members.values();
        reference.containers.contains_key(name)
            || members.any(|it| it.of.as_str() == name || it.name() == name)
    };
    let hosts = hosts.filter(|it| !is_taken(it.as_str()));
    hosts
        .flat_map(|host| [host.to_string(), format!("{host}.localhost")])
        .collect()
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
    pub(super) fn spec(&mut self, body: &CreateBody, run: &RunSpecification) -> String {
        self.text.clear();
        body.canonical(&mut self.text);
        for name in run.secret_names().map(VariableName::as_str) {
            if let Some(hidden) = self.hidden.get(name) {
                self.text.extend_from_slice(name.as_bytes());
                self.text.extend_from_slice(hidden.as_ref());
            }
        }
        Digest::of(&self.text).hex()
    }
}

fn labels(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    run: &RunSpecification,
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
    let keys = inputs.overrides.of(name).map(|own| own.keys().join(","));
    let overrides = keys.filter(|it| !it.is_empty());
    let overrides = overrides.map(|keys| (identity::OVERRIDES, keys));
    let version = (!is_proxy).then(|| (identity::VERSION, image.version.clone()));
    labels
        .into_iter()
        .chain(version)
        .chain(secret_files::label(run))
        .chain(overrides)
        .map(|(name, value)| (Cow::Borrowed(name), value))
        .collect()
}

/// The container's own, then the configuration's, then the user's; last what picks the settings.
fn environment(inputs: &Inputs<'_>, name: &ContainerName, run: &RunSpecification) -> Vec<String> {
    let mut variables: BTreeMap<&str, Option<&str>> = BTreeMap::new();
    let overlay = run
        .configurations
        .get(inputs.configuration)
        .map(|it| &it.environment);
    for layer in [Some(&run.environment), overlay].into_iter().flatten() {
        let layer = layer.iter();
        variables.extend(layer.map(|(name, value)| (name.as_str(), Some(value.as_str()))));
    }
    if let Some(own) = inputs.overrides.of(name) {
        let own = own.environment.iter();
        variables.extend(own.map(|(name, value)| (name.as_str(), value.as_deref())));
    }
    variables.insert(
        inputs.reference.configuration_variable.as_str(),
        Some(inputs.configuration.as_str()),
    );
    // A name alone takes the image's own variable away.
    variables
        .iter()
        .map(|(name, value)| match value {
            Some(value) => [*name, "=", *value].concat(),
            None => (*name).to_owned(),
        })
        .collect()
}

fn host_config(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    run: &RunSpecification,
    image: &Image,
    network: &str,
) -> HostConfigBody {
    let mut port_bindings: BTreeMap<String, Vec<PortBindingBody>> = BTreeMap::new();
    let is_published = *inputs.placement == Placement::Published;
    for publish in run.publish.iter().filter(|_| is_published) {
        let host = inputs.ports.of(name, *publish).unwrap_or(publish.host);
        port_bindings
            .entry(format!("{}/tcp", publish.container))
            .or_default()
            .push(PortBindingBody {
                host_ip: inputs.host.publish_address.to_string(),
                host_port: host.to_string(),
            });
    }
    let own = inputs.overrides.of(name);
    let own_mounts = own.into_iter().flat_map(|it| &it.mounts).map(own_mount);
    HostConfigBody {
        extra_hosts: Vec::new(),
        memory: run.memory.map_or(0, crate::model::quantity::ByteSize::get),
        mounts: mounts(inputs, name, run, image)
            .into_iter()
            .chain(own_mounts)
            .chain(secret_files::mounts(run))
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

/// The declared volumes, and one for each path that the image declares and nothing else covers:
/// the engine's own, without a name, would go with the container.
fn mounts(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    run: &RunSpecification,
    image: &Image,
) -> Vec<MountBody> {
    let own = inputs.overrides.of(name).into_iter();
    let own = own.flat_map(|it| it.mounts.iter().map(|mount| mount.to.as_str()));
    let secrets = run.secret_files.values().filter_map(secret_use::place);
    let covered: BTreeSet<&str> = (run.volumes.values().chain(&run.tmpfs))
        .map(AbsolutePath::as_str)
        .chain(own)
        .chain(secrets.map(|(folder, _)| folder))
        .map(|path| path.trim_end_matches('/'))
        .collect();
    let undeclared = image.defaults.volumes.iter();
    let undeclared = undeclared.filter(|path| !covered.contains(path.as_str()));
    let kept = undeclared.filter_map(|path| Some((volume_name(path, &run.volumes)?, path)));
    let declared = run.volumes.iter().map(|(name, path)| (name.clone(), path));
    declared
        .chain(kept)
        .map(|(volume, path)| mount(inputs, name, &volume, path.to_string()))
        .collect()
}

/// A named volume; of the log files the folder that the user shares instead.
fn mount(
    inputs: &Inputs<'_>,
    name: &ContainerName,
    volume: &VolumeName,
    target: String,
) -> MountBody {
    match &inputs.overrides.logs_to {
        Some(folder) if volume.as_str() == LOGS => {
            let source = format!("{}/{name}", folder.trim_end_matches('/'));
            MountBody::new(BIND, source, target)
        }
        _ => {
            let own = inputs.placement.volume(inputs.identity, name, volume);
            let other = inputs.overrides.volumes.get(&own).cloned();
            MountBody::new(VOLUME, other.unwrap_or(own), target)
        }
    }
}

fn own_mount(mount: &Mount) -> MountBody {
    MountBody {
        read_only: mount.read_only,
        ..MountBody::new(BIND, mount.from.to_string(), mount.to.to_string())
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
                probe::http(port, path, health.timeout.whole_seconds().max(1)),
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
