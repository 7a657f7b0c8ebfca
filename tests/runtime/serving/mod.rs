//! A server on an engine in memory: killed at every step, it goes on serving, and the next command
//! completes or undoes what was begun.

mod away;
mod drift;
mod kept;
mod kills;
mod machine;
mod room;

use devenv::engine::{Fault, FaultKind};
use devenv::error::Kind;
use devenv::model::name::ContainerName;

use crate::executor::world::World;
use crate::support::fake_engine::Operation;
use room::Room;

#[tokio::test]
async fn a_second_generation_shares_what_did_not_change() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.assert_settled();
    room.release("billing", "1.5");
    room.apply().await.unwrap();
    room.assert_settled();
    let lines = room.containers();
    for wanted in [
        "1-ledger-db running",
        "1-customers running",
        "1-billing paused",
        "1-front paused",
        "2-billing running",
        "2-invoices running",
        "2-front running",
    ] {
        assert!(lines.contains(&wanted.to_owned()), "{wanted}: {lines:?}");
    }
    assert!(
        !lines.iter().any(|it| it.starts_with("2-migration")),
        "once: {lines:?}"
    );
    let (restarts, drained): (Vec<String>, Vec<String>) = room.engine.tamper(|state| {
        let all = state.containers.iter();
        let restarts = all
            .clone()
            .filter(|it| it.restarts)
            .map(|it| it.object.clone());
        let drained = all.filter(|it| it.unpacked.get("/run/drain") == Some(&true));
        (
            restarts.collect(),
            drained.map(|it| it.object.clone()).collect(),
        )
    });
    assert_eq!(restarts.len(), 6, "those that serve: {restarts:?}");
    assert_eq!(drained, ["devenv-acme-server_1-front"]);

    // Back again: what is kept is woken, nothing is created.
    room.world.reference.number = 7;
    room.world.release("billing", "1.4");
    room.world.reference.number = 7;
    let entry = room.world.reference.containers.get_mut("billing").unwrap();
    entry.digest = World::asking_for(&[]).reference.containers["billing"].digest;
    room.engine.forget_calls();
    room.apply().await.unwrap();
    let created = room
        .engine
        .calls()
        .into_iter()
        .filter(|it| it.operation == Operation::Create);
    assert_eq!(created.count(), 0);
    assert_eq!(room.state().serving, Some(1));
    room.assert_settled();
}

/// One-shots come before the rest, and what they need is not made again with it; a route's host, which
/// a container without the proxy is told, changes nothing.
#[tokio::test]
async fn a_one_shot_and_what_it_needs_are_made_once() {
    let mut room = Room::new();
    let route = devenv::model::yaml::read(Kind::Usage, "route", b"{ host: audit.acme.example }");
    let audit = room.world.reference.containers.get_mut("audit").unwrap();
    audit.routes.push(route.unwrap());
    room.apply().await.unwrap();
    room.assert_settled();
    let calls = room.engine.calls();
    let removed = calls.iter().filter(|it| it.operation == Operation::Remove);
    assert_eq!(removed.count(), 0, "{calls:?}");
}

#[tokio::test]
async fn a_route_that_fails_leaves_all_as_it_was() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    let (before, led) = (room.containers(), room.machine.led.lock().unwrap().clone());
    room.release("ledger-db", "16");
    *room.machine.broken.lock().unwrap() = true;
    let error = room.apply().await.unwrap_err();
    assert!(
        error.to_string().contains("does not answer as a whole"),
        "{error}"
    );
    *room.machine.broken.lock().unwrap() = false;
    assert_eq!(room.containers(), before);
    assert_eq!(*room.machine.led.lock().unwrap(), led);
    room.assert_settled();
}

#[tokio::test]
async fn a_pull_that_fails_stops_nothing() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    let before = room.containers();
    room.release("ledger-db", "16");
    let fault = Fault::new(FaultKind::Failed, "manifest unknown");
    room.engine.fail_on(Operation::Pull, "ledger-db", 1, fault);
    room.engine.forget_calls();
    let error = room.apply().await.unwrap_err();
    assert_eq!(error.exit().code(), 8, "{error}");
    let stops = room
        .engine
        .calls()
        .into_iter()
        .filter(|it| it.operation == Operation::Stop);
    assert_eq!(stops.count(), 0);
    assert_eq!(room.containers(), before);
}

/// A database that changes: the old one has stopped before the new one starts, each time.
#[tokio::test]
async fn data_is_never_used_by_two() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release("ledger-db", "16");
    room.engine.forget_calls();
    room.apply().await.unwrap();
    room.assert_stops_before_it_starts("1-ledger-db", "2-ledger-db");
    room.release("ledger-db", "17");
    room.engine.forget_calls();
    room.apply().await.unwrap();
    room.assert_stops_before_it_starts("2-ledger-db", "3-ledger-db");
}

/// What is paused is stopped where its memory is needed, before a new generation is refused; and where
/// it would hold more than is left.
#[tokio::test]
async fn what_is_paused_gives_way_where_memory_is_short() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release("billing", "1.5");
    room.apply().await.unwrap();
    let is = |room: &Room, line: &str| room.containers().contains(&line.to_owned());
    assert!(is(&room, "1-billing paused"));
    *room.machine.memory.lock().unwrap() = Some(1);
    let entry = room.world.reference.containers.get_mut("billing").unwrap();
    entry.run.memory = Some("512MiB".parse().unwrap());
    room.release("billing", "1.6");
    let error = room.apply().await.unwrap_err();
    assert!(error.to_string().contains("not enough memory"), "{error}");
    assert!(is(&room, "1-billing exited") && is(&room, "2-billing running"));
    *room.machine.memory.lock().unwrap() = Some(1 << 40);
    room.machine.held = Some(1 << 41);
    room.apply().await.unwrap();
    assert!(is(&room, "2-billing exited") && is(&room, "3-billing running"));
    room.assert_settled();
}

/// What is removed by hand is made again, with what shares nothing with it left alone.
#[tokio::test]
async fn what_was_stopped_by_hand_runs_again() {
    let room = Room::new();
    room.apply().await.unwrap();
    room.engine
        .tamper(|state| state.stop("devenv-acme-server_1-customers").unwrap());
    *room.machine.led.lock().unwrap() = None;
    room.apply().await.unwrap();
    room.assert_settled();
    assert!(room.machine.led.lock().unwrap().is_some(), "after a reboot");
    let name: ContainerName = "customers".parse().unwrap();
    assert!(
        room.state()
            .current()
            .unwrap()
            .1
            .containers
            .contains_key(&name)
    );
}
