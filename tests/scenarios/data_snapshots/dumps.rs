//! Services that save and restore their data by their own commands.

use super::*;

async fn platform_of(dump: &str, restore: &str) -> Synthetic {
    let needs = service("needs: [{ container: db, until: healthy }]\n");
    let db = dumped(dump, restore, "data: /srv/db");
    Synthetic::released(&[("db", &db), ("billing", &needs)]).await
}

fn dumped(dump: &str, restore: &str, volumes: &str) -> String {
    service(&format!(
        "volumes: {{ {volumes}, logs: /var/log/db }}\n\
         health: {{ command: [/probe, check, /probe], interval: 200ms, timeout: 2s, start_period: 1s, retries: 9 }}\n\
         snapshot: {{ dump: [/probe, {dump}], restore: [/probe, {restore}] }}\n"
    ))
}

fn running_on(platform: &Synthetic) -> Workstation {
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "db", "--no-proxy"]).ok();
    write(&workstation, "/srv/db/row", "one");
    workstation
}

/// Its own command writes the data while it runs, and reads it on an empty volume before anybody who needs
/// it starts.
#[tokio::test(flavor = "multi_thread")]
async fn a_service_that_runs_is_saved_and_restored() {
    let platform = platform_of("show, /srv/db/row", "pour, /srv/db/row, \"0\", \"1500\"").await;
    let workstation = running_on(&platform);
    write(&workstation, "/srv/db/other", "no part of it");
    let before = (
        started(&workstation, "db"),
        started(&workstation, "billing"),
    );
    let saved = workstation.run(&["snapshot", "save", "first", "--json"]);
    let saved = saved.ok().json();
    assert_eq!(saved["stopped"], serde_json::json!([]), "{saved}");
    let dumps = serde_json::json!([{ "container": "db", "volumes": ["data"], "size": 3 }]);
    assert_eq!(
        (&saved["dumps"], &saved["volumes"]),
        (&dumps, &serde_json::json!([]))
    );
    let now = (
        started(&workstation, "db"),
        started(&workstation, "billing"),
    );
    assert_eq!(now, before, "both went on running");
    let list = workstation.run(&["snapshot", "list"]).ok().stdout;
    assert!(list.contains("db 1.0 (dump)"), "{list}");

    write(&workstation, "/srv/db/row", "two");
    let old = volumes(&workstation);
    let restore = ["snapshot", "restore", "first", "--yes", "--json"];
    let restored = workstation.run(&restore).ok().json();
    assert_eq!(restored["ready"]["db"], "healthy", "{restored}");
    assert_eq!(row(&workstation), "one");
    let other = ["exec", "db", "-T", "--", "/probe", "check", "/srv/db/other"];
    workstation.run(&other).code(1);
    let new = volumes(&workstation);
    assert_eq!((new.len(), new.intersection(&old).count()), (1, 0));
    let time = |name: &str| -> jiff::Timestamp { started(&workstation, name).parse().unwrap() };
    let between = time("billing").duration_since(time("db"));
    assert!(between.as_millis() >= 1500, "{between:?}");
    workstation.run(&["up"]).ok().says("nothing to do");

    // Where it does not run, its files are saved.
    docker(&["stop", "--time", "0", &workstation.object("db")]);
    let saved = workstation.run(&["snapshot", "save", "stopped", "--json"]);
    let saved = saved.ok().json();
    assert_eq!(saved["dumps"], serde_json::json!([]), "{saved}");
    workstation.run(&["up"]).ok();
    workstation.run(&["down", "billing", "db"]).ok();
    let said = workstation.run(&restore).code(2);
    said.says("first holds what db wrote, which only db can read");
}

/// What its commands fail at changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn commands_that_fail_change_nothing() {
    let platform = platform_of("show, /srv/db/row", "pour, /srv/db/row, \"3\"").await;
    let workstation = running_on(&platform);
    workstation.run(&["snapshot", "save", "first"]).ok();
    write(&workstation, "/srv/db/row", "two");
    let before = volumes(&workstation);
    let said = workstation
        .run(&["snapshot", "restore", "first", "--yes"])
        .code(7);
    said.says("first was not restored: the data is what it was before")
        .says("the data of db in first was not read")
        .says("`/probe` exited with code 3")
        .says("row 7 is wrong")
        .says("what ran before runs again");
    assert_eq!(
        (row(&workstation).as_str(), volumes(&workstation)),
        ("two", before)
    );
    assert_eq!(workstation.containers(), ["billing running", "db running"]);
    docker(&[
        "exec",
        &workstation.object("db"),
        "/probe",
        "remove",
        "/srv/db/row",
    ]);
    let said = workstation.run(&["snapshot", "save", "second"]).code(7);
    said.says("cannot save the data of db")
        .says("exited with code 1");
    let list = workstation.run(&["snapshot", "list", "--json"]).ok().json();
    assert_eq!(list.as_array().unwrap().len(), 1, "{list}");
}

/// Volumes that the container had not when it was saved are replaced as well, and are there again where
/// that fails.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_came_later_is_not_lost() {
    let (dump, restore) = ("show, /srv/db/row", "pour, /srv/db/row, \"3\"");
    let mut platform = platform_of(dump, restore).await;
    let workstation = running_on(&platform);
    workstation.run(&["snapshot", "save", "first"]).ok();
    let file = workstation.home.path().join("first.snapshot");
    let path = file.to_str().unwrap();
    workstation.run(&["snapshot", "export", "first", path]).ok();
    let import = ["snapshot", "import", path, "--name", "again", "--json"];
    let imported = workstation.run(&import).ok().json();
    assert_eq!(imported["dumps"][0]["container"], "db", "{imported}");

    let mut release = async |version: &str, restore: &str| {
        let db = dumped(dump, restore, "data: /srv/db, archive: /srv/archive");
        platform.write_container("db", &db);
        platform.push("One volume more");
        platform.release("db", version).await;
        platform.reference().await;
        platform.promote("production").await;
        workstation.run(&["up", "--environment", "production"]).ok();
    };
    release("1.1", restore).await;
    write(&workstation, "/srv/archive/old", "kept");
    let before = volumes(&workstation);
    assert_eq!(before.len(), 2);
    let said = workstation
        .run(&["snapshot", "restore", "again", "--yes"])
        .code(7);
    said.says("all data in these will be replaced: archive of db, data of db");
    let old = [
        "exec",
        "db",
        "-T",
        "--",
        "/probe",
        "show",
        "/srv/archive/old",
    ];
    assert_eq!(workstation.run(&old).ok().stdout, "kept");
    assert_eq!(
        (row(&workstation).as_str(), volumes(&workstation)),
        ("one", before)
    );
    release("1.2", "pour, /srv/db/row").await;
    workstation
        .run(&["snapshot", "restore", "again", "--yes"])
        .ok();
    workstation.run(&old).code(1);
    assert_eq!(
        (row(&workstation).as_str(), volumes(&workstation).len()),
        ("one", 2)
    );
}

/// A kill while its command reads leaves the data as it was.
#[tokio::test(flavor = "multi_thread")]
async fn a_kill_while_it_is_read_leaves_the_data_as_it_was() {
    let platform = platform_of("show, /srv/db/row", "pour, /srv/db/row, \"0\", \"9000\"").await;
    let workstation = running_on(&platform);
    workstation.run(&["snapshot", "save", "first"]).ok();
    write(&workstation, "/srv/db/row", "two");
    let before = volumes(&workstation);
    let mut child = workstation.command();
    let restore = ["snapshot", "restore", "first", "--yes", "--json"];
    let mut child = child
        .args(restore)
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    let output = std::io::BufReader::new(child.stdout.take().unwrap());
    let mut lines = std::io::BufRead::lines(output);
    let reads = |line: std::io::Result<String>| line.unwrap().contains("restore db from first");
    assert!(lines.any(reads));
    child.kill().unwrap();
    child.wait().unwrap();
    workstation
        .run(&["up", "billing", "db"])
        .ok()
        .says("filling volumes was interrupted");
    assert_eq!(
        (row(&workstation).as_str(), volumes(&workstation)),
        ("two", before)
    );
    assert_eq!(workstation.containers(), ["billing running", "db running"]);
}

/// A volume that the container does not mount is no part of what its command writes: it is saved as files, and
/// stays what it is where it is in no snapshot.
#[tokio::test(flavor = "multi_thread")]
async fn a_volume_that_is_not_mounted_is_not_lost() {
    let (dump, restore) = ("show, /srv/db/row", "pour, /srv/db/row");
    let both = dumped(dump, restore, "data: /srv/db, archive: /srv/archive");
    let needs = service("needs: [{ container: db, until: healthy }]\n");
    let mut platform = Synthetic::released(&[("db", &both), ("billing", &needs)]).await;
    let workstation = running_on(&platform);
    write(&workstation, "/srv/archive/old", "kept");
    let archive = volumes(&workstation);
    let archive = archive.iter().find(|it| it.contains("archive")).unwrap();
    platform.write_container("db", &dumped(dump, restore, "data: /srv/db"));
    platform.push("One volume less");
    platform.release("db", "1.1").await;
    platform.reference().await;
    platform.promote("production").await;
    let up = ["up", "billing", "db", "--environment", "production"];
    workstation.run(&up).ok();
    let saved = workstation.run(&["snapshot", "save", "first", "--json"]);
    let saved = saved.ok().json();
    assert_eq!(saved["dumps"][0]["volumes"], serde_json::json!(["data"]));
    assert_eq!(saved["volumes"][0]["volume"], "archive", "{saved}");
    let restore = ["snapshot", "restore", "first", "--yes"];
    workstation.run(&restore).ok();
    assert_eq!(row(&workstation), "one");
    let now = volumes(&workstation);
    let now = now.iter().find(|it| it.contains("archive")).unwrap();
    assert_ne!(now, archive, "restored as files");
    let mount = format!("{now}:/v");
    let image = docker(&[
        "inspect",
        "--format",
        "{{.Image}}",
        &workstation.object("db"),
    ]);
    let show = [
        "run",
        "--rm",
        "--volume",
        &mount,
        image.trim(),
        "/probe",
        "show",
        "/v/old",
    ];
    assert_eq!(docker(&show), "kept");
}
