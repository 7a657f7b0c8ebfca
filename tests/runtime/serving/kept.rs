//! What is kept: how long it stays ready, and when it goes.

use std::time::Duration;

use devenv::model::observed::Health;
use devenv::server::Applied;
use devenv::server::state::Stage;
use jiff::SignedDuration;

use super::room::Room;
use crate::executor::world::SOON;
use crate::support::fake_state::{Motion, Play};

/// A generation stays paused for `keep`, is stopped then, and goes once two newer ones are kept.
#[tokio::test]
async fn what_is_kept_is_paused_then_stopped_then_removed() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release("billing", "1.5");
    room.apply().await.unwrap();
    let front = |room: &Room| {
        let lines = room.containers().into_iter();
        lines
            .filter(|it| it.contains("-front "))
            .collect::<Vec<_>>()
    };
    let steps = [
        (SignedDuration::ZERO, "1-front paused"),
        (SignedDuration::from_mins(59), "1-front paused"),
        (SignedDuration::from_mins(61), "1-front exited"),
    ];
    for (later, line) in steps {
        *room.later.lock().unwrap() = later;
        let done = room.apply().await.unwrap();
        assert!(matches!(done, Applied::Nothing { .. }), "{done:?}");
        assert_eq!(front(&room), [line, "2-front running"], "{later:?}");
        room.assert_settled();
    }
    assert_eq!(room.state().generations[&1].stage, Stage::Stopped);
    // What is stopped serves again as well.
    room.back().await.unwrap();
    assert_eq!(front(&room), ["1-front running", "2-front paused"]);
    room.back().await.unwrap();
    assert_eq!(front(&room), ["1-front paused", "2-front running"]);

    let newer = [
        ("1.6", "1-front paused 2-front paused 3-front running"),
        ("1.7", "2-front paused 3-front paused 4-front running"),
    ];
    for (version, lines) in newer {
        room.release("billing", version);
        // Who went back follows the ledger again.
        let again = devenv::server::Manner {
            again: true,
            ..Default::default()
        };
        room.apply_as(&again).await.unwrap();
        assert_eq!(front(&room).join(" "), lines);
        room.assert_settled();
    }
}

/// The engine takes what it thaws for unhealthy, and a first check of it may take too long: that is no verdict.
#[tokio::test]
async fn a_first_failure_after_a_thaw_ends_no_rollback() {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release("billing", "1.5");
    room.apply().await.unwrap();
    let object = "devenv-acme-server_1-billing";
    let sick = Play {
        health: Some((SOON, Health::Unhealthy)),
        exit: None,
        out_of_memory: None,
    };
    room.engine.behave(object, sick);
    room.engine.tamper(|state| {
        let mut all = state.containers.iter_mut();
        let billing = all.find(|it| it.object == object).unwrap();
        // The last one before the pause failed, too.
        let mut last = billing.probes.last().unwrap().clone();
        last.exit_code = 1;
        billing.probes.push(last);
    });
    let recovers = async {
        tokio::time::sleep(Duration::from_millis(600)).await;
        room.engine.tamper(|state| {
            let mut all = state.containers.iter();
            let id = all.find(|it| it.object == object).unwrap().id.clone();
            state.happen(&id, Motion::Health(Health::Healthy));
        });
    };
    let (went, ()) = tokio::join!(room.back(), recovers);
    went.unwrap();
    assert_eq!(room.state().serving, Some(1));
    room.assert_settled();
}
