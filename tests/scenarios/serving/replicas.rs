//! Copies of an application behind one proxy.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::support::server::clients::Clients;
use crate::support::server::world::World;
use crate::support::workstation::docker;

/// Two copies run, each with a name and a log volume of its own; one that is stopped, or begins again,
/// costs no request; a new version of both takes over as any other does.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_goes_away_costs_no_request() {
    let copies = "replicas: { recette: 1, production: 2 }\n";
    let Some(mut world) = World::copied(copies).await else {
        return;
    };
    world.server.apply().ok().says("reference 1 serves");
    let expected = [
        "1 billing-1 running",
        "1 billing-2 running",
        "1 front running",
        "1 ledger-db running",
    ];
    assert_eq!(world.server.containers(), expected);
    let status = world.server.status().to_string();
    assert!(
        status.contains("billing-1") && status.contains("billing-2"),
        "{status}"
    );
    let net = Clients::new();
    let object = |name: &str| world.server.object(1, name);
    let pause = || tokio::time::sleep(Duration::from_millis(1500));
    for name in ["billing-1", "billing-2"] {
        // What a proxy has sent cannot be asked again: without content it sends nothing before it is connected.
        let load = net.load_of_gets(world.server.port, 3);
        pause().await;
        docker(&["stop", &object(name)]);
        assert_eq!(
            net.get(world.server.port, "/billing"),
            "v1",
            "without {name}"
        );
        pause().await;
        docker(&["start", &object(name)]);
        pause().await;
        let counts = load.stop();
        // One that a copy has accepted and not read when it goes.
        assert!(
            counts.requests > 50 && counts.failed <= 1,
            "{name}: {counts:?}"
        );
    }
    let load = net.load(world.server.port, 3);
    pause().await;
    world.release(0).await;
    world.server.apply().ok();
    let counts = load.stop();
    assert!(
        counts.requests > 50 && counts.failed == 0 && counts.mixed == 0,
        "{counts:?}"
    );
}

/// Where an environment runs one of two, the other name refuses at once: no request waits or fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_runs_elsewhere_only_costs_nothing() {
    let copies = "replicas: { recette: 2, production: 1 }\n";
    let Some(world) = World::copied(copies).await else {
        return;
    };
    world.server.apply().ok();
    let expected = [
        "1 billing running",
        "1 front running",
        "1 ledger-db running",
    ];
    assert_eq!(world.server.containers(), expected);
    let net = Clients::new();
    let load = net.load(world.server.port, 3);
    load.reach(200).await;
    let counts = load.stop();
    assert_eq!((counts.failed, counts.mixed), (0, 0), "{counts:?}");
}

/// A client with the proxy's cookie keeps its copy; where that is stopped, another takes over with no failure, and keeps
/// the client from then on.
#[tokio::test(flavor = "multi_thread")]
async fn a_client_with_the_cookie_keeps_its_copy() {
    let copies = "replicas: { recette: 1, production: 2 }\n";
    let Some(world) = World::copied(copies).await else {
        return;
    };
    world.server.apply().ok();
    let net = Clients::new();
    let ask = |cookie: Option<&str>| net.member(world.server.port, cookie);
    let all: BTreeSet<String> = (0..10).map(|_| ask(None)[1].clone()).collect();
    assert_eq!(
        all,
        ["1", "2"].map(ToOwned::to_owned).into(),
        "both are asked"
    );
    let [status, member, cookie] = ask(None);
    assert_eq!(
        (status.as_str(), cookie),
        ("200", format!("ROUTEID=.{member}; Path=/"))
    );
    let cookie = format!("ROUTEID=.{member}");
    let same = ["200".to_owned(), member.clone(), String::new()];
    for _ in 0..20 {
        assert_eq!(ask(Some(&cookie)), same);
    }
    let object = world.server.object(1, &format!("billing-{member}"));
    docker(&["stop", &object]);
    let other = if member == "1" { "2" } else { "1" };
    let moved = [
        "200".to_owned(),
        other.to_owned(),
        format!("ROUTEID=.{other}; Path=/"),
    ];
    for _ in 0..20 {
        assert_eq!(ask(Some(&cookie)), moved);
    }
    docker(&["start", &object]);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let cookie = format!("ROUTEID=.{other}");
    let same = ["200".to_owned(), other.to_owned(), String::new()];
    for _ in 0..20 {
        assert_eq!(ask(Some(&cookie)), same);
    }
}
