//! Images that production did not build, each with some signature or other.

use devenv::model::digest::Digest;
use devenv::model::predicate::ReferencePredicate;
use devenv::verify::trust::bundle::sign_statement;
use jiff::SignedDuration;

use super::{accepted, billing, built, evil, new_key, pin, refused, released};
use crate::support::synthetic::{Synthetic, now};

/// An image with these bundles is refused in these words; with an honest one instead it was accepted.
async fn attack(bundles: impl FnOnce(&Synthetic, Digest, Digest) -> Vec<Vec<u8>>, words: &str) {
    let mut platform = released().await;
    let repository = platform.repository("billing");
    let twin = evil(&platform, "billing").await;
    let honest = platform.bundles(&billing(twin.digest));
    platform.attach_all(&repository, &twin, honest).await;
    pin(&mut platform, twin.digest).await;
    accepted(&platform);

    let image = evil(&platform, "billing").await;
    let bundles = bundles(&platform, image.digest, twin.digest);
    platform.attach_all(&repository, &image, bundles).await;
    pin(&mut platform, image.digest).await;
    refused(&platform, words);
}

/// Refused: no signature.
#[tokio::test(flavor = "multi_thread")]
async fn no_signature() {
    attack(|_, _, _| Vec::new(), "no signature is attached").await;
}

/// Refused: a signature moved from another image.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_moved_from_another_image() {
    let moved = |platform: &Synthetic, _, twin| platform.bundles(&billing(twin));
    attack(moved, ", not about sha256:").await;
}

/// Refused: a tampered payload.
#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_payload() {
    let tampered = |platform: &Synthetic, image: Digest, twin: Digest| {
        use base64::Engine as _;
        let base64 = base64::engine::general_purpose::STANDARD;
        let bundle = platform.bundles(&billing(twin)).remove(0);
        let mut bundle: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
        let payload = &mut bundle["dsseEnvelope"]["payload"];
        let text = base64.decode(payload.as_str().unwrap()).unwrap();
        let text = String::from_utf8(text).unwrap();
        let text = text.replace(&twin.hex(), &image.hex());
        *payload = base64.encode(text).into();
        vec![serde_json::to_vec(&bundle).unwrap()]
    };
    attack(tampered, "0 of 1 wanted signatures").await;
}

/// Refused: an attestation of another type only.
#[tokio::test(flavor = "multi_thread")]
async fn an_attestation_of_another_type_only() {
    let other = |platform: &Synthetic, image, _| {
        let predicate = ReferencePredicate {
            platform: platform.trust.platform.clone(),
            number: 1,
            commit: platform.commit.parse().unwrap(),
            reference_sha256: Digest::of(b""),
            created: now(),
            sbom: None,
            policy: None,
        };
        platform.bundles(&platform.statement("billing", image, predicate))
    };
    attack(other, "the statement is a `urn:devenv:reference:1`").await;
}

/// Refused: another platforms statement.
#[tokio::test(flavor = "multi_thread")]
async fn another_platforms_statement() {
    let other =
        |platform: &Synthetic, image, _| platform.bundles(&built("other", "billing", "1.0", image));
    attack(other, "it is about `other/billing`").await;
}

/// Refused: another containers statement.
#[tokio::test(flavor = "multi_thread")]
async fn another_containers_statement() {
    let other =
        |platform: &Synthetic, image, _| platform.bundles(&built("acme", "audit", "1.0", image));
    attack(other, "it is about `acme/audit`").await;
}

/// Refused: another versions statement.
#[tokio::test(flavor = "multi_thread")]
async fn another_versions_statement() {
    let other =
        |platform: &Synthetic, image, _| platform.bundles(&built("acme", "billing", "0.9", image));
    attack(other, "it is version 0.9, not 1.0").await;
}

/// Refused: a strangers key.
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_key() {
    let stranger =
        |_: &Synthetic, image, _| vec![sign_statement(&billing(image), &new_key()).unwrap()];
    attack(stranger, "0 of 1 wanted signatures").await;
}

/// Refused: a statement from the future.
#[tokio::test(flavor = "multi_thread")]
async fn a_statement_from_the_future() {
    let future = |platform: &Synthetic, image, _| {
        let mut statement = billing(image);
        statement.predicate.built += SignedDuration::from_hours(2);
        platform.bundles(&statement)
    };
    attack(future, "in the future").await;
}

/// Refused: a good signature of other content beside an evil one of the wanted.
#[tokio::test(flavor = "multi_thread")]
async fn a_good_signature_of_other_content_beside_an_evil_one_of_the_wanted() {
    let mixed = |platform: &Synthetic, image, twin| {
        let mut bundles = platform.bundles(&billing(twin));
        bundles.push(sign_statement(&billing(image), &new_key()).unwrap());
        bundles
    };
    attack(mixed, "is refused").await;
}

/// Refused: a good signature moved into the envelope of evil content.
#[tokio::test(flavor = "multi_thread")]
async fn a_good_signature_moved_into_the_envelope_of_evil_content() {
    let spliced = |platform: &Synthetic, image, twin| {
        let read =
            |bundle: Vec<u8>| -> serde_json::Value { serde_json::from_slice(&bundle).unwrap() };
        let good = read(platform.bundles(&billing(twin)).remove(0));
        let mut evil = read(sign_statement(&billing(image), &new_key()).unwrap());
        evil["dsseEnvelope"]["signatures"] = good["dsseEnvelope"]["signatures"].clone();
        vec![serde_json::to_vec(&evil).unwrap()]
    };
    attack(spliced, "0 of 1 wanted signatures").await;
}

/// Refused: sixteen bundles.
#[tokio::test(flavor = "multi_thread")]
async fn sixteen_bundles() {
    let many = |platform: &Synthetic, image, _| {
        let stranger = || sign_statement(&billing(image), &new_key()).unwrap();
        let mut bundles: Vec<_> = (0..15).map(|_| stranger()).collect();
        bundles.extend(platform.bundles(&billing(image)));
        bundles
    };
    attack(many, "signature bundles are attached; there may be 12").await;
}

/// Refused: a bundle of 50 megabytes.
#[tokio::test(flavor = "multi_thread")]
async fn a_bundle_of_50_megabytes() {
    let huge = |_: &Synthetic, _, _| vec![vec![b' '; 50 << 20]];
    attack(huge, "its bundle has 52428800 bytes; there may be").await;
}

/// Refused: garbage instead of json.
#[tokio::test(flavor = "multi_thread")]
async fn garbage_instead_of_json() {
    let garbage = |_: &Synthetic, _, _| vec![b"{\"mediaType\": \x1b[2J".to_vec()];
    attack(garbage, "it is not a Sigstore bundle").await;
}

/// Refused: a signature cut short.
#[tokio::test(flavor = "multi_thread")]
async fn a_signature_cut_short() {
    let cut = |platform: &Synthetic, image, _| {
        use base64::Engine as _;
        let base64 = base64::engine::general_purpose::STANDARD;
        let bundle = platform.bundles(&billing(image)).remove(0);
        let mut bundle: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
        let signature = &mut bundle["dsseEnvelope"]["signatures"][0]["sig"];
        let bytes = base64.decode(signature.as_str().unwrap()).unwrap();
        *signature = base64.encode(&bytes[..bytes.len() - 3]).into();
        vec![serde_json::to_vec(&bundle).unwrap()]
    };
    attack(cut, "is not DER for a P-256 key").await;
}

/// Refused: image and bundle copied from another repository.
#[tokio::test(flavor = "multi_thread")]
async fn image_and_bundle_copied_from_another_repository() {
    let mut platform = released().await;
    accepted(&platform);
    let repository = platform.repository("billing");
    let from = super::tagged(&platform, "audit", "1.0").await;
    // Both repositories hold the same layers: what is copied is whole.
    let marker = "audit 1.0";
    let copy = platform
        .publish_image(&repository, marker, &["/probe", "sleep"], &[])
        .await;
    assert_eq!(copy.digest, from.digest);
    let statement = built("acme", "audit", "1.0", copy.digest);
    platform
        .attach_all(&repository, &copy, platform.bundles(&statement))
        .await;
    pin(&mut platform, copy.digest).await;
    refused(&platform, "it is about `acme/audit`");
}

/// Refused: an index whose child is signed and not itself.
#[tokio::test(flavor = "multi_thread")]
async fn an_index_whose_child_is_signed_and_not_itself() {
    let mut platform = released().await;
    let repository = platform.repository("billing");
    let child = evil(&platform, "billing").await;
    let architecture = crate::support::synthetic::architecture();
    let index = platform
        .publish_index(&repository, &[(architecture, child.clone())])
        .await;
    // The twin: the index itself is signed.
    platform
        .attach_all(
            &repository,
            &index,
            platform.bundles(&billing(index.digest)),
        )
        .await;
    pin(&mut platform, index.digest).await;
    accepted(&platform);

    let other = evil(&platform, "billing").await;
    let index = platform
        .publish_index(
            &repository,
            &[(architecture, child), ("riscv64", other.clone())],
        )
        .await;
    let signed = platform.bundles(&billing(other.digest));
    platform.attach_all(&repository, &index, signed).await;
    pin(&mut platform, index.digest).await;
    refused(&platform, ", not about sha256:");
}

/// Refused: a tag pointed at another image.
#[tokio::test(flavor = "multi_thread")]
async fn a_tag_pointed_at_another_image() {
    let platform = released().await;
    let image = evil(&platform, "billing").await;
    platform
        .tag(&platform.repository("billing"), &image, "1.0")
        .await;
    // Nothing is read by tag: what runs is what was signed.
    accepted(&platform);
    let workstation = crate::support::workstation::Workstation::initialised(&platform.url());
    workstation
        .run(&["trust", "verify", "billing:1.0"])
        .code(5)
        .says("no signature is attached");
    workstation.run(&["trust", "verify", "audit:1.0"]).ok();
}
