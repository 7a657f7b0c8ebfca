//! Compiling `reference.yaml` from verified versions. Pure.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::model::catalogue::{Catalogue, Source};
use crate::model::container::{Definition, Until};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::image_configuration::ImageDefaults;
use crate::model::name::{ContainerName, Version};
use crate::model::platform::{Defaults, Platform};
use crate::model::reference::{Reference, ReferenceContainer, SCHEMA};
use crate::model::run_specification::{ResolvedNeed, RunSpecification};

/// One container as its verified statement pins it.
#[derive(Debug, Clone)]
pub(super) struct Part {
    pub(super) version: Version,
    pub(super) repository: Repository,
    pub(super) digest: Digest,
    /// From the statement's commit.
    pub(super) definition: Definition,
    /// From the statement's commit.
    pub(super) defaults: Defaults,
    /// From the statement's commit.
    pub(super) source: Source,
    /// From the signed image's configuration.
    pub(super) image: ImageDefaults,
}

impl Part {
    fn run(&self) -> RunSpecification {
        RunSpecification::resolve(&self.definition, &self.defaults).of_image(&self.image)
    }
}

/// What a reference is compiled from.
#[derive(Debug, Clone)]
pub(super) struct Parts<'a> {
    /// At the reference's commit.
    pub(super) platform: &'a Platform,
    /// At the reference's commit.
    pub(super) platform_source: &'a Source,
    /// At the reference's commit: what is not released stands beside the rest in the checks.
    pub(super) containers: &'a BTreeMap<ContainerName, Source>,
    /// At the reference's commit.
    pub(super) proxy: &'a Definition,
    /// Every released container that runs.
    pub(super) released: BTreeMap<ContainerName, Part>,
}

/// A reference, and what the operator should know about it.
#[derive(Debug)]
pub(super) struct Compiled {
    pub(super) reference: Reference,
    pub(super) warnings: Vec<String>,
}

/// Compiles reference `number`. Refuses what does not fit together: a need that is not released,
/// routes or ports of two versions that clash, a circle.
pub(super) fn compile(
    parts: &Parts<'_>,
    number: u64,
    created: Timestamp,
    commit: String,
) -> Result<Compiled> {
    parts.check()?;
    let mut warnings = Vec::new();
    let mut containers = BTreeMap::new();
    for (name, part) in &parts.released {
        containers.insert(name.clone(), parts.container(name, part, &mut warnings)?);
    }
    containers.insert(parts.platform.proxy.clone(), parts.proxy()?);
    let bundles = parts.platform.bundles.iter().filter_map(|(name, members)| {
        let released = members
            .iter()
            .filter(|member| containers.contains_key(*member));
        let members: Vec<_> = released.cloned().collect();
        (!members.is_empty()).then(|| (name.clone(), members))
    });
    let reference = Reference {
        schema: SCHEMA,
        platform: parts.platform.platform.clone(),
        number,
        created,
        commit,
        environments: parts.platform.environments.clone(),
        configuration_variable: parts.platform.configuration_variable.clone(),
        proxy: parts.platform.proxy.clone(),
        bundles: bundles.collect(),
        containers,
        members: BTreeMap::new(),
    };
    // Each version is checked with what its own commit says: together they have to be what others can run.
    let checked = reference.check().map_err(Error::definitions);
    checked.map_err(|error| error.within("the released versions do not fit together"))?;
    Ok(Compiled {
        reference,
        warnings,
    })
}

impl Parts<'_> {
    /// All definitions side by side, each as of its own commit, under the rules for one commit.
    fn check(&self) -> Result<()> {
        let mut sources = self.containers.clone();
        for (name, part) in &self.released {
            sources.insert(name.clone(), part.source.clone());
        }
        Catalogue::load(self.platform_source, &sources)
            .map(drop)
            .map_err(|error| error.within("the released versions do not fit together"))
    }

    fn container(
        &self,
        name: &ContainerName,
        part: &Part,
        warnings: &mut Vec<String>,
    ) -> Result<ReferenceContainer> {
        let definition = &part.definition;
        let mut needs = Vec::new();
        for need in &definition.needs {
            needs.push(ResolvedNeed {
                container: need.container.clone(),
                until: need
                    .until
                    .map_or_else(|| self.until(name, &need.container), Ok)?,
            });
            self.released_part(name, &need.container)?;
        }
        let (uses, unreleased): (Vec<_>, Vec<_>) = definition
            .uses
            .iter()
            .cloned()
            .partition(|other| self.released.contains_key(other));
        for other in unreleased {
            warnings.push(format!(
                "{name} uses {other}, of which no version is released: it is left out"
            ));
        }
        Ok(ReferenceContainer {
            version: Some(part.version.clone()),
            repository: part.repository.clone(),
            digest: Some(part.digest),
            description: definition.description.clone(),
            needs,
            uses,
            routes: definition.routes.clone(),
            run: part.run(),
        })
    }

    fn until(&self, name: &ContainerName, needed: &ContainerName) -> Result<Until> {
        Ok(self.released_part(name, needed)?.run().default_until())
    }

    fn released_part(&self, name: &ContainerName, needed: &ContainerName) -> Result<&Part> {
        self.released.get(needed).ok_or_else(|| {
            Error::definitions(format!(
                "{name} needs {needed}, of which no version is released"
            ))
            .hint(format!("devenv release build {needed} --version VERSION"))
        })
    }

    fn proxy(&self) -> Result<ReferenceContainer> {
        let (platform, proxy) = (self.platform, self.proxy);
        Ok(ReferenceContainer {
            version: None,
            repository: platform.repository(platform.proxy.as_str())?,
            digest: None,
            description: proxy.description.clone(),
            needs: Vec::new(),
            uses: proxy
                .uses
                .iter()
                .filter(|other| self.released.contains_key(*other))
                .cloned()
                .collect(),
            routes: Vec::new(),
            run: RunSpecification::resolve(proxy, &platform.defaults),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind as ErrorKind;
    use crate::model::yaml;

    const PLATFORM: &str = "schema: 1\nplatform: acme\nregistry: localhost:5000/acme\nproxy: front\n\
        environments: [recette, production]\nconfiguration_variable: ENVIRONMENT\n\
        workstation: { environment: production, configuration: recette }\n\
        defaults: { port: 8080 }\nbundles: { finance: [billing, audit], later: [audit] }\n";

    fn name(text: &str) -> ContainerName {
        ContainerName::new(text).unwrap()
    }

    fn source(path: &str, text: &str) -> Source {
        Source {
            path: path.to_owned(),
            text: text.as_bytes().to_vec(),
        }
    }

    fn part(platform: &Platform, container: &str, text: &str) -> (ContainerName, Part) {
        let part = Part {
            version: Version::new("1.0").unwrap(),
            repository: platform.repository(container).unwrap(),
            digest: Digest::of(container.as_bytes()),
            definition: yaml::read(ErrorKind::Definitions, container, text.as_bytes()).unwrap(),
            defaults: platform.defaults.clone(),
            source: source(&format!("{container} (at abc)"), text),
            image: ImageDefaults {
                has_health: container == "queue",
                ..ImageDefaults::default()
            },
        };
        (name(container), part)
    }

    fn compiled(released: &[(&str, &str)], others: &[(&str, &str)]) -> Result<Compiled> {
        let platform_source = source("platform.yaml", PLATFORM);
        let platform = Platform::parse("platform.yaml", PLATFORM.as_bytes()).unwrap();
        let front = "kind: proxy\npublish: [80]\n";
        let proxy: Definition =
            yaml::read(ErrorKind::Definitions, "front", front.as_bytes()).unwrap();
        let containers = others
            .iter()
            .chain(released)
            .chain(&[("front", front)])
            .map(|(container, text)| (name(container), source(container, text)))
            .collect();
        let parts = Parts {
            platform: &platform,
            platform_source: &platform_source,
            containers: &containers,
            proxy: &proxy,
            released: released
                .iter()
                .map(|(container, text)| part(&platform, container, text))
                .collect(),
        };
        compile(&parts, 7, Timestamp::UNIX_EPOCH, "c".repeat(40))
    }

    const AUDIT: (&str, &str) = ("audit", "routes: [{ path: /audit }]\n");

    #[test]
    fn a_reference_pins_what_is_released() {
        let compiled = compiled(
            &[
                (
                    "billing",
                    "needs: [ledger, queue]\nuses: [audit]\nroutes: [{ path: /billing }]\n",
                ),
                ("queue", "kind: service\n"),
                ("ledger", "kind: service\nhealth: { command: [ready] }\n"),
            ],
            &[AUDIT],
        )
        .unwrap();
        let billing = &compiled.reference.containers["billing"];
        assert_eq!(billing.needs[0].until, Until::Healthy);
        assert_eq!(billing.needs[1].until, Until::Healthy, "by its image");
        assert!(compiled.reference.containers["queue"].run.image_health);
        assert_eq!(billing.run.port, Some(8080));
        assert!(billing.uses.is_empty());
        assert_eq!(compiled.warnings.len(), 1);
        assert!(!compiled.reference.containers.contains_key("audit"));
        assert_eq!(compiled.reference.bundles.len(), 1);
        assert_eq!(compiled.reference.bundles["finance"], [name("billing")]);
        let front = &compiled.reference.containers["front"];
        assert!(front.digest.is_none() && front.version.is_none());
        let text = compiled.reference.to_yaml().unwrap();
        Reference::parse("reference.yaml", text.as_bytes()).unwrap();
    }

    #[test]
    fn what_does_not_fit_together_is_refused() {
        let error = compiled(&[("billing", "needs: [audit]\n")], &[AUDIT]).unwrap_err();
        assert!(
            error
                .to_string()
                .contains("needs audit, of which no version"),
            "{error}"
        );
        let error =
            compiled(&[("billing", "routes: [{ path: /audit }]\n"), AUDIT], &[]).unwrap_err();
        assert!(
            error.chain()[1].contains("billing (at abc):1"),
            "{:?}",
            error.chain()
        );
        assert!(
            error.chain()[1].contains("belongs to `audit`"),
            "{:?}",
            error.chain()
        );
    }
}
