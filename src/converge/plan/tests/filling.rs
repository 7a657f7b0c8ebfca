//! Plans that fill empty volumes.

use insta::assert_snapshot;

use super::world::{Engine, World, name};
use crate::converge::desired::{Due, Filling};
use crate::model::filling::FilledFrom;
use crate::model::name::FileName;

const VOLUME: &str = "devenv-acme-default-ledger-db.data";

fn seeded(due: Due) -> World {
    let mut world = World::asking_for(&["billing"]);
    let filling = Filling {
        from: FilledFrom::Seed(FileName::new("seed.sql").unwrap()),
        due,
    };
    world.fillings.insert(name("ledger-db"), filling);
    world
}

/// The lines of a plan from the first start on.
fn from_the_starts(world: &World, engine: &Engine) -> String {
    let text = world.plan(engine).to_string();
    let lines = text
        .lines()
        .skip_while(|it| !it.contains("start ledger-db"));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn whoever_needs_a_new_volume_waits_until_it_is_filled() {
    assert_snapshot!(from_the_starts(&seeded(Due::WhereNew), &Engine::default()), @r"
    27. start ledger-db                                   it is not there  (after 13)
    28. wait for ledger-db healthy                        its volume holds nothing yet  (after 27)
    29. seed ledger-db from seed.sql                      its volume holds nothing yet  (after 28)
    30. start migration                                   it is not there  (after 17, 29)
    31. wait for migration completed                      billing needs it  (after 30)
    32. start billing                                     it is not there  (after 21, 26, 29, 31)
    33. start front                                       it is not there  (after 25)
    ");
}

#[test]
fn a_volume_that_is_there_is_not_filled() {
    let (world, mut engine) = (seeded(Due::WhereNew), Engine::default());
    engine.observed.volumes.insert(VOLUME.to_owned());
    let text = world.plan(&engine).to_string();
    assert!(!text.contains("seed"), "{text}");
    let mut engine = Engine::default();
    world.up(&mut engine);
    assert!(world.plan(&engine).is_empty());
    engine.observed.containers.clear();
    let text = world.plan(&engine).to_string();
    assert!(!text.contains("seed"), "{text}");
}

#[test]
fn what_was_not_filled_is_filled_though_it_runs() {
    let (world, mut engine) = (seeded(Due::Now), Engine::default());
    world.up(&mut engine);
    assert_snapshot!(world.plan(&engine), @"  1. seed ledger-db from seed.sql  its volume holds nothing yet");
}

#[test]
fn what_is_carried_over_is_data() {
    let (world, mut engine) = (seeded(Due::WhereNew), Engine::default());
    world.up(&mut engine);
    let nameless = "a".repeat(64);
    let path = engine
        .container("ledger-db")
        .volumes
        .remove(VOLUME)
        .unwrap();
    engine.container("ledger-db").volumes.insert(nameless, path);
    engine.container("ledger-db").labels.clear();
    engine.observed.volumes.remove(VOLUME);
    let text = world.plan(&engine).to_string();
    assert!(
        text.contains("carry over") && !text.contains("seed"),
        "{text}"
    );
}
