//! `init`: from a URL to pinned keys.

use crate::app;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::Workstation;

#[tokio::test(flavor = "multi_thread")]
async fn keys_are_shown_and_never_taken_silently() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let fingerprint = platform.trust.keys[0].fingerprint().to_string();
    let workstation = Workstation::empty();
    let asked = workstation.run(&["init", &platform.url()]).code(2);
    asked.says(&fingerprint).says("--accept-keys");
    workstation
        .run(&["status"])
        .code(2)
        .says("no platform is initialised here");
    workstation
        .run(&["init", &platform.url(), "--accept-keys"])
        .ok();
    workstation
        .run(&["init", &platform.url(), "--accept-keys"])
        .code(2)
        .says("is initialised already");
}

#[tokio::test(flavor = "multi_thread")]
async fn another_repository_cannot_take_a_platforms_name() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let impostor = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["init", &impostor.url(), "--accept-keys"])
        .code(5)
        .says("another repository claims its name");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trust_file_got_by_another_way_counts_instead_of_gits() {
    let platform = Synthetic::define(&[("billing", &app(""))]);
    let other = Synthetic::define(&[("billing", &app(""))]);
    let workstation = Workstation::empty();
    workstation.write("mine.yaml", &other.trust.to_yaml().unwrap());
    let file = workstation.home.path().join("mine.yaml");
    let init = workstation
        .run(&["init", &platform.url(), "--trust", file.to_str().unwrap()])
        .ok();
    init.says(&other.trust.keys[0].fingerprint().to_string());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_definitions_repository_leaves_nothing_behind() {
    let workstation = Workstation::empty();
    workstation
        .run(&["init", "file:///nowhere/at/all.git", "--accept-keys"])
        .code(6)
        .says("/nowhere/at/all.git");
    let left = std::fs::read_dir(workstation.home.path().join("data/platforms"))
        .map(Iterator::count)
        .unwrap_or_default();
    assert_eq!(left, 0);
}
