//! What interrupted commands left of snapshots.

use super::*;

/// Chunks that no snapshot needs are shown, and removed after a question; what a snapshot needs stays.
#[tokio::test(flavor = "multi_thread")]
async fn what_no_snapshot_needs_is_cleaned() {
    let platform = platform().await;
    let workstation = running(&platform);
    workstation.run(&["snapshot", "save", "kept"]).ok();
    let chunks = workstation.home.path().join("data/snapshots/acme/chunks");
    let (folder, name) = (chunks.join("ab"), format!("ab{}", "0".repeat(62)));
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&name), [1; 2000]).unwrap();
    std::fs::write(folder.join(".tmp123"), [1; 1000]).unwrap();
    let shown = workstation
        .run(&["clean", "--dry-run", "--json"])
        .ok()
        .json();
    let shown = shown["would_remove"].as_array().unwrap().clone();
    let found = shown.iter().find(|it| it["kind"] == "chunks").unwrap();
    assert_eq!(
        (&found["name"], &found["bytes"]),
        (&"acme: 2 files".into(), &3000.into())
    );
    workstation.run(&["clean"]).code(2).says("--yes");
    assert!(folder.join(&name).exists());
    let cleaned = workstation.run(&["clean", "--yes", "--json"]).ok().json();
    assert!(
        cleaned["removed"].as_array().unwrap().contains(found),
        "{cleaned}"
    );
    assert!(!folder.exists());
    write(&workstation, "/srv/db/row", "two");
    workstation
        .run(&["snapshot", "restore", "kept", "--yes"])
        .ok();
    assert_eq!(row(&workstation), "one");

    // Where a manifest cannot be read, nobody knows what it needs.
    let manifests = workstation
        .home
        .path()
        .join("data/snapshots/acme/manifests");
    std::fs::write(manifests.join("broken.json"), "{").unwrap();
    std::fs::create_dir_all(&folder).unwrap();
    std::fs::write(folder.join(&name), [1; 2000]).unwrap();
    let cleaned = workstation.run(&["clean", "--yes"]).ok();
    cleaned.says("chunks of acme's snapshots stay");
    assert!(folder.join(&name).exists());
}
