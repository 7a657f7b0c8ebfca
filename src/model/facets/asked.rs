//! What an engine was asked to do for a container: as its inspect says, and as a create body would.
//! Both become facets in one way, so that spelling is never a difference.

use std::collections::{BTreeMap, BTreeSet};

mod words;

pub use words::{bytes, in_memory, mount_text, network, own_volumes, processors, published};
use words::{health, listed, or, or_none, swap, words, yes};

use super::value::{Facts, Hiding, Value};
use crate::model::create_body::{CreateBody, HealthcheckBody, MountBody};

/// An image's own settings, where a container's are silent. Source: OCI image specification, `config`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImageSettings {
    /// `amd64`, …
    pub architecture: String,
    /// `NAME=value`
    pub environment: Vec<String>,
    /// Arguments.
    pub command: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// Empty is root.
    pub user: String,
    /// Empty is `/`.
    pub folder: String,
    /// Its own check.
    pub health: Option<HealthcheckBody>,
    /// Empty is `SIGTERM`.
    pub stop_signal: String,
}

/// What was asked for. Empty, 0 and `false` are the engine's defaults.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// The Id of the image.
    pub image: String,
    /// `NAME=value`
    pub environment: Vec<String>,
    /// Arguments.
    pub command: Vec<String>,
    /// Entry point.
    pub entrypoint: Vec<String>,
    /// User.
    pub user: String,
    /// Working folder.
    pub folder: String,
    /// Its name inside; empty is its Id.
    pub hostname: String,
    /// The network that it joins first.
    pub network: String,
    /// The check.
    pub health: Option<HealthcheckBody>,
    /// The signal that stops it.
    pub stop_signal: String,
    /// Seconds before it is killed.
    pub stop_grace: Option<u64>,
    /// Path → what is there.
    pub mounts: BTreeMap<String, String>,
    /// Names on its networks but the one for absent names.
    pub aliases: BTreeSet<String>,
    /// `name:address`
    pub extra_hosts: BTreeSet<String>,
    /// `80/tcp at 127.0.0.1:8080`
    pub published: BTreeSet<String>,
    /// The most memory, in bytes; 0 is no limit.
    pub memory: u64,
    /// Billionths of a processor.
    pub nano_cpus: u64,
    /// `nofile` → soft and hard.
    pub ulimits: BTreeMap<String, (i64, i64)>,
    /// Whether its root file system is read-only.
    pub read_only: bool,
    /// What devenv never asks for.
    pub rest: Rest,
    /// What a create body leaves to the engine's own settings; `None`: it is one.
    pub defaults: Option<Defaults>,
}

/// What no container of devenv is created with: whatever is here was somebody else's doing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rest {
    /// Bytes of memory and swap; 0 is twice the memory, -1 no limit. `None`: the engine keeps none.
    pub swap: Option<i64>,
    /// How readily the kernel swaps; `None`: as its host is set.
    pub swappiness: Option<i64>,
    /// Whose processes it sees; empty is its own.
    pub processes_of: String,
    /// `/dev/x:/dev/x:rwm`
    pub devices: BTreeSet<String>,
    /// More groups of its user.
    pub groups: BTreeSet<String>,
    /// Whether the engine's own program is the first process.
    pub init: bool,
    /// Its weight among others where processors are short; 0 is the kernel's 1024.
    pub cpu_shares: u64,
    /// Processors that it may run on.
    pub cpu_set: String,
    /// The most processes; 0 is no limit.
    pub processes: u64,
    /// `+NET_ADMIN`, `-CHOWN`
    pub capabilities: BTreeSet<String>,
    /// Whether it may do all that the host's root may.
    pub privileged: bool,
    /// `seccomp=…`
    pub security_options: BTreeSet<String>,
    /// Settings of its kernel namespaces, by name: `net.core.somaxconn`.
    pub sysctls: BTreeMap<String, String>,
    /// Servers, `search …` and `options …`.
    pub dns: Vec<String>,
}

impl Default for Rest {
    fn default() -> Self {
        Self {
            swap: Some(0),
            swappiness: None,
            processes_of: String::new(),
            devices: BTreeSet::new(),
            groups: BTreeSet::new(),
            init: false,
            cpu_shares: 0,
            cpu_set: String::new(),
            processes: 0,
            capabilities: BTreeSet::new(),
            privileged: false,
            security_options: BTreeSet::new(),
            sysctls: BTreeMap::new(),
            dns: Vec::new(),
        }
    }
}

impl Rest {
    /// But what there can be several of, and what depends on the rest.
    fn facts(&self) -> Facts {
        let swappiness = self.swappiness.map(|it| it.to_string());
        let all = [
            ("swappiness", or(&swappiness.unwrap_or_default(), "default")),
            ("pid-mode", or(&self.processes_of, "private")),
            ("devices", listed(&self.devices)),
            ("group-add", listed(&self.groups)),
            ("init", yes(self.init)),
            ("cpu-shares", or_none(self.cpu_shares)),
            ("cpu-set", or(&self.cpu_set, "all")),
            ("processes", or_none(self.processes)),
            ("capabilities", listed(&self.capabilities)),
            ("privileged", yes(self.privileged)),
            ("security-options", listed(&self.security_options)),
            ("dns", words(&self.dns)),
        ];
        all.map(|(name, text)| (name.to_owned(), Value::is(text)))
            .into()
    }
}

/// What engines fill in by their own settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
    /// With whom it shares memory.
    pub shared_with: String,
    /// Bytes of `/dev/shm`.
    pub shared_memory: u64,
    /// Where output goes.
    pub log_driver: String,
    /// What runs it.
    pub runtime: String,
}

impl Asked {
    /// What an inspect would say of a container that is made of `body` and an image; `image` is its Id.
    /// Source: moby `daemon/commit.go`, `merge`.
    pub fn of(body: &CreateBody, image: &str, settings: &ImageSettings) -> Self {
        let (command, entrypoint) = match (&body.cmd, &body.entrypoint) {
            (Some(command), None) => (command.clone(), settings.entrypoint.clone()),
            (command, Some(entrypoint)) => {
                (command.clone().unwrap_or_default(), entrypoint.clone())
            }
            (None, None) => (settings.command.clone(), settings.entrypoint.clone()),
        };
        let host = &body.host_config;
        let label = |it: &str| body.labels.get(it).map(String::as_str);
        let own = own_volumes(label);
        let tmpfs = host.tmpfs.iter();
        let tmpfs = tmpfs.map(|(path, options)| (path.clone(), in_memory(options)));
        let endpoints = body.networking_config.endpoints_config.values();
        let or =
            |own: &Option<String>, image: &String| own.clone().unwrap_or_else(|| image.clone());
        Self {
            image: image.to_owned(),
            environment: merged(&settings.environment, &body.env),
            command,
            entrypoint,
            user: or(&body.user, &settings.user),
            folder: settings.folder.clone(),
            hostname: body.hostname.clone().unwrap_or_default(),
            network: network(&host.network_mode, label),
            health: body.healthcheck.clone().or_else(|| settings.health.clone()),
            stop_signal: or(&body.stop_signal, &settings.stop_signal),
            stop_grace: body.stop_timeout,
            mounts: (host.mounts.iter())
                .map(|it| mounted(it, &own))
                .chain(tmpfs)
                .collect(),
            aliases: endpoints
                .flat_map(|it| &it.aliases)
                .filter(|it| body.hostname.as_ref() != Some(it))
                .cloned()
                .collect(),
            extra_hosts: host.extra_hosts.iter().cloned().collect(),
            published: host
                .port_bindings
                .iter()
                .flat_map(|(port, all)| {
                    all.iter()
                        .map(|it| published(port, &it.host_ip, &it.host_port))
                })
                .collect(),
            memory: host.memory,
            nano_cpus: host.nano_cpus,
            ulimits: (host.ulimits.iter())
                .map(|it| (it.name.clone(), (it.soft, it.hard)))
                .collect(),
            read_only: host.readonly_rootfs,
            rest: Rest::default(),
            defaults: None,
        }
    }

    /// As facets.
    pub fn facts(&self, hiding: &Hiding) -> Facts {
        let mut facts = self.several(hiding);
        let mut put = |name: &str, value: String| facts.insert(name.to_owned(), Value::is(value));
        put("image", self.image.clone());
        put("command", words(&self.command));
        put("entry-point", words(&self.entrypoint));
        put("user", or(&self.user, "root"));
        put("working-folder", or(&self.folder, "/"));
        put("hostname", or(&self.hostname, "its Id"));
        put("network-mode", or(&self.network, "default"));
        put("health", health(self.health.as_ref()));
        put("stop-signal", or(&self.stop_signal, "SIGTERM"));
        put("stop-grace", format!("{}s", self.stop_grace.unwrap_or(10)));
        put("aliases", listed(&self.aliases));
        put("extra-hosts", listed(&self.extra_hosts));
        put("published", listed(&self.published));
        put("memory", bytes(self.memory));
        put("cpus", processors(self.nano_cpus));
        put("read-only", yes(self.read_only));
        if let Some(defaults) = &self.defaults {
            put("shared-memory", bytes(defaults.shared_memory));
            put("ipc-mode", or(&defaults.shared_with, "default"));
            put("log-driver", defaults.log_driver.clone());
            put("runtime", or(&defaults.runtime, "runc"));
        }
        facts.extend(self.rest.facts());
        let swap = self.rest.swap.map(|it| Value::is(swap(self.memory, it)));
        let no_limit = || Value::Unknown("the engine keeps no limit of swap".to_owned());
        facts.insert("memory-swap".to_owned(), swap.unwrap_or_else(no_limit));
        facts
    }

    /// The facets of which there can be several; `none` where there is none, so that it is known to have
    /// been looked at.
    fn several(&self, hiding: &Hiding) -> Facts {
        let mut facts: Facts = ["mounts", "ulimits", "sysctls", "environment"]
            .map(|it| (it.to_owned(), Value::is("none")))
            .into();
        let mut put = |whole: &str, part: &str, value: Value| {
            facts.remove(whole);
            facts.insert(format!("{whole}/{part}"), value);
        };
        for (path, what) in &self.mounts {
            put("mounts", path.trim_start_matches('/'), Value::is(what));
        }
        for (name, (soft, hard)) in &self.ulimits {
            put("ulimits", name, Value::is(format!("{soft} {hard}")));
        }
        for (name, value) in &self.rest.sysctls {
            put("sysctls", name, Value::is(value));
        }
        for (name, value) in self.variables() {
            put("environment", name, hiding.variable(name, value));
        }
        if self.defaults.is_none() {
            let why = "nobody asks for it: it may be of the engine's `default-ulimits`";
            facts.insert("ulimits".to_owned(), Value::Unknown(why.to_owned()));
        }
        facts
    }

    /// The variables by name.
    pub fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment.iter().filter_map(|it| it.split_once('='))
    }
}

/// What a create body says about facets that are looked at inside.
pub fn effective(body: &CreateBody) -> Facts {
    // Memory is counted in pages, processors in microseconds of a tenth of a second.
    const PAGE: u64 = 4096;
    const SLICE: u64 = 10_000;
    let host = &body.host_config;
    let mut facts = Facts::from([
        (
            "effective-memory".to_owned(),
            Value::is(bytes(host.memory / PAGE * PAGE)),
        ),
        (
            "effective-cpus".to_owned(),
            Value::is(processors(host.nano_cpus / SLICE * SLICE)),
        ),
        (
            "effective-memory-swap".to_owned(),
            Value::is(mebibytes(host.memory.saturating_mul(2))),
        ),
        ("emulation".to_owned(), Value::is("none")),
    ]);
    for it in &host.ulimits {
        let value = Value::is(format!("{} {}", it.soft, it.hard));
        facts.insert(format!("limits/{}", it.name), value);
    }
    facts
}

/// Whole mebibytes; 0 is none. What kernels round to pages is the same within one in a hundred.
pub fn mebibytes(bytes: u64) -> String {
    or_none(bytes >> 20)
}

/// The image's variables with those of a body: `NAME` alone takes one away.
fn merged(image: &[String], body: &[String]) -> Vec<String> {
    let name = |it: &str| it.split_once('=').map_or(it, |(name, _)| name).to_owned();
    let own: BTreeSet<String> = body.iter().map(|it| name(it)).collect();
    let kept = image.iter().filter(|it| !own.contains(&name(it)));
    kept.chain(body.iter().filter(|it| it.contains('=')))
        .cloned()
        .collect()
}

fn mounted(mount: &MountBody, own: &str) -> (String, String) {
    let text = mount_text(&mount.kind, &mount.source, own, mount.read_only);
    (mount.target.clone(), text)
}
