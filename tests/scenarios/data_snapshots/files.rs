//! Snapshots as files.

use super::*;

/// One file carries a snapshot to another workstation; what was changed in it, or is of another platform,
/// is refused, and leaves nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_snapshot_is_given_away() {
    let platform = platform().await;
    let workstation = running(&platform);
    fill(&workstation, 3_000_000);
    workstation.run(&["snapshot", "save", "mine"]).ok();
    let file = workstation.home.path().join("mine.snapshot");
    let path = file.to_str().unwrap();
    let export = ["snapshot", "export", "mine", path, "--json"];
    let exported = workstation.run(&export).ok().json();
    assert_eq!(exported["bytes"], std::fs::metadata(&file).unwrap().len());
    workstation.run(&export).code(2).says("is there already");
    let known = workstation.run(&["snapshot", "import", path]).code(2);
    known.says("there is a snapshot called mine already");

    let other = running(&platform);
    let import = ["snapshot", "import", path, "--name", "theirs", "--json"];
    let imported = other.run(&import).ok().json();
    assert_eq!(
        (&imported["name"], &imported["instance"]),
        (&"theirs".into(), &workstation.instance.clone().into())
    );
    assert!(
        imported["added"].as_u64().unwrap() > 3_000_000,
        "{imported}"
    );
    write(&other, "/srv/db/row", "two");
    other.run(&["snapshot", "restore", "theirs", "--yes"]).ok();
    assert_eq!(row(&other), "one");

    other.run(&["snapshot", "remove", "theirs", "--yes"]).ok();
    let whole = std::fs::read(&file).unwrap();
    let chunks = other.home.path().join("data/snapshots/acme/chunks");
    let refused = |bytes: &[u8], what: &str| {
        std::fs::write(&file, bytes).unwrap();
        other.run(&import).code(2).says(what);
        let left = std::fs::read_dir(&chunks).unwrap().count();
        assert_eq!(left, 0, "{what}");
    };
    refused(&whole[..whole.len() / 2], "cannot import");
    let mut changed = whole.clone();
    let middle = changed.len() / 2;
    changed[middle] ^= 1;
    refused(&changed, "is damaged");
    refused(b"", "cannot import");
    let text = String::from_utf8_lossy(&whole[..4096]).into_owned();
    let at = text.find("\"acme\"").unwrap();
    let mut foreign = whole.clone();
    foreign[at..at + 6].copy_from_slice(b"\"acmf\"");
    refused(&foreign, "it is of the platform acmf, not of acme");
    let list = other.run(&["snapshot", "list", "--json"]).ok().json();
    assert_eq!(list, serde_json::json!([]));
}
