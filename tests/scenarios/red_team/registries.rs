//! A registry that lies or refuses, or somebody in front of it.

use devenv::registry::{Descriptor, OCI_INDEX, Tag};

use super::{UP, accepted, evil, move_tag, new_key, refused, released, signed_by, trusted};
use crate::support::registry::address;
use crate::support::registry_proxy::{self, Answer, Answers};
use crate::support::synthetic::Synthetic;
use crate::support::workstation::{Ran, Workstation};

/// `up` on a new machine whose registry is reached through somebody.
pub(super) async fn through(platform: &Synthetic, answer: impl Answers) -> Ran {
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

/// Refused: a mirror that passes everything on is fine.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_passes_everything_on_is_fine() {
    let platform = released().await;
    through(&platform, |_| None).await.ok();
}

/// Refused: a 401 for referrers is not unsigned.
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

/// Refused: a 500 for referrers is not unsigned.
#[tokio::test(flavor = "multi_thread")]
async fn a_500_for_referrers_is_not_unsigned() {
    let platform = released().await;
    let fails: Answer = |path| {
        let asked = path.contains("/referrers/") || path.contains("/manifests/sha256-");
        asked.then(|| ("500 Internal Server Error", b"{}".to_vec()))
    };
    through(&platform, fails).await.code(8);
}

/// Refused: other bytes under a digest.
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

/// Refused: signatures that are withheld.
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

/// Refused: a ledger that never ends.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_never_ends() {
    let platform = released().await;
    let floods: Answer = |path| {
        let asked = path.contains("/environments/tags/list");
        asked.then(|| ("200 OK", vec![b' '; 5 << 20]))
    };
    through(&platform, floods).await.code(8);
}

/// Refused: the fallback tag emptied.
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

/// What the proxy answers for a list: nothing is there.
const NO_INDEX: &[u8] =
    br#"{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}"#;

/// A proxy that empties some lists is seen through; one that empties them all is refused.
#[tokio::test(flavor = "multi_thread")]
async fn lists_that_a_proxy_empties() {
    let platform = released().await;
    let api_alone: Answer = |path| {
        path.contains("/referrers/")
            .then(|| ("200 OK", NO_INDEX.to_vec()))
    };
    through(&platform, api_alone).await.ok();
    let api_and_tag: Answer = |path| {
        let is_api = path.contains("/referrers/");
        let is_fallback = path.contains("/manifests/sha256-") && !path.contains('.');
        match (is_api, is_fallback) {
            (true, _) => Some(("200 OK", NO_INDEX.to_vec())),
            (_, true) => Some(("404 Not Found", b"{}".to_vec())),
            _ => None,
        }
    };
    through(&platform, api_and_tag).await.ok();
    let all: Answer = |path| {
        let is_api = path.contains("/referrers/");
        let is_fallback = path.contains("/manifests/sha256-");
        let is_list = path.contains("/tags/list") && !path.contains("/environments/");
        match (is_api, is_fallback, is_list) {
            (true, ..) => Some(("200 OK", NO_INDEX.to_vec())),
            (_, true, _) => Some(("404 Not Found", b"{}".to_vec())),
            (.., true) => Some(("200 OK", br#"{"name":"x","tags":[]}"#.to_vec())),
            _ => None,
        }
    };
    through(&platform, all)
        .await
        .code(5)
        .says("no signature is attached");
}

/// A mirror that hides one of two signatures is seen through by the tag list; one that hides it
/// there too is refused.
#[tokio::test(flavor = "multi_thread")]
async fn a_mirror_that_hides_a_signature() {
    let (first, second) = (new_key(), new_key());
    let keys = vec![trusted("first", &first), trusted("second", &second)];
    let platform = signed_by(
        |trust| {
            trust.keys = keys;
            trust.threshold = 2;
        },
        first,
        vec![second],
    )
    .await;
    accepted(&platform);
    // Only the first signature of billing is listed at the fallback tag.
    let image = super::tagged(&platform, "billing", "1.0").await;
    let fallback = Tag::referrers_of(&image.digest);
    let repository = platform.repository("billing");
    let index = platform
        .registry
        .manifest(&repository, &fallback, 1 << 20)
        .await
        .unwrap();
    let mut index: serde_json::Value = serde_json::from_slice(&index.bytes).unwrap();
    index["manifests"].as_array_mut().unwrap().truncate(1);
    let bytes = bytes::Bytes::from(serde_json::to_vec(&index).unwrap());
    platform
        .registry
        .put_manifest(&repository, &fallback, OCI_INDEX, bytes)
        .await
        .unwrap();
    accepted(&platform);
    let hides: Answer = |path| {
        let is_list = path.contains("/billing/tags/list");
        is_list.then(|| ("200 OK", br#"{"name":"x","tags":["1.0"]}"#.to_vec()))
    };
    through(&platform, hides)
        .await
        .code(5)
        .says("1 of 2 wanted signatures");
}

/// A signature's own tag proves nothing: what a squatter puts there is no signature, and the honest
/// one beside it is still found.
#[tokio::test(flavor = "multi_thread")]
async fn a_squatters_tag_beside_the_honest_one() {
    let platform = released().await;
    let image = super::tagged(&platform, "billing", "1.0").await;
    let evil = evil(&platform, "billing").await;
    let evil = platform
        .registry
        .manifest(&platform.repository("billing"), &evil.digest, 1 << 20)
        .await
        .unwrap();
    // Under a name that fits it, and under one that does not.
    let fits = Tag::of_referrer(&image.digest, &evil.digest);
    let other = Tag::of_referrer(&image.digest, &image.digest);
    for tag in [&fits, &other] {
        move_tag(&platform, "billing", tag.as_str(), &evil).await;
    }
    let by_tags_alone: Answer = |path| {
        let is_fallback = path.contains("/manifests/sha256-") && !path.contains('.');
        let hidden = path.contains("/referrers/") || is_fallback;
        hidden.then(|| ("404 Not Found", b"{}".to_vec()))
    };
    through(&platform, by_tags_alone).await.ok();
    // The honest signature's own tag is squatted as well: nothing is left that verifies.
    let tags = platform
        .registry
        .tags(&platform.repository("billing"))
        .await;
    let stem = format!("{}.", Tag::referrers_of(&image.digest));
    for tag in tags.unwrap().iter().filter(|tag| tag.starts_with(&stem)) {
        move_tag(&platform, "billing", tag, &evil).await;
    }
    through(&platform, by_tags_alone)
        .await
        .code(5)
        .says("no signature is attached");
}

/// Another image's signature under a tag of this image's is passed over.
#[tokio::test(flavor = "multi_thread")]
async fn another_images_signature_under_this_images_tag() {
    let mut platform = released().await;
    let honest = super::tagged(&platform, "billing", "1.0").await;
    let evil = evil(&platform, "billing").await;
    let tags = platform
        .registry
        .tags(&platform.repository("billing"))
        .await;
    let stem = format!("{}.", Tag::referrers_of(&honest.digest));
    let tags = tags.unwrap();
    let own = tags.iter().find(|tag| tag.starts_with(&stem)).unwrap();
    let signature = super::tagged(&platform, "billing", own).await;
    let moved = Tag::of_referrer(&evil.digest, &signature.digest);
    move_tag(&platform, "billing", moved.as_str(), &signature).await;
    accepted(&platform);
    super::pin(&mut platform, evil.digest).await;
    refused(&platform, "it is attached to another image");
}
