//! A change is interrupted at every step.

use std::sync::Arc;
use std::time::Duration;

use devenv::server::{Applied, Manner};
use futures_util::stream::{self, StreamExt as _};
use tokio::sync::Notify;

use super::room::Room;
use crate::support::fake_engine::Strike;

/// More than a change has that change something on the engine.
const STEPS: usize = 60;

/// So many are tried at once: each is done soon, however busy the machine is.
const AT_ONCE: usize = 16;

/// How a change is interrupted.
#[derive(Debug, Clone, Copy)]
enum Kill {
    Engine(usize, Strike),
    Kernel(usize, Strike),
}

/// What is interrupted.
#[derive(Debug, Clone, Copy)]
enum Command {
    Apply,
    Again,
    Rollback,
}

/// Interrupts a command; `false` where it was done before.
async fn interrupted(room: &mut Room, command: Command, kill: Kill) -> bool {
    let reached = match kill {
        Kill::Engine(at, strike) => room.engine.hang_at_change(at, strike),
        Kill::Kernel(at, strike) => {
            let reached = Arc::new(Notify::new());
            let loads = *room.machine.loads.lock().unwrap();
            room.machine.hang = Some((loads + at, strike, Arc::clone(&reached)));
            reached
        }
    };
    let again = Manner {
        again: true,
        ..Manner::default()
    };
    let work = async {
        match command {
            Command::Apply => room.apply().await.map(drop),
            Command::Again => room.apply_as(&again).await.map(drop),
            Command::Rollback => room.back().await,
        }
    };
    let hung = tokio::select! {
        done = work => { done.unwrap(); false }
        () = reached.notified() => true,
    };
    room.engine.heal();
    room.machine.hang = None;
    hung
}

/// What comes next does not hang.
async fn next<T>(kill: Kill, work: impl Future<Output = devenv::error::Result<T>>) -> T {
    let next = tokio::time::timeout(Duration::from_secs(120), work);
    next.await
        .unwrap_or_else(|_| panic!("{kill:?} hangs"))
        .unwrap_or_else(|error| panic!("{kill:?}: {error}"))
}

/// What may not run for a moment where this changes, while what needs it runs on.
fn but(container: &str) -> &[&str] {
    if container == "ledger-db" {
        &["ledger-db"]
    } else {
        &[]
    }
}

/// Interrupts a change; then the next command makes it whole.
async fn killed(container: &str, version: &str, kill: Kill) -> bool {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release(container, version);
    let hung = interrupted(&mut room, Command::Apply, kill).await;
    room.assert_serves(but(container));
    room.assert_data_is_alone();
    next(kill, room.apply()).await;
    room.assert_settled();
    let state = room.state();
    assert_eq!(state.current().unwrap().1.reference.number, 8, "{kill:?}");
    hung
}

/// Every way to interrupt a command at the engine; how often it was.
async fn at_every_step<T: Future<Output = bool>>(each: impl Fn(Kill) -> T) -> usize {
    let kills = (1..=STEPS)
        .flat_map(|n| [Strike::Before, Strike::After].map(|strike| Kill::Engine(n, strike)));
    let all = stream::iter(kills).map(&each).buffered(AT_ONCE);
    let all: Vec<bool> = all.collect().await;
    for strike in [Strike::Before, Strike::After] {
        assert!(each(Kill::Kernel(1, strike)).await);
    }
    all.into_iter().filter(|hung| *hung).count()
}

async fn killed_at_every_step(container: &'static str, version: &'static str) {
    let hung = at_every_step(|kill| killed(container, version, kill)).await;
    assert!(
        hung > 60 && hung < 2 * STEPS,
        "{hung} calls were interrupted"
    );
}

#[tokio::test]
async fn killed_at_every_step_of_a_new_application() {
    killed_at_every_step("billing", "1.5").await;
}

#[tokio::test]
async fn killed_at_every_step_of_a_new_database() {
    killed_at_every_step("ledger-db", "16").await;
}

/// 7 served, then 8, which has another of this container.
async fn changed(container: &str, version: &str) -> Room {
    let mut room = Room::new();
    room.apply().await.unwrap();
    room.release(container, version);
    room.apply().await.unwrap();
    room
}

/// A rollback holds where it has led requests back, and did nothing where it has not.
fn assert_held_or_not(room: &Room, done: &Applied, kill: Kill) {
    room.assert_settled();
    let state = room.state();
    let serving = state.current().unwrap().1.reference.number;
    let expected = match done {
        Applied::Waits { .. } => (7, true),
        _ => (8, false),
    };
    assert_eq!(
        (serving, state.held.is_some()),
        expected,
        "{kill:?}: {done:?}"
    );
}

/// A rollback thaws what is kept; the next command makes it whole, or as it was.
#[tokio::test]
async fn killed_at_every_step_of_a_rollback() {
    for (container, version) in [("billing", "1.5"), ("ledger-db", "16")] {
        let hung = at_every_step(async |kill| {
            let mut room = changed(container, version).await;
            let hung = interrupted(&mut room, Command::Rollback, kill).await;
            room.assert_serves(but(container));
            room.assert_data_is_alone();
            let done = next(kill, room.apply()).await;
            assert_held_or_not(&room, &done, kill);
            hung
        });
        let hung = hung.await;
        assert!(hung > 20 && hung < 2 * STEPS, "{hung}");
    }
}

/// `apply --again` wakes what is kept, too. The hold ends with the switch and not without it.
#[tokio::test]
async fn killed_at_every_step_of_following_the_ledger_again() {
    let hung = at_every_step(async |kill| {
        let mut room = changed("billing", "1.5").await;
        room.back().await.unwrap();
        let hung = interrupted(&mut room, Command::Again, kill).await;
        room.assert_serves(&[]);
        let done = next(kill, room.apply()).await;
        assert_held_or_not(&room, &done, kill);
        hung
    });
    let hung = hung.await;
    assert!(hung > 20 && hung < 2 * STEPS, "{hung}");
}

/// A rollback comes in between an apply at every step: it goes where it is to go, and the apply leaves nothing.
#[tokio::test]
async fn a_rollback_comes_in_between_at_every_step() {
    for (container, version) in [("billing", "1.6"), ("ledger-db", "16")] {
        let hung = at_every_step(async |kill| {
            let mut room = changed("billing", "1.5").await;
            room.release(container, version);
            let hung = interrupted(&mut room, Command::Apply, kill).await;
            let is_led_on = room.state().serving == Some(3);
            next(kill, room.back()).await;
            room.assert_settled();
            let number = room.state().current().unwrap().1.reference.number;
            let expected: &[u64] = if is_led_on { &[8] } else { &[7, 8] };
            assert!(expected.contains(&number), "{kill:?}: {number}");
            let done = next(kill, room.apply()).await;
            assert!(matches!(done, Applied::Waits { .. }), "{kill:?}: {done:?}");
            hung
        });
        let hung = hung.await;
        assert!(hung > 60 && hung < 2 * STEPS, "{hung}");
    }
}
