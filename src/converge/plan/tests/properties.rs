//! What holds for every platform, every subset, and every moment at which a command was killed.

use proptest::prelude::*;
use proptest::sample::{Index, subsequence};
use proptest::test_runner::Config;

use super::world::{Engine, World, identity, name};
use crate::converge::plan::{Observed, Plan};
use crate::model::container::Until;
use crate::model::observed::{ContainerState, ObservedContainer, ObservedVolume};
use crate::model::reference::tests::{container, reference};

/// No file of past failures: the failing input is printed, and becomes a test of its own.
fn config() -> Config {
    Config {
        failure_persistence: None,
        ..Config::with_cases(200)
    }
}

const NAMES: [&str; 8] = ["a", "b", "c", "d", "e", "f", "g", "h"];

prop_compose! {
    /// Containers that need earlier ones and use any; some are checked, some are one-shots.
    fn platform()(
        edges in proptest::collection::vec((any::<Index>(), any::<Index>()), 0..12),
        uses in proptest::collection::vec((any::<Index>(), any::<Index>()), 0..6),
        kinds in proptest::collection::vec(0..4_u8, 8),
        size in 1..=8_usize,
    ) -> World {
        let names = &NAMES[..size];
        let mut entries: Vec<_> = names.iter().map(|name| container(name, &[], &[])).collect();
        for (entry, kind) in entries.iter_mut().zip(kinds) {
            let run = &mut entry.1.run;
            match kind {
                1 => run.health = serde_json::from_str(r#"{"command": ["x"]}"#).unwrap(),
                2 => run.once = true,
                3 => run.volumes = serde_json::from_str(r#"{"data": "/data"}"#).unwrap(),
                _ => {}
            }
        }
        for (from, to) in edges {
            let (from, to) = (from.index(size), to.index(size));
            if to < from && !entries[from].1.needs.iter().any(|it| it.container == entries[to].0) {
                let until = entries[to].1.run.default_until();
                let need = serde_json::json!({ "container": names[to], "until": until });
                entries[from].1.needs.push(serde_json::from_value(need).unwrap());
            }
        }
        for (from, to) in uses {
            let (from, to) = (from.index(size), to.index(size));
            let used = name(names[to]);
            if from != to && !entries[from].1.uses.contains(&used) {
                entries[from].1.uses.push(used);
            }
        }
        World::of(reference(&entries), &[])
    }
}

prop_compose! {
    fn asked(world: World)(
        picked in subsequence((0..world.reference.containers.len() - 1).collect::<Vec<_>>(), 1..world.reference.containers.len()),
        proxy in any::<bool>(),
        world in Just(world),
    ) -> World {
        let mut world = world;
        world.request.names = picked.iter().map(|at| NAMES[*at].to_owned()).collect();
        world.request.proxy = proxy;
        world
    }
}

prop_compose! {
    /// The same platform before and after: other names asked for, some new versions, one more or
    /// less proxy, perhaps another configuration.
    fn change()(world in platform())(
        before in asked(world.clone()),
        after in asked(world),
        released in subsequence(NAMES.to_vec(), 0..3),
        configured in any::<bool>(),
    ) -> (World, World) {
        let mut after = after;
        for container in released {
            if after.reference.containers.contains_key(container) {
                after.release(container, "2.0");
            }
        }
        if configured {
            after.configuration = "recette".parse().unwrap();
        }
        (before, after)
    }
}

/// Walks a plan in any order that its `after` allows, for `steps` steps.
fn walk(world: &World, engine: &mut Engine, plan: &Plan, choices: &[Index], steps: usize) {
    let desired = world.desired();
    let mut done = vec![false; plan.nodes.len()];
    for step in 0..plan.nodes.len().min(steps) {
        let free: Vec<usize> = (0..done.len())
            .filter(|at| !done[*at] && plan.nodes[*at].after.iter().all(|before| done[*before]))
            .collect();
        let at = free[choices[step % choices.len()].index(free.len())];
        done[at] = true;
        engine
            .perform(&desired, &plan.nodes[at].step)
            .unwrap_or_else(|error| panic!("{}: {error}\n{plan}", plan.nodes[at].step));
    }
}

/// Somebody does something to the engine by hand.
#[expect(clippy::too_many_lines, reason = "one arm per way of tampering")]
fn tamper(engine: &mut Engine, how: &[(u8, Index)]) {
    for (what, which) in how {
        let names: Vec<_> = engine.observed.containers.keys().cloned().collect();
        if names.is_empty() {
            return;
        }
        let chosen = &names[which.index(names.len())];
        let all = engine.observed.containers.get_mut(chosen).unwrap();
        let container = &mut all[0];
        let stop = |container: &mut ObservedContainer, state| {
            container.state = state;
            container.health = None;
            container.ports.clear();
        };
        let ran = container.state != ContainerState::Created;
        match what {
            0 => stop(container, ContainerState::Exited(Some(1))),
            1 if container.state == ContainerState::Running => {
                container.state = ContainerState::Paused;
            }
            2 => stop(container, ContainerState::Dead),
            3 => drop(engine.observed.containers.remove(chosen)),
            4 if ran => container.networks.clear(),
            5 => engine.observed.images.clear(),
            6 => container.image = None,
            7 => {
                let id = container.id.clone();
                if let Some(aliases) = engine.observed.aliases.get_mut(&id) {
                    aliases.insert("stranger".to_owned());
                }
            }
            8 if let Some(network) = engine.observed.networks.first().cloned() => {
                let mut second = network;
                second.id = format!("m{}", engine.observed.networks.len());
                engine.observed.networks.push(second);
            }
            9 if ran => {
                let mut leftover = container.clone();
                leftover.id = format!("b{}", all.len());
                leftover.object = format!("{}-old-{}", leftover.object, leftover.id);
                leftover.networks.clear();
                stop(&mut leftover, ContainerState::Exited(Some(0)));
                all.push(leftover);
            }
            _ => {}
        }
    }
    let ids: Vec<String> = engine.all().map(|it| it.id.clone()).collect();
    engine.observed.aliases.retain(|id, _| ids.contains(id));
    let connected: Vec<String> = engine
        .all()
        .filter(|it| {
            it.networks
                .keys()
                .any(|network| network.ends_with("-absent"))
        })
        .map(|it| it.id.clone())
        .collect();
    engine
        .observed
        .aliases
        .retain(|id, _| connected.contains(id));
}

/// What lists show, in another order.
fn shuffled(observed: &Observed) -> Observed {
    let mut containers: Vec<_> = observed.containers.values().flatten().cloned().collect();
    containers.reverse();
    let networks = observed.networks.iter().rev().cloned().collect();
    let volume = |name: &String| ObservedVolume {
        name: name.clone(),
        labels: identity().labels(),
    };
    let volumes: Vec<_> = observed.volumes.iter().rev().map(volume).collect();
    let mut other = Observed::collect(&identity(), &containers, networks, &volumes).unwrap();
    other.aliases.clone_from(&observed.aliases);
    other.images.clone_from(&observed.images);
    other
}

proptest! {
    #![proptest_config(config())]

    /// From any interrupted, tampered state, in any order that the plan allows: the engine never
    /// refuses a step, and afterwards nothing is left to do.
    #[test]
    fn a_plan_that_was_walked_leaves_nothing_to_do(
        (before, after) in change(),
        killed_at in 0..80_usize,
        killed_again_at in 0..80_usize,
        choices in proptest::collection::vec(any::<Index>(), 1..40),
        by_hand in proptest::collection::vec((0..12_u8, any::<Index>()), 0..4),
    ) {
        let mut engine = Engine::default();
        let first = before.plan(&engine);
        walk(&before, &mut engine, &first, &choices, killed_at);
        tamper(&mut engine, &by_hand);
        let second = after.plan(&engine);
        walk(&after, &mut engine, &second, &choices, killed_again_at);
        let third = after.plan(&engine);
        walk(&after, &mut engine, &third, &choices, usize::MAX);
        prop_assert_eq!(after.plan(&engine).to_string(), "");
        let names: Vec<_> = engine.all().map(|it| it.object.clone()).collect();
        prop_assert_eq!(names.len(), after.desired().containers.len());
    }

    /// Lists and arguments come in any order.
    #[test]
    fn the_order_of_inputs_changes_no_plan(
        (before, after) in change(),
        killed_at in 0..80_usize,
        choices in proptest::collection::vec(any::<Index>(), 1..40),
        by_hand in proptest::collection::vec((0..12_u8, any::<Index>()), 0..4),
    ) {
        let mut engine = Engine::default();
        let first = before.plan(&engine);
        walk(&before, &mut engine, &first, &choices, killed_at);
        let second = after.plan(&engine);
        walk(&after, &mut engine, &second, &choices, killed_at);
        tamper(&mut engine, &by_hand);
        engine.observed = shuffled(&shuffled(&engine.observed));
        let plan = after.plan(&engine);
        let mut other = after.clone();
        other.request.names.reverse();
        let again = Engine { observed: shuffled(&engine.observed), ..engine };
        prop_assert_eq!(other.desired(), after.desired());
        prop_assert_eq!(other.plan(&again), plan.clone());
        for (index, node) in plan.nodes.iter().enumerate() {
            prop_assert!(node.after.iter().all(|before| *before < index), "{}", plan);
        }
    }

    /// Each selected container comes after what it needs, and nothing else is selected.
    #[test]
    fn a_selection_is_closed_and_in_order(world in platform().prop_flat_map(asked)) {
        let selection = crate::converge::select::select(&world.reference, &world.request).unwrap();
        for (place, selected) in selection.order.iter().enumerate() {
            for need in &world.reference.containers[selected].needs {
                prop_assert!(selection.order[..place].contains(&need.container));
            }
            let asked = world.request.names.iter().any(|it| it == selected.as_str());
            let needed = selection.order.iter().any(|other| {
                let needs = &world.reference.containers[other].needs;
                needs.iter().any(|need| need.container == *selected && need.until >= Until::Started)
            });
            prop_assert!(asked || needed || *selected == world.reference.proxy);
        }
        let all = selection.order.len() + selection.absent.len();
        prop_assert_eq!(all + usize::from(!world.request.proxy), world.reference.containers.len());
    }
}
