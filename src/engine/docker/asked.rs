//! What a container was created with, and what its image says, for comparisons.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerConfig, ContainerInspectResponse, DeviceMapping, EndpointSettings, HostConfig,
    ImageInspect, MountPoint,
};

use super::{Docker, convert, dialect};
use crate::engine::Fault;
use crate::model::digest::Digest;
use crate::model::facets::asked::{
    Asked, Defaults, ImageSettings, Rest, in_memory, mount_text, network, own_volumes, published,
};

impl Docker {
    /// What was asked for a container.
    pub async fn asked(&self, container: &str) -> Result<Asked, Fault> {
        let call = async {
            match self.client.inspect_container(container, None).await {
                Err(error) if dialect::is_foreign(&error) => Ok(None),
                answer => answer.map(Some),
            }
        };
        let answer = match self.short(call).await? {
            Some(answer) => answer,
            None => {
                self.translated(&format!("/containers/{container}/json"))
                    .await?
            }
        };
        Ok(asked(answer))
    }

    /// What the image with this Id says about running it.
    pub async fn image_settings(&self, id: &Digest) -> Result<ImageSettings, Fault> {
        let id = id.to_string();
        Ok(settings(self.short(self.client.inspect_image(&id)).await?))
    }
}

fn settings(body: ImageInspect) -> ImageSettings {
    let config = body.config.unwrap_or_default();
    ImageSettings {
        architecture: body.architecture.unwrap_or_default(),
        environment: config.env.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        folder: config.working_dir.unwrap_or_default(),
        health: config.healthcheck.and_then(convert::healthcheck),
        stop_signal: config.stop_signal.unwrap_or_default(),
    }
}

fn asked(body: ContainerInspectResponse) -> Asked {
    let (id, object) = (body.id.unwrap_or_default(), body.name.unwrap_or_default());
    let config = body.config.unwrap_or_default();
    let host = body.host_config.unwrap_or_default();
    let networks = body.network_settings.and_then(|all| all.networks);
    let networks = networks.unwrap_or_default();
    let mode = first_network(&host, &networks);
    let by_itself = |name: &String| {
        id.starts_with(name.as_str())
            || Some(name.as_str()) == object.strip_prefix('/')
            || Some(name) == config.hostname.as_ref()
    };
    let labels = config.labels.clone().unwrap_or_default();
    let label = |it: &str| labels.get(it).map(String::as_str);
    let own = own_volumes(label);
    let tmpfs = host.tmpfs.iter().flatten();
    let tmpfs = tmpfs.map(|(path, options)| (path.clone(), in_memory(options)));
    let mounts = body
        .mounts
        .into_iter()
        .flatten()
        .filter_map(|it| mounted(it, &own));
    let ports = host.port_bindings.iter().flatten();
    let ulimits = host.ulimits.iter().flatten();
    Asked {
        image: body.image.unwrap_or_default(),
        mounts: mounts.chain(tmpfs).collect(),
        aliases: networks
            .into_iter()
            // What is on the other one are names of nobody.
            .filter(|(network, _)| !network.ends_with("-absent"))
            .flat_map(|(_, endpoint)| endpoint.aliases.unwrap_or_default())
            .filter(|name| !by_itself(name))
            .collect(),
        extra_hosts: host.extra_hosts.iter().flatten().cloned().collect(),
        published: ports
            .flat_map(|(port, all)| all.iter().flatten().map(move |it| (port, it)))
            .map(|(port, it)| {
                let text = |it: &Option<String>| it.clone().unwrap_or_default();
                published(port, &text(&it.host_ip), &text(&it.host_port))
            })
            .collect(),
        network: network(&mode, label),
        hostname: (config.hostname.clone())
            .filter(|it| !id.starts_with(it.as_str()))
            .unwrap_or_default(),
        memory: number(host.memory),
        nano_cpus: number(host.nano_cpus).max(quota(&host)),
        ulimits: ulimits
            .filter_map(|it| Some((it.name.clone()?, (it.soft?, it.hard?))))
            .collect(),
        read_only: host.readonly_rootfs.unwrap_or_default(),
        defaults: Some(defaults(&host)),
        rest: rest(host),
        ..of_config(config)
    }
}

/// The name of what a container joins first: it may be asked for by its Id.
fn first_network(host: &HostConfig, networks: &HashMap<String, EndpointSettings>) -> String {
    let mode = host.network_mode.as_deref().unwrap_or_default();
    let is_it = |it: &EndpointSettings| it.network_id.as_deref() == Some(mode);
    let joined = networks.iter().find(|(_, it)| is_it(it));
    joined.map_or(mode, |(name, _)| name).to_owned()
}

fn defaults(host: &HostConfig) -> Defaults {
    let log = host.log_config.clone().and_then(|it| it.typ);
    Defaults {
        shared_with: host.ipc_mode.clone().unwrap_or_default(),
        shared_memory: number(host.shm_size),
        log_driver: log.unwrap_or_default(),
        runtime: host.runtime.clone().unwrap_or_default(),
    }
}

/// Engines say -1 for no limit too.
fn number(value: Option<i64>) -> u64 {
    value.and_then(|it| it.try_into().ok()).unwrap_or(0)
}

fn of_config(config: ContainerConfig) -> Asked {
    Asked {
        environment: config.env.unwrap_or_default(),
        command: config.cmd.unwrap_or_default(),
        entrypoint: config.entrypoint.unwrap_or_default(),
        user: config.user.unwrap_or_default(),
        folder: config.working_dir.unwrap_or_default(),
        health: config.healthcheck.and_then(convert::healthcheck),
        stop_signal: config.stop_signal.unwrap_or_default(),
        stop_grace: config.stop_timeout.and_then(|it| it.try_into().ok()),
        ..Asked::default()
    }
}

/// `--cpus` by its other name: of a period in a quota.
fn quota(host: &HostConfig) -> u64 {
    let (Some(quota), period) = (host.cpu_quota, host.cpu_period) else {
        return 0;
    };
    let period = period.filter(|it| *it > 0).unwrap_or(100_000);
    let nano = i128::from(quota.max(0)) * 1_000_000_000 / i128::from(period);
    u64::try_from(nano).unwrap_or(0)
}

fn mounted(mount: MountPoint, own: &str) -> Option<(String, String)> {
    let kind = mount.typ?;
    let source = mount.name.or(mount.source).unwrap_or_default();
    let text = mount_text(&kind, &source, own, mount.rw == Some(false));
    Some((mount.destination?, text))
}

fn device(it: DeviceMapping) -> String {
    let all = [it.path_on_host, it.path_in_container, it.cgroup_permissions];
    all.map(Option::unwrap_or_default).join(":")
}

fn rest(host: HostConfig) -> Rest {
    let named = |sign: &str, all: Option<Vec<String>>| -> BTreeSet<String> {
        let all = all.into_iter().flatten();
        all.map(|it| format!("{sign}{}", it.trim_start_matches("CAP_")))
            .collect()
    };
    let search = host.dns_search.into_iter().flatten();
    let options = host.dns_options.into_iter().flatten();
    let dns = host.dns.into_iter().flatten();
    let devices = host.devices.into_iter().flatten().map(device);
    let requests = host.device_requests.into_iter().flatten();
    let requests = requests.map(|it| format!("{it:?}"));
    Rest {
        swap: Some(host.memory_swap.unwrap_or_default()),
        swappiness: host.memory_swappiness.filter(|it| *it >= 0),
        processes_of: host.pid_mode.unwrap_or_default(),
        devices: devices.chain(requests).collect(),
        groups: host.group_add.into_iter().flatten().collect(),
        init: host.init.unwrap_or_default(),
        cpu_shares: number(host.cpu_shares),
        cpu_set: host.cpuset_cpus.unwrap_or_default(),
        processes: number(host.pids_limit),
        capabilities: &named("+", host.cap_add) | &named("-", host.cap_drop),
        privileged: host.privileged.unwrap_or_default(),
        security_options: host.security_opt.into_iter().flatten().collect(),
        sysctls: BTreeMap::from_iter(host.sysctls.unwrap_or_default()),
        dns: dns
            .chain(search.map(|it| format!("search {it}")))
            .chain(options.map(|it| format!("options {it}")))
            .collect(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::facets::value::Hiding;

    fn facts(body: serde_json::Value) -> crate::model::facets::value::Facts {
        asked(serde_json::from_value(body).unwrap()).facts(&Hiding::new(b"key"))
    }

    /// What engines say for what nobody asked for differs by their versions, and means the same.
    #[test]
    fn absent_and_default_are_the_same() {
        let silent = facts(json!({ "HostConfig": { "ShmSize": 67_108_864 } }));
        let said = facts(json!({
            "Id": "0123456789abcdef",
            "Name": "/devenv-acme-x-billing",
            "Config": {
                "User": "", "Env": [], "Cmd": null, "Entrypoint": [], "WorkingDir": "/",
                "StopSignal": "SIGTERM", "StopTimeout": 10, "Hostname": "0123456789ab",
                "Healthcheck": { "Test": ["NONE"] }
            },
            "HostConfig": {
                "ShmSize": 67_108_864, "MemorySwap": -1, "MemorySwappiness": -1, "Init": false, "PidMode": "", "Devices": [], "GroupAdd": null, "PidsLimit": -1, "CapAdd": [], "CapDrop": null, "Dns": [],
                "SecurityOpt": [], "Runtime": "runc", "CpuQuota": 0, "Ulimits": [], "Sysctls": {},
                "LogConfig": { "Type": "", "Config": {} }, "Tmpfs": {}, "ExtraHosts": []
            },
            "NetworkSettings": { "Networks": {
                "devenv-acme-x": { "Aliases": ["0123456789ab", "devenv-acme-x-billing"] },
                "devenv-acme-x-absent": { "Aliases": ["audit"] }
            } }
        }));
        assert_eq!(silent, said);
    }

    #[test]
    fn what_was_asked_is_read() {
        let labels = json!({
            "devenv.platform": "acme", "devenv.instance": "x_3", "devenv.container": "db"
        });
        let facts = facts(json!({
            "Config": { "Labels": labels },
            "HostConfig": {
                "Memory": 1 << 30, "MemorySwap": 3_221_225_472_u64, "NetworkMode": "0123", "PidMode": "host",
                "Devices": [{ "PathOnHost": "/dev/x", "PathInContainer": "/dev/y", "CgroupPermissions": "r" }], "CpuQuota": 150_000, "CapAdd": ["CAP_NET_ADMIN", "SYS_PTRACE"],
                "PortBindings": { "80/tcp": [{ "HostIp": "127.0.0.1", "HostPort": "8080" }] },
                "Ulimits": [{ "Name": "nofile", "Soft": 1, "Hard": 2 }], "Tmpfs": { "/tmp": "size=1m" }
            },
            "NetworkSettings": { "Networks": { "devenv-acme-x_3": { "NetworkID": "0123" } } },
            "Mounts": [
                { "Type": "volume", "Name": "devenv-acme-x-db.data", "Destination": "/d", "RW": true },
                { "Type": "volume", "Name": "devenv-acme-y-db.data", "Destination": "/e", "RW": true },
                { "Type": "volume", "Name": "devenv-acme-x-db-b.data", "Destination": "/f", "RW": true },
                { "Type": "bind", "Source": "/src", "Destination": "/s", "RW": false }
            ]
        }));
        for (key, value) in [
            ("memory", "1GiB"),
            ("memory-swap", "3GiB"),
            ("network-mode", "the instance's own"),
            ("pid-mode", "host"),
            ("devices", "/dev/x:/dev/y:r"),
            ("cpus", "1.5"),
            ("capabilities", "+NET_ADMIN +SYS_PTRACE"),
            ("published", "80/tcp at 127.0.0.1:8080"),
            ("ulimits/nofile", "1 2"),
            ("mounts/tmp", "memory size=1m"),
            ("mounts/d", "volume data"),
            ("mounts/e", "foreign volume devenv-acme-y-db.data"),
            ("mounts/f", "foreign volume devenv-acme-x-db-b.data"),
            ("mounts/s", "bind /src, read-only"),
        ] {
            let is = crate::model::facets::value::Value::is(value);
            assert_eq!(facts.get(key), Some(&is), "{key}");
        }
    }
}
