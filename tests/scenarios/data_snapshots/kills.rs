//! Commands on data that are killed.

use super::*;

/// A kill at any moment of a restore leaves the volume as it was; the next `up` runs on it, and nothing
/// of the restore is left. A kill of a save leaves no snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_at_any_moment_leaves_the_data_as_it_was() {
    let platform = platform().await;
    let workstation = running(&platform);
    fill(&workstation, 30_000_000);
    #[expect(clippy::disallowed_methods, reason = "the moment of the kill")]
    let interrupted = |arguments: &[&str], after: u64| {
        let mut command = workstation.command();
        command.args(arguments).stdout(std::process::Stdio::null());
        let mut child = command.stderr(std::process::Stdio::null()).spawn().unwrap();
        std::thread::sleep(Duration::from_millis(after));
        let ended = child.try_wait().unwrap().is_some();
        let _ = child.kill();
        child.wait().unwrap();
        ended
    };
    let mut saved = false;
    for (number, after) in [150, 500, 1000, 2000].into_iter().enumerate() {
        let name = format!("killed{number}");
        saved |= interrupted(&["snapshot", "save", &name], after);
        let list = workstation.run(&["snapshot", "list", "--json"]).ok().json();
        for it in list.as_array().unwrap() {
            assert!(it["size"].as_u64().unwrap() > 30_000_000, "half: {it}");
        }
    }
    workstation.run(&["snapshot", "save", "whole"]).ok();
    assert_eq!(workstation.containers(), ["billing running", "db running"]);
    write(&workstation, "/srv/db/row", "two");
    let mut kills = 0;
    for after in [100, 300, 500, 800, 1200, 1700, 2300, 3000, 4000, 6000] {
        let before = volumes(&workstation);
        let whole = interrupted(&["snapshot", "restore", "whole", "--yes"], after);
        workstation.run(&["up", "billing", "db"]).ok();
        assert_eq!(workstation.containers(), ["billing running", "db running"]);
        let now = volumes(&workstation);
        assert_eq!(now.len(), 1, "after {after} ms: {now:?}");
        if whole || now != before {
            // It had come to its end, whether it could still say so or not.
            assert_eq!(row(&workstation), "one", "after {after} ms");
            write(&workstation, "/srv/db/row", "two");
        } else {
            assert_eq!(row(&workstation), "two", "after {after} ms");
            kills += 1;
        }
    }
    assert!(kills >= 3, "{kills} kills came before the end ({saved})");
}

/// What a killed restore made is removed although the engine still comes with a container that it had been
/// asked for.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_engine_still_makes_for_a_killed_restore_is_waited_for() {
    let platform = platform().await;
    let workstation = running(&platform);
    let before = volumes(&workstation);
    let new = format!("{}.late", before.first().unwrap());
    let owner = format!("devenv.instance={}", workstation.instance);
    docker(&["volume", "create", "--label", &owner, &new]);
    let inspect = [
        "inspect",
        "--format",
        "{{.Image}}",
        &workstation.object("db"),
    ];
    let image = docker(&inspect);
    let name = format!("{new}.user");
    let mount = format!("{new}:/late");
    docker(&["create", "--name", &name, "--volume", &mount, image.trim()]);
    let record = serde_json::json!({
        "unneeded": { new.clone(): { "by": new, "since": "2026-11-30T00:00:00Z" } },
        "unfinished": { "what": "restoring", "before": {}, "written": {} },
    });
    let file = format!("state/instances/{PLATFORM}/{}.data", workstation.instance);
    std::fs::write(workstation.home.path().join(file), record.to_string()).unwrap();
    let late = format!("sleep 1.5; docker rm --force {name}");
    let mut late = std::process::Command::new("sh")
        .args(["-c", &late])
        .stdout(std::process::Stdio::null())
        .spawn()
        .unwrap();
    let up = workstation.run(&["up", "billing", "db"]);
    late.wait().unwrap();
    up.ok().says("filling volumes was interrupted");
    assert_eq!(volumes(&workstation), before);
    assert_eq!(row(&workstation), "one");
}
