//! What a container is created from, in the engine API's own words.
//!
//! Fields stand in the alphabetical order of their JSON names, so that serialising is canonical.
//! Source: Docker Engine API v1.41, `POST /containers/create`.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// The body of a container's creation. Holds no secret: those are added by the executor.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CreateBody {
    /// Arguments; `None` leaves the image's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cmd: Option<Vec<String>>,
    /// Entry point; `None` leaves the image's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// `NAME=value`, sorted.
    pub env: Vec<String>,
    /// `80/tcp` → `{}`
    #[expect(clippy::zero_sized_map_values, reason = "the API's own shape")]
    pub exposed_ports: BTreeMap<String, Empty>,
    /// The engine's own check.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub healthcheck: Option<HealthcheckBody>,
    /// What the host gives.
    pub host_config: HostConfigBody,
    /// The host name inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hostname: Option<String>,
    /// The signed `repository@digest`; the executor replaces it by the bound Id.
    pub image: String,
    /// Labels but `devenv.reference` and `devenv.spec` while hashing.
    pub labels: BTreeMap<Cow<'static, str>, String>,
    /// Networks joined from the start.
    pub networking_config: NetworkingBody,
    /// Signal that stops it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<String>,
    /// Seconds before it is killed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop_timeout: Option<u64>,
    /// User inside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
}

/// `{}`
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Empty {}

/// The engine's health check; durations in nanoseconds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct HealthcheckBody {
    /// Between two probes.
    pub interval: u64,
    /// Failures before it counts as unhealthy.
    pub retries: u32,
    /// Between two probes during the start period. Engines before API 1.44 know no such thing and
    /// take `interval`; later ones wait 5 s where nothing is said, be `interval` ever so short.
    /// Source: docs.docker.com/reference/api/engine/version/v1.44, `HealthConfig`.
    pub start_interval: u64,
    /// Failures during this time do not count.
    pub start_period: u64,
    /// `["CMD", …]` or `["CMD-SHELL", …]`
    pub test: Vec<String>,
    /// Of one probe.
    pub timeout: u64,
}

impl HealthcheckBody {
    /// No check, not even the image's own.
    pub fn none() -> Self {
        Self {
            test: vec!["NONE".to_owned()],
            ..Self::default()
        }
    }

    /// The check as a command; none where there is nothing to run.
    pub fn command(&self) -> Option<Vec<String>> {
        match self.test.split_first()? {
            (kind, words) if kind == "CMD" && !words.is_empty() => Some(words.to_vec()),
            (kind, [line]) if kind == "CMD-SHELL" => {
                Some(vec!["/bin/sh".to_owned(), "-c".to_owned(), line.clone()])
            }
            _ => None,
        }
    }
}

/// The host's side of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct HostConfigBody {
    /// `name:address` lines for `/etc/hosts`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extra_hosts: Vec<String>,
    /// Bytes; 0 is no limit.
    pub memory: u64,
    /// Named volumes and folders.
    pub mounts: Vec<MountBody>,
    /// Billionths of a processor; 0 is no limit.
    pub nano_cpus: u64,
    /// Name of the network joined first.
    pub network_mode: String,
    /// `80/tcp` → where on the host.
    pub port_bindings: BTreeMap<String, Vec<PortBindingBody>>,
    /// Whether the root file system is read-only.
    pub readonly_rootfs: bool,
    /// Path → options.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub tmpfs: BTreeMap<String, String>,
    /// Limits by name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ulimits: Vec<UlimitBody>,
}

/// The kind of a mount that is a named volume.
pub const VOLUME: &str = "volume";

/// The kind of a mount that is a folder of the engine's host, which has to be there.
pub const BIND: &str = "bind";

/// A named volume, or a folder of the engine's host, at a path.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MountBody {
    /// Whether the container cannot change it.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub read_only: bool,
    /// The volume's name on the engine, or the folder's path.
    pub source: String,
    /// Absolute path inside.
    pub target: String,
    /// [`VOLUME`] or [`BIND`].
    #[serde(rename = "Type")]
    pub kind: String,
    /// How the volume is made where `source` is empty: it goes with the container.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub volume_options: Option<VolumeOptionsBody>,
}

impl MountBody {
    /// Of a volume or folder that is there, which the container may change.
    pub fn new(kind: &str, source: String, target: String) -> Self {
        Self {
            read_only: false,
            source,
            target,
            kind: kind.to_owned(),
            volume_options: None,
        }
    }

    /// Of a volume in memory that begins empty and goes with the container; its folder is
    /// root's.
    pub fn of_memory(target: String) -> Self {
        let options = [
            ("device", "tmpfs"),
            ("o", "size=1m,mode=0755,nosuid,nodev,noexec"),
            ("type", "tmpfs"),
        ];
        let options = options.map(|(name, value)| (name.to_owned(), value.to_owned()));
        Self {
            // Engines refuse read-only ones without a name.
            volume_options: Some(VolumeOptionsBody {
                driver_config: DriverBody {
                    name: "local".to_owned(),
                    options: options.into(),
                },
                no_copy: true,
            }),
            ..Self::new(VOLUME, String::new(), target)
        }
    }
}

/// How a volume is made with its container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct VolumeOptionsBody {
    /// Who keeps it.
    pub driver_config: DriverBody,
    /// Whether what the image has at the path is left out.
    pub no_copy: bool,
}

/// A volume driver.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct DriverBody {
    /// `local` is the engine's own.
    pub name: String,
    /// What `mount` is told.
    pub options: BTreeMap<String, String>,
}

/// One address of a published port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct PortBindingBody {
    /// Address on the host.
    pub host_ip: String,
    /// Port on the host, as text.
    pub host_port: String,
}

/// A resource limit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct UlimitBody {
    /// Hard limit.
    pub hard: i64,
    /// `nofile`, …
    pub name: String,
    /// Soft limit.
    pub soft: i64,
}

/// The networks of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct NetworkingBody {
    /// By network name.
    pub endpoints_config: BTreeMap<String, EndpointBody>,
}

/// One network's names for a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct EndpointBody {
    /// Names it answers to there.
    pub aliases: Vec<String>,
    /// The address that it asks for; `None` leaves the choice to the engine.
    #[serde(
        rename = "IPAMConfig",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub address: Option<AddressBody>,
}

/// A fixed address.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AddressBody {
    /// Of the network's own.
    #[serde(rename = "IPv4Address")]
    pub v4: Ipv4Addr,
    /// And another one, where the network has such.
    #[serde(
        rename = "IPv6Address",
        default,
        skip_serializing_if = "Option::is_none"
    )]
    pub v6: Option<Ipv6Addr>,
}

impl CreateBody {
    /// Appends the canonical JSON: sorted keys, no white space.
    pub fn canonical(&self, text: &mut Vec<u8>) {
        // Writing to memory cannot fail.
        let _ = serde_json::to_writer(text, self);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_run_as_its_engine_would() {
        let words = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        let told = |test: &[&str]| {
            let test = words(test);
            HealthcheckBody {
                test,
                ..HealthcheckBody::default()
            }
            .command()
        };
        assert_eq!(
            told(&["CMD", "/probe", "check"]),
            Some(words(&["/probe", "check"]))
        );
        let shell = words(&["/bin/sh", "-c", "a; b"]);
        assert_eq!(told(&["CMD-SHELL", "a; b"]), Some(shell));
        for none in [&["NONE"][..], &[], &["CMD"]] {
            assert_eq!(told(none), None);
        }
    }

    #[test]
    fn serialising_sorts_keys() {
        let body = CreateBody {
            cmd: Some(vec!["a".into()]),
            entrypoint: Some(vec![]),
            healthcheck: Some(HealthcheckBody::default()),
            hostname: Some("h".into()),
            stop_signal: Some("s".into()),
            stop_timeout: Some(1),
            user: Some("u".into()),
            host_config: HostConfigBody {
                extra_hosts: vec!["a:1".into()],
                mounts: vec![MountBody::of_memory("/t".into())],
                tmpfs: BTreeMap::from([("/tmp".into(), String::new())]),
                ulimits: vec![UlimitBody {
                    hard: 1,
                    name: "nofile".into(),
                    soft: 1,
                }],
                port_bindings: BTreeMap::from([(
                    "80/tcp".into(),
                    vec![PortBindingBody {
                        host_ip: "127.0.0.1".into(),
                        host_port: "80".into(),
                    }],
                )]),
                ..HostConfigBody::default()
            },
            networking_config: NetworkingBody {
                endpoints_config: BTreeMap::from([(
                    "n".into(),
                    EndpointBody {
                        aliases: vec!["a".into()],
                        address: Some(AddressBody {
                            v4: [10, 0, 0, 1].into(),
                            v6: Some(std::net::Ipv6Addr::LOCALHOST),
                        }),
                    },
                )]),
            },
            ..CreateBody::default()
        };
        let mut text = Vec::new();
        body.canonical(&mut text);
        let sorted: serde_json::Value = serde_json::from_slice(&text).unwrap();
        assert_eq!(String::from_utf8(text).unwrap(), sorted.to_string());
    }
}
