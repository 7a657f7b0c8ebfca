//! All definitions of one commit, checked as a whole.

use std::collections::BTreeMap;

use super::circle;
use super::container::{Definition, Kind, Route};
use super::name::{ConfigurationName, ContainerName};
use super::nearest::nearest;
use super::platform::Platform;
use super::yaml;
use crate::error::{Error, Kind as ErrorKind, Result};

/// The configuration that developers may define for themselves.
pub const WORKSTATION: &str = "workstation";

/// A platform and its containers.
#[derive(Debug, Clone)]
pub struct Catalogue {
    /// `platform.yaml`
    pub platform: Platform,
    /// `containers/<name>/container.yaml`
    pub definitions: BTreeMap<ContainerName, Definition>,
}

/// A file of the definitions, for error messages.
#[derive(Debug, Clone)]
pub struct Source {
    /// Path in the repository.
    pub path: String,
    /// Content.
    pub text: Vec<u8>,
}

impl Source {
    fn refuse(&self, needle: &str, message: &str) -> Error {
        yaml::at(
            &self.path,
            &String::from_utf8_lossy(&self.text),
            needle,
            message,
        )
    }
}

impl Catalogue {
    /// Reads and checks everything.
    pub fn load(platform: &Source, containers: &BTreeMap<ContainerName, Source>) -> Result<Self> {
        let parsed = Platform::parse(&platform.path, &platform.text)?;
        let mut definitions = BTreeMap::new();
        for (name, source) in containers {
            let definition = yaml::read(ErrorKind::Definitions, &source.path, &source.text)?;
            definitions.insert(name.clone(), definition);
        }
        let catalogue = Self {
            platform: parsed,
            definitions,
        };
        catalogue.check_platform(platform)?;
        for (name, definition) in &catalogue.definitions {
            let check = Check {
                catalogue: &catalogue,
                name,
                definition,
                source: &containers[name],
            };
            check.names()?;
            check.shape()?;
            check.paths()?;
        }
        catalogue.check_clashes(containers)?;
        catalogue.check_cycles(containers)?;
        Ok(catalogue)
    }

    /// The names that a configuration may have.
    pub fn configurations(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self
            .platform
            .environments
            .iter()
            .map(AsRef::as_ref)
            .collect();
        if !names.contains(&WORKSTATION) {
            names.push(WORKSTATION);
        }
        names
    }

    fn unknown(&self, name: &ContainerName) -> String {
        let known = self.definitions.keys().map(ContainerName::as_str);
        match nearest(name.as_str(), known) {
            Some(near) => format!("no container is called `{name}`; did you mean `{near}`?"),
            None => format!("no container is called `{name}`"),
        }
    }

    fn check_platform(&self, source: &Source) -> Result<()> {
        let proxy = &self.platform.proxy;
        match self
            .definitions
            .get(proxy)
            .map(|definition| definition.kind)
        {
            None => return Err(source.refuse(proxy.as_str(), &self.unknown(proxy))),
            Some(Kind::Proxy) => {}
            Some(kind) => {
                let message = format!(
                    "the proxy `{proxy}` is of kind `{}`, it must be `proxy`",
                    kind.as_str()
                );
                return Err(source.refuse(proxy.as_str(), &message));
            }
        }
        for (bundle, members) in &self.platform.bundles {
            if self.definitions.contains_key(bundle.as_str()) {
                let message = format!("`{bundle}` is both a bundle and a container");
                return Err(source.refuse(bundle.as_str(), &message));
            }
            for member in members {
                if !self.definitions.contains_key(member) {
                    return Err(source.refuse(member.as_str(), &self.unknown(member)));
                }
            }
        }
        for name in self.platform.containers.keys() {
            if !self.definitions.contains_key(name) {
                return Err(source.refuse(name.as_str(), &self.unknown(name)));
            }
        }
        Ok(())
    }

    fn check_clashes(&self, sources: &BTreeMap<ContainerName, Source>) -> Result<()> {
        let mut routes: BTreeMap<&Route, &ContainerName> = BTreeMap::new();
        let mut ports: BTreeMap<u16, &ContainerName> = BTreeMap::new();
        for (name, definition) in &self.definitions {
            for route in &definition.routes {
                if let Some(other) = routes.insert(route, name) {
                    let message = format!("the route `{route}` belongs to `{other}` already");
                    return Err(sources[name].refuse(&route.to_string(), &message));
                }
            }
            for publish in &definition.publish {
                if let Some(other) = ports.insert(publish.host, name) {
                    let message = format!(
                        "the host port {} is published by `{other}` already",
                        publish.host
                    );
                    return Err(sources[name].refuse(&publish.host.to_string(), &message));
                }
            }
        }
        Ok(())
    }

    fn check_cycles(&self, sources: &BTreeMap<ContainerName, Source>) -> Result<()> {
        let needs = |name: &ContainerName| -> Vec<ContainerName> {
            let definition = self.definitions.get(name);
            definition
                .map(|it| it.needs.iter().map(|need| need.container.clone()).collect())
                .unwrap_or_default()
        };
        for name in self.definitions.keys() {
            if let Some(cycle) = circle::cycle_from(name, &needs) {
                let names: Vec<_> = cycle.iter().map(ContainerName::as_str).collect();
                let message = format!("`needs` go in a circle: {}", names.join(" → "));
                let next = cycle.get(1).unwrap_or(name);
                return Err(sources[&cycle[0]].refuse(next.as_str(), &message).hint(
                    "where it is only about the order of starts, `uses` may go in a circle",
                ));
            }
        }
        Ok(())
    }
}

/// The checks of one definition.
struct Check<'a> {
    catalogue: &'a Catalogue,
    name: &'a ContainerName,
    definition: &'a Definition,
    source: &'a Source,
}

impl Check<'_> {
    fn refuse(&self, needle: &str, message: &str) -> Result<()> {
        Err(self.source.refuse(needle, message))
    }

    fn names(&self) -> Result<()> {
        let needs = self.definition.needs.iter().map(|need| &need.container);
        for other in needs.chain(&self.definition.uses) {
            let Some(definition) = self.catalogue.definitions.get(other) else {
                return self.refuse(other.as_str(), &self.catalogue.unknown(other));
            };
            if matches!(definition.kind, Kind::Base | Kind::Proxy) {
                let message = format!(
                    "`{other}` is a {}, which no container can need or use",
                    definition.kind.as_str()
                );
                return self.refuse(other.as_str(), &message);
            }
            if other == self.name {
                return self.refuse(other.as_str(), &format!("`{other}` needs or uses itself"));
            }
        }
        let known = self.catalogue.configurations();
        for name in self
            .definition
            .configurations
            .keys()
            .map(ConfigurationName::as_str)
        {
            if !known.contains(&name) {
                let message = format!(
                    "`{name}` is no configuration; it is one of: {}",
                    known.join(", ")
                );
                return self.refuse(name, &message);
            }
        }
        Ok(())
    }

    fn shape(&self) -> Result<()> {
        let definition = self.definition;
        let is_proxy = definition.kind == Kind::Proxy;
        if is_proxy && self.name != &self.catalogue.platform.proxy {
            let message = format!(
                "a platform has one proxy, and it is `{}`",
                self.catalogue.platform.proxy
            );
            return self.refuse("proxy", &message);
        }
        let runs = !definition.needs.is_empty()
            || !definition.publish.is_empty()
            || !definition.routes.is_empty()
            || definition.once;
        if definition.kind == Kind::Base && runs {
            return self.refuse(
                "base",
                "a base is never run: it has no needs, routes, published ports or `once`",
            );
        }
        if is_proxy && !(definition.routes.is_empty() && definition.needs.is_empty()) {
            return self.refuse("kind", "the proxy has neither routes nor needs of its own");
        }
        if definition.kind == Kind::App && !definition.publish.is_empty() {
            return self.refuse(
                "publish",
                "an app is reached through the proxy; only the proxy and services publish ports",
            );
        }
        let defaults = self
            .catalogue
            .platform
            .defaults
            .port
            .filter(|_| definition.kind == Kind::App);
        let port = definition.port.or(defaults);
        if port.is_none() && !definition.routes.is_empty() {
            return self.refuse("routes", "a route needs a `port` to lead to");
        }
        if definition
            .routes
            .iter()
            .any(|route| route.host.is_none() && route.path.is_none())
        {
            return self.refuse("routes", "a route has a `path`, a `host` or both");
        }
        self.health(port)
    }

    fn health(&self, port: Option<u16>) -> Result<()> {
        let Some(health) = &self.definition.health else {
            return Ok(());
        };
        match (&health.path, &health.command) {
            (Some(_), None) if port.is_some() || self.definition.kind == Kind::Proxy => Ok(()),
            (Some(_), None) => self.refuse("health", "`health.path` needs a `port`"),
            (None, Some(command)) if !command.is_empty() => Ok(()),
            _ => self.refuse(
                "health",
                "a health check has either a `path` or a `command`",
            ),
        }
    }

    fn paths(&self) -> Result<()> {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let shared = &self.catalogue.platform.defaults.volumes;
        let shared = shared.iter().filter(|(name, _)| {
            self.definition.kind == Kind::App && !self.definition.volumes.contains_key(*name)
        });
        for (volume, path) in shared.chain(&self.definition.volumes) {
            if let Some(other) = seen.insert(path.as_str(), volume.as_str()) {
                let message = format!("the volumes `{other}` and `{volume}` are both at {path}");
                return self.refuse(volume.as_str(), &message);
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLATFORM: &str = "schema: 1\nplatform: acme\nregistry: localhost:5000/acme\nproxy: front\n\
        environments: [recette, production]\nconfiguration_variable: ENVIRONMENT\n\
        workstation: { environment: production, configuration: recette }\n\
        defaults: { port: 8080, volumes: { logs: /var/log/tomcat } }\n\
        bundles: { finance: [billing] }\n";

    fn load(platform: &str, containers: &[(&str, &str)]) -> Result<Catalogue> {
        let source = |path: String, text: &str| Source {
            path,
            text: text.as_bytes().to_vec(),
        };
        let containers = containers
            .iter()
            .map(|(name, text)| {
                (
                    ContainerName::new(*name).unwrap(),
                    source(format!("containers/{name}/container.yaml"), text),
                )
            })
            .collect();
        Catalogue::load(&source("platform.yaml".into(), platform), &containers)
    }

    const FRONT: (&str, &str) = ("front", "kind: proxy\npublish: [80]\n");

    fn refused(billing: &str, others: &[(&str, &str)], wanted: &str) {
        let mut containers = vec![FRONT, ("billing", billing)];
        containers.extend_from_slice(others);
        let error = load(PLATFORM, &containers).unwrap_err();
        assert!(
            error.to_string().contains(wanted),
            "wanted {wanted:?}, got: {error}"
        );
        assert_eq!(error.kind(), ErrorKind::Definitions);
    }

    #[test]
    fn a_sound_platform_loads() {
        let customers = ("customers", "routes: [{ path: /customers }]\n");
        load(
            PLATFORM,
            &[
                FRONT,
                (
                    "billing",
                    "needs: [customers]\nroutes: [{ path: /billing }]\n",
                ),
                customers,
            ],
        )
        .unwrap();
    }

    #[test]
    fn each_fault_is_refused_with_its_place() {
        let customers = ("customers", "routes: [{ path: /billing }]\n");
        refused(
            "needs:\n  - custmers\n",
            &[customers],
            "billing/container.yaml:2:5: no container is called `custmers`; did you mean `customers`?",
        );
        refused(
            "routes: [{ path: /billing }]\n",
            &[customers],
            "the route `/billing` belongs to `billing` already",
        );
        refused(
            "needs: [audit]\n",
            &[("audit", "needs: [billing]\n")],
            "`needs` go in a circle: audit → billing → audit",
        );
        refused(
            "needs: [front]\n",
            &[],
            "`front` is a proxy, which no container can need",
        );
        refused(
            "configurations: { prod: {} }\n",
            &[],
            "`prod` is no configuration; it is one of: recette, production, workstation",
        );
        refused(
            "volumes: { other: /var/log/tomcat }\n",
            &[],
            "both at /var/log/tomcat",
        );
        refused(
            "health: { path: /x, command: [a] }\n",
            &[],
            "either a `path` or a `command`",
        );
        refused(
            "kind: service\nroutes: [{ path: /x }]\n",
            &[],
            "a route needs a `port`",
        );
        refused(
            "kind: service\npublish: [80]\n",
            &[],
            "published by `billing` already",
        );
        refused(
            "publish: [81]\n",
            &[],
            "an app is reached through the proxy",
        );
        refused(
            "kind: base\n",
            &[("finance", "")],
            "`finance` is both a bundle and a container",
        );
    }

    #[test]
    fn uses_may_go_in_a_circle() {
        load(
            PLATFORM,
            &[
                FRONT,
                ("billing", "uses: [audit]\n"),
                ("audit", "uses: [billing]\n"),
            ],
        )
        .unwrap();
    }
}
