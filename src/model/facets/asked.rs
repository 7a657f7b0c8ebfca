//! What an engine was asked to do for a container: as its inspect says, and as a create body would.
//! Both become facets in one way, so that spelling is never a difference.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use super::value::{Facts, Hiding, Value};
use crate::model::create_body::{CreateBody, HealthcheckBody, MountBody, VOLUME};
use crate::model::identity;
use crate::model::quantity::ByteSize;

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
    /// Bytes.
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
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rest {
    /// Weight.
    pub cpu_shares: u64,
    /// Processors that it may run on.
    pub cpu_set: String,
    /// The most processes; 0 is no limit.
    pub processes: u64,
    /// `+NET_ADMIN`, `-CHOWN`
    pub capabilities: BTreeSet<String>,
    /// All rights.
    pub privileged: bool,
    /// `seccomp=…`
    pub security_options: BTreeSet<String>,
    /// By name.
    pub sysctls: BTreeMap<String, String>,
    /// Servers, `search …` and `options …`.
    pub dns: Vec<String>,
}

/// What engines fill in by their own settings.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Defaults {
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
        let own = own_volumes(|it| body.labels.get(it).map(String::as_str));
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
        let or = |text: &str, default: &str| match text {
            "" => default.to_owned(),
            text => text.to_owned(),
        };
        let mut facts = Facts::new();
        let mut put = |name: &str, value: String| facts.insert(name.to_owned(), Value::is(value));
        put("image", self.image.clone());
        put("command", words(&self.command));
        put("entry-point", words(&self.entrypoint));
        put("user", or(&self.user, "root"));
        put("working-folder", or(&self.folder, "/"));
        put("health", health(self.health.as_ref()));
        put("stop-signal", or(&self.stop_signal, "SIGTERM"));
        put("stop-grace", format!("{}s", self.stop_grace.unwrap_or(10)));
        put("aliases", listed(&self.aliases));
        put("extra-hosts", listed(&self.extra_hosts));
        put("published", listed(&self.published));
        put("memory", bytes(self.memory));
        put("cpus", processors(self.nano_cpus));
        put("read-only", yes(self.read_only));
        for (whole, is_empty) in [
            ("mounts", self.mounts.is_empty()),
            ("ulimits", self.ulimits.is_empty()),
            ("sysctls", self.rest.sysctls.is_empty()),
            ("environment", self.variables().next().is_none()),
        ] {
            if is_empty {
                put(whole, "none".to_owned());
            }
        }
        for (path, what) in &self.mounts {
            put(
                &format!("mounts/{}", path.trim_start_matches('/')),
                what.clone(),
            );
        }
        for (name, (soft, hard)) in &self.ulimits {
            put(&format!("ulimits/{name}"), format!("{soft} {hard}"));
        }
        let rest = &self.rest;
        put("cpu-shares", or_none(rest.cpu_shares));
        put("cpu-set", or(&rest.cpu_set, "all"));
        put("processes", or_none(rest.processes));
        put("capabilities", listed(&rest.capabilities));
        put("privileged", yes(rest.privileged));
        put("security-options", listed(&rest.security_options));
        put("dns", words(&rest.dns));
        for (name, value) in &rest.sysctls {
            put(&format!("sysctls/{name}"), value.clone());
        }
        if let Some(defaults) = &self.defaults {
            put("shared-memory", bytes(defaults.shared_memory));
            put("log-driver", defaults.log_driver.clone());
            put("runtime", or(&defaults.runtime, "runc"));
        }
        if self.defaults.is_none() {
            let why = "nobody asks for it: it may be of the engine's `default-ulimits`";
            facts.insert("ulimits".to_owned(), Value::Unknown(why.to_owned()));
        }
        for (name, value) in self.variables() {
            facts.insert(format!("environment/{name}"), hiding.variable(name, value));
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
        ("emulation".to_owned(), Value::is("none")),
    ]);
    for it in &host.ulimits {
        let value = Value::is(format!("{} {}", it.soft, it.hard));
        facts.insert(format!("limits/{}", it.name), value);
    }
    facts
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

/// How the names of a container's own volumes begin, by its labels. Those of a server outlive its
/// generations, which are instances of their own: `production_3`.
pub fn own_volumes<'a>(label: impl Fn(&str) -> Option<&'a str>) -> String {
    let of = |name| label(name).unwrap_or_default();
    let instance = of(identity::INSTANCE);
    let is_number = |it: &str| !it.is_empty() && it.bytes().all(|it| it.is_ascii_digit());
    let keeper = instance.rsplit_once('_').filter(|(_, it)| is_number(it));
    let keeper = keeper.map_or(instance, |(name, _)| name);
    let (platform, container) = (of(identity::PLATFORM), of(identity::CONTAINER));
    format!("devenv-{platform}-{keeper}-{container}.")
}

/// A mount in words. The container's own volumes, whose names begin with `own`, go by the part of their
/// name that every instance has in common; one without a name, or with a name of the engine's choice,
/// by none.
pub fn mount_text(kind: &str, source: &str, own: &str, read_only: bool) -> String {
    let by_engine = source.len() == 64 && source.bytes().all(|it| it.is_ascii_hexdigit());
    let mut text = match (kind, source) {
        (VOLUME, "") => "volume without a name".to_owned(),
        (VOLUME, _) if by_engine => "volume without a name".to_owned(),
        (VOLUME, name) => match name.strip_prefix(own) {
            Some(volume) => format!("volume {volume}"),
            None => format!("foreign volume {name}"),
        },
        (kind, source) => format!("{kind} {source}"),
    };
    if read_only {
        text.push_str(", read-only");
    }
    text
}

/// A folder in memory in words.
pub fn in_memory(options: &str) -> String {
    format!("memory {options}").trim_end().to_owned()
}

/// A published port in words.
pub fn published(port: &str, address: &str, host: &str) -> String {
    format!("{port} at {address}:{host}")
}

/// Bytes in words; 0 is none.
pub fn bytes(value: u64) -> String {
    match value {
        0 => "none".to_owned(),
        value => ByteSize::bytes(value).to_string(),
    }
}

/// Billionths of a processor in words; 0 is none.
pub fn processors(nano: u64) -> String {
    let (whole, rest) = (nano / 1_000_000_000, nano % 1_000_000_000);
    match (whole, rest) {
        (0, 0) => "none".to_owned(),
        (whole, 0) => whole.to_string(),
        (whole, rest) => format!("{whole}.{rest:09}")
            .trim_end_matches('0')
            .to_owned(),
    }
}

fn or_none(value: u64) -> String {
    match value {
        0 => "none".to_owned(),
        value => value.to_string(),
    }
}

fn yes(value: bool) -> String {
    if value { "yes" } else { "no" }.to_owned()
}

fn listed(all: &BTreeSet<String>) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    let all: Vec<&str> = all.iter().map(String::as_str).collect();
    all.join(" ")
}

/// Words that stay apart: `["a b"]` is not `["a", "b"]`.
fn words(all: &[String]) -> String {
    if all.is_empty() {
        return "none".to_owned();
    }
    let mut text = String::new();
    for word in all {
        let _ = write!(text, "{word:?} ");
    }
    text.trim_end().to_owned()
}

/// Engines fill in 30 s, 30 s, 0 and 3 where nothing is said. Source: moby `daemon/health.go`.
fn health(check: Option<&HealthcheckBody>) -> String {
    let Some(check) = check.filter(|it| it.test.first().is_some_and(|it| it != "NONE")) else {
        return "none".to_owned();
    };
    let or = |value: u64, default: u64| {
        if value == 0 {
            default
        } else {
            value / 1_000_000
        }
    };
    format!(
        "{} every {}ms, {}ms each, {} times, from {}ms on",
        words(&check.test),
        or(check.interval, 30_000),
        or(check.timeout, 30_000),
        if check.retries == 0 { 3 } else { check.retries },
        or(check.start_period, 0),
    )
}
