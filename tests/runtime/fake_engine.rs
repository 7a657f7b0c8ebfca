//! The fake's own promises: what it records, when it fails, how it plays.

use std::time::Duration;

use crate::support::fake_engine::{FakeEngine, Operation, Strike};
use crate::support::fake_state::Play;
use devenv::engine::{Engine, Fault, FaultKind, Labels};
use devenv::model::create_body::CreateBody;
use devenv::model::digest::Digest;
use devenv::model::observed::{ContainerState, Health, ObservedImage};
use futures_util::StreamExt;

fn image() -> ObservedImage {
    ObservedImage {
        id: Digest::of(b"image"),
        architecture: "amd64".to_owned(),
        os: "linux".to_owned(),
        size: 100,
        tags: Vec::new(),
        layers: Vec::new(),
        labels: Labels::new(),
        defaults: devenv::model::image_configuration::ImageDefaults::default(),
    }
}

fn body() -> CreateBody {
    CreateBody {
        image: image().id.to_string(),
        ..CreateBody::default()
    }
}

fn engine() -> FakeEngine {
    let engine = FakeEngine::new();
    engine.add_image(image());
    engine
}

fn gone() -> Fault {
    Fault::new(FaultKind::Unreachable, "gone")
}

#[tokio::test]
async fn calls_are_recorded_and_the_chosen_one_fails_once() {
    let engine = engine();
    engine.fail_at_change(2, Strike::Before, gone());
    let id = engine.create("a", &body(), &[]).await.unwrap();
    engine.containers().await.unwrap();
    assert_eq!(engine.start(&id).await, Err(gone()));
    assert_eq!(
        engine.containers().await.unwrap()[0].state,
        ContainerState::Created
    );
    engine.start(&id).await.unwrap();
    let start = format!("Start {id}");
    assert_eq!(engine.changes(), ["Create a", &start, &start]);
    assert_eq!(engine.calls().len(), 5);

    engine.forget_calls();
    engine.fail_at(1, Strike::Before, gone());
    assert_eq!(engine.containers().await, Err(gone()));
    engine.containers().await.unwrap();
}

#[tokio::test]
async fn an_answer_can_be_lost_after_the_deed() {
    let engine = engine();
    engine.fail_at(1, Strike::After, gone());
    assert_eq!(engine.create("a", &body(), &[]).await, Err(gone()));
    assert_eq!(engine.containers().await.unwrap()[0].object, "a");
}

#[tokio::test]
async fn an_operation_can_fail_by_target() {
    let engine = engine();
    let full = Fault::new(FaultKind::NoSpace, "no space left on device");
    engine.fail_on(Operation::Create, "bill", 2, full.clone());
    engine.create("other", &body(), &[]).await.unwrap();
    for _ in 0..2 {
        assert_eq!(
            engine.create("billing", &body(), &[]).await,
            Err(full.clone())
        );
    }
    engine.create("billing", &body(), &[]).await.unwrap();
}

#[tokio::test]
async fn an_engine_can_vanish_and_come_back() {
    let engine = engine();
    let mut events = engine.events("a=b", None).await.unwrap();
    engine.vanish();
    assert!(events.next().await.is_none());
    assert_eq!(
        engine.containers().await.unwrap_err().kind,
        FaultKind::Unreachable
    );
    engine.heal();
    engine.containers().await.unwrap();
}

#[tokio::test]
async fn containers_play_what_they_are_told() {
    let engine = engine();
    let soon = Duration::from_millis(5);
    engine.behave(
        "a",
        Play {
            health: Some((soon, Health::Unhealthy)),
            out_of_memory: Some(soon * 4),
            ..Play::default()
        },
    );
    let mut events = engine.events("", None).await.unwrap();
    let mut labelled = body();
    labelled.labels.insert("".into(), String::new());
    let id = engine.create("a", &labelled, &[]).await.unwrap();
    engine.start(&id).await.unwrap();
    let mut seen = Vec::new();
    while seen.len() < 5 {
        seen.push(format!(
            "{:?}",
            events.next().await.unwrap().unwrap().change
        ));
    }
    assert_eq!(
        seen,
        [
            "Other",
            "Started",
            "Health(Unhealthy)",
            "OutOfMemory",
            "Died(137)"
        ]
    );
    let details = engine.inspect(&id).await.unwrap();
    assert!(details.out_of_memory);
    assert_eq!(details.probes.len(), 1);
}

#[tokio::test]
async fn jitter_overlaps_calls() {
    let engine = engine();
    engine.jitter(7, Duration::from_millis(20));
    let lists = (0..8).map(|_| engine.containers());
    futures_util::future::try_join_all(lists).await.unwrap();
    assert_eq!(engine.most_in_flight(), 8);
}

#[tokio::test]
async fn a_pull_brings_what_was_published() {
    let engine = FakeEngine::new();
    let digest = Digest::of(b"manifest");
    let repository: devenv::model::image::Repository = "localhost:1/x".parse().unwrap();
    let absent = engine.pull(&repository, &digest, None, None, &|_| {}).await;
    assert_eq!(absent.unwrap_err().kind, FaultKind::Internal);
    engine.publish(&repository.at(&digest), image());
    let seen = std::sync::Mutex::new(Vec::new());
    let progress =
        |progress: devenv::engine::PullProgress| seen.lock().unwrap().push(progress.current);
    engine
        .pull(&repository, &digest, None, None, &progress)
        .await
        .unwrap();
    assert_eq!(*seen.lock().unwrap(), [0, 50, 100]);
    assert!(engine.image(&image().id).await.unwrap().is_some());
}
