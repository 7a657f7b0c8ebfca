//! `snapshot`: the data of an instance, saved and restored as one thing.

mod cleaning;
mod dumps;
mod files;
mod kills;
mod seeds;
mod versions;

use std::collections::BTreeSet;
use std::time::Duration;

use crate::service;
use crate::support::synthetic::{PLATFORM, Synthetic, noise};
use crate::support::workstation::{Workstation, docker};

/// A database that is healthy as long as it has its file, and somebody who needs it.
fn database(rest: &str) -> String {
    service(&format!(
        "volumes: {{ data: /srv/db, logs: /var/log/db }}\n\
         health: {{ command: [/probe, check, /srv/db/ready], interval: 200ms, timeout: 2s, start_period: 1s, retries: 9 }}\n{rest}"
    ))
}

async fn platform() -> Synthetic {
    let needs = service("needs: [{ container: db, until: healthy }]\n");
    Synthetic::released(&[("db", &database("")), ("billing", &needs)]).await
}

/// A workstation that runs both, with data.
fn running(platform: &Synthetic) -> Workstation {
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "db", "--no-proxy", "--no-wait"])
        .ok();
    write(&workstation, "/srv/db/ready", "yes");
    write(&workstation, "/srv/db/row", "one");
    workstation.run(&["up", "billing", "db"]).ok();
    workstation
}

#[expect(
    clippy::disallowed_methods,
    reason = "nothing tells when it has started"
)]
fn write(workstation: &Workstation, path: &str, text: &str) {
    let object = workstation.object("db");
    // It may not be started yet.
    for _ in 0..100 {
        let write = [
            "exec", "--user", "0", &object, "/probe", "write", path, text,
        ];
        let ran = std::process::Command::new("docker").args(write).output();
        if ran.unwrap().status.success() {
            return;
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    panic!("{path} cannot be written");
}

/// Fills the volume with so many bytes that nothing packs well.
fn fill(workstation: &Workstation, bytes: usize) {
    let file = workstation.home.path().join("bulk");
    std::fs::write(&file, noise(bytes)).unwrap();
    let to = format!("{}:/srv/db/bulk", workstation.object("db"));
    docker(&["cp", file.to_str().unwrap(), &to]);
}

fn row(workstation: &Workstation) -> String {
    let show = ["exec", "db", "-T", "--", "/probe", "show", "/srv/db/row"];
    workstation.run(&show).ok().stdout
}

/// Every volume of the instance but those of log files.
fn volumes(workstation: &Workstation) -> BTreeSet<String> {
    let filter = format!("label=devenv.instance={}", workstation.instance);
    let names = docker(&["volume", "ls", "--quiet", "--filter", &filter]);
    let names = names.lines().filter(|it| !it.contains(".logs"));
    names.map(ToOwned::to_owned).collect()
}

fn started(workstation: &Workstation, name: &str) -> String {
    let format = ["inspect", "--format", "{{.State.StartedAt}}"];
    docker(&[&format[..], &[&workstation.object(name)]].concat())
}

/// What was saved is what runs after a restore, healthy; one volume is there before and after, and what
/// was in log files stays. A second snapshot costs next to nothing.
#[tokio::test(flavor = "multi_thread")]
async fn data_is_saved_and_restored() {
    let platform = platform().await;
    let workstation = running(&platform);
    let before = started(&workstation, "billing");
    let saved = workstation
        .run(&["snapshot", "save", "first", "--json"])
        .ok();
    let saved = saved.json();
    assert_eq!(saved["stopped"], serde_json::json!(["billing", "db"]));
    let first = saved["added"].as_u64().unwrap();
    assert!(first > 0, "{saved}");
    assert_ne!(started(&workstation, "billing"), before, "it was stopped");
    assert_eq!(workstation.container("db")["health"], "healthy");
    let known = workstation.run(&["snapshot", "save", "first"]).code(2);
    known.says("there is a snapshot called first already");

    let again = workstation.run(&["snapshot", "save", "again", "--json"]);
    assert_eq!(again.ok().json()["added"], 0, "nothing changed");
    write(&workstation, "/srv/db/row", "two");
    write(&workstation, "/var/log/db/log", "kept");
    let refused = workstation.run(&["snapshot", "restore", "first"]).code(2);
    refused
        .says("all data in these will be replaced: data of db")
        .says("`--yes` answers yes");
    assert_eq!(
        (row(&workstation).as_str(), volumes(&workstation).len()),
        ("two", 1)
    );
    let old = volumes(&workstation);
    let before = started(&workstation, "billing");
    let restore = ["snapshot", "restore", "first", "--yes", "--json"];
    let restored = workstation.run(&restore).ok().json();
    assert_eq!(restored["ready"]["db"], "healthy", "{restored}");
    assert_eq!(row(&workstation), "one");
    assert_ne!(
        started(&workstation, "billing"),
        before,
        "it saw what is gone"
    );
    let new = volumes(&workstation);
    assert_eq!((new.len(), new.intersection(&old).count()), (1, 0));
    let show = [
        "exec",
        "db",
        "-T",
        "--",
        "/probe",
        "show",
        "/var/log/db/log",
    ];
    assert_eq!(workstation.run(&show).ok().stdout, "kept");
    workstation.run(&["up"]).ok().says("nothing to do");
    let compare = workstation.run(&["compare", "db"]);
    assert!(!compare.stdout.contains("mounts"), "{}", compare.stdout);

    let list = workstation.run(&["snapshot", "list", "--json"]).ok().json();
    let names: Vec<&str> = list
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["first", "again"]);
    assert_eq!(
        (&list[0]["writers"]["db"]["version"], &list[0]["own"]),
        (&"1.0".into(), &0.into())
    );
    workstation
        .run(&["snapshot", "remove", "first"])
        .code(2)
        .says("`--yes`");
    workstation
        .run(&["snapshot", "remove", "first", "--yes"])
        .ok();
    workstation
        .run(&["snapshot", "restore", "again", "--yes"])
        .ok();
    assert_eq!(
        row(&workstation),
        "one",
        "the other one's chunks are still there"
    );
    workstation
        .run(&["snapshot", "remove", "again", "--yes"])
        .ok();
    let chunks = workstation.home.path().join("data/snapshots/acme/chunks");
    assert_eq!(std::fs::read_dir(chunks).unwrap().count(), 0);

    workstation.run(&["down"]).ok();
    workstation.run(&["up", "db", "--no-proxy"]).ok();
    assert_eq!(row(&workstation), "one", "it outlives the containers");
    workstation.run(&["down", "--volumes", "--yes"]).ok();
    assert_eq!(volumes(&workstation).len(), 0);
    workstation
        .run(&["snapshot", "save", "none"])
        .code(2)
        .says("has no volume with data");
}

/// Data with which a container does not get healthy is not restored: what ran before runs again.
#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_healthy_is_not_restored() {
    let platform = platform().await;
    let workstation = running(&platform);
    docker(&[
        "exec",
        &workstation.object("db"),
        "/probe",
        "remove",
        "/srv/db/ready",
    ]);
    let save = ["snapshot", "save", "broken", "--timeout", "5s"];
    workstation
        .run(&save)
        .code(7)
        .says("the snapshot broken is saved, but");
    write(&workstation, "/srv/db/ready", "yes");
    write(&workstation, "/srv/db/row", "two");
    // Until the next probe it is what the last one said.
    assert!((0..200).any(|_| workstation.container("db")["health"] == "healthy"));
    workstation.run(&["up", "billing", "db"]).ok();
    let before = volumes(&workstation);
    let restore = ["snapshot", "restore", "broken", "--yes", "--timeout", "5s"];
    let said = workstation.run(&restore).code(7);
    said.says("broken was not restored: the data is what it was before")
        .says("what ran before runs again");
    assert_eq!(
        (row(&workstation).as_str(), volumes(&workstation)),
        ("two", before)
    );
    assert_eq!(workstation.containers(), ["billing running", "db running"]);
    workstation.run(&["up"]).ok().says("nothing to do");
}

/// What a restore on another engine left to be removed is not removed here, where the same name is of what is
/// in use.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_restored_on_another_engine_removes_nothing_here() {
    let platform = platform().await;
    let workstation = running(&platform);
    let before = volumes(&workstation);
    let plain = before.first().unwrap();
    let record = serde_json::json!({
        "places": { format!("{plain}.elsewhere"): plain },
        "unneeded": { plain: { "by": format!("{plain}.elsewhere"), "since": "2026-11-30T00:00:00Z" } },
    });
    let file = format!("state/instances/{PLATFORM}/{}.data", workstation.instance);
    let file = workstation.home.path().join(file);
    for _ in 0..2 {
        std::fs::write(&file, record.to_string()).unwrap();
        workstation.run(&["down"]).ok();
    }
    assert_eq!(volumes(&workstation), before);
    workstation.run(&["up", "db"]).ok();
    assert_eq!(
        (row(&workstation).as_str(), volumes(&workstation)),
        ("one", before)
    );
    std::fs::remove_file(file).unwrap();
}

/// A container begins again with empty volumes after a question; what does not get ready on them has its
/// data again.
#[tokio::test(flavor = "multi_thread")]
async fn a_container_begins_again() {
    let platform = platform().await;
    let workstation = running(&platform);
    let fresh = ["up", "--fresh", "db", "--timeout", "5s"];
    let refused = workstation.run(&fresh).code(2);
    refused
        .says("all data in these will be removed: data of db")
        .says("begin again with empty volumes?");
    let before = volumes(&workstation);
    let agreed = [&fresh[..], &["--yes"]].concat();
    // It is healthy with its file only.
    workstation
        .run(&agreed)
        .code(7)
        .says("the data is what it was before");
    workstation.run(&["up"]).ok();
    assert_eq!(
        (row(&workstation).as_str(), volumes(&workstation)),
        ("one", before)
    );

    let plain = service("volumes: { data: /srv/db }\n");
    let platform = Synthetic::released(&[("db", &plain)]).await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "db", "--no-proxy"]).ok();
    write(&workstation, "/srv/db/row", "one");
    let before = volumes(&workstation);
    workstation.run(&agreed).ok();
    let check = ["exec", "db", "-T", "--", "/probe", "check", "/srv/db/row"];
    workstation.run(&check).code(1);
    let now = volumes(&workstation);
    assert_eq!((now.len(), now.intersection(&before).count()), (1, 0));
}
