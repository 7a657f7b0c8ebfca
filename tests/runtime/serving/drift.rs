//! What somebody removes by hand, and what a rollback goes back to.

use devenv::engine::{Fault, FaultKind};
use devenv::server::state::{Failed, Stage};
use devenv::server::{Applied, Manner};

use super::room::Room;
use crate::support::fake_engine::Operation;

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
    let text = "reference 7 is kept here, and not whole: front was removed";
    assert_eq!(error.to_string(), text);
    assert_eq!(room.containers(), before);
    room.apply().await.unwrap();
    room.assert_settled();
    let error = room.back().await.unwrap_err();
    assert_eq!(error.to_string(), "no generation is kept here");
}

/// What is left of a change that was killed while old connections end is what a rollback goes back to.
#[tokio::test]
async fn a_rollback_wakes_what_still_drains() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    for version in ["1.5", "1.6"] {
        room.release("billing", version);
        room.apply().await.unwrap();
    }
    room.file.kept = 5;
    room.release("billing", "1.7");
    // Frozen, not drained.
    let fault = Fault::new(FaultKind::Failed, "no");
    room.engine.fail_on(Operation::Pause, "3-", 1, fault);
    room.apply().await.unwrap_err();
    room.engine.heal();
    assert_eq!(room.state().generations[&3].stage, Stage::Draining);
    room.back().await.unwrap();
    assert_eq!(room.state().serving, Some(3));
    room.apply().await.unwrap();
    room.assert_settled();
    let drained = room.engine.tamper(|state| {
        let front = "devenv-acme-server_3-front";
        let mut all = state.containers.iter();
        let found = all.find(|it| it.object == front).unwrap();
        found.unpacked.get("/run/drain").copied()
    });
    assert_eq!(drained, Some(false));
}

/// A reference that production took back is no failure any longer.
#[tokio::test]
async fn what_production_takes_back_has_not_failed() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    let seven = room.target().record;
    room.world.reference.number = 8;
    let now = jiff::Timestamp::now();
    let mut state = room.state();
    state.failed = Some(Failed {
        reference: room.target().record,
        why: "no".to_owned(),
        code: 7,
        tries: 1,
        again: None,
        at: now,
    });
    devenv::home::file::save(&room.journal(), &state).unwrap();
    let waits = room.apply().await.unwrap();
    assert!(matches!(waits, Applied::Waits { .. }), "{waits:?}");
    assert!(room.state().failed.is_some());
    room.ledger = Some(seven);
    let done = room.apply().await.unwrap();
    assert!(matches!(done, Applied::Nothing { .. }), "{done:?}");
    assert!(room.state().failed.is_none());
}
