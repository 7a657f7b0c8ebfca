//! `reference.yaml`: the whole platform, pinned by digest, as the proxy image embeds it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::container::{Kind, Route};
use super::digest::Digest;
use super::image::Repository;
use super::members::{self, Member};
use super::name::{
    BundleName, ContainerName, EnvironmentName, PlatformName, VariableName, Version,
};
use super::run_specification::{ResolvedNeed, RunSpecification};
use super::yaml;
use crate::error::{Error, Kind as ErrorKind, Result};

/// Where the proxy image holds it.
pub const PATH: &str = "etc/devenv/reference.yaml";

/// The format that this devenv reads.
pub const SCHEMA: u32 = 1;

/// The whole platform at one moment.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Reference {
    /// Always [`SCHEMA`].
    pub schema: u32,
    /// Whose.
    pub platform: PlatformName,
    /// Counts from 1.
    pub number: u64,
    /// When it was compiled.
    pub created: Timestamp,
    /// The definitions commit it was compiled from.
    pub commit: String,
    /// In promotion order.
    pub environments: Vec<EnvironmentName>,
    /// How an image is told its configuration.
    pub configuration_variable: VariableName,
    /// Which container embeds this file.
    pub proxy: ContainerName,
    /// Names for several containers.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub bundles: BTreeMap<BundleName, Vec<ContainerName>>,
    /// Every container that runs.
    pub containers: BTreeMap<ContainerName, ReferenceContainer>,
    /// Which of them are copies of one: set by [`Self::spread`], never in a file.
    #[serde(skip)]
    pub members: BTreeMap<ContainerName, Member>,
}

/// One container at one version.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReferenceContainer {
    /// `None` for the proxy, whose version is the reference's number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<Version>,
    /// Where its image is published.
    pub repository: Repository,
    /// `None` for the proxy: it is the image that this file sits in.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<Digest>,
    /// For the catalogue.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub description: Option<String>,
    /// What must be there first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub needs: Vec<ResolvedNeed>,
    /// What starts before it when both run.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub uses: Vec<ContainerName>,
    /// Where the proxy shows it.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub routes: Vec<Route>,
    /// What running it takes.
    pub run: RunSpecification,
}

impl Reference {
    /// Reads and checks a verified file.
    pub fn parse(source: &str, text: &[u8]) -> Result<Self> {
        let reference: Self = yaml::read(ErrorKind::Trust, source, text)?;
        let checked = reference.check();
        checked.map_err(|fault| Error::trust(format!("{source}: {fault}")))?;
        Ok(reference)
    }

    /// What whoever runs it relies on; the fault in words, with its container.
    pub fn check(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(format!("schema {} is unknown, it is {SCHEMA}", self.schema));
        }
        for (name, container) in &self.containers {
            self.check_one(name, container)
                .map_err(|fault| format!("`{name}` {fault}"))?;
        }
        if !self.containers.contains_key(&self.proxy) {
            return Err(format!("the proxy `{}` is not in it", self.proxy));
        }
        Ok(())
    }

    fn check_one(
        &self,
        name: &ContainerName,
        container: &ReferenceContainer,
    ) -> Result<(), String> {
        let run = &container.run;
        let is_proxy = *name == self.proxy;
        if is_proxy != (run.kind == Kind::Proxy) || run.kind == Kind::Base {
            return Err(format!("cannot be of kind `{}`", run.kind.as_str()));
        }
        if !is_proxy && (container.digest.is_none() || container.version.is_none()) {
            return Err("is not pinned by version and digest".to_owned());
        }
        let proxy = self.containers.get(&self.proxy);
        let published = proxy.map_or(&[][..], |it| &it.run.publish);
        let is_taken = |other: &str| self.containers.contains_key(other);
        if let Some(fault) = members::fault(name, run, published, is_taken) {
            return Err(format!("has `replicas`, but {fault}"));
        }
        if let Some((_, fault)) = run.filling_fault() {
            return Err(format!("cannot have {fault}"));
        }
        let needs = container.needs.iter().map(|need| &need.container);
        let mut others = needs.chain(&container.uses);
        match others.find(|other| !self.containers.contains_key(*other)) {
            Some(other) => Err(format!("needs or uses `{other}`, which is not in it")),
            None => Ok(()),
        }
    }

    /// The text that is embedded.
    pub fn to_yaml(&self) -> Result<String> {
        yaml::write(self)
    }

    /// The versions that it pins: of every container but the proxy.
    pub fn versions(&self) -> BTreeMap<ContainerName, Version> {
        self.containers
            .iter()
            .filter_map(|(name, container)| Some((name.clone(), container.version.clone()?)))
            .collect()
    }

    /// Every route with the container behind it, longest path first, hosts before none.
    pub fn routes(&self) -> Vec<(&ContainerName, &Route, u16)> {
        let mut routes: Vec<_> = self
            .containers
            .iter()
            .flat_map(|(name, container)| {
                let port = container.run.port.unwrap_or(80);
                container
                    .routes
                    .iter()
                    .map(move |route| (name, route, port))
            })
            .collect();
        routes.sort_by(|(_, a, _), (_, b, _)| {
            let key = |route: &Route| {
                (
                    std::cmp::Reverse(route.prefix().len()),
                    route.host.is_none(),
                )
            };
            key(a).cmp(&key(b)).then_with(|| a.cmp(b))
        });
        routes
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;
    use crate::model::container::{Definition, Until};
    use crate::model::platform::Defaults;

    /// A container of kind app on port 8080 with a route of its own name.
    pub(crate) fn container(
        name: &str,
        needs: &[&str],
        uses: &[&str],
    ) -> (ContainerName, ReferenceContainer) {
        let defaults = Defaults {
            port: Some(8080),
            ..Defaults::default()
        };
        let name_of = |text: &&str| ContainerName::new(*text).unwrap();
        let container = ReferenceContainer {
            version: Some(Version::new("1.0").unwrap()),
            repository: format!("localhost:5000/acme/{name}").parse().unwrap(),
            digest: Some(Digest::of(name.as_bytes())),
            description: None,
            needs: needs
                .iter()
                .map(|need| ResolvedNeed {
                    container: name_of(need),
                    until: Until::Started,
                })
                .collect(),
            uses: uses.iter().map(name_of).collect(),
            routes: vec![
                serde_json::from_value(serde_json::json!({ "path": format!("/{name}") })).unwrap(),
            ],
            run: RunSpecification::resolve(&Definition::default(), &defaults),
        };
        (ContainerName::new(name).unwrap(), container)
    }

    /// A reference of these containers behind the proxy `front`.
    pub(crate) fn reference(containers: &[(ContainerName, ReferenceContainer)]) -> Reference {
        let definition = Definition {
            kind: Kind::Proxy,
            publish: serde_json::from_str("[80]").unwrap(),
            ..Definition::default()
        };
        let proxy = ReferenceContainer {
            version: None,
            repository: "localhost:5000/acme/front".parse().unwrap(),
            digest: None,
            description: None,
            needs: vec![],
            uses: vec![],
            routes: vec![],
            run: RunSpecification::resolve(&definition, &Defaults::default()),
        };
        let front = ContainerName::new("front").unwrap();
        Reference {
            schema: SCHEMA,
            platform: PlatformName::new("acme").unwrap(),
            number: 7,
            created: Timestamp::UNIX_EPOCH,
            commit: "c".repeat(40),
            environments: vec![],
            configuration_variable: VariableName::new("PLATFORM_ENVIRONMENT").unwrap(),
            proxy: front.clone(),
            bundles: BTreeMap::new(),
            containers: containers.iter().cloned().chain([(front, proxy)]).collect(),
            members: BTreeMap::new(),
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let reference = reference(&[
            container("billing", &["customers"], &[]),
            container("customers", &[], &[]),
        ]);
        let text = reference.to_yaml().unwrap();
        assert_eq!(
            Reference::parse("reference.yaml", text.as_bytes()).unwrap(),
            reference
        );
    }

    #[test]
    fn an_unpinned_container_is_refused() {
        let mut reference = reference(&[container("billing", &[], &[])]);
        reference.containers.get_mut("billing").unwrap().digest = None;
        let error = Reference::parse("reference.yaml", reference.to_yaml().unwrap().as_bytes())
            .unwrap_err();
        assert!(error.to_string().contains("not pinned"), "{error}");
    }
}
