//! `containers/<name>/container.yaml`: one container as its definition states it.

use std::collections::BTreeMap;

use serde::de::{self, MapAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use super::filling::{Dumping, Seed};
use super::name::{
    ConfigurationName, ContainerName, EnvironmentName, FileName, VariableName, VolumeName,
};
use super::quantity::{ByteSize, Cpus, Span};
use super::secret_use::SecretUse;
use super::text::{AbsolutePath, HostName, RoutePath, Word};

pub use super::route::Route;

/// What a container is to the platform.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// A web application with the shared interface.
    #[default]
    App,
    /// The one entry point, which embeds the reference.
    Proxy,
    /// A database, a broker, a job.
    Service,
    /// Never run; others build from it.
    Base,
}

impl Kind {
    /// The word in the files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::App => "app",
            Self::Proxy => "proxy",
            Self::Service => "service",
            Self::Base => "base",
        }
    }
}

/// A definition before defaults are applied.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Definition {
    /// For the catalogue.
    pub description: Option<String>,
    /// What it is to the platform.
    pub kind: Kind,
    /// The files that production receives and copies into the build context.
    #[serde(deserialize_with = "one_or_many")]
    pub artifact: Vec<FileName>,
    /// Containers that must be there first.
    pub needs: Vec<Need>,
    /// Containers that start before this one when both run.
    pub uses: Vec<ContainerName>,
    /// Where the proxy shows it.
    pub routes: Vec<Route>,
    /// Ports published on the host.
    pub publish: Vec<Publish>,
    /// Where it listens for HTTP.
    pub port: Option<u16>,
    /// Named volumes and their paths.
    pub volumes: BTreeMap<VolumeName, AbsolutePath>,
    /// Plain environment variables.
    pub environment: BTreeMap<VariableName, String>,
    /// What differs per configuration.
    pub configurations: BTreeMap<ConfigurationName, ConfigurationSettings>,
    /// Environment variables and files whose values are secret.
    pub secrets: Vec<SecretUse>,
    /// How to know that it works.
    pub health: Option<Health>,
    /// Limit.
    pub memory: Option<ByteSize>,
    /// Limit.
    pub cpus: Option<Cpus>,
    /// User inside.
    pub user: Option<Word>,
    /// Arguments instead of the image's.
    pub command: Option<Vec<String>>,
    /// Entry point instead of the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Limits by name.
    pub ulimits: BTreeMap<Word, u32>,
    /// Whether the root file system is read-only.
    pub read_only: bool,
    /// Paths in memory.
    pub tmpfs: Vec<AbsolutePath>,
    /// Signal that stops it.
    pub stop_signal: Option<Word>,
    /// Time between that signal and a kill.
    pub stop_grace: Option<Span>,
    /// Host name inside.
    pub hostname: Option<HostName>,
    /// A one-shot that must exit 0.
    pub once: bool,
    /// What fills its volumes at its first start.
    pub seed: Option<Seed>,
    /// How its data is saved while it runs.
    pub snapshot: Option<Dumping>,
    /// How many copies the servers of each environment run; `None`: as the platform's apps do.
    pub replicas: Option<BTreeMap<EnvironmentName, u16>>,
}

/// Settings of one configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConfigurationSettings {
    /// Overlays the container's environment.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<VariableName, String>,
}

/// A container that must be there first, and how far it must have come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Need {
    /// Which.
    pub container: ContainerName,
    /// How far; the default depends on the needed container.
    pub until: Option<Until>,
}

/// How far a needed container must have come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Hash)]
#[serde(rename_all = "lowercase")]
pub enum Until {
    /// Its process runs.
    Started,
    /// Its health check passes.
    Healthy,
    /// It exited 0.
    Completed,
}

impl Until {
    /// The word in the files.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Started => "started",
            Self::Healthy => "healthy",
            Self::Completed => "completed",
        }
    }
}

/// A port published on the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
pub struct Publish {
    /// Wanted on the host.
    pub host: u16,
    /// Inside.
    pub container: u16,
}

/// How to know that a container works.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Health {
    /// An HTTP path on the container's port that answers below 400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<RoutePath>,
    /// A command that exits 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Between two probes.
    #[serde(default = "default_interval")]
    pub interval: Span,
    /// Of one probe.
    #[serde(default = "default_timeout")]
    pub timeout: Span,
    /// Failures during this time do not count.
    #[serde(default = "default_start_period")]
    pub start_period: Span,
    /// Failures before it counts as unhealthy.
    #[serde(default = "default_retries")]
    pub retries: u32,
}

fn default_interval() -> Span {
    Span::seconds(2)
}

fn default_timeout() -> Span {
    Span::seconds(5)
}

fn default_start_period() -> Span {
    Span::seconds(60)
}

fn default_retries() -> u32 {
    3
}

/// A name or a list of names.
fn one_or_many<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<FileName>, D::Error> {
    struct OneOrMany;
    impl<'de> Visitor<'de> for OneOrMany {
        type Value = Vec<FileName>;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a file name or a list of file names")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Self::Value, E> {
            FileName::new(text)
                .map(|name| vec![name])
                .map_err(E::custom)
        }

        fn visit_seq<A: de::SeqAccess<'de>>(self, seq: A) -> Result<Self::Value, A::Error> {
            Deserialize::deserialize(de::value::SeqAccessDeserializer::new(seq))
        }
    }
    deserializer.deserialize_any(OneOrMany)
}

impl<'de> Deserialize<'de> for Need {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            container: ContainerName,
            #[serde(default)]
            until: Option<Until>,
        }
        struct NameOrMap;
        impl<'de> Visitor<'de> for NameOrMap {
            type Value = Need;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(
                    "a container name or { container: NAME, until: started | healthy | completed }",
                )
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Need, E> {
                let container = ContainerName::new(text).map_err(E::custom)?;
                Ok(Need {
                    container,
                    until: None,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Need, A::Error> {
                let full = Full::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Need {
                    container: full.container,
                    until: full.until,
                })
            }
        }
        deserializer.deserialize_any(NameOrMap)
    }
}

impl<'de> Deserialize<'de> for Publish {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Full {
            host: u16,
            container: u16,
        }
        struct PortOrMap;
        impl<'de> Visitor<'de> for PortOrMap {
            type Value = Publish;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a port or { host: PORT, container: PORT }")
            }

            fn visit_u64<E: de::Error>(self, port: u64) -> Result<Publish, E> {
                let port = u16::try_from(port)
                    .map_err(|_| E::custom(format!("`{port}` is not a port (1 to 65535)")))?;
                Ok(Publish {
                    host: port,
                    container: port,
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Publish, A::Error> {
                let full = Full::deserialize(de::value::MapAccessDeserializer::new(map))?;
                Ok(Publish {
                    host: full.host,
                    container: full.container,
                })
            }
        }
        let publish = deserializer.deserialize_any(PortOrMap)?;
        if publish.host == 0 || publish.container == 0 {
            return Err(de::Error::custom("port 0 cannot be published (1 to 65535)"));
        }
        Ok(publish)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind as ErrorKind;
    use crate::model::yaml;

    fn read(text: &str) -> crate::error::Result<Definition> {
        yaml::read(ErrorKind::Definitions, "container.yaml", text.as_bytes())
    }

    #[test]
    fn the_design_example_is_read() {
        let definition = read(
            "description: Invoices and payments\nkind: app\nartifact: billing.war\n\
             needs: [customers, { container: ledger-db, until: healthy }]\nuses: [audit]\n\
             routes: [{ path: /billing }, { host: billing.acme.example }]\n\
             publish: [80, { host: 8443, container: 443 }]\nport: 8080\n\
             volumes: { data: /srv/billing }\nenvironment: { JAVA_OPTS: -Xmx256m }\n\
             configurations: { recette: { environment: { TRACE: \"1\" } } }\nsecrets: [DB_PASSWORD]\n\
             health: { path: /billing/health, interval: 2s, timeout: 2s, start_period: 60s, retries: 3 }\n\
             memory: 768MiB\ncpus: 1.5\nuser: tomcat\ncommand: [run]\nentrypoint: [/bin/sh]\n\
             ulimits: { nofile: 65536 }\nread_only: false\ntmpfs: [/tmp]\nstop_signal: SIGTERM\n\
             stop_grace: 20s\nhostname: billing\nonce: false\n",
        )
        .unwrap();
        assert_eq!(definition.needs[1].until, Some(Until::Healthy));
        assert_eq!(
            definition.publish[1],
            Publish {
                host: 8443,
                container: 443
            }
        );
        assert_eq!(definition.artifact[0].as_str(), "billing.war");
        assert_eq!(definition.memory.unwrap().get(), 768 << 20);
    }

    #[test]
    fn what_the_format_does_not_have_is_refused_with_its_place() {
        let cases = [
            ("privileged: true\n", "unknown field `privileged`"),
            ("devices: [/dev/kvm]\n", "unknown field `devices`"),
            ("volumes: { a: ../x }\n", "not an absolute path"),
            ("publish: [70000]\n", "not a port"),
            ("needs: [Customers]\n", "not a container name"),
            ("artifact: ../a.war\n", "not a file name"),
            ("health: { path: \"/a b\" }\n", "not a route path"),
        ];
        for (text, wanted) in cases {
            let error = read(text).unwrap_err();
            assert!(error.to_string().contains(wanted), "{text}: {error}");
            assert!(
                error.to_string().starts_with("container.yaml:1:"),
                "{error}"
            );
        }
    }
}
