//! What a server's commands print with `--json`.

use std::collections::BTreeSet;

use crate::support::server::world::World;
use crate::support::shapes::DOCUMENTED;

/// Every command of a server prints the shape that is documented: each run is compared with it.
#[tokio::test(flavor = "multi_thread")]
async fn every_command_prints_its_documented_shape() {
    let Some(mut world) = World::new().await else {
        return;
    };
    let mut seen = BTreeSet::new();
    let server = world.server.home.path().to_owned();
    let metrics = server.join("devenv.prom").display().to_string();
    let trust = server.join("trust.yaml").display().to_string();
    let mut run = |world: &World, arguments: &str| {
        let mut words: Vec<&str> = arguments.split(' ').collect();
        let options = words.iter().filter(|it| **it == "--dry-run");
        let name = [&words[..1], &options.copied().collect::<Vec<_>>()].concat();
        seen.insert(format!("server {}", name.join(" ")));
        words.insert(0, "server");
        words.extend(["--json", "--yes"]);
        world.server.run(&words)
    };
    run(&world, "apply --dry-run").ok();
    run(&world, "apply").ok();
    run(&world, "apply").ok();
    run(&world, "check").ok();
    run(&world, "status").ok();
    run(&world, &format!("metrics {metrics}")).ok();
    world.release(0).await;
    run(&world, "apply").ok();
    run(&world, "rollback --reason sums").ok();
    run(&world, "status").ok();
    run(&world, "apply").ok();
    run(&world, "remove").ok();
    let again = format!(
        "init --registry {} --environment production --trust {trust} --name {} --addresses {} --accept-keys",
        world.platform.prefix, world.server.name, world.server.addresses
    );
    run(&world, &again).ok();
    let documented = DOCUMENTED.outputs.keys();
    let documented: BTreeSet<String> = documented
        .filter(|it| it.starts_with("server "))
        .cloned()
        .collect();
    assert_eq!(seen, documented);
}
