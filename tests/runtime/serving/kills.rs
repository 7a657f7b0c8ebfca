//! A change is interrupted at every step.

use std::sync::Arc;

use tokio::sync::Notify;

use devenv::model::server::Drift;

use super::room::Room;
use crate::support::fake_engine::Strike;

/// More than a change has that change something on the engine.
const STEPS: usize = 60;

/// How a change is interrupted.
#[derive(Debug, Clone, Copy)]
enum Kill {
    Engine(usize, Strike),
    Kernel(usize, Strike),
}

/// Interrupts a change; `false` where it was done before. Then the next command makes it whole.
async fn killed(container: &str, version: &str, drift: Drift, kill: Kill) -> bool {
    let mut room = Room::new();
    room.file.drift = drift;
    room.apply().await.unwrap();
    room.release(container, version);
    let reached = match kill {
        Kill::Engine(at, strike) => room.engine.hang_at_change(at, strike),
        Kill::Kernel(at, strike) => {
            let reached = Arc::new(Notify::new());
            let loads = *room.machine.loads.lock().unwrap();
            room.machine.hang = Some((loads + at, strike, Arc::clone(&reached)));
            reached
        }
    };
    let hung = tokio::select! {
        done = room.apply() => { done.unwrap(); false }
        () = reached.notified() => true,
    };
    let but: &[&str] = if container == "ledger-db" {
        // Not running for a moment, and what needs it runs on.
        &["ledger-db"]
    } else {
        &[]
    };
    room.assert_serves(but);
    room.assert_data_is_alone();
    room.engine.heal();
    room.machine.hang = None;
    let next = tokio::time::timeout(std::time::Duration::from_secs(30), room.apply());
    next.await
        .unwrap_or_else(|_| panic!("{kill:?} hangs"))
        .unwrap_or_else(|error| panic!("{kill:?}: {error}"));
    room.assert_settled();
    let state = room.state();
    assert_eq!(state.current().unwrap().1.reference.number, 8, "{kill:?}");
    hung
}

async fn killed_at_every_step(container: &'static str, version: &'static str) {
    for drift in [Drift::Mend, Drift::Tell] {
        killed_at_every_step_where(container, version, drift).await;
    }
}

async fn killed_at_every_step_where(container: &'static str, version: &'static str, drift: Drift) {
    let kills = (1..=STEPS)
        .flat_map(|n| [Strike::Before, Strike::After].map(|strike| Kill::Engine(n, strike)));
    let all = kills.map(|kill| killed(container, version, drift, kill));
    let all = futures_util::future::join_all(all).await;
    let hung = all.into_iter().filter(|hung| *hung).count();
    assert!(
        hung > 60 && hung < 2 * STEPS,
        "{hung} calls were interrupted"
    );
    for strike in [Strike::Before, Strike::After] {
        assert!(killed(container, version, drift, Kill::Kernel(1, strike)).await);
    }
}

#[tokio::test]
async fn killed_at_every_step_of_a_new_application() {
    killed_at_every_step("billing", "1.5").await;
}

#[tokio::test]
async fn killed_at_every_step_of_a_new_database() {
    killed_at_every_step("ledger-db", "16").await;
}

/// What comes after an interrupted rollback.
#[derive(Debug, Clone, Copy)]
enum Next {
    Apply,
    Back,
}

/// Interrupts a rollback over another database, of which the older one does not answer where `broken`;
/// `false` where it was done before. Then the next command makes it whole, and one can go back.
async fn killed_while_going_back(broken: bool, drift: Drift, next: Next, kill: Kill) -> bool {
    let mut room = Room::new();
    room.file.drift = drift;
    room.apply().await.unwrap();
    room.release("ledger-db", "16");
    room.apply().await.unwrap();
    let why = format!("{broken} {drift:?} {next:?} {kill:?}");
    *room.machine.broken.lock().unwrap() = broken;
    let Kill::Engine(at, strike) = kill else {
        return false;
    };
    let reached = room.engine.hang_at_change(at, strike);
    let hung = tokio::select! {
        done = room.back() => { assert_eq!(done.is_err(), broken, "{why}"); false }
        () = reached.notified() => true,
    };
    room.assert_data_is_alone();
    room.engine.heal();
    *room.machine.broken.lock().unwrap() = false;
    if matches!(next, Next::Apply) {
        room.apply()
            .await
            .unwrap_or_else(|error| panic!("{why}: {error}"));
        room.assert_settled();
    }
    // What was killed late is completed, and serves: there is nothing to go back to.
    let serves = |room: &Room| room.state().current().unwrap().1.reference.number;
    if serves(&room) == 8
        && let Err(error) = room.back_to(1).await
    {
        assert_eq!(serves(&room), 7, "{why}: {error}");
    }
    room.assert_data_is_alone();
    room.apply().await.unwrap();
    room.assert_settled();
    assert_eq!(serves(&room), 7, "{why}");
    hung
}

async fn killed_at_every_step_back(broken: bool) {
    let kills = (1..=STEPS)
        .flat_map(|n| [Strike::Before, Strike::After].map(|strike| Kill::Engine(n, strike)));
    let all = kills.flat_map(|kill| {
        [Drift::Mend, Drift::Tell]
            .into_iter()
            .flat_map(move |drift| {
                [Next::Apply, Next::Back]
                    .map(|next| killed_while_going_back(broken, drift, next, kill))
            })
    });
    let all = futures_util::future::join_all(all).await;
    let hung = all.into_iter().filter(|hung| *hung).count();
    assert!(hung > 40, "{hung} calls were interrupted");
}

#[tokio::test]
async fn killed_at_every_step_of_a_rollback() {
    killed_at_every_step_back(false).await;
}

#[tokio::test]
async fn killed_at_every_step_of_a_rollback_that_fails() {
    killed_at_every_step_back(true).await;
}
