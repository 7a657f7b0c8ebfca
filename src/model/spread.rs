//! From a reference, which names a container once with how many copies each environment runs, to an entry of each
//! copy that runs here, so that whatever follows knows containers only. Pure.
//!
//! Where several can run, the proxy knows `billing-1`, `billing-2`, … in every environment; those that do not run here
//! are names of the proxy itself, where nothing listens on their port: they refuse at once.

use std::collections::{BTreeMap, BTreeSet};

use super::members::{Member, names};
use super::name::{BundleName, ContainerName};
use super::reference::Reference;
use super::run_specification::{ResolvedNeed, RunSpecification};

impl Reference {
    /// The same with an entry for each copy that runs here. A single one keeps its container's name and answers to
    /// `billing-1` too; each of several has a name of its own and answers to the container's. Routes stay with the
    /// first.
    #[must_use]
    pub fn spread(&self, count: impl Fn(&ContainerName, &RunSpecification) -> u16) -> Self {
        let mut spread = Self {
            containers: BTreeMap::new(),
            ..self.clone()
        };
        let mut several: BTreeMap<&ContainerName, Vec<ContainerName>> = BTreeMap::new();
        for (container, entry) in &self.containers {
            let count = count(container, &entry.run).clamp(1, entry.run.most());
            for number in 1..=count {
                let member = Member {
                    of: container.clone(),
                    number,
                };
                let name = match count {
                    1 => Some(container.clone()),
                    _ => ContainerName::new(member.name()).ok(),
                };
                let Some(name) = name else { continue };
                let mut entry = entry.clone();
                if number > 1 {
                    entry.routes.clear();
                }
                spread.containers.insert(name.clone(), entry);
                if count > 1 {
                    several.entry(container).or_default().push(name.clone());
                }
                if self.containers[container].run.most() > 1 {
                    spread.members.insert(name, member);
                }
            }
        }
        spread.follow(&several);
        spread
    }

    /// Who means a container that is several now means each of them.
    fn follow(&mut self, several: &BTreeMap<&ContainerName, Vec<ContainerName>>) {
        if several.is_empty() {
            return;
        }
        let all = |name: &ContainerName| {
            let one = || vec![name.clone()];
            several.get(name).cloned().unwrap_or_else(one)
        };
        for entry in self.containers.values_mut() {
            let needs = entry.needs.iter().flat_map(|need| {
                let until = need.until;
                let each = all(&need.container).into_iter();
                each.map(move |container| ResolvedNeed { container, until })
            });
            entry.needs = needs.collect();
            entry.uses = entry.uses.iter().flat_map(all).collect();
        }
        for members in self.bundles.values_mut() {
            *members = members.iter().flat_map(all).collect();
        }
        let asked = several.iter().filter_map(|(container, members)| {
            let name = BundleName::new(container.as_str()).ok()?;
            Some((name, members.clone()))
        });
        self.bundles.extend(asked);
    }

    /// The container that an entry is a copy of: itself, where it is none.
    pub fn origin<'a>(&'a self, name: &'a ContainerName) -> &'a ContainerName {
        self.members.get(name).map_or(name, |member| &member.of)
    }

    /// The names that an entry is reached by besides its own.
    pub fn aliases(&self, name: &ContainerName) -> BTreeSet<String> {
        let member = self.members.get(name).into_iter();
        let names = member.flat_map(|member| [member.name(), member.of.to_string()]);
        names.filter(|it| it != name.as_str()).collect()
    }

    /// The names of copies that do not run here, which the proxy knows all the same.
    pub fn absent_members(&self) -> BTreeSet<String> {
        let here: BTreeSet<String> = self.members.values().map(Member::name).collect();
        let all = self.members.iter().flat_map(|(name, member)| {
            let entry = self.containers.get(name);
            names(&member.of, entry.map_or(1, |entry| entry.run.most()))
        });
        all.filter(|it| !here.contains(it)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reference::tests::{container, reference};

    /// `billing` twice in production and once elsewhere; `audit` needs it.
    fn platform() -> Reference {
        let mut billing = container("billing", &[], &[]);
        let environments = [("production", 2), ("recette", 1)];
        let replicas = environments.map(|(name, count)| (name.parse().unwrap(), count));
        billing.1.run.replicas = BTreeMap::from(replicas);
        let mut reference = reference(&[billing, container("audit", &["billing"], &["billing"])]);
        let finance = BundleName::new("finance").unwrap();
        reference.bundles = BTreeMap::from([(finance, vec!["billing".parse().unwrap()])]);
        reference
    }

    fn words(names: impl IntoIterator<Item = impl ToString>) -> String {
        let names: Vec<String> = names.into_iter().map(|it| it.to_string()).collect();
        names.join(" ")
    }

    #[test]
    fn one_copy_keeps_its_name_and_the_other_is_absent() {
        let reference = platform().spread(|_, _| 1);
        assert_eq!(words(reference.containers.keys()), "audit billing front");
        let billing = "billing".parse().unwrap();
        assert_eq!(words(reference.aliases(&billing)), "billing-1");
        assert_eq!(words(reference.absent_members()), "billing-2");
        assert_eq!(reference.origin(&billing), &billing);
        assert!(reference.aliases(&"audit".parse().unwrap()).is_empty());
    }

    #[test]
    fn several_copies_stand_for_their_container() {
        let whole = platform();
        let reference = whole.spread(|_, run| run.most());
        assert_eq!(
            words(reference.containers.keys()),
            "audit billing-1 billing-2 front"
        );
        let second = "billing-2".parse().unwrap();
        assert_eq!(words(reference.aliases(&second)), "billing");
        assert_eq!(reference.origin(&second).as_str(), "billing");
        assert!(reference.absent_members().is_empty());
        let audit = &reference.containers["audit"];
        let needs = audit.needs.iter().map(|it| &it.container);
        assert_eq!(words(needs), "billing-1 billing-2");
        assert_eq!(words(&audit.uses), "billing-1 billing-2");
        assert_eq!(words(&reference.bundles["finance"]), "billing-1 billing-2");
        assert_eq!(words(&reference.bundles["billing"]), "billing-1 billing-2");
        assert_eq!(reference.routes().len(), whole.routes().len());
        let ran = |name: &str| reference.containers[name].run.clone();
        assert_eq!(ran("billing-1"), whole.containers["billing"].run);
    }

    #[test]
    fn a_reference_without_copies_is_spread_to_itself() {
        let reference = reference(&[
            container("billing", &["audit"], &[]),
            container("audit", &[], &[]),
        ]);
        assert_eq!(reference.spread(|_, _| 7), reference);
    }
}
