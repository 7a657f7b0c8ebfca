//! Logs on the real engine: of containers that run, have stopped, were replaced or are gone.

use std::time::Duration;

use crate::support::real_engine::RealEngine;
use devenv::converge::observe::Observation;
use devenv::engine::Engine;
use devenv::engine::docker::{ExecOptions, ExecStreams};
use devenv::instance::logs::{self, Line, Query};
use devenv::model::create_body::{CreateBody, MountBody};
use devenv::model::identity::{self, Identity};
use devenv::model::name::{ContainerName, InstanceName, PlatformName};
use devenv::model::observed::ContainerState;
use futures_util::stream::{self, StreamExt, TryStreamExt};

macro_rules! engine_or_skip {
    () => {
        match RealEngine::get().await {
            Some(engine) => engine,
            None => return,
        }
    };
}

fn identity(engine: &RealEngine) -> Identity {
    let instance = engine.owner.replace("devenv-test-", "t");
    Identity {
        owner: engine.owner.clone(),
        platform: PlatformName::new("logtest").unwrap(),
        instance: InstanceName::new(instance).unwrap(),
    }
}

fn billing() -> ContainerName {
    ContainerName::new("billing").unwrap()
}

/// A container `billing` with its log volume at `/logs`, which runs `/probe` with these words.
async fn run(engine: &RealEngine, words: &[&str]) -> String {
    let identity = identity(engine);
    let object = identity.object(&billing());
    let volume = format!("{object}.logs");
    let mut labels = identity.labels();
    engine.docker.create_volume(&volume, &labels).await.unwrap();
    labels.insert(identity::CONTAINER.to_owned(), "billing".to_owned());
    let words = ["/probe"].iter().chain(words);
    let mut body = CreateBody {
        cmd: Some(words.map(ToString::to_string).collect()),
        image: engine.image.to_string(),
        labels: labels
            .into_iter()
            .map(|(name, value)| (name.into(), value))
            .collect(),
        ..CreateBody::default()
    };
    "none".clone_into(&mut body.host_config.network_mode);
    body.host_config.mounts = vec![MountBody::new("volume", volume, "/logs".to_owned())];
    let id = engine.docker.create(&object, &body, &[]).await.unwrap();
    engine.docker.start(&id).await.unwrap();
    id
}

async fn append(engine: &RealEngine, id: &str, path: &str, text: &str) {
    let words = ["/probe", "append", path, text];
    let options = ExecOptions {
        command: words.map(ToOwned::to_owned).to_vec(),
        ..ExecOptions::default()
    };
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let streams = ExecStreams {
        input: stream::empty().boxed(),
        output: &mut output,
        errors: &mut errors,
        sizes: stream::pending().boxed(),
    };
    let code = engine.docker.exec(id, &options, streams).await.unwrap();
    assert_eq!(code, 0);
}

async fn ended(engine: &RealEngine, id: &str) {
    let state = async || engine.docker.inspect(id).await.unwrap().state;
    while !matches!(state().await, ContainerState::Exited(_)) {
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn places(engine: &RealEngine) -> Vec<logs::Place> {
    let identity = identity(engine);
    let observation = Observation::take(&engine.docker, &identity).await.unwrap();
    logs::places(&identity, &observation.observed, &[billing()])
}

async fn read(engine: &RealEngine, query: Query) -> Vec<Line> {
    let backlog = logs::backlog(&engine.docker, &places(engine).await, query).await;
    backlog.unwrap().lines.try_collect().await.unwrap()
}

fn texts(lines: &[Line]) -> Vec<String> {
    let text = |line: &Line| {
        let text = String::from_utf8_lossy(&line.text).into_owned();
        format!(
            "{}: {text}",
            line.source.file().unwrap_or(line.source.as_str())
        )
    };
    lines.iter().map(text).collect()
}

const CATALINA: &str = "23-Nov-2026 08:41:02.123 SEVERE [main] boom\njava.lang.Error: boom\n\tat x\n23-Nov-2026 08:41:04.000 INFO later\n";
const ACCESS: &str = "10.0.0.1 - - [23/Nov/2026:08:41:03 +0000] \"GET / HTTP/1.1\" 200 5\n";

/// What the two files give, as one.
const FILES: [&str; 5] = [
    "catalina.log: 23-Nov-2026 08:41:02.123 SEVERE [main] boom",
    "catalina.log: java.lang.Error: boom",
    "catalina.log: \tat x",
    "access.txt: 10.0.0.1 - - [23/Nov/2026:08:41:03 +0000] \"GET / HTTP/1.1\" 200 5",
    "catalina.log: 23-Nov-2026 08:41:04.000 INFO later",
];

async fn write_files(engine: &RealEngine, id: &str) {
    append(engine, id, "/logs/catalina.log", CATALINA).await;
    append(engine, id, "/logs/access.txt", ACCESS).await;
}

const ONLY_FILES: Query = Query {
    since: None,
    tail: None,
    no_output: true,
    no_files: false,
};

/// `logs`: stdout and files merged by time, also of a container that is gone.
#[tokio::test]
async fn files_and_output_are_one_log_and_survive_the_container() {
    let engine = engine_or_skip!();
    let id = run(&engine, &["sleep"]).await;
    write_files(&engine, &id).await;
    assert_eq!(texts(&read(&engine, ONLY_FILES).await), FILES, "running");
    engine.docker.stop(&id, Some(0)).await.unwrap();
    assert_eq!(texts(&read(&engine, ONLY_FILES).await), FILES, "stopped");
    // Replaced by one that prints and ends.
    engine.docker.remove(&id).await.unwrap();
    let id = run(&engine, &["say", "2"]).await;
    ended(&engine, &id).await;
    let all = texts(&read(&engine, Query::default()).await);
    assert_eq!(all.len(), 9, "{all:?}");
    assert!(all.contains(&"stdout: out 2".to_owned()) && all.contains(&"stderr: err 1".to_owned()));
    let files: Vec<_> = all
        .into_iter()
        .filter(|line| !line.starts_with("std"))
        .collect();
    assert_eq!(files, FILES, "replaced");
    let last = Query {
        tail: Some(2),
        ..ONLY_FILES
    };
    assert_eq!(texts(&read(&engine, last).await), FILES[3..]);
    let since = Query {
        since: "2026-11-23T08:41:03Z".parse().ok(),
        ..ONLY_FILES
    };
    assert_eq!(texts(&read(&engine, since).await), FILES[3..]);
    // Only the volume is left; the container that reads it goes again.
    engine.docker.remove(&id).await.unwrap();
    assert_eq!(
        texts(&read(&engine, Query::default()).await),
        FILES,
        "removed"
    );
    let all = engine.docker.containers().await.unwrap();
    assert!(
        !all.iter()
            .any(|it| it.labels.get(identity::OWNER) == Some(&engine.owner))
    );
}

/// `logs -f`.
#[tokio::test]
async fn what_comes_later_is_shown_once() {
    let engine = engine_or_skip!();
    let id = run(&engine, &["sleep"]).await;
    write_files(&engine, &id).await;
    let places = places(&engine).await;
    let query = Query {
        tail: Some(0),
        ..Query::default()
    };
    let mut backlog = logs::backlog(&engine.docker, &places, query).await.unwrap();
    assert!(backlog.lines.next().await.is_none());
    let mut lines = logs::follow(&engine.docker, &places, query, backlog.reached);
    let mut next = async || {
        let line = tokio::time::timeout(Duration::from_secs(20), lines.recv()).await;
        texts(&[line.expect("a line in time").unwrap()]).remove(0)
    };
    append(&engine, &id, "/logs/catalina.log", "grown\nhalf ").await;
    assert_eq!(next().await, "catalina.log: grown");
    append(&engine, &id, "/logs/new.log", "new file\n").await;
    assert_eq!(next().await, "new.log: new file");
    append(&engine, &id, "/logs/catalina.log", "a line\n").await;
    assert_eq!(next().await, "catalina.log: half a line");
    // A successor under the same name goes on where its predecessor ended.
    engine.docker.remove(&id).await.unwrap();
    let id = run(&engine, &["say", "1"]).await;
    ended(&engine, &id).await;
    let mut printed = vec![next().await, next().await];
    printed.sort();
    assert_eq!(printed, ["stderr: err 1", "stdout: out 1"]);
}

#[tokio::test]
async fn a_report_shows_the_last_lines_of_the_files() {
    let engine = engine_or_skip!();
    let id = run(&engine, &["sleep"]).await;
    write_files(&engine, &id).await;
    let place = places(&engine).await.remove(0);
    let last = logs::last_lines(&engine.docker, &place, 1).await;
    assert_eq!(texts(&last), FILES[4..]);
}
