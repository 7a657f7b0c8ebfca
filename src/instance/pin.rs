//! An instance that stays on one reference, and what its environment runs meanwhile; containers that
//! stay on a version of their own.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, VersionRecord};
use crate::model::name::{BundleName, ContainerName, EnvironmentName, Version};
use crate::model::reference::Reference;
use crate::verify::choose::Preparation;

/// In place of a version: the reference's.
pub const REFERENCE: &str = "reference";

/// A pin, beside what was last seen of the environment: no network is asked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Pin {
    /// The reference that the instance stays on.
    pub reference: u64,
    /// The environment that it would follow.
    pub environment: EnvironmentName,
    /// What that environment ran when it was last looked at.
    pub current: Option<u64>,
    /// The same of production, where another one is followed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub production: Option<Production>,
}

/// What the last environment runs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Production {
    /// Its name.
    pub environment: EnvironmentName,
    /// What it ran when it was last looked at.
    pub current: Option<u64>,
}

impl Pin {
    /// `None` where the instance follows its environment. Which one is production comes from the
    /// signed reference, where that is known.
    pub async fn of(
        session: &Session,
        open: &OpenPlatform,
        record: &InstanceRecord,
        reference: Option<&Reference>,
    ) -> Option<Self> {
        if !record.pinned || !record.asks_for_something() {
            return None;
        }
        let preparation = Preparation::new(session, open, None);
        let current = async |environment: &EnvironmentName| {
            let look = preparation.ledger_if_any(environment).await;
            let look = look.ok().flatten();
            look.and_then(|it| it.ledger.predicate.current().map(|it| it.number))
        };
        let last = reference.and_then(|it| it.environments.last());
        let production = match last.filter(|it| **it != record.environment) {
            Some(environment) => Some(Production {
                environment: environment.clone(),
                current: current(environment).await,
            }),
            None => None,
        };
        Some(Self {
            reference: record.reference.number,
            environment: record.environment.clone(),
            current: current(&record.environment).await,
            production,
        })
    }
}

impl fmt::Display for Pin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            reference,
            environment,
            current,
            production,
        } = self;
        let runs = |current: &Option<u64>| match current {
            Some(current) if current == reference => "the same".to_owned(),
            Some(current) => current.to_string(),
            None => "what was never looked at here".to_owned(),
        };
        let current = runs(current);
        write!(
            f,
            "pinned to reference {reference}; {environment} runs {current}"
        )?;
        if let Some(it) = production {
            write!(f, ", {} runs {}", it.environment, runs(&it.current))?;
        }
        write!(
            f,
            ": `devenv up --environment {environment}` follows it again"
        )
    }
}

/// A container that stays on a version of its own.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionPin {
    /// Which.
    pub container: ContainerName,
    /// Its version.
    pub version: Version,
    /// The version that the reference has; `None`: it does not have the container.
    pub reference: Option<Version>,
    #[serde(skip)]
    number: u64,
    /// Whether the reference has the very image.
    #[serde(skip)]
    is_same: bool,
}

impl VersionPin {
    /// All of an instance, beside what its verified reference has.
    pub fn all(record: &InstanceRecord, verified: &Reference) -> Vec<Self> {
        let of_reference = |name| verified.containers.get(name)?.version.clone();
        let digest = |name| verified.containers.get(name)?.digest;
        let versions = record.versions.iter();
        versions
            .map(|(container, chosen)| Self {
                container: container.clone(),
                version: chosen.version.clone(),
                reference: of_reference(container),
                number: verified.number,
                is_same: digest(container) == Some(chosen.digest),
            })
            .collect()
    }
}

/// Ends versions: all of them where an environment is named, else those of the containers and bundles
/// that go. What cannot run any more is not in the way of its own end.
pub(super) fn end(
    versions: &mut BTreeMap<ContainerName, VersionRecord>,
    is_environment_named: bool,
    gone: &[String],
    bundles: &BTreeMap<BundleName, Vec<ContainerName>>,
) {
    let of_bundle = |word: &String| bundles.get(word.as_str()).into_iter().flatten();
    versions.retain(|name, _| {
        let goes = |word: &String| name.as_str() == word || of_bundle(word).any(|it| it == name);
        !is_environment_named && !gone.iter().any(goes)
    });
}

impl fmt::Display for VersionPin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            container,
            version,
            reference,
            number,
            is_same,
        } = self;
        write!(f, "{container} is pinned to {version}; reference {number} ")?;
        match reference {
            Some(same) if same == version && *is_same => write!(f, "has the same")?,
            Some(same) if same == version => write!(
                f,
                "has {same} with another image: a mix that never ran in production"
            )?,
            Some(other) => write!(f, "has {other}: a mix that never ran in production")?,
            None => write!(f, "does not have it: a mix that never ran in production")?,
        }
        let ends = match reference {
            Some(_) => format!("`devenv up {container}:{REFERENCE}`"),
            None => format!("`devenv down {container}`"),
        };
        write!(f, " ({ends} ends it)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{container, image};

    #[test]
    fn versions_end_with_their_containers_and_with_an_environment() {
        let left = |is_environment_named, gone: &[&str]| {
            let version = || VersionRecord {
                version: Version::new("1").unwrap(),
                digest: image("a"),
            };
            let names = ["audit", "billing", "stock"].map(container);
            let mut versions = names.map(|name| (name, version())).into();
            let bundle = BundleName::new("shop").unwrap();
            let bundles = BTreeMap::from([(bundle, vec![container("stock")])]);
            let gone: Vec<String> = gone.iter().map(ToString::to_string).collect();
            end(&mut versions, is_environment_named, &gone, &bundles);
            let left: Vec<String> = versions.keys().map(ToString::to_string).collect();
            left.join(" ")
        };
        assert_eq!(left(false, &[]), "audit billing stock");
        assert_eq!(left(false, &["billing"]), "audit stock");
        assert_eq!(left(false, &["shop"]), "audit billing");
        assert_eq!(left(true, &[]), "");
    }

    #[test]
    fn a_version_is_shown_beside_the_reference() {
        let pin = |version: &str, reference: Option<&str>, is_same| VersionPin {
            container: ContainerName::new("billing").unwrap(),
            version: Version::new(version).unwrap(),
            reference: reference.map(|it| Version::new(it).unwrap()),
            number: 7,
            is_same,
        };
        let shown = [
            pin("1.4.1", Some("1.4.2"), false),
            pin("1.4.2", Some("1.4.2"), true),
            pin("1.4.2", Some("1.4.2"), false),
            pin("1.4.2", None, false),
        ]
        .map(|it| it.to_string());
        assert_eq!(
            shown,
            [
                "billing is pinned to 1.4.1; reference 7 has 1.4.2: a mix that never ran in production (`devenv up billing:reference` ends it)",
                "billing is pinned to 1.4.2; reference 7 has the same (`devenv up billing:reference` ends it)",
                "billing is pinned to 1.4.2; reference 7 has 1.4.2 with another image: a mix that never ran in production (`devenv up billing:reference` ends it)",
                "billing is pinned to 1.4.2; reference 7 does not have it: a mix that never ran in production (`devenv down billing` ends it)",
            ]
        );
    }
}
