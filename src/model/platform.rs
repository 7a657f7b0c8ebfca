//! `platform.yaml`: the platform as a whole.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::forge::ForgeKind;
use super::image::Repository;
use super::name::{
    BundleName, ConfigurationName, ContainerName, EnvironmentName, PlatformName, VariableName,
    Version, VolumeName,
};
use super::quantity::{ByteSize, Span};
use super::text::AbsolutePath;
use super::visible::visible;
use super::yaml::{self, Step};
use crate::error::{Error, Kind, Result};

/// The format that this devenv reads.
pub const SCHEMA: u32 = 1;

/// The platform as a whole.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Platform {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// Its name.
    pub platform: PlatformName,
    /// The oldest devenv that understands it.
    #[serde(default)]
    pub minimum_devenv: Option<String>,
    /// The page where newer ones are; only shown.
    #[serde(default)]
    pub devenv_download: Option<String>,
    /// Where its images are published.
    pub registry: Repository,
    /// Which container embeds the reference.
    pub proxy: ContainerName,
    /// In promotion order.
    pub environments: Vec<EnvironmentName>,
    /// How an image is told its configuration.
    pub configuration_variable: VariableName,
    /// What a workstation runs where nothing else is said.
    pub workstation: Workstation,
    /// What every app shares.
    #[serde(default)]
    pub defaults: Defaults,
    /// Names for several containers.
    #[serde(default)]
    pub bundles: BTreeMap<BundleName, Vec<ContainerName>>,
    /// Released versions.
    #[serde(default, deserialize_with = "or_default")]
    pub containers: BTreeMap<ContainerName, Version>,
    /// Where proposals go.
    #[serde(default)]
    pub forge: Option<Forge>,
}

/// What a workstation runs where nothing else is said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Workstation {
    /// Whose versions.
    pub environment: EnvironmentName,
    /// With which settings.
    pub configuration: ConfigurationName,
}

/// The interface that every app shares.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Defaults {
    /// Where apps listen for HTTP.
    pub port: Option<u16>,
    /// Volumes that every app has.
    pub volumes: BTreeMap<VolumeName, AbsolutePath>,
    /// Limit.
    pub memory: Option<ByteSize>,
    /// Time between the stop signal and a kill.
    pub stop_grace: Option<Span>,
    /// How many copies of each app the servers of an environment run.
    pub replicas: BTreeMap<EnvironmentName, u16>,
}

/// Where proposals go.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Forge {
    /// `gitlab`, `gitea`, `forgejo`, `github`, `plain`.
    pub kind: Option<ForgeKind>,
    /// The branch that proposals are for; else the remote's default.
    pub target_branch: Option<String>,
    /// The root that the forge's REST interface is below, on git's own host; else that host.
    pub api: Option<String>,
}

/// Those of `replicas` that no server runs, or none, with why.
pub(super) fn unknown_replicas<'a>(
    replicas: &'a BTreeMap<EnvironmentName, u16>,
    environments: &[EnvironmentName],
) -> Vec<(&'a str, String)> {
    let known: Vec<&str> = environments.iter().map(AsRef::as_ref).collect();
    let wrong = |(environment, count): (&'a EnvironmentName, &u16)| {
        let wrong = if !environments.contains(environment) {
            let known = known.join(", ");
            format!("`{environment}` is no environment; it is one of: {known}")
        } else if *count == 0 {
            "an environment runs at least one copy".to_owned()
        } else {
            return None;
        };
        Some((environment.as_str(), wrong))
    };
    replicas.iter().filter_map(wrong).collect()
}

impl Platform {
    /// Reads `platform.yaml`; a file for a newer devenv is told apart from a wrong one.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self> {
        match Self::examine(source, text) {
            (Some(platform), faults) => faults.into_iter().next().map_or(Ok(platform), Err),
            (None, faults) => {
                let unread = || Error::bug("a platform without a fault was not read");
                Err(faults.into_iter().next().unwrap_or_else(unread))
            }
        }
    }

    /// The same with every fault.
    pub fn examine(source: &str, text: &[u8]) -> (Option<Self>, Vec<Error>) {
        let read = || {
            Self::check_version(source, text)?;
            yaml::read::<Self>(Kind::Definitions, source, text)
        };
        match read() {
            Ok(platform) => {
                let faults = platform.faults(source, &String::from_utf8_lossy(text));
                (Some(platform), faults)
            }
            Err(fault) => (None, vec![fault]),
        }
    }

    fn check_version(source: &str, text: &[u8]) -> Result<()> {
        #[derive(Deserialize)]
        struct Header {
            schema: Option<u32>,
            minimum_devenv: Option<String>,
            devenv_download: Option<String>,
        }
        let header: Header = yaml::read(Kind::Definitions, source, text)?;
        let wanted = header.minimum_devenv.unwrap_or_default();
        let current = env!("CARGO_PKG_VERSION");
        let newer_schema = header.schema.is_some_and(|schema| schema > SCHEMA);
        if newer_schema || numbers(&wanted) > numbers(current) {
            let wanted = if wanted.is_empty() {
                "newer".to_owned()
            } else {
                visible(&wanted)
            };
            let place = header.devenv_download.map_or_else(String::new, |url| {
                format!(" (the definitions say: from {})", visible(&url))
            });
            return Err(Error::definitions(format!(
                "{source}: this platform needs devenv {wanted}, this is devenv {current}"
            ))
            .hint(format!(
                "install the newer devenv{place}, then run the same command again"
            )));
        }
        Ok(())
    }

    fn faults(&self, source: &str, text: &str) -> Vec<Error> {
        let mut faults = Vec::new();
        let mut refuse = |place: &[Step<'_>], message: &str| {
            faults.push(yaml::at(Kind::Definitions, source, text, place, message));
        };
        if self.schema != SCHEMA {
            let message = format!("schema {} is unknown, it is {SCHEMA}", self.schema);
            refuse(&[Step::Value("schema")], &message);
        }
        let download = self.devenv_download.as_deref();
        let is_page = |text: &str| url::Url::parse(text).is_ok_and(|url| url.scheme() == "https");
        if download.is_some_and(|text| !is_page(text)) {
            let message = "`devenv_download` is no https:// address";
            refuse(&[Step::Value("devenv_download")], message);
        }
        for (index, environment) in self.environments.iter().enumerate() {
            if self.environments[..index].contains(environment) {
                let message = format!("environment `{environment}` is listed twice");
                refuse(&[Step::Value("environments"), Step::Item(index)], &message);
            }
        }
        let environments = &self.environments;
        for (environment, wrong) in unknown_replicas(&self.defaults.replicas, environments) {
            let place = [
                Step::Value("defaults"),
                Step::Value("replicas"),
                Step::Key(environment),
            ];
            refuse(&place, &wrong);
        }
        let wanted = &self.workstation.environment;
        if !self.environments.contains(wanted) {
            let known: Vec<_> = self.environments.iter().map(AsRef::as_ref).collect();
            let message = format!(
                "`workstation.environment` is `{wanted}`, which is none of: {}",
                known.join(", ")
            );
            let place = [Step::Value("workstation"), Step::Value("environment")];
            refuse(&place, &message);
        }
        faults
    }

    /// The repository that ledgers are published in.
    pub fn environments_repository(&self) -> Result<Repository> {
        self.repository("environments")
    }

    /// The repository that trust files are published in.
    pub fn trust_repository(&self) -> Result<Repository> {
        self.repository("trust")
    }

    /// The repository of one container, or of one of the reserved names.
    pub fn repository(&self, name: &str) -> Result<Repository> {
        self.registry.join(name).map_err(Error::definitions)
    }
}

/// The numbers of a dotted version, for comparing.
fn numbers(version: &str) -> Vec<u64> {
    version
        .split(['.', '-', '+'])
        .map_while(|part| part.parse().ok())
        .collect()
}

fn or_default<'de, D, T>(deserializer: D) -> Result<T, D::Error>
where
    D: serde::Deserializer<'de>,
    T: Default + Deserialize<'de>,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLATFORM: &str = "schema: 1\nplatform: acme\nminimum_devenv: 0.1.0\n\
        registry: registry.acme.example:5000/platform\nproxy: front\n\
        environments: [recette, preproduction, production]\n\
        configuration_variable: PLATFORM_ENVIRONMENT\n\
        workstation: { environment: production, configuration: recette }\n\
        defaults: { port: 8080, volumes: { logs: /var/log/tomcat }, memory: 512MiB, stop_grace: 10s }\n\
        bundles: { finance: [billing, invoices] }\ncontainers:   # none yet\n";

    #[test]
    fn reads_the_design_example() {
        let platform = Platform::parse("platform.yaml", PLATFORM.as_bytes()).unwrap();
        assert_eq!(platform.platform.as_str(), "acme");
        assert!(platform.containers.is_empty());
    }

    #[test]
    fn a_newer_format_is_told_apart() {
        let text = PLATFORM.replace("0.1.0", "99.0.0") + "novelty: 1\n";
        let error = Platform::parse("platform.yaml", text.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("needs devenv 99.0.0"), "{error}");
        let text = format!("{text}devenv_download: \"https://tools.example/\\e[2J\"\n");
        let error = Platform::parse("platform.yaml", text.as_bytes()).unwrap_err();
        let hint = error.hints().join("\n");
        assert!(hint.contains("from https://tools.example/"), "{hint}");
        assert!(!hint.contains('\u{1b}'), "{hint:?}");
    }

    #[test]
    fn where_newer_programs_are_is_a_page() {
        for (address, is_right) in [
            ("https://tools.example/devenv", true),
            ("http://tools.example/devenv", false),
            ("javascript:alert(1)", false),
            ("tools.example", false),
        ] {
            let text = format!("{PLATFORM}devenv_download: \"{address}\"\n");
            let text = text.replace("containers:   # none yet\n", "");
            let read = Platform::parse("platform.yaml", text.as_bytes());
            assert_eq!(read.is_ok(), is_right, "{address}: {read:?}");
        }
    }

    #[test]
    fn an_unknown_environment_is_refused_with_its_line() {
        let text = PLATFORM.replace("environment: production,", "environment: prod,");
        let error = Platform::parse("platform.yaml", text.as_bytes()).unwrap_err();
        assert!(error.to_string().starts_with("platform.yaml:8:"), "{error}");
    }
}
