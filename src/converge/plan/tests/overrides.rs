//! What the user's own changes do to what is created.

use serde_json::{Value, json};

use super::world::World;
use crate::converge::desired::DesiredContainer;
use crate::model::container::Until;
use crate::model::overrides::Overrides;

/// `invoices` and what it needs, with these changes to `billing`.
fn with(own: &str) -> World {
    let text = format!("containers: {{ billing: {{ {own} }} }}");
    World {
        overrides: Overrides::parse("own.yaml", text.as_bytes()).unwrap(),
        ..World::asking_for(&["invoices"])
    }
}

fn container(world: &World, name: &str) -> DesiredContainer {
    let desired = world.desired();
    let mut found = desired.containers.into_iter();
    found.find(|it| it.name.as_str() == name).unwrap()
}

fn billing(own: &str) -> DesiredContainer {
    container(&with(own), "billing")
}

#[test]
fn each_key_changes_the_body_and_with_it_the_hash() {
    let plain = billing("");
    let cases: [(&str, &str, Value); 7] = [
        ("command: [a, b]", "/Cmd", json!(["a", "b"])),
        ("entrypoint: [sh]", "/Entrypoint", json!(["sh"])),
        ("memory: 1MiB", "/HostConfig/Memory", json!(1 << 20)),
        (
            "publish: [5005]",
            "/HostConfig/PortBindings/5005~1tcp/0/HostPort",
            json!("5005"),
        ),
        ("environment: { A: b }", "/Env/0", json!("A=b")),
        ("environment: { A: null }", "/Env/0", json!("A")),
        ("health: off", "/Healthcheck/Test", json!(["NONE"])),
    ];
    for (own, place, wanted) in cases {
        let changed = billing(own);
        let body = serde_json::to_value(&changed.body).unwrap();
        assert_eq!(body.pointer(place), Some(&wanted), "{own}: {body}");
        assert_ne!(changed.spec, plain.spec, "{own}");
    }
}

#[test]
fn a_folder_takes_the_place_of_the_volume_at_its_path() {
    let world = with("mounts: [{ from: /src/logs, to: /var/log/tomcat, read_only: true }]");
    let mounts = container(&world, "billing").body.host_config.mounts;
    assert_eq!(
        serde_json::to_value(&mounts).unwrap(),
        json!([{ "ReadOnly": true, "Source": "/src/logs", "Target": "/var/log/tomcat", "Type": "bind" }])
    );
    let volumes = world.desired().volumes;
    assert!(
        !volumes.iter().any(|it| it.contains("billing")),
        "{volumes:?}"
    );
}

#[test]
fn nobody_waits_for_health_that_is_switched_off() {
    let until = |own: &str| container(&with(own), "invoices").needs[0].until;
    assert_eq!(until(""), Until::Healthy);
    assert_eq!(until("health: off"), Until::Started);
    assert_eq!(billing("health: off").ready(), Until::Started);
}

#[test]
fn the_users_own_variable_wins_over_the_secret_of_its_name() {
    assert_eq!(billing("").secrets.len(), 1);
    let own = billing("environment: { DB_PASSWORD: mine }");
    assert!(own.secrets.is_empty());
    assert!(own.body.env.contains(&"DB_PASSWORD=mine".to_owned()));
}
