//! What a change does on the engine, and what stays.

use crate::support::server::clients::Clients;
use crate::support::server::world::World;

/// A page that takes longer than a look does is deployed, and no alarm.
#[tokio::test(flavor = "multi_thread")]
async fn a_slow_page_is_served() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.apply().ok();
    world.release(3000).await;
    world.server.apply().ok().says("reference 2 serves");
    let check = world.server.run(&["server", "check"]).ok().stdout;
    assert!(check.starts_with("OK - "), "{check}");
}

/// Unchanged containers are shared, the rest starts beside them; where nothing is new, nothing is said;
/// the generation before is paused, and later ones take its place.
#[tokio::test(flavor = "multi_thread")]
async fn a_new_reference_starts_beside_what_it_shares() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.apply().ok().says("reference 1 serves");
    assert_eq!(
        world.server.containers(),
        [
            "1 billing running",
            "1 front running",
            "1 ledger-db running"
        ]
    );
    let nothing = world.server.apply().ok();
    assert_eq!((nothing.stdout.as_str(), nothing.stderr.as_str()), ("", ""));

    world.release(0).await;
    let plan = world.server.run(&["server", "apply", "--dry-run"]).ok();
    assert_eq!(
        plan.stdout,
        "reference 2\nstart    billing\nstart    front\nshare    ledger-db\n"
    );
    world
        .server
        .apply()
        .ok()
        .says("reference 2 serves, before it was 1")
        .says("generation 1 stays paused for 30m, to serve again at once: it keeps ");
    assert_eq!(
        world.server.containers(),
        [
            "1 billing paused",
            "1 front paused",
            "1 ledger-db running",
            "2 billing running",
            "2 front running"
        ]
    );
    for _ in 0..2 {
        world.release(0).await;
        world.server.apply().ok();
    }
    let containers = world.server.containers();
    assert!(
        containers.contains(&"1 ledger-db running".to_owned()),
        "{containers:?}"
    );
    assert!(
        !containers.iter().any(|it| it.starts_with("1 billing")),
        "{containers:?}"
    );
    assert_eq!(
        world.server.networks(),
        4,
        "the database's own is still there"
    );
    world
        .server
        .run(&["server", "remove", "--yes"])
        .ok()
        .says("volumes that stay");
    assert_eq!(world.server.containers(), Vec::<String>::new());
    assert_eq!(world.server.networks(), 0);
    assert_eq!(world.server.table(), "");
}

/// What does not get healthy is removed, what ran goes on, and it is not tried again by itself.
#[tokio::test(flavor = "multi_thread")]
async fn a_reference_that_does_not_get_healthy_leaves_all_as_it_was() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.apply().ok();
    let before = (world.server.containers(), world.server.table());
    let broken = "port: 8080\ncommand: [/probe, exit, \"3\"]\nroutes: [{ path: /billing }]\nneeds: [ledger-db]\n\
                  health: { command: [/probe, check, /probe], interval: 200ms, timeout: 2s, start_period: 1s }\n";
    world.platform.write_container("billing", broken);
    world.platform.release("billing", "1.9").await;
    world.reference().await;
    world
        .server
        .apply()
        .code(7)
        .says("billing")
        .says("what ran before goes on");
    assert_eq!((world.server.containers(), world.server.table()), before);
    world
        .server
        .apply()
        .ok()
        .says("is not tried again (`--retry` does)");
    let status = world.server.status();
    assert_eq!(status["failed"]["reference"], 2, "{status}");
    world.server.run(&["server", "apply", "--retry"]).code(7);
    world.release(0).await;
    world.server.apply().ok();
    assert_eq!(world.server.reference(), 3);
}

/// A database that changes stops only where that is allowed, and its data is what it was.
#[tokio::test(flavor = "multi_thread")]
async fn data_is_never_used_twice() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.apply().ok();
    world.database("2");
    world.platform.release("ledger-db", "1.1").await;
    world.reference().await;
    world
        .server
        .apply()
        .code(2)
        .says("ledger-db, which cannot run twice")
        .says("--allow-stop ledger-db");
    assert_eq!(world.server.reference(), 1);
    let never = "windows: [{ days: [mon], from: 02:00, to: 02:01 }]";
    world.server.change("windows: []", never);
    let waits = world.server.apply().ok();
    waits.says("it waits for the maintenance window of Monday ");
    assert_eq!(world.server.reference(), 1);
    let always = "windows: [{ from: 00:00, to: 12:00 }, { from: 12:00, to: 00:00 }]";
    world.server.change(never, always);
    world.server.apply().ok();
    assert_eq!(world.server.reference(), 2);
    world.server.change(always, "windows: []");
    let running: Vec<String> = world
        .server
        .containers()
        .into_iter()
        .filter(|it| it.contains("ledger-db"))
        .collect();
    assert_eq!(running, ["1 ledger-db exited", "2 ledger-db running"]);
    world
        .server
        .run(&["server", "rollback", "--yes"])
        .code(2)
        .says("--allow-stop ledger-db");
    world
        .server
        .run(&["server", "rollback", "--yes", "--allow-stop", "ledger-db"])
        .ok();
    let running: Vec<String> = world
        .server
        .containers()
        .into_iter()
        .filter(|it| it.contains("ledger-db running"))
        .collect();
    assert_eq!(running, ["1 ledger-db running"]);
}

/// Back and forth as often as one likes, without the registry.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_kept_serves_again_without_a_registry() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.apply().ok();
    let net = Clients::new();
    // Whoever asks arrives as who it is, before a change and after it.
    let client = net.address.strip_suffix('1').unwrap().to_owned() + "2";
    assert_eq!(net.seen(world.server.port), client);
    world.reference().await;
    world.server.apply().ok();
    assert_eq!(net.seen(world.server.port), client);
    let run = |arguments: &[&str]| {
        let all = [&["--offline", "server"][..], arguments].concat();
        world.server.run(&all).ok();
        world.server.reference()
    };
    for _ in 0..3 {
        assert_eq!(run(&["rollback", "--yes"]), 1);
        assert_eq!(run(&["apply", "--again"]), 2);
    }
}
