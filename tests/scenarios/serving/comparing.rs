//! A workstation compared with the server of its environment.

use std::collections::BTreeSet;

use crate::support::server::world::World;
use crate::support::workstation::{Workstation, docker};

/// What ports, configuration and the choice of containers make different is declared; what somebody
/// changed on the server by hand is found.
#[tokio::test(flavor = "multi_thread")]
async fn a_workstation_is_compared_with_its_server() {
    let Some(world) = World::new().await else {
        return;
    };
    world.server.apply().ok();
    let workstation = Workstation::initialised(&world.platform.url());
    workstation.run(&["up", "billing"]).ok();
    let record = workstation.home.path().join("server.json");
    let record = record.display().to_string();
    let compared = |code| {
        let facts = world.server.run(&["facts", "--output", &record]).ok();
        facts.says("compares an instance with it");
        let with = ["compare", "--with", &record, "--json"];
        let ran = workstation.run(&with).code(code);
        let found = ran.json()["facets"].as_array().unwrap().clone();
        let of = |verdict: &str| -> BTreeSet<String> {
            let found = found.iter().filter(|it| it["verdict"] == verdict);
            let text = |it: &serde_json::Value| {
                format!("{} {}", it["container"], it["facet"]).replace('"', "")
            };
            found.map(text).collect()
        };
        ["equal", "declared", "different"].map(of)
    };
    let refused = ["compare", "--with", &record];
    world.server.run(&["facts", "--output", &record]).ok();
    workstation
        .run(&refused)
        .code(5)
        .says("no server of the pinned trust file has the key");
    let key = world.server.home.path().join("config/server.pub");
    let key = std::fs::read_to_string(key).unwrap();
    let pinned = workstation.home.path().join("config/trust/acme.yaml");
    let mut trust = std::fs::read_to_string(&pinned).unwrap();
    trust.push_str("servers:\n  web1: |\n");
    for line in key.lines() {
        trust.extend(["    ", line, "\n"]);
    }
    std::fs::write(&pinned, trust).unwrap();
    let believed = workstation.run(&refused).ok().stdout;
    let whose = "compared with the server web1's record of";
    assert!(believed.contains(whose), "{believed}");
    let [equal, declared, different] = compared(0);
    assert_eq!(different, BTreeSet::new());
    for facet in ["billing image", "billing memory", "null kernel"] {
        assert!(equal.contains(facet), "{facet}: {equal:?}");
    }
    let expected = [
        "billing environment/PLATFORM_ENVIRONMENT",
        "front environment/PLATFORM_ENVIRONMENT",
        "front published",
        "ledger-db environment/PLATFORM_ENVIRONMENT",
    ];
    assert_eq!(declared, expected.map(ToOwned::to_owned).into());
    let object = world.server.object(1, "billing");
    docker(&[
        "update",
        "--memory",
        "80MiB",
        "--memory-swap",
        "160MiB",
        &object,
    ]);
    let [_, _, different] = compared(1);
    let changed = ["billing memory", "billing memory-swap"];
    assert_eq!(different, changed.map(ToOwned::to_owned).into());
}
