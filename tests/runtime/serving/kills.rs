//! A change is interrupted at every step.

use std::sync::Arc;

use tokio::sync::Notify;

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
async fn killed(container: &str, version: &str, kill: Kill) -> bool {
    let mut room = Room::new();
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
    let next = tokio::time::timeout(std::time::Duration::from_secs(120), room.apply());
    next.await
        .unwrap_or_else(|_| panic!("{kill:?} hangs"))
        .unwrap_or_else(|error| panic!("{kill:?}: {error}"));
    room.assert_settled();
    let state = room.state();
    assert_eq!(state.current().unwrap().1.reference.number, 8, "{kill:?}");
    hung
}

async fn killed_at_every_step(container: &'static str, version: &'static str) {
    let kills = (1..=STEPS)
        .flat_map(|n| [Strike::Before, Strike::After].map(|strike| Kill::Engine(n, strike)));
    let all = kills.map(|kill| killed(container, version, kill));
    let all = futures_util::future::join_all(all).await;
    let hung = all.into_iter().filter(|hung| *hung).count();
    assert!(
        hung > 60 && hung < 2 * STEPS,
        "{hung} calls were interrupted"
    );
    for strike in [Strike::Before, Strike::After] {
        assert!(killed(container, version, Kill::Kernel(1, strike)).await);
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
