//! Data and the versions that wrote it.

use super::*;
use crate::support::workstation::program;

/// Data of another major version of a service is refused with the way out; older code on newer data is
/// said, and asks.
#[tokio::test(flavor = "multi_thread")]
async fn versions_are_bound_to_their_data() {
    let mut platform = platform().await;
    for version in ["1.1", "2.0"] {
        platform.release("db", version).await;
        platform.reference().await;
        platform.promote("production").await;
    }
    let workstation = Workstation::initialised(&platform.url());
    let up = |reference: &str| {
        let up = [
            "up",
            "db",
            "--no-proxy",
            "--no-wait",
            "--reference",
            reference,
        ];
        workstation.run(&up)
    };
    up("2").ok();
    write(&workstation, "/srv/db/ready", "yes");
    write(&workstation, "/srv/db/row", "one");
    workstation.run(&["up"]).ok();
    workstation.run(&["snapshot", "save", "old"]).ok();
    let list = workstation.run(&["snapshot", "list"]).ok().stdout;
    assert!(list.contains("reference 2: db 1.1"), "{list}");

    let said = "data was last written by db 1.1 of reference 2";
    up("1")
        .code(2)
        .says(said)
        .says("start db 1.0 of reference 1 on it");
    let plan = workstation
        .run(&["up", "--reference", "1", "--dry-run"])
        .ok();
    plan.says(said)
        .says("`up` asks before it starts db 1.0 of reference 1 on it");
    let told = workstation.run(&["up", "--reference", "1", "--yes"]).ok();
    told.says(said);
    // Agreed to once, it is what wrote the data last.
    let again = workstation.run(&["up"]).ok();
    assert!(!again.stderr.contains("last written"), "{}", again.stderr);
    let restore = ["snapshot", "restore", "old", "--yes"];
    let told = workstation.run(&restore).ok();
    told.says("data was last written by db 1.1 of reference 2; db 1.0 of reference 1 is older");

    up("3").ok();
    workstation.run(&["up"]).ok();
    let before = volumes(&workstation);
    let refused = workstation.run(&restore).code(2);
    refused
        .says("old holds data of db 1.1 of reference 2, and db 2.0 of reference 3 runs here: another major version does not read it")
        .says("`devenv up db:1.1` runs that version");
    assert_eq!(volumes(&workstation), before);
    workstation.run(&["up", "db:1.1", "--yes"]).ok();
    workstation.run(&restore).ok();
    assert_eq!(row(&workstation), "one");
}

/// Each step of a search begins with the same data, though each candidate changes it.
#[tokio::test(flavor = "multi_thread")]
async fn a_search_begins_each_step_with_the_same_data() {
    let mut platform = platform().await;
    for version in ["1.1", "1.2", "1.3"] {
        platform.release("billing", version).await;
        platform.reference().await;
        platform.promote("production").await;
    }
    let workstation = running(&platform);
    workstation.run(&["snapshot", "save", "base"]).ok();
    // Bad from the third reference on; and wherever the step before left something.
    let program = program().display();
    let script = format!(
        "{program} exec db -T -- /probe show /srv/db/row | grep -qx one || exit 9\n\
         {program} exec db -T --user 0 -- /probe write /srv/db/row used || exit 8\n\
         {program} status --json | grep -q '\"version\":\"1.[23]\"' && exit 1\nexit 0"
    );
    let search = [
        "bisect",
        "--good",
        "1",
        "--bad",
        "4",
        "--snapshot",
        "base",
        "--json",
    ];
    let judged = ["--", "sh", "-c", &script];
    let refused = workstation.run(&[&search[..], &judged].concat()).code(2);
    refused.says("replace the data of the instance");
    let agreed = [&search[..], &["--yes"], &judged].concat();
    let said = workstation.run(&agreed).ok();
    let codes = said.stdout.lines().filter_map(|line| {
        let value: serde_json::Value = serde_json::from_str(line).unwrap();
        Some(value["codes"].as_array()?.clone())
    });
    let codes: Vec<_> = codes.flatten().collect();
    assert!(
        codes.len() > 3 && codes.iter().all(|it| *it == 0 || *it == 1),
        "{codes:?}"
    );
    let found = said.json();
    assert_eq!(
        (&found["good"], &found["bad"]),
        (&2.into(), &3.into()),
        "{found}"
    );
    let log = workstation.run(&["bisect", "log", "--json"]).ok().json();
    assert_eq!(log["snapshot"], "base");
    workstation.run(&["bisect", "reset"]).ok();
}
