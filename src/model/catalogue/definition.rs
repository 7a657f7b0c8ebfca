//! What one definition must keep to, given all the others.

use std::collections::{BTreeMap, BTreeSet};

use super::examination::Examination;
use super::{Catalogue, Source};
use crate::error::Error;
use crate::model::container::{Definition, Kind, Route};
use crate::model::members;
use crate::model::name::{ConfigurationName, ContainerName};
use crate::model::platform::unknown_replicas;
use crate::model::run_specification::RunSpecification;
use crate::model::secret_use;
use crate::model::text::AbsolutePath;
use crate::model::yaml::Step;

/// Every fault of one definition, with its place in `source`.
pub(super) fn faults(
    examination: &Examination<'_>,
    name: &ContainerName,
    definition: &Definition,
    source: &Source,
) -> Vec<Error> {
    let mut check = Check {
        examination,
        catalogue: &examination.catalogue,
        name,
        definition,
        source,
        faults: Vec::new(),
    };
    check.names();
    check.configurations();
    check.shape();
    check.ways();
    check.health();
    check.paths();
    check.secrets();
    check.replicas();
    check.filling();
    check.faults
}

struct Check<'a> {
    examination: &'a Examination<'a>,
    catalogue: &'a Catalogue,
    name: &'a ContainerName,
    definition: &'a Definition,
    source: &'a Source,
    faults: Vec<Error>,
}

impl Check<'_> {
    fn refuse(&mut self, place: &[Step<'_>], message: &str) {
        self.faults.push(self.source.refuse(place, message));
    }

    fn names(&mut self) {
        let definition = self.definition;
        let needs = definition.needs.iter().map(|need| &need.container);
        let needs = needs.enumerate().map(|(index, name)| {
            let container = Step::Value("container");
            (
                vec![Step::Value("needs"), Step::Item(index), container],
                name,
            )
        });
        let uses = definition.uses.iter().enumerate();
        let uses = uses.map(|(index, name)| (vec![Step::Value("uses"), Step::Item(index)], name));
        for (place, other) in needs.chain(uses) {
            let kind = self.catalogue.definitions.get(other).map(|it| it.kind);
            match kind {
                None if self.examination.is_unreadable(other) => {}
                None => self.refuse(&place, &self.catalogue.unknown(other)),
                Some(kind @ (Kind::Base | Kind::Proxy)) => {
                    let kind = kind.as_str();
                    let message =
                        format!("`{other}` is a {kind}, which no container can need or use");
                    self.refuse(&place, &message);
                }
                Some(_) if other == self.name => {
                    self.refuse(&place, &format!("`{other}` needs or uses itself"));
                }
                Some(_) => {}
            }
        }
    }

    fn configurations(&mut self) {
        let known = self.catalogue.configurations();
        let named = self.definition.configurations.keys();
        for name in named.map(ConfigurationName::as_str) {
            if !known.contains(&name) {
                let message = format!(
                    "`{name}` is no configuration; it is one of: {}",
                    known.join(", ")
                );
                self.refuse(&[Step::Value("configurations"), Step::Key(name)], &message);
            }
        }
    }

    fn shape(&mut self) {
        let definition = self.definition;
        let is_proxy = definition.kind == Kind::Proxy;
        if is_proxy && self.name != &self.catalogue.platform.proxy {
            let message = format!(
                "a platform has one proxy, and it is `{}`",
                self.catalogue.platform.proxy
            );
            self.refuse(&[Step::Value("kind")], &message);
        }
        let runs = !definition.needs.is_empty()
            || !definition.publish.is_empty()
            || !definition.routes.is_empty()
            || definition.once;
        if definition.kind == Kind::Base && runs {
            self.refuse(
                &[Step::Value("kind")],
                "a base is never run: it has no needs, routes, published ports or `once`",
            );
        }
        if is_proxy && !(definition.routes.is_empty() && definition.needs.is_empty()) {
            self.refuse(
                &[Step::Value("kind")],
                "the proxy has neither routes nor needs of its own",
            );
        }
        if definition.kind == Kind::App && !definition.publish.is_empty() {
            self.refuse(
                &[Step::Key("publish")],
                "an app is reached through the proxy; only the proxy and services publish ports",
            );
        }
    }

    fn port(&self) -> Option<u16> {
        let shared = self.catalogue.platform.defaults.port;
        let shared = shared.filter(|_| self.definition.kind == Kind::App);
        self.definition.port.or(shared)
    }

    fn ways(&mut self) {
        if self.port().is_none() && !self.definition.routes.is_empty() {
            self.refuse(&[Step::Key("routes")], "a route needs a `port` to lead to");
        }
        let nowhere = |route: &Route| route.host.is_none() && route.path.is_none();
        for (index, route) in self.definition.routes.iter().enumerate() {
            let place = [Step::Value("routes"), Step::Item(index)];
            if nowhere(route) {
                self.refuse(&place, "a route has a `path`, a `host` or both");
            } else if let Some(fault) = route.fault() {
                self.refuse(&place, &fault);
            }
        }
    }

    fn health(&mut self) {
        let Some(health) = &self.definition.health else {
            return;
        };
        let asked = self.port().is_some() || self.definition.kind == Kind::Proxy;
        match (&health.path, &health.command) {
            (Some(_), None) if asked => {}
            (Some(_), None) => self.refuse(
                &[Step::Value("health"), Step::Key("path")],
                "`health.path` needs a `port`",
            ),
            (None, Some(command)) if !command.is_empty() => {}
            _ => self.refuse(
                &[Step::Key("health")],
                "a health check has either a `path` or a `command`",
            ),
        }
    }

    /// The folder of a secret's file is in memory: what else would be there is hidden by it.
    fn secrets(&mut self) {
        let definition = self.definition;
        let shared = &self.catalogue.platform.defaults.volumes;
        let shared = shared.values().filter(|_| definition.kind == Kind::App);
        let taken: Vec<&AbsolutePath> = shared
            .chain(definition.volumes.values())
            .chain(&definition.tmpfs)
            .collect();
        let mut seen = (BTreeSet::new(), BTreeSet::new());
        for (index, secret) in definition.secrets.iter().enumerate() {
            let place = [Step::Value("secrets"), Step::Item(index)];
            if !seen.0.insert(&secret.name) {
                self.refuse(&place, &format!("`{}` is there twice", secret.name));
            }
            let Some(file) = &secret.file else {
                continue;
            };
            let Some((folder, _)) = secret_use::place(file) else {
                let message = format!("{file} is no file in a folder, as /run/secrets/key is");
                self.refuse(&place, &message);
                continue;
            };
            if !seen.1.insert(file) {
                self.refuse(&place, &format!("two secrets are in the file {file}"));
            }
            let mut taken = taken.iter().map(|it| it.as_str().trim_end_matches('/'));
            if let Some(other) = taken.find(|it| is_in(it, folder)) {
                let message = format!(
                    "{folder} is in memory and for secrets alone, but {other} is a volume or `tmpfs`"
                );
                self.refuse(&place, &message);
            }
        }
    }

    fn replicas(&mut self) {
        let definition = self.definition;
        let platform = &self.catalogue.platform;
        let own = definition.replicas.iter();
        for (environment, wrong) in own.flat_map(|it| unknown_replicas(it, &platform.environments))
        {
            let place = [Step::Value("replicas"), Step::Key(environment)];
            self.refuse(&place, &wrong);
        }
        let run = RunSpecification::resolve(definition, &platform.defaults);
        let proxy = self.catalogue.definitions.get(&platform.proxy);
        let published = proxy.map_or(&[][..], |it| &it.publish);
        let is_taken = |name: &str| self.catalogue.definitions.contains_key(name);
        if let Some(message) = members::fault(self.name, &run, published, is_taken) {
            self.refuse(&[Step::Key("replicas")], &message);
        }
    }

    fn filling(&mut self) {
        let defaults = &self.catalogue.platform.defaults;
        let run = RunSpecification::resolve(self.definition, defaults);
        if let Some((key, why)) = run.filling_fault() {
            self.refuse(&[Step::Key(key)], &why);
        }
    }

    fn paths(&mut self) {
        let mut seen: BTreeMap<&str, &str> = BTreeMap::new();
        let shared = &self.catalogue.platform.defaults.volumes;
        let shared = shared.iter().filter(|(name, _)| {
            self.definition.kind == Kind::App && !self.definition.volumes.contains_key(*name)
        });
        for (volume, path) in shared.chain(&self.definition.volumes) {
            if let Some(other) = seen.insert(path.as_str(), volume.as_str()) {
                let message = format!("the volumes `{other}` and `{volume}` are both at {path}");
                let place = [Step::Value("volumes"), Step::Key(volume.as_str())];
                self.refuse(&place, &message);
            }
        }
    }
}

/// Whether a path is this folder or below it.
fn is_in(path: &str, folder: &str) -> bool {
    let rest = path.strip_prefix(folder);
    rest.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}
