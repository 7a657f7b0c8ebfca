//! A definition with every default applied: all that running it takes, as `reference.yaml` holds it.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::container::{ConfigurationSettings, Definition, Health, Kind, Publish, Until};
use super::filling::{Dumping, Seed};
use super::image_configuration::ImageDefaults;
use super::name::{
    ConfigurationName, ContainerName, EnvironmentName, LOGS, VariableName, VolumeName,
};
use super::platform::Defaults;
use super::quantity::{ByteSize, Cpus, Span};
use super::text::{AbsolutePath, HostName, Word};

/// What running a container takes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RunSpecification {
    /// What it is to the platform; never [`Kind::Base`].
    pub kind: Kind,
    /// A one-shot that must exit 0.
    #[serde(default, skip_serializing_if = "is_false")]
    pub once: bool,
    /// Where it listens for HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub port: Option<u16>,
    /// Ports published on the host.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub publish: Vec<Publish>,
    /// Named volumes and their paths.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub volumes: BTreeMap<VolumeName, AbsolutePath>,
    /// Plain environment variables.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<VariableName, String>,
    /// What differs per configuration.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configurations: BTreeMap<ConfigurationName, ConfigurationSettings>,
    /// Names of secret environment variables.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<VariableName>,
    /// Secrets whose values are in files, and where those are. Only their folders are in memory.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub secret_files: BTreeMap<VariableName, AbsolutePath>,
    /// How to know that it works.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub health: Option<Health>,
    /// Whether the image's own `HEALTHCHECK` counts instead; the image's configuration says so.
    #[serde(default, skip_serializing_if = "is_false")]
    pub image_health: bool,
    /// Limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory: Option<ByteSize>,
    /// Limit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpus: Option<Cpus>,
    /// User inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<Word>,
    /// Arguments instead of the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<Vec<String>>,
    /// Entry point instead of the image's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub entrypoint: Option<Vec<String>>,
    /// Limits by name.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub ulimits: BTreeMap<Word, u32>,
    /// Whether the root file system is read-only.
    #[serde(default, skip_serializing_if = "is_false")]
    pub read_only: bool,
    /// Paths in memory.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tmpfs: Vec<AbsolutePath>,
    /// Signal that stops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_signal: Option<Word>,
    /// Time between that signal and a kill.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stop_grace: Option<Span>,
    /// Host name inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hostname: Option<HostName>,
    /// What fills its volumes at its first start on a workstation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub seed: Option<Seed>,
    /// How its data is saved while it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<Dumping>,
    /// How many copies the servers of each environment run: one where it is silent.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub replicas: BTreeMap<EnvironmentName, u16>,
}

/// A need with its `until` decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResolvedNeed {
    /// Which.
    pub container: ContainerName,
    /// How far it must have come.
    pub until: Until,
}

impl RunSpecification {
    /// Applies the platform's defaults (which apps share) to a definition.
    pub fn resolve(definition: &Definition, defaults: &Defaults) -> Self {
        let shared = (definition.kind == Kind::App).then_some(defaults);
        let mut volumes = shared
            .map(|shared| shared.volumes.clone())
            .unwrap_or_default();
        volumes.extend(definition.volumes.clone());
        let secrets = definition.secrets.iter();
        Self {
            kind: definition.kind,
            once: definition.once,
            port: definition
                .port
                .or_else(|| shared.and_then(|shared| shared.port)),
            publish: definition.publish.clone(),
            volumes,
            environment: definition.environment.clone(),
            configurations: definition.configurations.clone(),
            secrets: secrets
                .clone()
                .filter(|it| it.file.is_none())
                .map(|it| it.name.clone())
                .collect(),
            secret_files: secrets
                .filter_map(|it| Some((it.name.clone(), it.file.clone()?)))
                .collect(),
            health: definition.health.clone(),
            image_health: false,
            memory: definition
                .memory
                .or_else(|| shared.and_then(|shared| shared.memory)),
            cpus: definition.cpus,
            user: definition.user.clone(),
            command: definition.command.clone(),
            entrypoint: definition.entrypoint.clone(),
            ulimits: definition.ulimits.clone(),
            read_only: definition.read_only,
            tmpfs: definition.tmpfs.clone(),
            stop_signal: definition.stop_signal.clone(),
            stop_grace: definition
                .stop_grace
                .or_else(|| shared.and_then(|shared| shared.stop_grace)),
            hostname: definition.hostname.clone(),
            seed: definition.seed.clone(),
            snapshot: definition.snapshot.clone(),
            replicas: definition.replicas.clone().unwrap_or_else(|| {
                let shared = shared.filter(|_| !definition.once);
                shared
                    .map(|shared| shared.replicas.clone())
                    .unwrap_or_default()
            }),
        }
    }

    /// The same, with what the image says where the definition is silent.
    #[must_use]
    pub fn of_image(mut self, image: &ImageDefaults) -> Self {
        self.image_health = self.health.is_none() && image.has_health;
        self
    }

    /// Every secret that it takes a value of.
    pub fn secret_names(&self) -> impl Iterator<Item = &VariableName> {
        self.secrets.iter().chain(self.secret_files.keys())
    }

    /// The volumes with its data: log files are none.
    pub fn data_volumes(&self) -> impl Iterator<Item = &VolumeName> {
        self.volumes.keys().filter(|it| it.as_str() != LOGS)
    }

    /// Which key about filling its volumes cannot be, and why.
    pub fn filling_fault(&self) -> Option<(&'static str, String)> {
        let (seed, dumping) = (self.seed.as_ref(), self.snapshot.as_ref());
        let seed = seed.map(|it| ("seed", it.command.is_empty()));
        let dumping = dumping.map(|it| ("snapshot", it.dump.is_empty() || it.restore.is_empty()));
        let has_data = self.data_volumes().next().is_some();
        seed.into_iter().chain(dumping).find_map(|(key, is_empty)| {
            let why = if self.kind != Kind::Service || self.once {
                "only a service that goes on running has one"
            } else if !has_data {
                "there is no volume for data: one that is not called `logs`"
            } else if is_empty {
                "a command is empty"
            } else {
                return None;
            };
            Some((key, format!("`{key}`: {why}")))
        })
    }

    /// How far others that need this container wait where they do not say.
    pub fn default_until(&self) -> Until {
        if self.once {
            Until::Completed
        } else if self.health.is_some() || self.image_health {
            Until::Healthy
        } else {
            Until::Started
        }
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(value: &bool) -> bool {
    !*value
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind as ErrorKind;
    use crate::model::yaml;

    #[test]
    fn defaults_are_for_apps_only() {
        let defaults = Defaults {
            port: Some(8080),
            ..Defaults::default()
        };
        let app = Definition::default();
        let service = Definition {
            kind: Kind::Service,
            ..Definition::default()
        };
        assert_eq!(RunSpecification::resolve(&app, &defaults).port, Some(8080));
        assert_eq!(RunSpecification::resolve(&service, &defaults).port, None);
    }

    fn read(text: &str) -> Result<RunSpecification, String> {
        let text = format!("kind: service\n{text}");
        let read = yaml::read::<Definition>(ErrorKind::Definitions, "c.yaml", text.as_bytes());
        let definition = read.map_err(|error| error.to_string())?;
        Ok(RunSpecification::resolve(&definition, &Defaults::default()))
    }

    fn wrong(text: &str) -> String {
        match read(text) {
            Ok(run) => run.filling_fault().map(|(_, why)| why).unwrap_or_default(),
            Err(error) => error,
        }
    }

    const DATA: &str = "volumes: { data: /srv/db }\n";
    const SEED: &str = "seed: { file: seed.sql.gz, command: [load] }\n";
    const SNAPSHOT: &str = "snapshot: { dump: [dump], restore: [load, all] }\n";

    #[test]
    fn both_are_part_of_what_running_it_takes() {
        let run = read(&format!("{DATA}{SEED}{SNAPSHOT}")).unwrap();
        assert_eq!(run.filling_fault(), None);
        let text = yaml::write(&run).unwrap();
        let again = yaml::read::<RunSpecification>(ErrorKind::Trust, "r.yaml", text.as_bytes());
        assert_eq!(again.unwrap(), run);
        assert_eq!(run.seed.unwrap().file.as_str(), "seed.sql.gz");
        assert_eq!(run.snapshot.unwrap().restore, ["load", "all"]);
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let of = |rest: &str, seed: &str| wrong(&format!("{rest}{seed}"));
        assert_eq!(of(DATA, SEED), "");
        assert!(of("", SEED).contains("no volume for data"));
        assert!(of("volumes: { logs: /l }\n", SNAPSHOT).contains("no volume for data"));
        assert!(of("once: true\n", SEED).contains("goes on running"));
        for file in ["../seed.sql", "a/seed.sql", "/etc/passwd", ".git", "-rf"] {
            let seed = format!("seed: {{ file: \"{file}\", command: [load] }}\n");
            assert!(of(DATA, &seed).contains("not a file name"), "{file}");
        }
        let none = "seed: { file: seed.sql, command: [] }\n";
        assert_eq!(of(DATA, none), "`seed`: a command is empty");
        let half = "snapshot: { dump: [dump] }\n";
        assert!(of(DATA, half).contains("restore"), "{}", of(DATA, half));
        let other = "seed: { file: seed.sql, command: [load], url: x }\n";
        assert!(of(DATA, other).contains("unknown field `url`"));
    }
}
