//! Empty volumes are filled before whoever needs them starts.

use std::sync::{Arc, Mutex};

use devenv::converge::apply::{Failure, Filler};
use devenv::converge::desired::{Due, Filling};
use devenv::converge::plan::Step;
use devenv::engine::{Fault, FaultKind};
use devenv::error::{Error, Kind};
use devenv::model::filling::FilledFrom;
use devenv::model::name::{ContainerName, FileName};
use futures_util::FutureExt;
use futures_util::future::BoxFuture;

use super::world::World;
use crate::support::fake_engine::{FakeEngine, Operation};

/// Remembers what the engine was told before each time that it was asked to fill.
struct Recorder {
    engine: FakeEngine,
    before: Mutex<Vec<Vec<String>>>,
    fails: bool,
    /// What the engine says to the next start.
    then: Mutex<Option<Fault>>,
}

impl std::fmt::Debug for Recorder {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Recorder").finish_non_exhaustive()
    }
}

impl Filler for Recorder {
    fn fill<'a>(
        &'a self,
        container: &'a ContainerName,
        id: &'a str,
        _: &'a (dyn Fn(u64, u64) + Sync),
    ) -> BoxFuture<'a, Result<(), Error>> {
        assert!(!id.is_empty());
        let changes = self.engine.changes();
        let filled = [format!("fill {container}")];
        let before = changes.into_iter().chain(filled).collect();
        self.before.lock().unwrap().push(before);
        if let Some(fault) = self.then.lock().unwrap().take() {
            self.engine.fail_on(Operation::Start, "", 1, fault);
        }
        let failed = Err(Error::not_healthy("the seed failed"));
        let answer = if self.fails { failed } else { Ok(()) };
        std::future::ready(answer).boxed()
    }

    fn has_filled(&self, _: &ContainerName) -> bool {
        !self.fails && !self.before.lock().unwrap().is_empty()
    }
}

fn seeded(due: Due, fails: bool) -> (World, FakeEngine, Arc<Recorder>) {
    let mut world = World::asking_for(&["billing"]);
    let filling = Filling {
        from: FilledFrom::Seed(FileName::new("seed.sql").unwrap()),
        due,
    };
    let name = ContainerName::new("ledger-db").unwrap();
    world.fillings.insert(name, filling);
    let engine = world.engine();
    let recorder = Arc::new(Recorder {
        engine: engine.clone(),
        before: Mutex::default(),
        fails,
        then: Mutex::default(),
    });
    world.options.filler = Some(recorder.clone());
    (world, engine, recorder)
}

#[tokio::test]
async fn whoever_needs_it_starts_afterwards_and_it_is_filled_once() {
    let (world, engine, recorder) = seeded(Due::WhereNew, false);
    world.up(&engine).await.unwrap();
    let mut all = std::mem::take(&mut *recorder.before.lock().unwrap());
    let before = all.pop().unwrap();
    assert!(all.is_empty());
    assert_eq!(before.last().unwrap(), "fill ledger-db");
    // customers, ledger-db and front; then those that need it.
    assert_eq!(starts(&before), 3, "{before:?}");
    assert_eq!(starts(&engine.changes()), 5);
    assert!(world.up(&engine).await.unwrap().plan.is_empty());
    assert!(recorder.before.lock().unwrap().is_empty(), "once");
}

#[tokio::test]
async fn where_it_fails_nobody_who_needs_it_starts() {
    let (world, engine, _) = seeded(Due::WhereNew, true);
    let failed = world.up(&engine).await.unwrap_err();
    let Failure::Other(error) = failed else {
        panic!("{failed:?}");
    };
    assert_eq!(error.kind(), Kind::NotHealthy);
    let changes = engine.changes();
    assert!(starts(&changes) <= 3, "{changes:?}");
}

/// A round that another tool makes necessary finds it filled.
#[tokio::test]
async fn a_second_round_fills_nothing_again() {
    let (world, engine, recorder) = seeded(Due::Now, false);
    let conflict = Fault::new(FaultKind::Conflict, "somebody else");
    *recorder.then.lock().unwrap() = Some(conflict);
    let done = world.up(&engine).await.unwrap();
    assert_eq!(recorder.before.lock().unwrap().len(), 1);
    let steps = done.plan.nodes.iter();
    let fills = steps.filter(|it| matches!(it.step, Step::Fill { .. }));
    assert_eq!(fills.count(), 0, "it was done before");
}

fn starts(changes: &[String]) -> usize {
    let starts = changes.iter().filter(|it| it.starts_with("Start "));
    starts.count()
}
