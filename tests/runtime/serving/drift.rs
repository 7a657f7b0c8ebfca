//! What somebody removes by hand, and what a rollback goes back to.

use std::time::Duration;

use devenv::engine::Engine as _;
use devenv::error::Kind;
use devenv::model::digest::Digest;
use devenv::model::observed::Health;
use devenv::server::state::Stage;
use devenv::server::{Applied, Manner};

use super::room::Room;
use crate::support::fake_state::{FakeContainer, Play};

/// 7 and then 8 served; 7 serves again by hand.
async fn rolled_back() -> Room {
    let mut room = Room::new();
    room.apply().await.unwrap();
    let seven = room.world.reference.clone();
    room.release("billing", "1.5");
    room.apply().await.unwrap();
    room.back().await.unwrap();
    room.ledger = Some(room.target().record);
    room.world.reference = seven;
    room
}

/// What serves after a rollback is made again where it is gone, and stays until it is told otherwise.
#[tokio::test]
async fn what_is_removed_while_a_rollback_holds_is_made_again() {
    let room = rolled_back().await;
    let held = room.apply().await.unwrap();
    assert!(matches!(held, Applied::Waits { .. }), "{held:?}");
    room.remove("1-audit");
    let mended = room.apply().await.unwrap();
    assert!(
        matches!(mended, Applied::Switched { to: 7, .. }),
        "{mended:?}"
    );
    room.assert_settled();
    assert!(room.containers().contains(&"3-audit running".to_owned()));
    let held = room.apply().await.unwrap();
    assert!(matches!(held, Applied::Waits { .. }), "{held:?}");
    assert!(room.state().held.is_some());
}

/// `--again` ends a hold also where the ledger's reference serves.
#[tokio::test]
async fn a_hold_on_what_the_ledger_says_can_be_ended() {
    let mut room = rolled_back().await;
    room.ledger = None;
    let held = room.apply().await.unwrap();
    assert!(matches!(held, Applied::Waits { .. }), "{held:?}");
    let again = Manner {
        again: true,
        ..Manner::default()
    };
    for manner in [again, Manner::default()] {
        let done = room.apply_as(&manner).await.unwrap();
        assert!(
            matches!(done, Applied::Nothing { reference: 7 }),
            "{done:?}"
        );
        assert!(room.state().held.is_none());
    }
}

/// However often what serves is made again: the reference before is kept, with what both share.
#[tokio::test]
async fn mending_keeps_what_a_rollback_goes_back_to() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release("billing", "1.5");
    room.apply().await.unwrap();
    for object in ["1-customers", "3-front"] {
        room.remove(object);
        room.apply().await.unwrap();
        room.assert_settled();
        let state = room.state();
        let kept = state.kept().into_iter();
        let kept: Vec<u64> = kept
            .map(|it| state.generations[&it].reference.number)
            .collect();
        assert_eq!(kept, [7], "{object}");
    }
    room.back().await.unwrap();
    room.assert_settled();
    assert_eq!(room.state().serving, Some(1));
    assert!(
        room.containers()
            .contains(&"3-customers running".to_owned())
    );
}

/// What is not whole is not gone back to, and nothing is touched for it; the next command lets it go.
#[tokio::test]
async fn a_rollback_goes_only_to_what_is_whole() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release("billing", "1.5");
    room.apply().await.unwrap();
    room.remove("1-front");
    let before = room.containers();
    let error = room.back().await.unwrap_err();
    let text = "reference 7 is kept here, and not whole: front was removed or replaced";
    assert_eq!(error.to_string(), text);
    assert_eq!(room.containers(), before);
    room.apply().await.unwrap();
    room.assert_settled();
    let error = room.back().await.unwrap_err();
    assert_eq!(error.to_string(), "no generation is kept here");
}

/// What somebody changed is made again: another image at once, another limit when that is asked for.
#[tokio::test]
async fn what_was_changed_by_hand_is_made_again() {
    let room = Room::new();
    room.apply().await.unwrap();
    let change = |object: &str, change: fn(&mut FakeContainer)| {
        let object = format!("devenv-acme-server_{object}");
        room.engine.tamper(|state| {
            let mut all = state.containers.iter_mut();
            change(all.find(|it| it.object == object).unwrap());
        });
    };
    change("1-customers", |it| it.image = Digest::of(b"another"));
    let applied = room.apply().await.unwrap();
    assert!(matches!(applied, Applied::Switched { .. }), "{applied:?}");
    room.assert_settled();
    let running = room.containers();
    assert!(
        running.contains(&"2-customers running".to_owned()),
        "{running:?}"
    );

    change("2-customers", |it| it.body.host_config.memory += 1);
    let applied = room.apply().await.unwrap();
    assert!(matches!(applied, Applied::Nothing { .. }), "{applied:?}");
    let retry = Manner {
        retry: true,
        ..Manner::default()
    };
    let applied = room.apply_as(&retry).await.unwrap();
    assert!(matches!(applied, Applied::Switched { .. }), "{applied:?}");
    room.assert_settled();
    let running = room.containers();
    assert!(
        running.contains(&"3-customers running".to_owned()),
        "{running:?}"
    );

    let applied = room.apply_as(&retry).await.unwrap();
    assert!(matches!(applied, Applied::Nothing { .. }), "{applied:?}");
    assert_eq!(room.containers(), running);
}

/// A limit that somebody changed is in nobody's way: whatever else is due leaves the container as it is.
#[tokio::test]
async fn a_changed_limit_stops_no_database() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.engine.tamper(|state| {
        let mut all = state.containers.iter_mut();
        let database = all.find(|it| it.object == "devenv-acme-server_1-ledger-db");
        database.unwrap().body.host_config.memory += 1;
    });
    room.remove("1-customers");
    room.apply().await.unwrap();
    room.release("billing", "1.5");
    room.apply().await.unwrap();
    room.assert_settled();
    let lines = room.containers();
    assert!(
        lines.contains(&"1-ledger-db running".to_owned()),
        "{lines:?}"
    );
}

/// One-shots that did their work may be pruned.
#[tokio::test]
async fn a_one_shot_that_is_gone_is_nobodys_trouble() {
    let room = Room::new();
    room.apply().await.unwrap();
    room.remove("1-migration");
    let before = room.containers();
    let applied = room.apply().await.unwrap();
    assert!(matches!(applied, Applied::Nothing { .. }), "{applied:?}");
    assert_eq!(room.containers(), before);
}

/// What an interrupted change had stopped may be gone, too: the next apply makes it again.
#[tokio::test]
async fn what_was_stopped_and_is_gone_is_made_again() {
    let room = Room::new();
    room.apply().await.unwrap();
    let mut state = room.state();
    // As if another had been killed after it stopped the database.
    let mut begun = state.generations[&1].clone();
    begun.stage = Stage::Starting;
    begun.stopped = ["ledger-db".parse().unwrap()].into();
    begun.containers.clear();
    begun.ports.clear();
    state.last = 2;
    state.generations.insert(2, begun);
    devenv::home::file::save(&room.journal(), &state).unwrap();
    room.remove("1-ledger-db");
    room.apply().await.unwrap();
    room.assert_settled();
    let lines = room.containers();
    assert!(
        lines.contains(&"3-ledger-db running".to_owned()),
        "{lines:?}"
    );
}

/// What serves and cannot be made whole again does not keep a newer reference out.
#[tokio::test]
async fn what_cannot_be_mended_does_not_keep_a_newer_reference_out() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    let object = "devenv-acme-server_1-billing";
    let sick = || Play {
        health: Some((Duration::from_millis(5), Health::Unhealthy)),
        exit: None,
        out_of_memory: None,
    };
    room.engine.behave(object, sick());
    room.engine.stop(object, None).await.unwrap();
    let failed = room.apply().await.unwrap_err();
    assert_eq!(failed.kind(), Kind::NotHealthy, "{failed}");
    room.release("billing", "1.5");
    room.engine.behave(object, sick());
    room.engine.stop(object, None).await.unwrap();
    let done = room.apply().await.unwrap();
    assert!(matches!(done, Applied::Switched { to: 8, .. }), "{done:?}");
    room.assert_settled();
}
