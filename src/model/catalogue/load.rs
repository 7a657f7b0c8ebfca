//! Definitions are read, and checked as a whole.

use std::collections::{BTreeMap, BTreeSet};

use super::examination::Examination;
use super::{Catalogue, Examined, Source, definition};
use crate::error::{Error, Kind as ErrorKind, Result};
use crate::model::circle;
use crate::model::container::{Definition, Kind, Publish};
use crate::model::name::ContainerName;
use crate::model::platform::Platform;
use crate::model::yaml::{self, Step};

impl Catalogue {
    /// Reads and checks everything; the first fault is the error.
    pub fn load(platform: &Source, containers: &BTreeMap<ContainerName, Source>) -> Result<Self> {
        let examined = Self::examine(platform, containers);
        match (examined.faults.into_iter().next(), examined.catalogue) {
            (Some(fault), _) => Err(fault),
            (None, Some(catalogue)) => Ok(catalogue),
            (None, None) => Err(Error::bug("a platform without a fault was not read")),
        }
    }

    /// Reads and checks everything, and goes on after each fault.
    pub fn examine(platform: &Source, containers: &BTreeMap<ContainerName, Source>) -> Examined {
        let (parsed, mut faults) = Platform::examine(&platform.path, &platform.text);
        let mut definitions = BTreeMap::new();
        let mut unreadable = BTreeSet::new();
        for (name, source) in containers {
            match yaml::read::<Definition>(ErrorKind::Definitions, &source.path, &source.text) {
                Ok(definition) => drop(definitions.insert(name.clone(), definition)),
                Err(fault) => {
                    faults.push(fault);
                    unreadable.insert(name.clone());
                }
            }
        }
        let Some(parsed) = parsed else {
            return Examined {
                catalogue: None,
                faults,
            };
        };
        let mut examination = Examination {
            catalogue: Self {
                platform: parsed,
                definitions,
            },
            sources: containers,
            unreadable,
            faults,
        };
        examination.check_platform(platform);
        let definitions = examination.catalogue.definitions.iter();
        let found = definitions.flat_map(|(name, definition)| {
            definition::faults(&examination, name, definition, &containers[name])
        });
        let found: Vec<Error> = found.collect();
        examination.faults.extend(found);
        examination.check_clashes();
        examination.check_cycles();
        Examined {
            catalogue: Some(examination.catalogue),
            faults: examination.faults,
        }
    }
}

impl Examination<'_> {
    fn check_platform(&mut self, source: &Source) {
        let platform = &self.catalogue.platform;
        let mut found = Vec::new();
        let proxy = &platform.proxy;
        let wrong = match self.catalogue.definitions.get(proxy).map(|it| it.kind) {
            Some(Kind::Proxy) => None,
            None => self
                .is_missing(proxy)
                .then(|| self.catalogue.unknown(proxy)),
            Some(kind) => Some(format!(
                "the proxy `{proxy}` is of kind `{}`, it must be `proxy`",
                kind.as_str()
            )),
        };
        if let Some(wrong) = wrong {
            found.push(source.refuse(&[Step::Value("proxy")], &wrong));
        }
        for (bundle, members) in &platform.bundles {
            let place = [Step::Value("bundles"), Step::Key(bundle.as_str())];
            if self.catalogue.definitions.contains_key(bundle.as_str()) {
                let message = format!("`{bundle}` is both a bundle and a container");
                found.push(source.refuse(&place, &message));
            }
            for (index, member) in members.iter().enumerate() {
                if self.is_missing(member) {
                    let place = [place[0], place[1], Step::Item(index)];
                    found.push(source.refuse(&place, &self.catalogue.unknown(member)));
                }
            }
        }
        for name in platform.containers.keys() {
            if self.is_missing(name) {
                let place = [Step::Value("containers"), Step::Key(name.as_str())];
                found.push(source.refuse(&place, &self.catalogue.unknown(name)));
            }
        }
        self.faults.extend(found);
    }

    fn check_clashes(&mut self) {
        let mut routes: BTreeMap<_, &ContainerName> = BTreeMap::new();
        let mut ports: BTreeMap<u16, &ContainerName> = BTreeMap::new();
        let mut found = Vec::new();
        for (name, definition) in &self.catalogue.definitions {
            for (index, route) in definition.routes.iter().enumerate() {
                if let Some(other) = routes.insert((&route.host, &route.path), name) {
                    let message = format!("the route `{route}` belongs to `{other}` already");
                    let place = [Step::Value("routes"), Step::Item(index)];
                    found.push(self.sources[name].refuse(&place, &message));
                }
            }
            for (index, Publish { host, .. }) in definition.publish.iter().enumerate() {
                if let Some(other) = ports.insert(*host, name) {
                    let message = format!("the host port {host} is published by `{other}` already");
                    let place = [
                        Step::Value("publish"),
                        Step::Item(index),
                        Step::Value("host"),
                    ];
                    found.push(self.sources[name].refuse(&place, &message));
                }
            }
        }
        self.faults.extend(found);
    }

    /// Each circle once.
    fn check_cycles(&mut self) {
        let definitions = &self.catalogue.definitions;
        let needs = |name: &ContainerName| -> Vec<ContainerName> {
            let definition = definitions.get(name);
            definition
                .map(|it| it.needs.iter().map(|need| need.container.clone()).collect())
                .unwrap_or_default()
        };
        let mut known: BTreeSet<ContainerName> = BTreeSet::new();
        let mut found = Vec::new();
        for name in definitions.keys() {
            let Some(cycle) = circle::cycle_from(name, &needs) else {
                continue;
            };
            // A container that needs itself is told as such.
            if cycle.len() < 3 || cycle.iter().any(|it| known.contains(it)) {
                continue;
            }
            known.extend(cycle.iter().cloned());
            let names: Vec<_> = cycle.iter().map(ContainerName::as_str).collect();
            let message = format!("`needs` go in a circle: {}", names.join(" → "));
            let next = needs(&cycle[0]).iter().position(|it| *it == cycle[1]);
            let place = [
                Step::Value("needs"),
                Step::Item(next.unwrap_or_default()),
                Step::Value("container"),
            ];
            let refused = self.sources[&cycle[0]].refuse(&place, &message);
            found.push(refused.hint("`uses` orders starts too, and may go in a circle"));
        }
        self.faults.extend(found);
    }
}
