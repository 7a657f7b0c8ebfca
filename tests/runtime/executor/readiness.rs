//! Containers that do not come as far as they should, and events that do not come.

use std::time::Duration;

use devenv::converge::apply::{Failure, Stopped};
use devenv::converge::ready::Ready;
use devenv::error::Exit;
use devenv::model::host_profile::{Events, HealthChecks};
use devenv::model::observed::{ContainerState, Health};

use super::world::{SOON, World, settled};
use crate::support::fake_engine::Operation;
use crate::support::fake_state::Play;

/// What `ledger-db` does, and what is said of it.
async fn ledger_plays(play: Play, wanted: &str) -> Stopped {
    let mut world = World::asking_for(&["billing"]);
    world.options.wait = Duration::from_millis(300);
    let engine = world.engine();
    engine.behave(&world.object("ledger-db"), play);
    let failure = world.up(&engine).await.unwrap_err();
    let Failure::NotReady {
        container,
        id,
        stopped,
    } = failure
    else {
        panic!("{failure:?}")
    };
    let ledger = engine.tamper(|state| state.find(&world.object("ledger-db")).unwrap().id.clone());
    assert_eq!((container.as_str(), id), ("ledger-db", ledger));
    for needing in ["migration", "billing"] {
        let state = engine.tamper(|state| state.find(&world.object(needing)).unwrap().state);
        assert_eq!(state, ContainerState::Created, "{needing}");
    }
    let failure = Failure::NotReady {
        container,
        id: String::new(),
        stopped: stopped.clone(),
    };
    let error = failure.into_error();
    assert_eq!(error.exit(), Exit::NotHealthy);
    assert_eq!(error.to_string(), wanted);

    // Once it works, the same command goes on from there.
    engine.behave(
        &world.object("ledger-db"),
        Play {
            health: Some((SOON, Health::Healthy)),
            ..Play::default()
        },
    );
    engine.tamper(|state| drop(state.stop(&world.object("ledger-db"))));
    world.options.wait = Duration::from_secs(20);
    world.up(&engine).await.unwrap();
    stopped
}

#[tokio::test]
async fn a_container_that_is_needed_and_exits() {
    let play = Play {
        exit: Some((SOON, 3)),
        ..Play::default()
    };
    ledger_plays(play, "ledger-db exited with code 3").await;
}

#[tokio::test]
async fn a_container_that_is_needed_and_unhealthy() {
    let play = Play {
        health: Some((SOON, Health::Unhealthy)),
        ..Play::default()
    };
    ledger_plays(play, "ledger-db is unhealthy").await;
}

#[tokio::test]
async fn a_container_that_is_needed_and_killed_for_memory() {
    let play = Play {
        out_of_memory: Some(SOON),
        ..Play::default()
    };
    let words = "ledger-db was killed: it used more memory than its limit";
    let stopped = ledger_plays(play, words).await;
    assert_eq!(
        stopped,
        Stopped::Exited {
            code: 137,
            out_of_memory: true
        }
    );
}

#[tokio::test]
async fn a_container_that_is_needed_and_takes_too_long() {
    ledger_plays(Play::default(), "ledger-db was not healthy after 0 s").await;
}

#[tokio::test]
async fn a_one_shot_that_fails_is_run_again_by_the_next_command() {
    let world = World::asking_for(&["billing"]);
    let engine = world.engine();
    engine.behave(
        &world.object("migration"),
        Play {
            exit: Some((SOON, 4)),
            ..Play::default()
        },
    );
    let error = world.up(&engine).await.unwrap_err().into_error();
    assert_eq!(error.to_string(), "migration exited with code 4");
    engine.behave(
        &world.object("migration"),
        Play {
            exit: Some((SOON, 0)),
            ..Play::default()
        },
    );
    world.up(&engine).await.unwrap();
    settled(&engine).await;
    engine.forget_calls();
    world.up(&engine).await.unwrap();
    assert_eq!(engine.changes(), [""; 0], "it did its work once");
}

#[tokio::test]
async fn without_events_containers_are_looked_at() {
    let world = World::asking_for(&["billing"]);
    let engine = world.engine();
    let rival = engine.clone();
    let cut = tokio::spawn(async move {
        loop {
            rival.end_events();
            tokio::time::sleep(SOON).await;
        }
    });
    let limit = Duration::from_secs(4);
    tokio::time::timeout(limit, world.up(&engine))
        .await
        .unwrap()
        .unwrap();
    cut.abort();
}

#[tokio::test]
async fn the_engine_goes_in_the_middle() {
    let world = World::asking_for(&["billing"]);
    let engine = world.engine();
    engine.behave(&world.object("ledger-db"), Play::default());
    let rival = engine.clone();
    let vanishing = async move {
        tokio::time::sleep(SOON * 20).await;
        rival.vanish();
    };
    let limit = Duration::from_secs(4);
    let (result, ()) = tokio::join!(tokio::time::timeout(limit, world.up(&engine)), vanishing);
    let error = result.unwrap().unwrap_err().into_error();
    assert_eq!(error.exit(), Exit::Engine, "{error}");
}

#[tokio::test]
async fn without_a_proxy_nobody_is_asked_through_it() {
    let mut world = World::asking_for(&["billing"]);
    world.without_proxy();
    world.options.wait = Duration::from_secs(2);
    let engine = world.engine();
    let planned = world.up(&engine).await.unwrap();
    let ready = world.ready(&engine, &planned).await.unwrap();
    let ready = |name: &str| ready[name];
    assert_eq!(ready("customers"), Ready::Started);
    assert_eq!(ready("billing"), Ready::Healthy);
    assert_eq!(ready("migration"), Ready::Completed);
}

#[tokio::test]
async fn a_route_that_never_answers_is_not_ready() {
    let mut world = World::asking_for(&["customers"]);
    world.options.wait = Duration::from_millis(200);
    let engine = world.engine();
    let planned = world.up(&engine).await.unwrap();
    let error = world
        .ready(&engine, &planned)
        .await
        .unwrap_err()
        .into_error();
    assert_eq!(error.exit(), Exit::NotHealthy);
    let words = "customers runs, but its route did not answer within 0 s";
    assert_eq!(error.to_string(), words);
}

#[tokio::test]
async fn a_container_without_a_check_that_ends_at_once_was_never_ready() {
    let mut world = World::asking_for(&["customers"]);
    world.without_proxy();
    let engine = world.engine();
    let play = Play {
        exit: Some((SOON * 50, 3)),
        ..Play::default()
    };
    engine.behave(&world.object("customers"), play);
    let planned = world.up(&engine).await.unwrap();
    let failure = world.ready(&engine, &planned).await.unwrap_err();
    let words = "customers exited with code 3";
    assert_eq!(failure.into_error().to_string(), words);
}

#[tokio::test]
async fn a_container_that_ends_though_nobody_needs_it() {
    let mut world = World::asking_for(&["customers"]);
    world.without_proxy();
    let engine = world.engine();
    let planned = world.up(&engine).await.unwrap();
    let customers = world.object("customers");
    engine.tamper(|state| state.stop(&customers)).unwrap();
    let failure = world.ready(&engine, &planned).await.unwrap_err();
    let words = "customers exited with code 143";
    assert_eq!(failure.into_error().to_string(), words);

    engine.tamper(|state| state.remove(&customers));
    let failure = world.ready(&engine, &planned).await.unwrap_err();
    let words = "customers was removed meanwhile";
    assert_eq!(failure.into_error().to_string(), words);
}

#[tokio::test]
async fn a_check_that_the_engine_does_not_run_is_run_from_here() {
    let mut world = World::asking_for(&["billing"]);
    world.options.wait = Duration::from_secs(5);
    world.host.profile.health_checks = HealthChecks::Unreliable;
    let engine = world.engine();
    engine.behave(&world.object("ledger-db"), Play::default());
    world.up(&engine).await.unwrap();
    let database = world.object("ledger-db");
    let health = engine.tamper(|state| state.find(&database).unwrap().health);
    assert_ne!(health, Some(Health::Healthy), "the engine knows nothing");
    let calls = engine.calls();
    assert!(calls.iter().any(|it| it.operation == Operation::Check));
}

#[tokio::test]
async fn without_events_lists_are_compared() {
    let mut world = World::asking_for(&["billing"]);
    world.host.profile.events = Events::Poll;
    let engine = world.engine();
    world.up(&engine).await.unwrap();
    let calls = engine.calls();
    assert!(calls.iter().all(|it| it.operation != Operation::Events));
}
