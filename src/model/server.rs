//! `server.yaml`: what makes a machine a server of one environment. `server init` writes it with
//! every key explained ([`text`]).

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;
use serde::Deserialize;

use super::image::Repository;
use super::name::{ConfigurationName, ContainerName, EnvironmentName, InstanceName, PlatformName};
use super::quantity::{ByteSize, Span};
use super::window::Window;
use super::yaml::{self, Step};
use crate::error::{Error, Kind, Result};

/// The only layout of the file so far.
const SCHEMA: u32 = 1;

/// What a server is.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerFile {
    /// The format; always 1.
    pub schema: u32,
    /// Whose reference it runs.
    pub platform: PlatformName,
    /// Where images, references and ledgers are published.
    pub registry: Repository,
    /// Whose ledger it follows.
    pub environment: EnvironmentName,
    /// Which settings its images use; the environment's own where nothing is said.
    #[serde(default)]
    configuration: Option<ConfigurationName>,
    /// What its containers, volumes and networks are named after.
    #[serde(default = "name")]
    pub name: InstanceName,
    /// Addresses that generations' networks are cut from, 256 for each.
    #[serde(default = "addresses")]
    pub addresses: Ipv4Net,
    /// Whether requests are led by IPv6 too.
    #[serde(default)]
    pub ipv6: bool,
    /// How long connections to the old proxy may take to end.
    #[serde(default = "drain")]
    pub drain: Span,
    /// How long the generation before stays paused before it is stopped.
    #[serde(default = "keep")]
    pub keep: Span,
    /// How many generations beside the one that serves are kept for a rollback.
    #[serde(default = "kept")]
    pub kept: usize,
    /// How long one container may take to get ready.
    #[serde(default = "ready")]
    pub ready: Span,
    /// Containers that may be stopped when they change and cannot run twice.
    #[serde(default)]
    pub allow_stop: BTreeSet<ContainerName>,
    /// When containers of that kind may be stopped.
    #[serde(default)]
    pub windows: Vec<Window>,
    /// What is done about what somebody changed by hand.
    #[serde(default)]
    pub drift: Drift,
    /// What has to stay free on the engine's disk before anything is pulled.
    #[serde(default = "free_disk")]
    pub free_disk: ByteSize,
    /// When `server check` says that something is wrong.
    #[serde(default)]
    pub check: Patience,
}

/// What is done about a container that was stopped, removed, added or taken off its network by hand.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Drift {
    /// `server apply` makes it as it was.
    #[default]
    Mend,
    /// `server check` says it, and it stays.
    Tell,
}

/// How often something has to be seen to be wrong before it is told: `bad` of the last `of` looks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Patience {
    /// How many bad looks are told.
    pub bad: usize,
    /// Out of how many last looks.
    pub of: usize,
}

impl Default for Patience {
    fn default() -> Self {
        Self { bad: 2, of: 3 }
    }
}

fn name() -> InstanceName {
    InstanceName::new("server").unwrap_or_else(|_| unreachable!("it is a name"))
}

fn addresses() -> Ipv4Net {
    Ipv4Net::new_assert(Ipv4Addr::new(10, 213, 0, 0), 16)
}

fn drain() -> Span {
    Span::seconds(30)
}

fn keep() -> Span {
    Span::seconds(30 * 60)
}

fn kept() -> usize {
    2
}

fn ready() -> Span {
    Span::seconds(5 * 60)
}

fn free_disk() -> ByteSize {
    ByteSize::bytes(1 << 30)
}

impl ServerFile {
    /// Reads the file. Fails with [`Kind::Usage`] and the place of what is wrong.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self> {
        let file: Self = yaml::read(Kind::Usage, source, text)?;
        if let Some((key, message)) = file.fault() {
            let text = String::from_utf8_lossy(text);
            return Err(yaml::at(
                Kind::Usage,
                source,
                &text,
                &[Step::Value(key)],
                &message,
            ));
        }
        Ok(file)
    }

    fn fault(&self) -> Option<(&'static str, String)> {
        if self.schema != SCHEMA {
            return Some((
                "schema",
                format!("schema {} is unknown, it is {SCHEMA}", self.schema),
            ));
        }
        if self.addresses.prefix_len() > 20 || self.addresses.prefix_len() < 8 {
            let message = "`addresses` takes 4096 addresses or more: /8 to /20".to_owned();
            return Some(("addresses", message));
        }
        if self.check.bad == 0 || self.check.bad > self.check.of || self.check.of > 100 {
            let message = "`check` wants `bad` to be 1 or more, and not more than `of`".to_owned();
            return Some(("check", message));
        }
        if self.windows.iter().any(|it| it.from == it.to) {
            let message = "a window of `windows` ends when it begins".to_owned();
            return Some(("windows", message));
        }
        if self.name.as_str().len() > 20 {
            return Some(("name", "`name` has 20 characters at most".to_owned()));
        }
        None
    }

    /// Which settings its images use.
    pub fn configuration(&self) -> Result<ConfigurationName> {
        match &self.configuration {
            Some(name) => Ok(name.clone()),
            None => ConfigurationName::new(self.environment.as_str()).map_err(Error::usage),
        }
    }

    /// Where something of the platform is published.
    pub fn repository(&self, name: &str) -> Result<Repository> {
        self.registry.join(name).map_err(Error::usage)
    }

    /// The networks that generations can have.
    pub fn networks(&self) -> impl Iterator<Item = Ipv4Net> {
        self.addresses.subnets(24).into_iter().flatten()
    }
}

/// The file as `server init` writes it: what was said, and every other key with its default.
pub fn text(
    platform: &PlatformName,
    registry: &Repository,
    environment: &EnvironmentName,
    name: &InstanceName,
    addresses: Option<Ipv4Net>,
    ipv6: bool,
) -> String {
    let addresses = addresses.unwrap_or_else(self::addresses);
    format!(
        "\
# What makes this machine a server of {environment}. `devenv server apply` reads it each time.
schema: 1
platform: {platform}
registry: {registry}
environment: {environment}
# Which settings the images use; without it, those of the environment.
# configuration: {environment}

# What containers, volumes and networks of this server are named after: devenv-{platform}-{name}_1-…
name: {name}
# Each generation gets a network of 256 of these addresses, which nothing else on this machine may use.
addresses: {addresses}
# Whether requests are led by IPv6 too. Then its containers have addresses of IPv6, and find each other by them as well.
ipv6: {ipv6}

# How long connections to the old proxy may take to end after a change; what is cut then is counted.
drain: {drain}
# How long the generation before stays paused, ready to serve at once; then it is stopped.
keep: {keep}
# How many generations are kept beside the one that serves.
kept: {kept}
# How long one container may take to get ready.
ready: {ready}
# Containers with data of their own cannot run twice. Those named here may be stopped while they change;
# others need `server apply --allow-stop NAME`.
allow_stop: []
# When those that are not named may be stopped, in this machine's time; a reference that changes one waits for it.
# windows: [{{ days: [sat, sun], from: 02:00, to: 04:00 }}]
windows: []
# What somebody stops, removes or adds by hand: `mend` makes it as it was with the next apply, `tell` leaves it, and
# `server check` says so.
drift: mend
# Nothing is pulled where less than this is free on the engine's disk.
free_disk: {free_disk}
# `server check` says that something is wrong once it was so in `bad` of its last `of` looks.
check: {{ bad: {bad}, of: {of} }}
",
        drain = drain(),
        keep = keep(),
        kept = kept(),
        ready = ready(),
        free_disk = free_disk(),
        bad = Patience::default().bad,
        of = Patience::default().of,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written() -> String {
        text(
            &"acme".parse().unwrap(),
            &"registry.acme.example:5000/platform".parse().unwrap(),
            &"production".parse().unwrap(),
            &name(),
            None,
            false,
        )
    }

    #[test]
    fn what_init_writes_is_read_and_says_the_defaults() {
        let file = ServerFile::parse("server.yaml", written().as_bytes()).unwrap();
        let few = "schema: 1\nplatform: acme\nregistry: registry.acme.example:5000/platform\n\
                   environment: production\n";
        assert_eq!(
            ServerFile::parse("server.yaml", few.as_bytes()).unwrap(),
            file
        );
        assert_eq!(file.configuration().unwrap().as_str(), "production");
        let networks: Vec<_> = file.networks().take(2).collect();
        assert_eq!(networks[1].to_string(), "10.213.1.0/24");
    }

    #[test]
    fn what_cannot_be_is_refused_with_its_place() {
        for (change, wanted) in [
            ("drian: 30s\n", "server.yaml:37:1: unknown field `drian`"),
            ("configuration: Recette\n", "server.yaml:37:16: "),
        ] {
            let text = written() + change;
            let error = ServerFile::parse("server.yaml", text.as_bytes()).unwrap_err();
            assert_eq!(error.kind(), Kind::Usage);
            assert!(error.to_string().starts_with(wanted), "{error}");
        }
        for (from, to, wanted) in [
            (
                "schema: 1",
                "schema: 2",
                "server.yaml:2:9: schema 2 is unknown",
            ),
            ("0.0/16", "0.0/24", "`addresses` takes 4096 addresses"),
            ("bad: 2", "bad: 4", "`check` wants `bad`"),
            ("drift: mend", "drift: fix", "server.yaml:32:8: "),
            (
                "windows: []",
                "windows: [{ from: 02:00, to: 02:00 }]",
                "a window of `windows` ends when it begins",
            ),
        ] {
            let text = written().replace(from, to);
            let error = ServerFile::parse("server.yaml", text.as_bytes()).unwrap_err();
            assert!(error.to_string().contains(wanted), "{error}");
        }
    }
}
