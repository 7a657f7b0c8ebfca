//! What a volume without a name holds is carried over whole, or not at all.

use std::collections::BTreeSet;
use std::sync::Mutex;

use devenv::converge::apply::{Event, Failure, Reporter};
use devenv::engine::{Fault, FaultKind};
use devenv::model::observed::ContainerState;

use super::world::World;
use crate::support::fake_engine::{FakeEngine, Operation, Strike};

const PATH: &str = "/var/log/tomcat";

/// Customers, as a devenv made it that left its volume to the engine; gives the name of the volume
/// that it should have.
async fn with_nameless_volume() -> (World, FakeEngine, String) {
    let mut world = World::asking_for(&["customers"]);
    world.without_proxy();
    world.options.concurrency = 1;
    let engine = world.engine();
    world.up(&engine).await.unwrap();
    let (object, nameless) = (world.object("customers"), "a".repeat(64));
    let named = engine.tamper(|state| {
        let mut all = state.containers.iter_mut();
        let body = &mut all.find(|it| it.object == object).unwrap().body;
        body.labels.insert("devenv.spec".into(), "old".to_owned());
        let mut mounts = body.host_config.mounts.iter_mut();
        let mount = mounts.find(|it| it.target == PATH).unwrap();
        let named = std::mem::replace(&mut mount.source, nameless.clone());
        state.kept.insert(nameless, files(&["kept", "deleted"]));
        state.remove_volume(&named).unwrap();
        named
    });
    engine.forget_calls();
    (world, engine, named)
}

fn files(names: &[&str]) -> BTreeSet<String> {
    names.iter().map(ToString::to_string).collect()
}

fn entries(world: &World, engine: &FakeEngine) -> BTreeSet<String> {
    let object = world.object("customers");
    engine.tamper(|state| state.entries(&object, PATH).unwrap())
}

fn has_volume(engine: &FakeEngine, name: &str) -> bool {
    engine.tamper(|state| state.volumes.iter().any(|it| it.name == name))
}

fn runs(world: &World, engine: &FakeEngine) -> bool {
    let object = world.object("customers");
    let running = ContainerState::Running;
    engine.tamper(|state| state.find(&object).unwrap().state == running)
}

#[tokio::test]
async fn what_was_deleted_after_a_carrying_over_that_failed_stays_deleted() {
    let (world, engine, named) = with_nameless_volume().await;
    let broken = Fault::new(FaultKind::Internal, "no such runtime");
    engine.fail_on(Operation::Start, "", 1, broken);
    let error = world.up(&engine).await.unwrap_err().into_error();
    assert!(
        error.hints().join(" ").contains("runs again: customers"),
        "{error:?}"
    );
    assert!(engine.changes().iter().any(|it| it.starts_with("Carry")));
    assert!(runs(&world, &engine));
    assert!(!has_volume(&engine, &named), "what was copied is outdated");
    engine.tamper(|state| {
        let files = state.kept.get_mut(&"a".repeat(64)).unwrap();
        files.remove("deleted")
    });
    world.up(&engine).await.unwrap();
    assert_eq!(entries(&world, &engine), files(&["kept"]));
    assert!(world.up(&engine).await.unwrap().plan.is_empty());
}

#[tokio::test]
async fn nothing_is_carried_over_into_what_is_there() {
    let (world, engine, named) = with_nameless_volume().await;
    let labels = world.plan(&engine).await.unwrap().desired.labels;
    engine.tamper(|state| {
        state.create_volume(&named, &labels);
        state.kept.insert(named.clone(), files(&["other"]))
    });
    for _ in 0..2 {
        let Err(Failure::Other(error)) = world.up(&engine).await else {
            panic!("two states were mixed")
        };
        let text = error.chain().join(": ");
        assert!(text.contains(&named) && text.contains("already"), "{text}");
        assert!(error.hints().join(" ").contains("docker volume rm"));
        assert!(runs(&world, &engine));
        assert_eq!(entries(&world, &engine), files(&["kept", "deleted"]));
        assert!(has_volume(&engine, &named), "it is the user's");
    }
    engine.tamper(|state| state.kept.remove(&named));
    world.up(&engine).await.unwrap();
    assert_eq!(entries(&world, &engine), files(&["kept", "deleted"]));
}

#[tokio::test]
async fn a_carrying_over_that_was_killed_goes_on() {
    let (world, engine, _) = with_nameless_volume().await;
    world.up(&engine).await.unwrap();
    let calls = engine.changes().len();
    for n in 1..=calls {
        for strike in [Strike::Before, Strike::After] {
            let (world, engine, _) = with_nameless_volume().await;
            let reached = engine.hang_at_change(n, strike);
            tokio::select! {
                _ = world.up(&engine) => panic!("{n} was not reached"),
                () = reached.notified() => {}
            }
            engine.heal();
            let again = world.up(&engine).await;
            assert!(again.is_ok(), "at {n}: {again:?}");
            let kept = entries(&world, &engine);
            assert_eq!(kept, files(&["kept", "deleted"]), "at {n}");
        }
    }
}

/// What is told to begin.
#[derive(Default)]
struct Begun(Mutex<Vec<String>>);

impl Reporter for Begun {
    fn event(&self, event: Event<'_>) {
        if let Event::Begin { step, .. } = event {
            self.0.lock().unwrap().push(step.to_string());
        }
    }
}

/// Whoever is killed meanwhile has told the engine to remove the successor.
#[tokio::test]
async fn what_goes_for_the_one_before_is_told() {
    let (world, engine, _) = with_nameless_volume().await;
    let fault = Fault::new(FaultKind::Failed, "no such file or directory");
    engine.fail_on(Operation::Start, "", 1, fault);
    let (planned, begun) = (world.plan(&engine).await.unwrap(), Begun::default());
    world.telling(&begun, &engine, planned).await.unwrap_err();
    assert!(runs(&world, &engine));
    let begun = begun.0.into_inner().unwrap();
    assert_eq!(begun.last().unwrap(), "remove customers", "{begun:?}");
}

/// Whether each failed step is said to go on.
#[derive(Default)]
struct Heard(Mutex<Vec<bool>>);

impl Reporter for Heard {
    fn event(&self, event: Event<'_>) {
        if let Event::Failed { goes_on, .. } = event {
            self.0.lock().unwrap().push(goes_on);
        }
    }
}

#[tokio::test]
async fn an_engine_that_answers_has_ended_what_failed() {
    for (kind, goes_on) in [
        (FaultKind::Internal, false),
        (FaultKind::Hung, true),
        (FaultKind::Unreachable, true),
    ] {
        let (world, engine, _) = with_nameless_volume().await;
        let fault = Fault::new(kind, "did not receive an exit event");
        engine.fail_on(Operation::Stop, "", 1, fault);
        let (planned, heard) = (world.plan(&engine).await.unwrap(), Heard::default());
        world.telling(&heard, &engine, planned).await.unwrap_err();
        assert_eq!(*heard.0.lock().unwrap(), [goes_on], "{kind:?}");
        assert!(runs(&world, &engine));
    }
}
