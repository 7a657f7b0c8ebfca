//! Which containers run: those asked for, what they need, and the proxy. Pure.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};

use crate::error::{Error, Result};
use crate::model::name::ContainerName;
use crate::model::nearest::nearest;
use crate::model::reference::Reference;

/// What the user asked for.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Request {
    /// Containers and bundles by name.
    pub names: Vec<String>,
    /// Everything.
    pub all: bool,
    /// Containers to leave out although they are needed.
    pub without: Vec<String>,
    /// Whether the proxy runs too.
    pub proxy: bool,
}

/// Why a container runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// By name, bundle or `--all`.
    Asked,
    /// This one needs it.
    NeededBy(ContainerName),
    /// It is the entry point.
    Proxy,
}

/// The subset.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Selection {
    /// What runs, each after what it needs.
    pub order: Vec<ContainerName>,
    /// Why each of them runs.
    pub why: BTreeMap<ContainerName, Why>,
    /// What does not run.
    pub absent: BTreeSet<ContainerName>,
    /// Needed, but left out on request.
    pub missing: BTreeSet<ContainerName>,
}

/// Selects a subset of a reference.
pub fn select(reference: &Reference, request: &Request) -> Result<Selection> {
    let without: BTreeSet<_> = expand(reference, &request.without)?.into_iter().collect();
    let mut asked: BTreeSet<_> = expand(reference, &request.names)?.into_iter().collect();
    if request.all {
        let runs = reference
            .containers
            .iter()
            .filter(|(_, container)| !container.run.once);
        asked.extend(runs.map(|(name, _)| name.clone()));
    }
    let mut selection = Selection::default();
    let mut todo: VecDeque<(ContainerName, Why)> =
        asked.into_iter().map(|name| (name, Why::Asked)).collect();
    if request.proxy {
        todo.push_back((reference.proxy.clone(), Why::Proxy));
    }
    while let Some((name, why)) = todo.pop_front() {
        if !request.proxy && name == reference.proxy {
            continue;
        }
        if without.contains(&name) {
            if matches!(why, Why::NeededBy(_)) {
                selection.missing.insert(name);
            }
            continue;
        }
        if selection.why.contains_key(&name) {
            continue;
        }
        for need in &reference.containers[&name].needs {
            todo.push_back((need.container.clone(), Why::NeededBy(name.clone())));
        }
        selection.why.insert(name, why);
    }
    selection.absent = reference
        .containers
        .keys()
        .filter(|name| !selection.why.contains_key(*name) && **name != reference.proxy)
        .cloned()
        .collect();
    selection.order = in_start_order(reference, &selection)?;
    Ok(selection)
}

/// Bundles become their members; an unknown name is refused with the nearest known one.
pub fn expand(reference: &Reference, names: &[String]) -> Result<Vec<ContainerName>> {
    let mut expanded = Vec::new();
    for name in names {
        if let Some(members) = reference.bundles.get(name.as_str()) {
            expanded.extend(members.iter().cloned());
        } else if let Some((name, _)) = reference.containers.get_key_value(name.as_str()) {
            expanded.push(name.clone());
        } else {
            return Err(unknown(reference, name));
        }
    }
    let known = |name: &ContainerName| reference.containers.contains_key(name);
    if let Some(name) = expanded.iter().find(|name| !known(name)) {
        return Err(Error::usage(format!(
            "`{name}` is in a bundle, but not in reference {}",
            reference.number
        )));
    }
    Ok(expanded)
}

fn unknown(reference: &Reference, name: &str) -> Error {
    let known = reference.containers.keys().map(ContainerName::as_str);
    let bundles = reference.bundles.keys().map(AsRef::as_ref);
    let error = Error::usage(format!(
        "no container or bundle is called `{}` in reference {}",
        name.escape_default(),
        reference.number
    ));
    match nearest(name, known.chain(bundles)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`devenv list` shows the names"),
    }
}

/// Needs first; `uses` too, as long as that makes no circle; ties by name, the proxy last.
fn in_start_order(reference: &Reference, selection: &Selection) -> Result<Vec<ContainerName>> {
    let is_proxy = |name: &&ContainerName| **name == reference.proxy;
    let (proxy, others): (Vec<_>, Vec<_>) = selection.why.keys().partition(is_proxy);
    let mut waiting = Waiting::new(reference, others);
    let mut order = Vec::with_capacity(selection.why.len());
    while order.len() < waiting.names.len() {
        let next = waiting.next().ok_or_else(|| {
            Error::trust(format!(
                "reference {}: `needs` go in a circle",
                reference.number
            ))
        })?;
        for place in next {
            waiting.place(place);
            order.push(waiting.names[place].clone());
        }
    }
    order.extend(proxy.into_iter().cloned());
    Ok(order)
}

/// Containers on their way into the order, by their place among all names.
struct Waiting<'a> {
    names: Vec<&'a ContainerName>,
    placed: Vec<bool>,
    /// How many needs and uses of each are not placed yet.
    blockers: Vec<(usize, usize)>,
    /// Who needs (`true`) or uses each of them.
    followers: Vec<Vec<(usize, bool)>>,
    free: BTreeSet<usize>,
}

impl<'a> Waiting<'a> {
    fn new(reference: &Reference, names: Vec<&'a ContainerName>) -> Self {
        let places: HashMap<&ContainerName, usize> = names
            .iter()
            .enumerate()
            .map(|(at, name)| (*name, at))
            .collect();
        let mut blockers = vec![(0, 0); names.len()];
        let mut followers = vec![Vec::new(); names.len()];
        for (at, name) in names.iter().enumerate() {
            let entry = &reference.containers[*name];
            let needs = entry.needs.iter().map(|need| (&need.container, true));
            let uses = entry.uses.iter().map(|other| (other, false));
            for (other, needed) in needs.chain(uses) {
                if let Some(other) = places.get(other) {
                    followers[*other].push((at, needed));
                    let (needs, uses) = &mut blockers[at];
                    *(if needed { needs } else { uses }) += 1;
                }
            }
        }
        let free = (0..names.len()).filter(|at| blockers[*at] == (0, 0));
        Self {
            placed: vec![false; names.len()],
            free: free.collect(),
            names,
            blockers,
            followers,
        }
    }

    /// All that wait for nobody; else one that waits for `uses` only, best one that others use:
    /// there the circle is cut. `None` where `needs` go in a circle.
    fn next(&mut self) -> Option<BTreeSet<usize>> {
        if !self.free.is_empty() {
            return Some(std::mem::take(&mut self.free));
        }
        let is_used = |at: &usize| {
            let mut followers = self.followers[*at].iter();
            followers.any(|(other, needed)| !needed && !self.placed[*other])
        };
        let mut candidates =
            (0..self.names.len()).filter(|at| !self.placed[*at] && self.blockers[*at].0 == 0);
        let used = candidates.clone().find(is_used);
        Some(BTreeSet::from([used.or_else(|| candidates.next())?]))
    }

    fn place(&mut self, place: usize) {
        self.placed[place] = true;
        for (follower, needed) in std::mem::take(&mut self.followers[place]) {
            let (needs, uses) = &mut self.blockers[follower];
            *(if needed { &mut *needs } else { &mut *uses }) -= 1;
            if (*needs, *uses) == (0, 0) && !self.placed[follower] {
                self.free.insert(follower);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::reference::tests::{container, reference};

    fn names(selection: &Selection) -> Vec<&str> {
        selection.order.iter().map(ContainerName::as_str).collect()
    }

    fn request(names: &[&str]) -> Request {
        Request {
            names: names.iter().map(ToString::to_string).collect(),
            proxy: true,
            ..Request::default()
        }
    }

    #[test]
    fn a_subset_is_what_was_asked_its_needs_and_the_proxy() {
        let reference = reference(&[
            container("audit", &[], &[]),
            container("billing", &["customers", "ledger-db"], &["audit"]),
            container("customers", &[], &[]),
            container("invoices", &["billing"], &[]),
            container("ledger-db", &[], &[]),
        ]);
        let selection = select(&reference, &request(&["billing"])).unwrap();
        assert_eq!(
            names(&selection),
            ["customers", "ledger-db", "billing", "front"]
        );
        let absent: Vec<_> = selection.absent.iter().map(ContainerName::as_str).collect();
        assert_eq!(absent, ["audit", "invoices"]);
        assert_eq!(
            selection.why["customers"],
            Why::NeededBy(ContainerName::new("billing").unwrap())
        );
    }

    #[test]
    fn uses_order_starts_and_may_go_in_a_circle() {
        let reference = reference(&[
            container("a", &[], &["b"]),
            container("b", &[], &["c"]),
            container("c", &[], &["b"]),
        ]);
        let selection = select(&reference, &request(&["a", "b", "c"])).unwrap();
        assert_eq!(names(&selection), ["b", "a", "c", "front"]);
    }

    #[test]
    fn without_leaves_out_and_says_what_is_missing() {
        let reference = reference(&[
            container("a", &["b"], &[]),
            container("b", &["c"], &[]),
            container("c", &[], &[]),
        ]);
        let selection = select(
            &reference,
            &Request {
                without: vec!["b".into()],
                ..request(&["a"])
            },
        )
        .unwrap();
        assert_eq!(names(&selection), ["a", "front"]);
        assert!(selection.missing.contains("b"));
    }

    #[test]
    fn a_mistyped_name_is_answered_with_the_nearest() {
        let reference = reference(&[container("billing", &[], &[])]);
        let error = select(&reference, &request(&["biling"])).unwrap_err();
        assert_eq!(error.hints(), ["did you mean `billing`?"]);
    }
}
