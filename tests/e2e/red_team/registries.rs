//! A registry that lies or refuses, or somebody in front of it.

use devenv::registry::{Descriptor, OCI_INDEX, Tag};

use super::{UP, accepted, refused, released};
use crate::support::registry::address;
use crate::support::registry_proxy::{self, Answer};
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Ran, Workstation};

/// `up` on a new machine whose registry is reached through somebody.
async fn through(platform: &Synthetic, answer: Answer) -> Ran {
    let somebody = registry_proxy::start(answer).await;
    let workstation = Workstation::initialised(&platform.url());
    let mirror = format!(
        "registry_mirrors: {{ \"{}\": \"{somebody}\" }}\n",
        address()
    );
    workstation.write("config/settings.yaml", &mirror);
    tokio::task::spawn_blocking(move || workstation.run(&UP))
        .await
        .unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_passes_everything_on_is_fine() {
    let platform = released().await;
    through(&platform, |_| None).await.ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_401_for_referrers_is_not_unsigned() {
    let platform = released().await;
    let refuses: Answer = |path| {
        let asked = path.contains("/referrers/") || path.contains("/manifests/sha256-");
        asked.then(|| ("401 Unauthorized", b"{}".to_vec()))
    };
    through(&platform, refuses)
        .await
        .code(8)
        .says("asks for a login");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_500_for_referrers_is_not_unsigned() {
    let platform = released().await;
    let fails: Answer = |path| {
        let asked = path.contains("/referrers/") || path.contains("/manifests/sha256-");
        asked.then(|| ("500 Internal Server Error", b"{}".to_vec()))
    };
    through(&platform, fails).await.code(8);
}

#[tokio::test(flavor = "multi_thread")]
async fn other_bytes_under_a_digest() {
    let platform = released().await;
    let lies: Answer = |path| {
        let asked = path.contains("/front/manifests/sha256:");
        let body = br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.manifest.v1+json","config":{"mediaType":"x","digest":"sha256:44136fa355b3678a1146ad16f7e8649e94fb4fc21fe77e8310c060f61caaff8a","size":2},"layers":[]}"#;
        asked.then(|| ("200 OK", body.to_vec()))
    };
    through(&platform, lies)
        .await
        .code(5)
        .says("is not what the registry delivers");
}

#[tokio::test(flavor = "multi_thread")]
async fn signatures_that_are_withheld() {
    let platform = released().await;
    let withholds: Answer = |path| {
        let asked = path.contains("/referrers/") || path.contains("/manifests/sha256-");
        asked.then(|| ("404 Not Found", b"{}".to_vec()))
    };
    through(&platform, withholds)
        .await
        .code(5)
        .says("no signature is attached");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_never_ends() {
    let platform = released().await;
    let floods: Answer = |path| {
        let asked = path.contains("/environments/tags/list");
        asked.then(|| ("200 OK", vec![b' '; 5 << 20]))
    };
    through(&platform, floods).await.code(8);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_fallback_tag_emptied() {
    let platform = released().await;
    accepted(&platform);
    let image = super::tagged(&platform, "billing", "1.0").await;
    let tag = Tag::referrers_of(&image.digest);
    let index = serde_json::json!({ "schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": [] });
    let bytes = bytes::Bytes::from(serde_json::to_vec(&index).unwrap());
    let descriptor = Descriptor::of(OCI_INDEX, &bytes);
    platform
        .registry
        .put_manifest(&platform.repository("billing"), &tag, OCI_INDEX, bytes)
        .await
        .unwrap();
    drop(descriptor);
    refused(&platform, "no signature is attached");
}
