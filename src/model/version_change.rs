//! Which containers have another version than before. Pure.

use std::collections::BTreeMap;
use std::fmt;

use serde::Serialize;

use super::name::{ContainerName, Version};

/// A container whose version is not the same before and after.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct VersionChange {
    /// Which.
    pub container: ContainerName,
    /// Before; `None`: it had none.
    pub from: Option<Version>,
    /// After; `None`: it has none.
    pub to: Option<Version>,
}

/// What differs between two sets of versions, by name.
pub fn version_changes(
    before: &BTreeMap<ContainerName, Version>,
    after: &BTreeMap<ContainerName, Version>,
) -> Vec<VersionChange> {
    let mut names: Vec<&ContainerName> = before.keys().chain(after.keys()).collect();
    names.sort();
    names.dedup();
    names
        .into_iter()
        .filter(|name| before.get(*name) != after.get(*name))
        .map(|name| VersionChange {
            container: name.clone(),
            from: before.get(name).cloned(),
            to: after.get(name).cloned(),
        })
        .collect()
}

impl fmt::Display for VersionChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = &self.container;
        match (&self.from, &self.to) {
            (Some(from), Some(to)) => write!(f, "{name} {from} → {to}"),
            (None, Some(to)) => write!(f, "{name} {to} (new)"),
            (Some(from), None) => write!(f, "{name} {from} (gone)"),
            (None, None) => write!(f, "{name}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn versions(pairs: &[(&str, &str)]) -> BTreeMap<ContainerName, Version> {
        let pair = |(name, version): &(&str, &str)| {
            (
                ContainerName::new(*name).unwrap(),
                Version::new(*version).unwrap(),
            )
        };
        pairs.iter().map(pair).collect()
    }

    #[test]
    fn new_gone_and_changed_ones_are_told_apart() {
        let before = versions(&[("audit", "1.0"), ("billing", "1.4.1"), ("customers", "2.0")]);
        let after = versions(&[
            ("billing", "1.4.2"),
            ("customers", "2.0"),
            ("invoices", "1"),
        ]);
        let told: Vec<String> = version_changes(&before, &after)
            .iter()
            .map(ToString::to_string)
            .collect();
        assert_eq!(
            told,
            [
                "audit 1.0 (gone)",
                "billing 1.4.1 → 1.4.2",
                "invoices 1 (new)"
            ]
        );
        assert!(version_changes(&before, &before).is_empty());
    }
}
