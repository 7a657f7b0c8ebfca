//! What commands ask of the real engine beyond the trait.

use std::io::Read;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::support::real_engine::{RealEngine, tar, unique};
use devenv::engine::docker::{
    BuildOptions, ExecOptions, ExecStreams, LogOptions, LogStream, archive,
};
use devenv::engine::{Engine, FaultKind};
use devenv::model::create_body::CreateBody;
use devenv::model::digest::Digest;
use devenv::model::observed::ContainerState;
use devenv::model::secret::Secret;
use devenv::system::TerminalSize;
use futures_util::stream::{self, StreamExt, TryStreamExt};

macro_rules! engine_or_skip {
    () => {
        match RealEngine::get().await {
            Some(engine) => engine,
            None => return,
        }
    };
}

/// A container that runs `/probe` with these words.
async fn run(engine: &RealEngine, words: &[&str], secrets: &[(String, Secret)]) -> String {
    let words = ["/probe"].iter().chain(words);
    let mut body = CreateBody {
        cmd: Some(words.map(ToString::to_string).collect()),
        image: engine.image.to_string(),
        labels: [("devenv.owner".into(), engine.owner.clone())].into(),
        ..CreateBody::default()
    };
    body.host_config.network_mode = "none".into();
    let name = format!("{}-{}", engine.owner, unique());
    let id = engine.docker.create(&name, &body, secrets).await.unwrap();
    engine.docker.start(&id).await.unwrap();
    id
}

async fn ended(engine: &RealEngine, id: &str) {
    loop {
        let state = engine.docker.inspect(id).await.unwrap().state;
        if let ContainerState::Exited(_) = state {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn it_describes_itself() {
    let engine = engine_or_skip!();
    let info = engine.docker.info().await.unwrap();
    assert_eq!(info.os, "linux");
    let machine = std::env::consts::ARCH;
    let wanted = if machine == "x86_64" {
        "amd64"
    } else {
        "arm64"
    };
    assert_eq!(info.architecture, wanted);
    assert!(info.version.contains('.'), "{info:?}");
    assert_eq!(info.api, engine.docker.api_version());
    assert!(info.cpus > 0 && info.memory > 1 << 20, "{info:?}");
    assert!(!info.storage_driver.is_empty() && !info.name.is_empty());
    assert!(info.system_time.parse::<jiff::Timestamp>().is_ok());
    assert!(!info.components.is_empty());
}

#[tokio::test]
async fn a_build_gives_the_id_and_the_lines() {
    let engine = engine_or_skip!();
    let tag = format!("localhost/{}/built:1", engine.owner);
    let dockerfile = format!(
        "ARG BASE\nFROM localhost/devenv-test/probe:{}\nARG WORD\nLABEL word=$WORD\nCOPY d/file /file\n",
        probe_tag(&engine).await
    );
    let options = BuildOptions {
        dockerfile: "x/Dockerfile".to_owned(),
        args: [("WORD".to_owned(), "a b".to_owned())].into(),
        tag: Some(tag.clone()),
        labels: [("devenv.owner".into(), engine.owner.clone())].into(),
        no_network: true,
        ..BuildOptions::default()
    };
    let context = tar(&[
        ("x/Dockerfile", 0o644, dockerfile.as_bytes()),
        ("d/file", 0o600, b"content"),
    ]);
    let lines = Mutex::new(Vec::new());
    let line = |text: &str| lines.lock().unwrap().push(text.to_owned());
    let pieces: Vec<_> = context
        .chunks(1000)
        .map(|piece| Ok(bytes::Bytes::copy_from_slice(piece)))
        .collect();
    let id = engine
        .docker
        .build(stream::iter(pieces).boxed(), &options, &line)
        .await
        .unwrap();
    let lines = lines.into_inner().unwrap();
    assert!(
        lines.iter().any(|line| line.starts_with("Step 1/")),
        "{lines:?}"
    );
    let image = engine.docker.image(&id).await.unwrap().unwrap();
    assert_eq!(image.labels["word"], "a b");
    assert_eq!(image.labels["devenv.owner"], engine.owner);
    assert_eq!(image.tags, [tag.as_str()]);
    let base = engine.docker.image(&engine.image).await.unwrap().unwrap();
    assert!(image.layers.starts_with(&base.layers));

    let listed = engine.docker.images().await.unwrap();
    let row = listed.iter().find(|row| row.id == id).unwrap();
    assert_eq!(row.tags, [tag.as_str()]);
    assert!(row.size > 0 && row.created > 1_700_000_000);
    engine.docker.remove_image(&tag).await.unwrap();
    let again = engine.docker.remove_image(&tag).await.unwrap_err();
    assert_eq!(again.kind, FaultKind::NotFound);
}

async fn probe_tag(engine: &RealEngine) -> String {
    let image = engine.docker.image(&engine.image).await.unwrap().unwrap();
    let tag = image.tags.iter().find(|tag| tag.contains("/probe:"));
    tag.unwrap().rsplit_once(':').unwrap().1.to_owned()
}

#[tokio::test]
async fn a_failed_build_shows_its_last_lines() {
    let engine = engine_or_skip!();
    let dockerfile = format!(
        "FROM localhost/devenv-test/probe:{}\nRUN [\"/probe\", \"say\", \"2\", \"9\"]\n",
        probe_tag(&engine).await
    );
    let options = BuildOptions {
        dockerfile: "Dockerfile".to_owned(),
        labels: [("devenv.owner".into(), engine.owner.clone())].into(),
        no_cache: true,
        ..BuildOptions::default()
    };
    let context = tar(&[("Dockerfile", 0o644, dockerfile.as_bytes())]);
    let built = engine.docker.build(archive(context), &options, &|_| {});
    let error = built.await.unwrap_err();
    assert_eq!(error.kind, FaultKind::Failed);
    assert!(error.to_string().contains("non-zero code: 9"), "{error}");
    let details = error.detail.unwrap();
    assert!(
        details.contains("out 2") && details.contains("err 2"),
        "{details}"
    );
    assert!(!details.contains('\u{1b}'), "{details}");
}

#[tokio::test]
async fn a_push_that_is_refused_is_an_error() {
    let engine = engine_or_skip!();
    let repository = format!("localhost:1/{}", engine.owner).parse().unwrap();
    let absent = engine.docker.push(&repository, "1", None, &|_| {}).await;
    assert!(absent.is_err());
    let name = repository.as_str();
    engine.docker.tag(&engine.image, name, "1").await.unwrap();
    let refused = engine.docker.push(&repository, "1", None, &|_| {}).await;
    engine
        .docker
        .remove_image(&repository.tagged("1"))
        .await
        .unwrap();
    let fault = refused.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed, "{fault}");
    assert!(fault.message.contains("connection refused"), "{fault}");
}

async fn exec(
    engine: &RealEngine,
    id: &str,
    options: ExecOptions,
    input: &'static str,
) -> (i64, String, String) {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let streams = ExecStreams {
        input: stream::iter([bytes::Bytes::from_static(input.as_bytes())]).boxed(),
        output: &mut output,
        errors: &mut errors,
        sizes: stream::iter([TerminalSize {
            rows: 30,
            columns: 90,
        }])
        .boxed(),
    };
    let code = engine.docker.exec(id, &options, streams).await.unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (code, text(output), text(errors))
}

fn command(words: &[&str]) -> ExecOptions {
    let words = ["/probe"].iter().chain(words);
    ExecOptions {
        command: words.map(ToString::to_string).collect(),
        ..ExecOptions::default()
    }
}

#[tokio::test]
async fn commands_inside() {
    let engine = engine_or_skip!();
    let secrets = [("PASSWORD".to_owned(), Secret::new("hunter 2"))];
    let id = run(&engine, &["sleep"], &secrets).await;
    let (code, output, errors) = exec(&engine, &id, command(&["say", "2"]), "").await;
    assert_eq!((code, output.as_str()), (0, "out 1\nout 2\n"));
    assert_eq!(errors, "err 1\nerr 2\n");
    let (code, ..) = exec(&engine, &id, command(&["exit", "42"]), "").await;
    assert_eq!(code, 42);
    let (_, output, _) = exec(&engine, &id, command(&["env", "PASSWORD"]), "").await;
    assert_eq!(output, "hunter 2\n");
    // The input ends, so the command ends.
    let mut cat = command(&["cat"]);
    cat.input = true;
    let (code, output, _) = exec(&engine, &id, cat, "through\n").await;
    assert_eq!((code, output.as_str()), (7, "through\n"));
    let (_, output, _) = exec(&engine, &id, command(&["tty"]), "").await;
    assert_eq!(output, "none\n");
    let mut terminal = command(&["tty"]);
    terminal.terminal = Some(TerminalSize {
        rows: 20,
        columns: 80,
    });
    let (code, output, _) = exec(&engine, &id, terminal, "").await;
    assert_eq!((code, output.as_str()), (0, "terminal\r\n"));
    let (code, ..) = exec(
        &engine,
        &id,
        ExecOptions {
            command: vec!["/none".to_owned()],
            ..ExecOptions::default()
        },
        "",
    )
    .await;
    assert!((126..=127).contains(&code), "{code}");
}

#[tokio::test]
async fn output_with_times() {
    let engine = engine_or_skip!();
    let id = run(&engine, &["say", "3"], &[]).await;
    ended(&engine, &id).await;
    let lines: Vec<_> = engine
        .docker
        .logs(&id, LogOptions::default())
        .try_collect()
        .await
        .unwrap();
    let of = |stream| -> Vec<_> {
        let lines = lines.iter().filter(|line| line.stream == stream);
        lines.map(|line| line.bytes.clone()).collect()
    };
    assert_eq!(of(LogStream::Stdout), ["out 1", "out 2", "out 3"]);
    assert_eq!(of(LogStream::Stderr), ["err 1", "err 2", "err 3"]);
    assert!(lines.iter().all(|line| line.time.is_some()));
    let last = LogOptions {
        tail: Some(1),
        ..LogOptions::default()
    };
    let tail: Vec<_> = engine.docker.logs(&id, last).collect().await;
    assert_eq!(tail.len(), 1);
    let future = LogOptions {
        since: Some(jiff::Timestamp::now().as_second() + 100),
        ..LogOptions::default()
    };
    assert!(engine.docker.logs(&id, future).next().await.is_none());
    let absent = engine.docker.logs("no-such", last).next().await;
    assert_eq!(absent.unwrap().unwrap_err().kind, FaultKind::NotFound);
}

#[tokio::test]
async fn a_long_line_stays_one() {
    let engine = engine_or_skip!();
    let id = run(&engine, &["long", "50000"], &[]).await;
    let follow = LogOptions {
        follow: true,
        ..LogOptions::default()
    };
    let lines: Vec<_> = engine.docker.logs(&id, follow).try_collect().await.unwrap();
    assert_eq!(lines.len(), 1);
    assert_eq!(lines[0].bytes.len(), 50_000);
}

#[tokio::test]
async fn files_come_out_and_a_restart_keeps_them() {
    let engine = engine_or_skip!();
    let id = run(&engine, &["sleep"], &[]).await;
    let (code, ..) = exec(&engine, &id, command(&["write", "/note", "hello"]), "").await;
    assert_eq!(code, 0);
    let before = engine.docker.inspect(&id).await.unwrap().started;
    engine.docker.restart(&id, Some(5)).await.unwrap();
    let after = engine.docker.inspect(&id).await.unwrap();
    assert_eq!(after.state, ContainerState::Running);
    assert_ne!(after.started, before);
    let pieces = engine.docker.read_archive(&id, "/note");
    let bytes: Vec<_> = pieces.try_collect().await.unwrap();
    let mut archive = tar::Archive::new(std::io::Cursor::new(bytes.concat()));
    let mut entry = archive.entries().unwrap().next().unwrap().unwrap();
    let mut text = String::new();
    entry.read_to_string(&mut text).unwrap();
    assert_eq!(text, "hello");
    let absent = engine.docker.read_archive(&id, "/none").next().await;
    assert_eq!(absent.unwrap().unwrap_err().kind, FaultKind::NotFound);
}

#[tokio::test]
async fn a_stop_may_take_its_grace() {
    let engine = engine_or_skip!();
    let id = run(&engine, &["sleep"], &[]).await;
    let begun = Instant::now();
    engine.docker.stop(&id, Some(90)).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(10));
    let absent = Digest::of(b"x").hex();
    let fault = engine.docker.restart(&absent, None).await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::NotFound);
}
