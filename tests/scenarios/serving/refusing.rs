//! What a server refuses: each time in its own words, and what served goes on.

use std::net::{Ipv4Addr, TcpListener};

use ring::rand::{SecureRandom as _, SystemRandom};

use crate::red_team::{move_tag, tagged};
use crate::service;
use crate::support::real_engine::tar;
use crate::support::second_engine::{Kind, SecondEngine};
use crate::support::server::clients::Clients;
use crate::support::server::world::World;
use crate::support::server::{TestServer, port, possible};
use crate::support::synthetic::Synthetic;

/// What served before something was refused: containers, the kernel's table, and an answer.
#[derive(Debug, PartialEq, Eq)]
struct Serving {
    containers: Vec<String>,
    table: String,
    answer: String,
}

impl Serving {
    fn of(world: &World, net: &Clients) -> Self {
        Self {
            containers: world.server.containers(),
            table: world.server.table(),
            answer: net.get(world.server.port, "/billing"),
        }
    }
}

/// Signs a ledger as production and publishes it as production's with its sequence.
async fn publish(platform: &Synthetic, ledger: &devenv::model::ledger::Ledger) {
    let digest = ledger.current().unwrap().digest;
    let statement = platform.statement("front", digest, ledger.clone());
    let tags = [
        format!("production-{}", ledger.sequence),
        "production".to_owned(),
    ];
    platform
        .publish_document("environments", &tags, platform.bundles(&statement))
        .await;
}

/// A ledger of another environment, a rewritten one, an old one, an expired one, a clock that is two hours
/// slow (an hour is borne, either way), a reference of another platform, a file with an unknown key: refused, and told by `check`.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_this_servers_is_refused_and_what_served_goes_on() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let patience = "check: { bad: 2, of: 3 }";
    world.server.change(patience, "check: { bad: 1, of: 1 }");
    world.server.apply().ok();
    let net = Clients::new();
    let before = Serving::of(&world, &net);
    assert_eq!(before.answer, "v1");

    world.server.change("kept: 2", "kept: 2\nkeept: 3");
    let refused = world.server.apply().code(2);
    refused.says("server.yaml:").says("unknown field `keept`");
    let check = world.server.run(&["server", "check"]).code(3);
    assert!(check.stdout.starts_with("UNKNOWN - "), "{}", check.stdout);
    world.server.change("\nkeept: 3", "");
    assert_eq!(Serving::of(&world, &net), before);

    let first = tagged(&world.platform, "environments", "production-1").await;
    world.platform.promote("recette").await;
    let recette = tagged(&world.platform, "environments", "recette-1").await;
    for tag in ["production", "production-1"] {
        move_tag(&world.platform, "environments", tag, &recette).await;
    }
    let words = "it is the ledger of recette, not of production";
    world.server.apply().code(5).says(words);
    let check = world.server.run(&["server", "check"]).code(1);
    let told = "WARNING - the ledger cannot be followed: ";
    assert!(check.stdout.starts_with(told), "{}", check.stdout);
    assert!(check.stdout.contains(words), "{}", check.stdout);
    for tag in ["production", "production-1"] {
        move_tag(&world.platform, "environments", tag, &first).await;
    }
    world.server.apply().ok();
    world.server.run(&["server", "check"]).ok();
    assert_eq!(Serving::of(&world, &net), before);

    let mut forked = world.platform.ledger("production");
    forked.sequence = 2;
    forked.entries[0].by = "somebody else".to_owned();
    publish(&world.platform, &forked).await;
    world.server.apply().code(5).says("it does not extend");
    assert_eq!(Serving::of(&world, &net), before);

    world.release(0).await;
    // More than an hour behind: what production has just signed is not of this time.
    world.server.apply_at("-2h").code(5).says("in the future");
    assert_eq!(Serving::of(&world, &net), before);
    world.server.apply_at("-1h").ok().says("reference 2 serves");
    world.server.apply_at("+1h").ok();
    let before = Serving::of(&world, &net);
    assert_eq!(before.answer, "v2");
    let check = world.server.run(&["server", "check"]).ok();
    assert!(check.stdout.contains("'ledger_age'=0s"), "{}", check.stdout);

    let second = tagged(&world.platform, "environments", "production-2").await;
    for tag in ["production", "production-2"] {
        move_tag(&world.platform, "environments", tag, &first).await;
    }
    let words = "an old ledger is passed off as current";
    world.server.apply().code(5).says(words);
    for tag in ["production", "production-2"] {
        move_tag(&world.platform, "environments", tag, &second).await;
    }
    assert_eq!(Serving::of(&world, &net), before);

    world.release(0).await;
    let words = "expired at";
    world.server.apply_at("+200d").code(5).says(words);
    assert_eq!(Serving::of(&world, &net), before);

    let mut reference = world.platform.compile();
    reference.platform = "other".parse().unwrap();
    let (number, digest) = world.platform.publish_reference(&reference).await;
    world
        .platform
        .promote_to("production", number, digest)
        .await;
    world.server.apply().code(5).says("other");
    assert_eq!(Serving::of(&world, &net), before);
    world.server.run(&["server", "check"]).code(1);

    world.release(0).await;
    world.server.apply().ok();
    assert_eq!(net.get(world.server.port, "/billing"), "v4");
}

/// A table of another server that leads a port; it goes with the test.
struct Table<'a>(&'a TestServer);

impl<'a> Table<'a> {
    fn leading(server: &'a TestServer, port: u16) -> Self {
        let table = Self(server);
        let map = format!(
            "{{ type inet_service : ipv4_addr . inet_service; elements = {{ {port} : 127.0.0.1 . 80 }}; }}"
        );
        server.nft_says(&["add", "table", "ip", &table.name()]);
        server.nft_says(&["add", "map", "ip", &table.name(), "to", &map]);
        table
    }

    fn name(&self) -> String {
        format!("devenv_{}_b", self.0.name)
    }
}

impl Drop for Table<'_> {
    fn drop(&mut self) {
        self.0.nft_says(&["delete", "table", "ip", &self.name()]);
    }
}

/// A port that another program holds is refused before anything starts; once it is free the next apply
/// brings the reference up, and of two at once the second finds nothing to do.
#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_is_held_is_refused_and_two_at_once_take_turns() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.apply().ok();
    let net = Clients::new();
    let before = Serving::of(&world, &net);
    let more = port();
    let held = TcpListener::bind((Ipv4Addr::UNSPECIFIED, more)).unwrap();
    world.more = Some(more);
    world.release(0).await;
    let refused = world.server.apply().code(4);
    let refused = refused.says(&format!("port {more} of this machine"));
    refused.says("is taken").says("`ss ");
    assert_eq!(Serving::of(&world, &net), before);
    drop(held);
    // Nothing listens where a kernel's table leads.
    let other = Table::leading(&world.server, more);
    let refused = world.server.run(&["server", "apply", "--retry"]).code(4);
    refused.says(&format!(
        "the server of the table {} leads it",
        other.name()
    ));
    drop(other);

    let name = format!("name: {}", world.server.name);
    world.server.change(&name, "name: another");
    for command in [&["apply"][..], &["check"], &["remove", "--yes"]] {
        let ran = world.server.run(&[&["server"], command].concat());
        let code = if command == ["check"] { 3 } else { 2 };
        let ran = ran.code(code);
        let said = format!("{}{}", ran.stdout, ran.stderr);
        assert!(said.contains("and server.yaml says platform: "), "{said}");
    }
    world.server.change("name: another", &name);
    assert_eq!(Serving::of(&world, &net), before);

    let start = || {
        let mut apply = world.server.command();
        apply.args(["server", "apply", "--retry"]);
        apply.stdout(std::process::Stdio::piped());
        apply.stderr(std::process::Stdio::piped());
        apply.spawn().unwrap()
    };
    let both = [start(), start()];
    let ended = both.map(|it| it.wait_with_output().unwrap());
    let said: Vec<String> = ended
        .iter()
        .map(|it| String::from_utf8_lossy(&it.stderr).into_owned())
        .collect();
    assert!(ended.iter().all(|it| it.status.success()), "{said:?}");
    let did = |words: &str| said.iter().filter(|it| it.contains(words)).count();
    assert_eq!(did("reference 2 serves"), 1, "{said:?}");
    assert_eq!(did("waiting for another devenv command"), 1, "{said:?}");
    assert_eq!(net.get(world.server.port, "/billing"), "v2");
    let containers = world.server.containers();
    assert!(
        !containers.iter().any(|it| it.starts_with('3')),
        "{containers:?}"
    );
}

/// A disk that gets full while an image is pulled: what was begun is removed, what served goes on; once
/// there is room, `--retry` brings the reference up.
#[tokio::test(flavor = "multi_thread")]
async fn a_disk_that_gets_full_while_pulling_leaves_all_as_it_was() {
    if !possible() {
        return;
    }
    let Some(engine) = SecondEngine::start(Kind::Own, 60) else {
        return;
    };
    let port = port();
    let mut platform = Synthetic::define(&[("billing", &service(""))]);
    let front = format!(
        "kind: proxy\npublish: [{{ host: {port}, container: 80 }}]\ncommand: [/probe, listen, \"80\"]\n"
    );
    platform.write_container("front", &front);
    platform.push("A server's proxy");
    platform.release("billing", "1.0").await;
    platform.reference().await;
    platform.promote("production").await;
    let server = TestServer::on(Some(engine.host()), None, &platform, port);
    server.change("free_disk: 1GiB", "free_disk: 1MiB");
    server.apply().ok();
    let before = (server.containers(), server.table());

    let mut noise = vec![0; 64 << 20];
    SystemRandom::new().fill(&mut noise).unwrap();
    let layer = tar(&[("noise", 0o644, &noise)]);
    let repository = platform.repository("billing");
    let image = platform
        .publish_image(&repository, "large", &["/probe", "sleep"], &[layer])
        .await;
    platform.sign_build("billing", "1.1", &image).await;
    platform.reference().await;
    platform.promote("production").await;
    let refused = server.apply().code(4).says("no space left on device");
    refused.says("what ran before goes on");
    assert_eq!((server.containers(), server.table()), before);
    assert_eq!(server.networks(), 1);
    server.apply().ok().says("is not tried again");
    server.change("free_disk: 1MiB", "free_disk: 1GiB");
    let words = "`free_disk` in server.yaml wants 1GiB";
    server
        .run(&["server", "apply", "--retry"])
        .code(4)
        .says(words);
    server.change("free_disk: 1GiB", "free_disk: 1MiB");
    engine.resize(400);
    server.run(&["server", "apply", "--retry"]).ok();
    assert_eq!(server.reference(), 2);
}
