//! What an image says of itself, where its definition is silent.

use super::world::{Engine, World};
use crate::converge::desired::DesiredContainer;
use crate::model::container::Until;
use crate::model::image_configuration::ImageDefaults;
use crate::model::text::AbsolutePath;

fn world() -> World {
    let path = |text: &str| AbsolutePath::new(text).unwrap();
    let mut world = World::asking_for(&["customers"]);
    world.image = ImageDefaults {
        has_health: true,
        volumes: [path("/var/log/tomcat"), path("/srv/queue")].into(),
    };
    world
}

#[test]
fn its_check_is_waited_for_and_none_is_put_over_it() {
    let desired = world().desired();
    let customers = &desired.containers[0];
    assert_eq!(customers.ready(), Until::Healthy);
    assert_eq!(customers.body.healthcheck, None);
    let without = World::asking_for(&["customers"]).desired();
    assert_eq!(without.containers[0].ready(), Until::Started);
    let same = |it: &DesiredContainer| it.body.env.clone();
    assert_eq!(same(customers), same(&without.containers[0]));
}

#[test]
fn its_volumes_are_kept_under_a_name_unless_they_have_one() {
    let (world, mut engine) = (world(), Engine::default());
    let desired = world.desired();
    let mounts = &desired.containers[0].body.host_config.mounts;
    let mounts: Vec<_> = mounts
        .iter()
        .map(|it| (it.source.as_str(), it.target.as_str()))
        .collect();
    let of = "devenv-acme-default-customers";
    let (logs, kept) = (format!("{of}.logs"), format!("{of}.image_srv_queue"));
    assert_eq!(
        mounts,
        [
            (logs.as_str(), "/var/log/tomcat"),
            (kept.as_str(), "/srv/queue")
        ]
    );
    let plan = world.plan(&engine).to_string();
    assert!(plan.contains(&format!("create volume {kept}")), "{plan}");
    world.up(&mut engine);
    assert!(world.plan(&engine).nodes.is_empty());
}
