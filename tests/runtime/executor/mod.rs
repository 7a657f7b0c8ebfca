//! The executor on an engine in memory: faults at every call, deaths at every step, rivals.

mod carrying;
mod faults;
mod filling;
mod readiness;
pub mod world;

use crate::support::fake_engine::{Operation, Strike};
use devenv::converge::apply::Failure;
use devenv::engine::{Fault, FaultKind, SecretFile};
use devenv::error::{Exit, Kind};
use devenv::model::observed::ContainerState;
use devenv::model::secret::Secret;
use world::{World, end_state, settled};

#[tokio::test]
async fn a_cold_start_a_second_one_and_one_app_more() {
    let mut world = World::asking_for(&["billing"]);
    let engine = world.engine();
    world.up(&engine).await.unwrap();
    let first = settled(&engine).await;
    assert_eq!(engine.secrets_of(&world.object("billing")).len(), 1);

    engine.forget_calls();
    assert!(world.up(&engine).await.unwrap().plan.is_empty());
    assert_eq!(engine.changes(), [""; 0]);
    assert_eq!(settled(&engine).await, first);

    engine.forget_calls();
    world.ask(&["billing", "invoices"]);
    world.up(&engine).await.unwrap();
    let touched = engine.changes().join("\n");
    for other in ["billing", "customers", "ledger-db", "migration"] {
        assert!(!touched.contains(other), "{touched}");
    }
    let creations = touched.lines().filter(|it| it.starts_with("Create "));
    assert_eq!(creations.count(), 1, "{touched}");
}

/// Files with secrets are there at each start; a container that somebody else started is replaced.
#[tokio::test]
async fn secrets_in_files_are_there_at_each_start_and_missed_when_gone() {
    let mut world = World::asking_for(&["customers"]);
    let customers = world.reference.containers.get_mut("customers").unwrap();
    let (name, path) = ("TLS_KEY", "/run/secrets/key".to_owned());
    let file = (name.parse().unwrap(), path.clone().try_into().unwrap());
    customers.run.secret_files = [file].into();
    let value = Secret::new("value");
    world.secrets.values.insert(name.to_owned(), value.clone());
    world.ask(&["customers"]);
    let (engine, object) = (world.engine(), world.object("customers"));
    let error = world.up(&engine).await.unwrap_err().into_error();
    assert!(
        error
            .chain()
            .join(" ")
            .contains("no value of the secret TLS_KEY"),
        "{error}"
    );

    world.options.secrets = world.secrets.values.clone();
    world.up(&engine).await.unwrap();
    let files = engine.tamper(|state| state.files[&state.find(&object).unwrap().id].clone());
    assert_eq!(files, [SecretFile { path, value }]);
    assert!(world.up(&engine).await.unwrap().plan.is_empty());
    engine.tamper(|state| state.stop(&object).unwrap());
    world.up(&engine).await.unwrap();
    assert!(world.up(&engine).await.unwrap().plan.is_empty());

    engine.tamper(|state| {
        state.stop(&object).unwrap();
        state.start(&object).unwrap();
    });
    let plan = world.plan(&engine).await.unwrap().plan.to_string();
    assert!(plan.contains("its files with secrets are gone"), "{plan}");
    world.up(&engine).await.unwrap();
    assert!(world.up(&engine).await.unwrap().plan.is_empty());
}

#[tokio::test]
async fn no_more_calls_in_flight_than_allowed() {
    for concurrency in [1, 3] {
        let mut world = World::asking_for(&["invoices", "audit"]);
        world.options.concurrency = concurrency;
        let engine = world.engine();
        let planned = world.plan(&engine).await.unwrap();
        engine.forget_calls();
        engine.jitter(7, world::SOON);
        world.carry_out(&engine, planned).await.unwrap();
        let most = engine.most_changes_in_flight();
        assert_eq!(most, concurrency);
        assert!(engine.most_in_flight() <= concurrency + 4);
    }
}

#[tokio::test]
async fn after_a_failure_nothing_new_begins() {
    let mut world = World::asking_for(&["invoices"]);
    world.options.concurrency = 1;
    for n in [1, 5, 20] {
        let engine = world.engine();
        let gone = Fault::new(FaultKind::Unreachable, "gone");
        engine.fail_at_change(n, Strike::Before, gone);
        world.up(&engine).await.unwrap_err();
        let changes = engine.changes();
        // Before there is a container, its networks are in nobody's way.
        let begun = changes
            .iter()
            .filter(|it| !it.starts_with("RemoveNetwork "));
        assert_eq!(begun.count(), n, "{changes:?}");
        let is_empty = engine.tamper(|it| it.containers.is_empty() == it.networks.is_empty());
        assert!(is_empty, "{changes:?}");
    }
}

#[tokio::test]
async fn a_changed_engine_is_observed_again_three_times_at_most() {
    let conflict = || Fault::new(FaultKind::Conflict, "the name is already in use");
    for (times, passes) in [(2, true), (3, false)] {
        let world = World::asking_for(&["billing"]);
        let engine = world.engine();
        engine.fail_on(Operation::Create, "customers", times, conflict());
        let result = world.up(&engine).await;
        let creations = engine.changes();
        let creations = creations.iter().filter(|it| it.ends_with("customers"));
        assert_eq!(creations.filter(|it| it.starts_with("Create ")).count(), 3);
        if passes {
            result.unwrap();
        } else {
            let error = result.unwrap_err().into_error();
            assert_eq!(error.exit(), Exit::Engine);
            assert!(
                error.to_string().contains("kept changing during 3 rounds"),
                "{error}"
            );
        }
    }
}

type Change = fn(&mut crate::support::fake_state::State, &str);

#[tokio::test]
async fn what_was_done_by_hand_is_undone() {
    let world = World::asking_for(&["billing"]);
    let engine = world.engine();
    world.up(&engine).await.unwrap();
    let before = settled(&engine).await;
    let (customers, billing) = (world.object("customers"), world.object("billing"));
    let changes: [(&str, Change); 6] = [
        ("removed", |state, object| state.remove(object)),
        ("stopped", |state, object| state.stop(object).unwrap()),
        ("paused", |state, object| state.pause(object).unwrap()),
        ("renamed", |state, object| {
            state.rename(object, "mine").unwrap();
        }),
        ("made by hand", |state, object| {
            let labels = &mut state
                .containers
                .iter_mut()
                .find(|it| it.object == object)
                .unwrap()
                .body
                .labels;
            labels.insert("devenv.spec".into(), "other".to_owned());
        }),
        ("detached", |state, object| {
            let network = state
                .networks
                .iter()
                .find(|it| !it.name.ends_with("absent"))
                .unwrap()
                .id
                .clone();
            state.disconnect(&network, object).unwrap();
        }),
    ];
    for (what, change) in changes {
        for object in [&customers, &billing] {
            engine.tamper(|state| change(state, object));
            assert_ne!(end_state(&engine), before, "{what}");
            world.up(&engine).await.unwrap();
            assert_eq!(settled(&engine).await, before, "{what} {object}");
        }
    }
}

#[tokio::test]
async fn what_vanishes_after_the_look_is_seen_at_the_second() {
    // An image that was there, a container that was there.
    let world = World::asking_for(&["customers"]);
    let engine = world.engine();
    world.up(&engine).await.unwrap();
    let before = settled(&engine).await;

    engine.tamper(|state| state.remove(&world.object("customers")));
    let planned = world.plan(&engine).await.unwrap();
    let image = world.image(&"customers".parse().unwrap()).accepted[0];
    engine.tamper(|state| state.images.retain(|it| it.id != image));
    world.carry_out(&engine, planned).await.unwrap();
    assert_eq!(settled(&engine).await, before);

    engine
        .tamper(|state| state.stop(&world.object("customers")))
        .unwrap();
    let planned = world.plan(&engine).await.unwrap();
    engine.tamper(|state| state.remove(&world.object("customers")));
    world.carry_out(&engine, planned).await.unwrap();
    assert_eq!(settled(&engine).await, before);
}

#[tokio::test]
async fn a_port_that_is_taken_meanwhile_falls() {
    let world = World::asking_for(&["customers"]);
    let engine = world.engine();
    let planned = world.plan(&engine).await.unwrap();
    let _rival = std::net::TcpListener::bind((world.host.publish_address, 28080)).unwrap();
    engine.take_port(28080);
    let planned = world.carry_out(&engine, planned).await.unwrap();
    assert_eq!(planned.moved[0].given, 36080);
    assert!(world.plan(&engine).await.unwrap().plan.is_empty());
    let objects = engine.tamper(|state| state.containers.len());
    assert_eq!(objects, 2);
}

#[tokio::test]
async fn anothers_objects_are_refused() {
    let world = World::asking_for(&["customers"]);
    let engine = world.engine();
    world.up(&engine).await.unwrap();
    let mut other = world.clone();
    other.identity.owner = "somebody".to_owned();
    for what in ["container", "volume"] {
        engine.forget_calls();
        let Err(Failure::Other(error)) = other.up(&engine).await else {
            panic!("{what}")
        };
        assert_eq!(error.exit(), Exit::Engine);
        assert!(error.to_string().contains(what), "{error}");
        assert_eq!(engine.changes(), [""; 0]);
        engine.tamper(|state| match what {
            "container" => state.containers.clear(),
            _ => state.networks.clear(),
        });
    }
}

/// Disk full and other faults of a pull.
#[tokio::test]
async fn a_pull_that_fails_says_whose_fault_it_is() {
    let world = World::asking_for(&["customers"]);
    for (kind, text, wanted) in [
        (FaultKind::NoSpace, "no space left on device", Kind::Engine),
        (FaultKind::NotFound, "manifest unknown", Kind::Registry),
        (FaultKind::Failed, "unauthorized", Kind::Registry),
        (FaultKind::Unreachable, "the engine is gone", Kind::Engine),
    ] {
        let engine = world.engine();
        engine.fail_on(Operation::Pull, "customers", 9, Fault::new(kind, text));
        let Err(Failure::Other(error)) = world.up(&engine).await else {
            panic!("{text}")
        };
        assert_eq!(error.kind(), wanted, "{text}");
        assert!(
            error.to_string().starts_with("cannot pull customers"),
            "{error}"
        );
        assert!(error.chain().join(": ").contains(text), "{error}");
        let changes = engine.changes();
        assert_eq!(
            changes
                .iter()
                .filter(|it| it.starts_with("Pull"))
                .filter(|it| it.contains("customers"))
                .count(),
            1
        );
        let up = engine.tamper(|state| {
            state
                .containers
                .iter()
                .filter(|it| {
                    it.state == ContainerState::Running && it.object.ends_with("customers")
                })
                .count()
        });
        assert_eq!(up, 0);
        // Room was made, or the registry is back.
        engine.heal();
        world.up(&engine).await.unwrap();
        assert!(world.plan(&engine).await.unwrap().plan.is_empty());
    }
}

/// An engine that lies about a pulled image.
#[tokio::test]
async fn an_exchanged_image_is_a_matter_of_trust() {
    let world = World::asking_for(&["customers"]);
    let engine = world.engine();
    let image = world.image(&"customers".parse().unwrap());
    engine.tamper(|state| {
        let published = state
            .registry
            .get_mut(&image.repository.at(&image.digest))
            .unwrap();
        published.id = devenv::model::digest::Digest::of(b"evil");
    });
    let error = world.up(&engine).await.unwrap_err().into_error();
    assert_eq!(error.exit(), Exit::Trust);
    let made = engine.changes().join("\n");
    assert!(
        !made.contains("Create devenv-acme-default-customers"),
        "{made}"
    );
}
