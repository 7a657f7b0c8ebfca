//! Which containers run: those asked for, what they need, and the proxy. Pure.

use std::collections::{BTreeMap, BTreeSet, VecDeque};

use crate::error::{Error, Result};
use crate::model::name::ContainerName;
use crate::model::nearest::nearest;
use crate::model::reference::{Reference, ReferenceContainer};
use crate::model::visible::visible;

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
    let places = Places::new(reference);
    let without = places.all(&expand(reference, &request.without)?);
    let mut asked = places.all(&expand(reference, &request.names)?);
    if request.all {
        let runs = |at: &usize| !places.entries[*at].run.once;
        asked.extend((0..places.names.len()).filter(runs));
    }
    let proxy = places.of(&reference.proxy);
    let mut todo: VecDeque<(usize, Reason)> =
        asked.into_iter().map(|at| (at, Reason::Asked)).collect();
    if request.proxy {
        todo.extend(proxy.map(|at| (at, Reason::Proxy)));
    }
    let mut reasons = vec![None; places.names.len()];
    let mut missing = BTreeSet::new();
    while let Some((at, reason)) = todo.pop_front() {
        if reasons[at].is_some() || (!request.proxy && Some(at) == proxy) {
            continue;
        }
        if without.contains(&at) {
            if matches!(reason, Reason::NeededBy(_)) {
                missing.insert(places.names[at].clone());
            }
            continue;
        }
        reasons[at] = Some(reason);
        let needs = places.needs[at].iter();
        todo.extend(needs.map(|need| (*need, Reason::NeededBy(at))));
    }
    let order = in_start_order(reference, &places, &reasons)?;
    let names = || (0..).zip(&places.names).zip(&reasons);
    let absent = names().filter(|((at, _), reason)| reason.is_none() && Some(*at) != proxy);
    let why = names().filter_map(|((_, name), reason)| {
        let why = match (*reason)? {
            Reason::Asked => Why::Asked,
            Reason::NeededBy(other) => Why::NeededBy(places.names[other].clone()),
            Reason::Proxy => Why::Proxy,
        };
        Some(((*name).clone(), why))
    });
    Ok(Selection {
        order,
        absent: absent.map(|((_, name), _)| (*name).clone()).collect(),
        why: why.collect(),
        missing,
    })
}

/// [`Why`] by places.
#[derive(Debug, Clone, Copy)]
enum Reason {
    Asked,
    NeededBy(usize),
    Proxy,
}

/// The containers of a reference by their place among all names, which are sorted.
struct Places<'a> {
    names: Vec<&'a ContainerName>,
    entries: Vec<&'a ReferenceContainer>,
    needs: Vec<Vec<usize>>,
}

impl<'a> Places<'a> {
    fn new(reference: &'a Reference) -> Self {
        let (names, entries): (Vec<_>, Vec<_>) = reference.containers.iter().unzip();
        let mut places = Self {
            needs: Vec::new(),
            names,
            entries,
        };
        let needs = places.entries.iter().map(|entry| {
            let needs = entry.needs.iter();
            needs
                .filter_map(|need| places.of(&need.container))
                .collect()
        });
        places.needs = needs.collect();
        places
    }

    fn of(&self, name: &ContainerName) -> Option<usize> {
        self.names.binary_search(&name).ok()
    }

    fn all(&self, names: &[ContainerName]) -> BTreeSet<usize> {
        names.iter().filter_map(|name| self.of(name)).collect()
    }
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
        visible(name),
        reference.number
    ));
    match nearest(name, known.chain(bundles)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`devenv list` shows the names"),
    }
}

/// Needs first; `uses` too, as long as that makes no circle; ties by name, the proxy last.
fn in_start_order(
    reference: &Reference,
    places: &Places<'_>,
    reasons: &[Option<Reason>],
) -> Result<Vec<ContainerName>> {
    let is_proxy = |at: &usize| *places.names[*at] == reference.proxy;
    let selected = (0..reasons.len()).filter(|at| reasons[*at].is_some());
    let (proxy, others): (Vec<_>, Vec<_>) = selected.partition(is_proxy);
    let mut waiting = Waiting::new(places, &others);
    let mut order = Vec::with_capacity(others.len() + 1);
    while order.len() < others.len() {
        let next = waiting.next().ok_or_else(|| {
            Error::trust(format!(
                "reference {}: `needs` go in a circle",
                reference.number
            ))
        })?;
        for at in next {
            waiting.place(at);
            order.push(places.names[at].clone());
        }
    }
    order.extend(proxy.into_iter().map(|at| places.names[at].clone()));
    Ok(order)
}

/// Containers on their way into the order, by their places.
struct Waiting {
    placed: Vec<bool>,
    /// How many needs and uses of each are not placed yet.
    blockers: Vec<(usize, usize)>,
    /// Who needs (`true`) or uses each of them.
    followers: Vec<Vec<(usize, bool)>>,
    free: BTreeSet<usize>,
    /// Those that wait for `uses` only.
    in_use: BTreeSet<usize>,
}

impl Waiting {
    fn new(places: &Places<'_>, names: &[usize]) -> Self {
        let mut waits = vec![false; places.names.len()];
        for at in names {
            waits[*at] = true;
        }
        let mut blockers = vec![(0, 0); waits.len()];
        let mut followers = vec![Vec::new(); waits.len()];
        for at in names {
            let needs = places.needs[*at].iter().map(|other| (*other, true));
            let uses = places.entries[*at].uses.iter();
            let uses = uses.filter_map(|other| Some((places.of(other)?, false)));
            for (other, needed) in needs.chain(uses).filter(|(other, _)| waits[*other]) {
                followers[other].push((*at, needed));
                let (needs, uses) = &mut blockers[*at];
                *(if needed { needs } else { uses }) += 1;
            }
        }
        let (free, in_use): (BTreeSet<usize>, _) =
            (names.iter().filter(|at| blockers[**at].0 == 0)).partition(|at| blockers[**at].1 == 0);
        Self {
            placed: vec![false; waits.len()],
            free,
            in_use,
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
        let is_used = |at: &&usize| {
            let mut followers = self.followers[**at].iter();
            followers.any(|(other, needed)| !needed && !self.placed[*other])
        };
        let used = self.in_use.iter().find(is_used);
        let cut = used.or_else(|| self.in_use.first()).copied()?;
        self.in_use.remove(&cut);
        Some(BTreeSet::from([cut]))
    }

    fn place(&mut self, place: usize) {
        self.placed[place] = true;
        for (follower, needed) in std::mem::take(&mut self.followers[place]) {
            let (needs, uses) = &mut self.blockers[follower];
            *(if needed { &mut *needs } else { &mut *uses }) -= 1;
            match (*needs, *uses) {
                _ if self.placed[follower] => {}
                (0, 0) => {
                    self.in_use.remove(&follower);
                    self.free.insert(follower);
                }
                (0, _) => drop(self.in_use.insert(follower)),
                _ => {}
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
