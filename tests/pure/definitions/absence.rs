//! Servers that are not there or fall silent, and clones that break off.

use std::fs;
use std::net::TcpListener;
use std::time::{Duration, Instant};

use devenv::definitions::transport::silent;
use devenv::definitions::{Cause, Definitions, History};
use devenv::error::Kind;

use super::network::cause;
use super::over_both;
use super::server::Mood;
use super::world::World;

over_both!(
    unreachable,
    silence_ends,
    a_broken_clone_leaves_nothing,
    an_abandoned_clone_leaves_nothing,
);

async fn unreachable(world: World) {
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let url = format!("http://127.0.0.1:{port}/p.git");
    let error = world
        .try_clone("a", &url, Duration::from_secs(20))
        .await
        .unwrap_err();
    assert_eq!(cause(&error), Cause::Unreachable, "{:?}", error.chain());
    assert!(
        error.chain().len() > 1,
        "what git said is missing: {:?}",
        error.chain()
    );
}

async fn silence_ends(world: World) {
    let mut definitions = world.clone("a").await;
    let head = definitions.head_id().unwrap();
    world.server.mood(Mood::Silent);
    let git = world.devenv_git(Duration::from_secs(1));
    definitions = Definitions::open(definitions.path(), &git).unwrap();
    let start = Instant::now();
    let error = definitions
        .fetch(History::Forward, silent())
        .await
        .unwrap_err();
    assert_eq!(cause(&error), Cause::TimedOut, "{:?}", error.chain());
    assert!(
        start.elapsed() < Duration::from_secs(8),
        "{:?}",
        start.elapsed()
    );
    assert_eq!(definitions.head_id().unwrap(), head);
}

fn is_empty(world: &World) -> bool {
    let parent = world.place("a").parent().unwrap().to_owned();
    !parent.exists() || fs::read_dir(parent).unwrap().next().is_none()
}

async fn a_broken_clone_leaves_nothing(world: World) {
    let noise: Vec<String> = (0..20_000u32)
        .map(|number| number.wrapping_mul(2_654_435_761).to_string())
        .collect();
    let noise = noise.concat();
    fs::write(world.work().join("large"), noise).unwrap();
    world.somebody_commits("large");
    world.server.mood(Mood::Breaking);
    let error = world
        .try_clone("a", &world.url(), Duration::from_secs(20))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), Kind::Git);
    assert!(is_empty(&world));
    world.server.mood(Mood::Honest);
    world.clone("a").await;
}

async fn an_abandoned_clone_leaves_nothing(world: World) {
    world.server.mood(Mood::Silent);
    let url = world.url();
    let clone = world.try_clone("a", &url, Duration::from_secs(60));
    assert!(
        tokio::time::timeout(Duration::from_millis(400), clone)
            .await
            .is_err()
    );
    assert!(is_empty(&world));
}
