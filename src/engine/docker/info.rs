//! What an engine tells of itself.

use std::collections::BTreeSet;

use bollard::models::{RegistryServiceConfig, SystemInfo, SystemVersion};

use super::{ApiVersion, Docker};
use crate::engine::Fault;
use crate::model::facets::value::{Facts, Value};
use crate::model::insecure_registries::InsecureRegistries;
use crate::model::visible::visible;

/// An engine's own description, for host profiles, `doctor` and budgets.
/// Source: Docker Engine API v1.41, `GET /info` and `GET /version`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EngineInfo {
    /// `20.10.24`
    pub version: String,
    /// What requests are pinned to.
    pub api: Option<ApiVersion>,
    /// The oldest and newest API that it offers, as text.
    pub api_range: (String, String),
    /// `linux`
    pub os: String,
    /// In the words of images: `amd64`, `arm64`.
    pub architecture: String,
    /// Processors.
    pub cpus: u32,
    /// Bytes.
    pub memory: u64,
    /// `overlay2`, `fuse-overlayfs`, …
    pub storage_driver: String,
    /// Whether images live in containerd, where an Id is a manifest's or an index's digest.
    pub containerd_store: bool,
    /// The host's name.
    pub name: String,
    /// `Docker Desktop`, `Debian GNU/Linux 12 (bookworm)`, …
    pub operating_system: String,
    /// `6.1.0-18-amd64`
    pub kernel: String,
    /// The engine's clock, RFC 3339.
    pub system_time: String,
    /// `name=seccomp,profile=default`, `name=rootless`, …
    pub security_options: Vec<String>,
    /// Labels of the daemon: `provider=virtualbox`, …
    pub labels: Vec<String>,
    /// Parts by name and version: `Engine`, `Podman Engine`, …
    pub components: Vec<(String, String)>,
    /// What it calls itself as a whole: `Docker Engine - Community`, `Docker Desktop 4.33.0`, …
    pub platform: String,
    /// Where it keeps its data, on its own host.
    pub data_folder: String,
    /// `1` or `2`
    pub cgroup_version: String,
    /// `cgroupfs`, `systemd` or `none`
    pub cgroup_driver: String,
    /// Registries that it speaks to although nothing proves who they are; empty where it does not tell.
    pub insecure: InsecureRegistries,
    /// Whether it can limit swap.
    pub swap_limit: bool,
    /// What it complains about.
    pub warnings: Vec<String>,
}

impl EngineInfo {
    /// The facets of the engine.
    pub fn facts(&self) -> Facts {
        let security: BTreeSet<&str> = self.security_options.iter().map(String::as_str).collect();
        let security = Vec::from_iter(security).join(" ");
        let memory = self.memory / (1 << 20);
        let texts = [
            ("architecture", self.architecture.clone()),
            ("kernel", self.kernel.clone()),
            ("engine", self.version.clone()),
            (
                "engine-security",
                if security.is_empty() {
                    "none".to_owned()
                } else {
                    security
                },
            ),
            ("cgroup", self.cgroup_version.clone()),
            ("cgroup-driver", self.cgroup_driver.clone()),
            ("storage", self.storage_driver.clone()),
            ("operating-system", self.operating_system.clone()),
            ("host-processors", self.cpus.to_string()),
            ("host-memory", memory.to_string()),
        ];
        let fact = |(name, text): (&str, String)| {
            let value = match text.as_str() {
                "" | "0" => Value::Unknown("the engine does not tell".to_owned()),
                _ => Value::is(text),
            };
            (name.to_owned(), value)
        };
        texts.into_iter().map(fact).collect()
    }
}

impl Docker {
    /// Asks for `/info` and `/version` at once.
    pub async fn info(&self) -> Result<EngineInfo, Fault> {
        let both = futures_util::future::try_join(self.client.info(), self.client.version());
        let (info, version) = self.short(both).await?;
        Ok(EngineInfo {
            api: self.api_version(),
            ..described(info, version)
        })
    }

    /// Its version, `20.10.24`, as its first answer said; empty before.
    pub fn version(&self) -> String {
        visible(self.transport.engine().unwrap_or_default())
    }

    /// What its machine runs without emulation, in images' words.
    pub async fn machine(&self) -> Result<String, Fault> {
        let version = self.short(self.client.version()).await?;
        let machine = version.arch.unwrap_or_default();
        Ok(visible(in_images_words(&machine)))
    }

    /// Whether it answers, within `limit`; settles the API version.
    pub async fn ping(&self, limit: std::time::Duration) -> Result<(), Fault> {
        super::within(limit, self.client.ping()).await.map(drop)
    }
}

pub(crate) fn described(info: SystemInfo, version: SystemVersion) -> EngineInfo {
    let text = |value: Option<String>| visible(&value.unwrap_or_default());
    let texts = |values: Option<Vec<String>>| -> Vec<String> {
        let values = values.unwrap_or_default();
        values.iter().map(|value| visible(value)).collect()
    };
    let architecture = info.architecture.or(version.arch).unwrap_or_default();
    EngineInfo {
        version: text(info.server_version.or(version.version)),
        api: None,
        api_range: (text(version.min_api_version), text(version.api_version)),
        os: text(info.os_type),
        architecture: visible(in_images_words(&architecture)),
        cpus: info
            .ncpu
            .and_then(|count| count.try_into().ok())
            .unwrap_or(0),
        memory: info
            .mem_total
            .and_then(|bytes| bytes.try_into().ok())
            .unwrap_or(0),
        storage_driver: text(info.driver),
        containerd_store: info.driver_status.iter().flatten().any(|row| {
            row.iter()
                .any(|cell| cell == "io.containerd.snapshotter.v1")
        }),
        name: text(info.name),
        operating_system: text(info.operating_system),
        kernel: text(info.kernel_version),
        system_time: text(info.system_time),
        security_options: texts(info.security_options),
        labels: texts(info.labels),
        components: version
            .components
            .unwrap_or_default()
            .into_iter()
            .map(|part| (visible(&part.name), visible(&part.version)))
            .collect(),
        platform: visible(&version.platform.map(|it| it.name).unwrap_or_default()),
        data_folder: text(info.docker_root_dir),
        cgroup_version: info
            .cgroup_version
            .map(|version| version.to_string())
            .unwrap_or_default(),
        cgroup_driver: info
            .cgroup_driver
            .map(|driver| driver.to_string())
            .unwrap_or_default(),
        insecure: insecure(info.registry_config.unwrap_or_default()),
        swap_limit: info.swap_limit.unwrap_or_default(),
        warnings: texts(info.warnings),
    }
}

fn insecure(config: RegistryServiceConfig) -> InsecureRegistries {
    let hosts = config.index_configs.unwrap_or_default();
    let hosts = hosts.into_iter().filter(|(_, it)| it.secure == Some(false));
    let networks = config.insecure_registry_cidrs.unwrap_or_default();
    let all = hosts.map(|(host, _)| host).chain(networks).collect();
    InsecureRegistries::new(all).unwrap_or_default()
}

/// `uname -m` and Go differ; images follow Go. Source: OCI image specification, `architecture`.
fn in_images_words(machine: &str) -> &str {
    match machine {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        "armv7l" | "armv6l" => "arm",
        "i386" | "i686" => "386",
        other => other,
    }
}
