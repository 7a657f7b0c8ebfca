//! Logs of a server.

use crate::support::server::world::World;
use crate::support::workstation::docker;

/// What every generation printed and wrote is shown as one: of those that are paused and of those whose
/// containers are gone, whose files stay.
#[tokio::test(flavor = "multi_thread")]
async fn logs_of_all_generations_are_read() {
    let Some(mut world) = World::new().await else {
        return;
    };
    world.server.change("kept: 2", "kept: 1");
    let events = world.server.home.path().join("log/events.jsonl");
    for generation in 1..4 {
        if generation == 3 {
            // The log of events is due to begin anew.
            let file = std::fs::OpenOptions::new().write(true).open(&events);
            file.unwrap().set_len(5 << 20).unwrap();
        }
        if generation > 1 {
            world.release(0).await;
        }
        world.server.apply().ok();
        let (billing, file) = (
            world.server.object(generation, "billing"),
            "/var/log/tomcat/app.log",
        );
        let line = format!("line of {generation}\n");
        docker(&["exec", &billing, "/probe", "append", file, &line]);
    }
    let containers = world.server.containers();
    assert!(
        !containers.iter().any(|it| it.starts_with("1 billing")),
        "{containers:?}"
    );
    let logs = |arguments: &[&str]| {
        world
            .server
            .run(&[&["logs"], arguments].concat())
            .ok()
            .stdout
    };
    let all = logs(&["billing"]);
    for generation in 1..4 {
        let line = format!("app.log: line of {generation}");
        assert!(all.contains(&line), "{line}: {all}");
    }
    let printed = logs(&["front", "--source", "stdout"]);
    let starts = printed.matches("resuming normal operations").count();
    assert_eq!(
        starts, 2,
        "of the one that serves, and of the one that is paused: {printed}"
    );
    let folder = world.server.home.path().join("copied");
    logs(&["--to", folder.to_str().unwrap()]);
    let file = std::fs::read_to_string(folder.join("billing/app.log")).unwrap();
    assert!(file.contains("line of 1\n"), "{file}");
    // Nobody mounts the volume any more, and devenv says so of a server as of a workstation.
    let billing = world
        .server
        .containers()
        .into_iter()
        .filter(|it| it.contains("billing"));
    for line in billing {
        let generation = line.split(' ').next().unwrap().parse().unwrap();
        docker(&["rm", "--force", &world.server.object(generation, "billing")]);
    }
    assert!(logs(&["billing"]).contains("app.log: line of 1"));
}
