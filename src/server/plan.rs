//! Which containers a generation shares with the one that serves, and which are new. Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::state::{Generation, Place};
use crate::model::name::ContainerName;

/// One container as the next generation wants it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    /// Which.
    pub name: ContainerName,
    /// What it would be where it is new.
    pub place: Place,
}

/// What the next generation is made of.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GenerationPlan {
    /// Containers that run already, and go on.
    pub shared: BTreeMap<ContainerName, Place>,
    /// Containers that start beside the old ones, in start order.
    pub fresh: Vec<ContainerName>,
    /// One-shots that did their work before, for this very specification.
    pub done: BTreeSet<ContainerName>,
    /// Containers that run, have data of their own and change: they stop before the new one starts.
    pub stops: BTreeSet<ContainerName>,
    /// Who reaches each container, by however many others.
    pub reached_by: BTreeMap<ContainerName, BTreeSet<ContainerName>>,
}

/// What is there to be shared.
#[derive(Debug, Clone, Copy)]
pub struct Before<'a> {
    /// The generation that serves.
    pub serving: Option<&'a Generation>,
    /// Those of its containers that are still there, as they were made.
    pub alive: &'a BTreeSet<ContainerName>,
    /// Containers that run, whichever generation made them, frozen ones among them.
    pub up: &'a BTreeSet<ContainerName>,
    /// The entry point, which each generation has of its own.
    pub proxy: &'a ContainerName,
    /// Specifications of one-shots that were completed.
    pub completed: &'a BTreeMap<ContainerName, BTreeSet<String>>,
}

/// Plans a generation. `wanted` is in start order. A container is shared where neither its
/// specification nor anything that it reaches has changed; a one-shot runs once per specification.
pub fn plan(wanted: &[Wanted], before: &Before<'_>) -> GenerationPlan {
    let is_done = |it: &Wanted| {
        let specs = before.completed.get(&it.name);
        it.place.once && specs.is_some_and(|specs| specs.contains(&it.place.spec))
    };
    let known = |name: &ContainerName| before.serving.and_then(|it| it.containers.get(name));
    let mut changed: BTreeSet<&ContainerName> = wanted
        .iter()
        .filter(|it| !is_done(it))
        .filter(|it| {
            let same = known(&it.name)
                .is_some_and(|old| old.spec == it.place.spec && old.reaches == it.place.reaches);
            !(same && before.alive.contains(&it.name)) || it.place.once || it.name == *before.proxy
        })
        .map(|it| &it.name)
        .collect();
    loop {
        let reaches_changed =
            |it: &&Wanted| it.place.reaches.iter().any(|other| changed.contains(other));
        let more: Vec<_> = wanted
            .iter()
            .filter(|it| !changed.contains(&it.name) && !is_done(it))
            .filter(reaches_changed)
            .map(|it| &it.name)
            .collect();
        if more.is_empty() {
            break;
        }
        changed.extend(more);
    }
    let mut plan = GenerationPlan {
        reached_by: reached_by(wanted),
        ..GenerationPlan::default()
    };
    for it in wanted {
        let old = known(&it.name);
        if changed.contains(&it.name) {
            plan.fresh.push(it.name.clone());
            if it.place.single && before.up.contains(&it.name) {
                plan.stops.insert(it.name.clone());
            }
        } else if is_done(it) {
            plan.done.insert(it.name.clone());
        } else if let Some(old) = old {
            plan.shared.insert(it.name.clone(), old.clone());
        }
    }
    plan
}

/// Who reaches each container, by however many others; itself among them.
fn reached_by(wanted: &[Wanted]) -> BTreeMap<ContainerName, BTreeSet<ContainerName>> {
    let one = |it: &Wanted| {
        let mut found = BTreeSet::from([it.name.clone()]);
        loop {
            let known = found.len();
            let more = wanted
                .iter()
                .filter(|it| !it.place.reaches.is_disjoint(&found));
            let more: Vec<ContainerName> = more.map(|it| it.name.clone()).collect();
            found.extend(more);
            if found.len() == known {
                return (it.name.clone(), found);
            }
        }
    };
    wanted.iter().map(one).collect()
}

impl GenerationPlan {
    /// A line for each container, for people. `stops`: milliseconds that a stop took last time; `routes`: of
    /// each container.
    pub fn lines(
        &self,
        stops: &BTreeMap<ContainerName, u64>,
        routes: &BTreeMap<ContainerName, Vec<String>>,
    ) -> Vec<String> {
        let away = |name: &ContainerName| {
            let reached_by = self.reached_by.get(name).into_iter().flatten();
            let away = reached_by.filter_map(|it| routes.get(it)).flatten();
            let away: Vec<&str> = away.map(String::as_str).collect();
            match away[..] {
                [] => String::new(),
                _ => format!("; meanwhile {} may answer 503", away.join(", ")),
            }
        };
        let fresh = self.fresh.iter().map(|name| {
            if !self.stops.contains(name) {
                return format!("start    {name}");
            }
            let took = stops.get(name).map_or_else(
                || "it was never measured how long that takes".to_owned(),
                |took| format!("it took {} s last time", took.div_ceil(1000)),
            );
            let away = away(name);
            format!("replace  {name}  it has data of its own and stops first: {took}{away}")
        });
        let shared = self.shared.keys().map(|name| format!("share    {name}"));
        let done = self
            .done
            .iter()
            .map(|name| format!("skip     {name}  it did its work before"));
        fresh.chain(shared).chain(done).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::home::state::ReferenceRecord;
    use crate::model::digest::Digest;
    use crate::server::state::Stage;

    fn place(spec: &str, reaches: &[&str]) -> Place {
        Place {
            origin: 1,
            spec: spec.to_owned(),
            reaches: reaches.iter().map(|it| it.parse().unwrap()).collect(),
            aliases: BTreeSet::new(),
            once: spec.starts_with("once"),
            single: spec.starts_with("db"),
            filled: false,
            checked: false,
            made: None,
        }
    }

    /// `name spec reaches…` a word each.
    fn wanted(lines: &[&str]) -> Vec<Wanted> {
        let one = |line: &&str| {
            let words: Vec<&str> = line.split(' ').collect();
            Wanted {
                name: words[0].parse().unwrap(),
                place: place(words[1], &words[2..]),
            }
        };
        lines.iter().map(one).collect()
    }

    fn planned(old: &[&str], new: &[&str], gone: &[&str]) -> String {
        planned_beside(old, new, gone, &[])
    }

    /// `others` run as well, of another generation.
    fn planned_beside(old: &[&str], new: &[&str], gone: &[&str], others: &[&str]) -> String {
        let containers: BTreeMap<_, _> = wanted(old)
            .into_iter()
            .map(|it| (it.name, it.place))
            .collect();
        let generation = Generation {
            reference: ReferenceRecord {
                number: 1,
                digest: Digest::of(b"x"),
            },
            proxy: "front".parse().unwrap(),
            begun: jiff::Timestamp::UNIX_EPOCH,
            since: None,
            stage: Stage::Serving,
            containers: containers.clone(),
            ports: Vec::new(),
            stopped: BTreeSet::new(),
            routes: Vec::new(),
            inputs: String::new(),
            drains: None,
            ends_hold: false,
        };
        let once = containers.iter().filter(|(_, it)| it.once);
        let completed = once
            .map(|(name, it)| (name.clone(), BTreeSet::from([it.spec.clone()])))
            .collect();
        let alive = containers.keys();
        let alive: BTreeSet<ContainerName> = alive
            .filter(|it| !gone.contains(&it.as_str()))
            .cloned()
            .collect();
        let others = others.iter().map(|it| it.parse().unwrap());
        let up = alive.iter().cloned().chain(others).collect();
        let before = Before {
            serving: Some(&generation),
            alive: &alive,
            up: &up,
            completed: &completed,
            proxy: &"front".parse().unwrap(),
        };
        let plan = plan(&wanted(new), &before);
        let routes = ["billing", "front"].map(|it| (it.parse().unwrap(), vec![format!("/{it}")]));
        plan.lines(&BTreeMap::new(), &routes.into()).join("\n")
    }

    const OLD: &[&str] = &[
        "db db1",
        "migration once1 db",
        "customers c1",
        "billing b1 db migration customers",
        "front f1",
    ];

    #[test]
    fn a_new_application_starts_beside_what_it_shares() {
        let new = [
            "db db1",
            "migration once1 db",
            "customers c1",
            "billing b2 db migration customers",
            "front f2",
        ];
        insta::assert_snapshot!(planned(OLD, &new, &[]), @r"
        start    billing
        start    front
        share    customers
        share    db
        skip     migration  it did its work before
        ");
    }

    #[test]
    fn what_reaches_a_change_is_new_too_and_data_cannot_be_twice() {
        let new = [
            "db db2",
            "migration once1 db",
            "customers c1",
            "billing b1 db migration customers",
            "front f2",
        ];
        insta::assert_snapshot!(planned(OLD, &new, &[]), @r"
        replace  db  it has data of its own and stops first: it was never measured how long that takes; meanwhile /billing may answer 503
        start    billing
        start    front
        share    customers
        skip     migration  it did its work before
        ");
    }

    #[test]
    fn data_that_another_generation_still_uses_is_stopped_for() {
        let old = ["customers c1", "front f1"];
        let new = ["db db1", "customers c1", "front f2"];
        insta::assert_snapshot!(planned_beside(&old, &new, &[], &["db"]), @r"
        replace  db  it has data of its own and stops first: it was never measured how long that takes
        start    front
        share    customers
        ");
    }

    #[test]
    fn a_new_one_shot_runs_and_those_who_need_it_are_new() {
        let new = [
            "db db1",
            "migration once2 db",
            "customers c1",
            "billing b1 db migration customers",
            "front f2",
        ];
        insta::assert_snapshot!(planned(OLD, &new, &[]), @r"
        start    migration
        start    billing
        start    front
        share    customers
        share    db
        ");
    }

    #[test]
    fn what_is_gone_is_made_again_and_circles_end() {
        insta::assert_snapshot!(planned(OLD, OLD, &["customers"]), @r"
        start    customers
        start    billing
        start    front
        share    db
        skip     migration  it did its work before
        ");
        let circle = ["a a1 b", "b b1 a", "c c1"];
        let changed = ["a a2 b", "b b1 a", "c c1"];
        insta::assert_snapshot!(planned(&circle, &changed, &[]), @r"
        start    a
        start    b
        share    c
        ");
    }
}
