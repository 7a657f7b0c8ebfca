//! The catalogue with what each environment runs and what runs here, as `list` shows it and
//! `--json` prints it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use crate::instance::status::{ContainerStatus, Status};
use crate::model::catalogue::Catalogue;
use crate::model::container::Kind;
use crate::model::filling::{Dumping, Seed};
use crate::model::name::{BundleName, ContainerName, EnvironmentName};
use crate::model::reference::Reference;
use crate::model::run_specification::{ResolvedNeed, RunSpecification};

/// What is known of an environment.
#[derive(Debug, Clone)]
pub enum Environment {
    /// It runs this.
    Runs(Box<Reference>),
    /// Nothing was ever promoted to it.
    Nothing,
    /// It could not be found out, for this reason.
    Unknown(String),
}

/// The catalogue.
#[derive(Debug, Clone, Serialize)]
pub struct Listing {
    /// The platform.
    pub platform: String,
    /// The instance whose containers count as running here.
    pub instance: String,
    /// The definitions commit that is listed.
    pub commit: String,
    /// In promotion order.
    pub environments: Vec<EnvironmentEntry>,
    /// By name.
    pub containers: Vec<Entry>,
    /// Names for several containers.
    pub bundles: BTreeMap<BundleName, Vec<ContainerName>>,
}

/// One environment.
#[derive(Debug, Clone, Serialize)]
pub struct EnvironmentEntry {
    /// Its name.
    pub name: EnvironmentName,
    /// The number of the reference that it runs.
    pub reference: Option<u64>,
    /// Why that is not known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// One container.
#[derive(Debug, Clone, Serialize)]
pub struct Entry {
    /// Its name.
    pub name: ContainerName,
    /// `app`, `proxy`, `service` or `base`.
    pub kind: &'static str,
    /// What it is for.
    pub description: Option<String>,
    /// Whether the definitions still have it; else only an environment does.
    pub defined: bool,
    /// The version that was released last.
    pub released: Option<String>,
    /// The version in each environment that has it.
    pub versions: BTreeMap<EnvironmentName, String>,
    /// What runs in the instance.
    pub running: Option<Running>,
    /// Where the proxy shows it.
    pub routes: Vec<String>,
    /// What must be there first.
    pub needs: Vec<ResolvedNeed>,
    /// What starts before it when both run.
    pub uses: Vec<ContainerName>,
    /// The containers that need it.
    pub needed_by: Vec<ContainerName>,
    /// The bundles that it is in.
    pub bundles: Vec<BundleName>,
    /// What fills its volumes at its first start.
    pub seed: Option<Seed>,
    /// How its data is saved while it runs.
    pub snapshot: Option<Dumping>,
}

/// A container of the instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Running {
    /// Its version.
    pub version: String,
    /// `reference`, `pinned` or `local`.
    pub source: String,
    /// As in `status`; `completed` where it exited with 0.
    pub state: &'static str,
    /// The keys of the user's own changes that it was made with.
    pub overrides: Vec<String>,
    /// Where its routes are reached.
    pub urls: Vec<String>,
}

impl Entry {
    /// Whether it is ever run: others are only built from a base.
    pub fn runs(&self) -> bool {
        self.kind != Kind::Base.as_str()
    }
}

/// What a listing is made of.
pub struct Inputs<'a> {
    /// The definitions.
    pub catalogue: &'a Catalogue,
    /// Their commit.
    pub commit: String,
    /// In promotion order.
    pub environments: &'a [(EnvironmentName, Environment)],
    /// The instance's name.
    pub instance: String,
    /// What the instance does, where that is known.
    pub status: Option<&'a Status>,
}

/// Puts the catalogue together.
pub fn listing(inputs: &Inputs<'_>) -> Listing {
    let platform = &inputs.catalogue.platform;
    let names: BTreeSet<&ContainerName> = inputs
        .catalogue
        .definitions
        .keys()
        .chain(references(inputs).flat_map(|(_, it)| it.containers.keys()))
        .collect();
    let containers: Vec<Entry> = names
        .into_iter()
        .filter_map(|name| entry(inputs, name))
        .collect();
    Listing {
        platform: platform.platform.to_string(),
        instance: inputs.instance.clone(),
        commit: inputs.commit.clone(),
        environments: inputs.environments.iter().map(environment).collect(),
        containers: needed_by(containers),
        bundles: platform.bundles.clone(),
    }
}

fn references<'a>(
    inputs: &'a Inputs<'_>,
) -> impl DoubleEndedIterator<Item = (&'a EnvironmentName, &'a Reference)> {
    let runs = |(name, it): &'a (EnvironmentName, Environment)| match it {
        Environment::Runs(reference) => Some((name, reference.as_ref())),
        Environment::Nothing | Environment::Unknown(_) => None,
    };
    inputs.environments.iter().filter_map(runs)
}

fn environment((name, found): &(EnvironmentName, Environment)) -> EnvironmentEntry {
    EnvironmentEntry {
        name: name.clone(),
        reference: match found {
            Environment::Runs(reference) => Some(reference.number),
            Environment::Nothing | Environment::Unknown(_) => None,
        },
        error: match found {
            Environment::Unknown(why) => Some(why.clone()),
            Environment::Runs(_) | Environment::Nothing => None,
        },
    }
}

/// From its definition, else from the last environment that still has it.
fn entry(inputs: &Inputs<'_>, name: &ContainerName) -> Option<Entry> {
    let platform = &inputs.catalogue.platform;
    let mut entry = match inputs.catalogue.definitions.get(name) {
        Some(_) => defined(inputs.catalogue, name)?,
        None => references(inputs)
            .rev()
            .find_map(|(_, it)| gone(it, name))?,
    };
    entry.released = platform.containers.get(name).map(ToString::to_string);
    entry.versions = references(inputs)
        .filter_map(|(environment, it)| Some((environment.clone(), version(it, name)?)))
        .collect();
    entry.running = inputs
        .status
        .and_then(|status| status.containers.iter().find(|it| it.of == name.as_str()))
        .map(running);
    entry.bundles = platform
        .bundles
        .iter()
        .filter(|(_, members)| members.contains(name))
        .map(|(bundle, _)| bundle.clone())
        .collect();
    Some(entry)
}

fn defined(catalogue: &Catalogue, name: &ContainerName) -> Option<Entry> {
    let definition = catalogue.definitions.get(name)?;
    let until = |name: &ContainerName| {
        let needed = catalogue.definitions.get(name)?;
        Some(RunSpecification::resolve(needed, &catalogue.platform.defaults).default_until())
    };
    let needs = definition.needs.iter().filter_map(|need| {
        Some(ResolvedNeed {
            container: need.container.clone(),
            until: need.until.or_else(|| until(&need.container))?,
        })
    });
    Some(Entry {
        name: name.clone(),
        kind: definition.kind.as_str(),
        description: definition.description.clone(),
        defined: true,
        released: None,
        versions: BTreeMap::new(),
        running: None,
        routes: definition.routes.iter().map(ToString::to_string).collect(),
        needs: needs.collect(),
        uses: definition.uses.clone(),
        needed_by: Vec::new(),
        bundles: Vec::new(),
        seed: definition.seed.clone(),
        snapshot: definition.snapshot.clone(),
    })
}

fn gone(reference: &Reference, name: &ContainerName) -> Option<Entry> {
    let container = reference.containers.get(name)?;
    Some(Entry {
        name: name.clone(),
        kind: container.run.kind.as_str(),
        description: container.description.clone(),
        defined: false,
        released: None,
        versions: BTreeMap::new(),
        running: None,
        routes: container.routes.iter().map(ToString::to_string).collect(),
        needs: container.needs.clone(),
        uses: container.uses.clone(),
        needed_by: Vec::new(),
        bundles: Vec::new(),
        seed: container.run.seed.clone(),
        snapshot: container.run.snapshot.clone(),
    })
}

/// The proxy's version is the reference's number.
fn version(reference: &Reference, name: &ContainerName) -> Option<String> {
    let container = reference.containers.get(name)?;
    Some(match &container.version {
        Some(version) => version.to_string(),
        None => reference.number.to_string(),
    })
}

fn running(status: &ContainerStatus) -> Running {
    Running {
        version: status.version.clone(),
        source: status.source.clone(),
        state: match (status.state, status.exit_code) {
            ("exited", Some(0)) => "completed",
            (state, _) => state,
        },
        overrides: status.overrides.clone(),
        urls: status.urls.clone(),
    }
}

fn needed_by(mut containers: Vec<Entry>) -> Vec<Entry> {
    let mut by: BTreeMap<ContainerName, Vec<ContainerName>> = BTreeMap::new();
    for entry in &containers {
        for need in &entry.needs {
            by.entry(need.container.clone())
                .or_default()
                .push(entry.name.clone());
        }
    }
    for entry in &mut containers {
        entry.needed_by = by.remove(&entry.name).unwrap_or_default();
    }
    containers
}

#[cfg(test)]
mod tests;
