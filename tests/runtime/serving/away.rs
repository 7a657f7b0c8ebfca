//! An engine that goes away while a reference is brought up.

use std::time::Duration;

use devenv::engine::{Fault, FaultKind};
use devenv::error::{Error, Kind};
use devenv::model::observed::{ContainerState, Health};

use super::room::Room;
use crate::support::fake_engine::{Operation, Strike};
use crate::support::fake_state::Play;

/// It does not answer at some step: that says nothing of the reference.
#[tokio::test]
async fn an_engine_that_does_not_answer_is_no_verdict() {
    let mut failed = 0;
    for step in [1, 5, 10, 15, 20, 25] {
        let mut room = Room::new();
        room.apply().await.unwrap();
        room.release("billing", "1.5");
        let gone = Fault::new(FaultKind::Unreachable, "connection refused");
        room.engine.fail_at_change(step, Strike::Before, gone);
        if let Err(error) = room.apply().await {
            assert!(error.may_pass(), "{step}: {error}");
            failed += 1;
        }
        room.apply().await.unwrap();
        room.assert_settled();
    }
    assert!(failed > 3, "{failed}");
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release("billing", "1.5");
    let refused = Fault::new(FaultKind::NoSpace, "no space left on device");
    room.engine
        .fail_on(Operation::Create, "billing", 1, refused);
    assert!(!room.apply().await.unwrap_err().may_pass());
}

/// Applies a reference whose `billing` never gets healthy, and has this happen to it meanwhile.
async fn met_by(happens: impl FnOnce(&Room)) -> Error {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release("billing", "1.5");
    let object = "devenv-acme-server_2-billing";
    let waits = Play {
        health: Some((Duration::from_secs(60), Health::Healthy)),
        exit: None,
        out_of_memory: None,
    };
    room.engine.behave(object, waits);
    let ends = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        room.engine.tamper(|state| {
            let mut all = state.containers.iter();
            let running = all.find(|it| it.object == object).unwrap().state;
            assert_eq!(running, ContainerState::Running);
            state.stop(object).unwrap();
        });
        happens(&room);
    };
    let (done, ()) = tokio::join!(room.apply(), ends);
    done.unwrap_err()
}

/// A container that ends with its engine is not to blame; one that ends alone is.
#[tokio::test]
async fn a_container_that_ends_with_its_engine_is_not_to_blame() {
    let error = met_by(|_| ()).await;
    assert!(!error.may_pass(), "{error}");
    assert_eq!(error.kind(), Kind::NotHealthy);
    // It tells the end of its containers before its own.
    let error = met_by(|room| room.engine.end_events()).await;
    assert!(error.may_pass(), "{error}");
    assert_eq!(error.kind(), Kind::NotHealthy);
}
