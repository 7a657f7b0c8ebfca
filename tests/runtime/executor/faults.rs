//! Every call fails, loses its answer, or is the last before a kill; then the command runs again.

use std::time::Duration;

use devenv::converge::apply::Failure;
use devenv::engine::{Fault, FaultKind};
use futures_util::future::join;
use futures_util::stream::{self, StreamExt};

use super::world::{SOON, World, settled};
use crate::support::fake_engine::{FakeEngine, Strike};

/// How a command ends at its `n`-th call.
#[derive(Debug, Clone, Copy)]
enum End {
    Fault(FaultKind, Strike),
    Kill(Strike),
}

const ENDS: [End; 6] = [
    End::Fault(FaultKind::Unreachable, Strike::Before),
    End::Fault(FaultKind::Unreachable, Strike::After),
    End::Fault(FaultKind::Conflict, Strike::Before),
    End::Fault(FaultKind::Conflict, Strike::After),
    End::Kill(Strike::Before),
    End::Kill(Strike::After),
];

/// From where to where a command goes.
#[derive(Clone)]
struct Story {
    before: Option<World>,
    after: World,
    jitter: bool,
}

impl Story {
    async fn engine(&self) -> FakeEngine {
        let engine = self.after.engine();
        if let Some(before) = &self.before {
            before.publish(&engine);
            before.up(&engine).await.unwrap();
            settled(&engine).await;
        }
        engine.forget_calls();
        if self.jitter {
            engine.jitter(11, SOON / 4);
        }
        engine
    }

    /// How many calls an undisturbed command makes, and where it ends.
    async fn undisturbed(&self) -> (usize, String) {
        let engine = self.engine().await;
        self.after.up(&engine).await.unwrap();
        let calls = engine.calls().len();
        (calls, settled(&engine).await)
    }

    async fn disturbed(&self, n: usize, end: End, wanted: &str) {
        let engine = self.engine().await;
        match end {
            End::Fault(kind, strike) => {
                engine.fail_at(n, strike, Fault::new(kind, "struck"));
                let result = self.after.up(&engine).await;
                if let Err(Failure::NotReady { container, .. }) = result {
                    panic!("{container} is blamed for {end:?} at {n}");
                }
            }
            End::Kill(strike) => {
                let reached = engine.hang_at(n, strike);
                tokio::select! {
                    _ = self.after.up(&engine) => {}
                    () = reached.notified() => {}
                }
            }
        }
        engine.heal();
        let again = self.after.up(&engine).await;
        assert!(again.is_ok(), "{end:?} at {n}: {again:?}");
        let state = settled(&engine).await;
        assert_eq!(state, wanted, "{end:?} at {n}");
        let rest = self.after.plan(&engine).await.unwrap().plan;
        assert!(rest.is_empty(), "{end:?} at {n}:\n{rest}");
    }

    async fn at_every_call(&self) {
        let (calls, wanted) = self.undisturbed().await;
        assert!(calls > 10, "{calls}");
        let all = (1..=calls).flat_map(|n| ENDS.map(|end| (n, end)));
        stream::iter(all)
            .for_each_concurrent(32, |(n, end)| self.disturbed(n, end, &wanted))
            .await;
    }
}

/// Killed or failing at every call of a cold start.
#[tokio::test]
async fn a_cold_start_survives_everything() {
    for jitter in [false, true] {
        let after = World::asking_for(&["invoices", "audit"]);
        let story = Story {
            before: None,
            after,
            jitter,
        };
        story.at_every_call().await;
    }
}

/// Killed or failing at every call of a new reference.
#[tokio::test]
async fn a_new_reference_survives_everything() {
    for jitter in [false, true] {
        let before = World::asking_for(&["billing"]);
        let mut after = before.clone();
        after.release("ledger-db", "16.0");
        after.release("billing", "1.5");
        after.ask(&["billing", "audit"]);
        let story = Story {
            before: Some(before),
            after,
            jitter,
        };
        story.at_every_call().await;
    }
}

/// Killed or failing at every call of a smaller subset.
#[tokio::test]
async fn a_smaller_subset_survives_everything() {
    let before = World::asking_for(&["invoices", "audit"]);
    let mut after = before.clone();
    after.ask(&["customers"]);
    let story = Story {
        before: Some(before),
        after,
        jitter: true,
    };
    story.at_every_call().await;
}

/// The instance's lock makes commands take turns; were it to fail, the next command still mends all.
#[tokio::test]
async fn two_at_once_end_where_one_does() {
    let story = Story {
        before: None,
        after: World::asking_for(&["invoices"]),
        jitter: false,
    };
    let (_, wanted) = story.undisturbed().await;
    for seed in 1..20 {
        let engine = story.engine().await;
        engine.jitter(seed, SOON);
        let mut impatient = story.after.clone();
        impatient.options.wait = Duration::from_secs(1);
        let _ = join(impatient.up(&engine), impatient.up(&engine)).await;
        story.after.up(&engine).await.unwrap();
        assert_eq!(settled(&engine).await, wanted, "{seed}");
    }
}
