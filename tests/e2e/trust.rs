//! What production did not release is not run: exit 5, and the check that failed.

use devenv::model::predicate::ReferencePredicate;
use devenv::registry::Tag;
use devenv::trust::bundle::sign_statement;
use devenv::trust::keys::SigningKey;
use ring::rand::SystemRandom;

use crate::app;
use crate::support::synthetic::Synthetic;
use crate::support::workstation::Workstation;

fn refused(platform: &Synthetic, wanted: &str) {
    let workstation = Workstation::initialised(&platform.url());
    workstation
        .run(&["up", "billing", "--no-proxy"])
        .code(5)
        .says(wanted);
    assert_eq!(workstation.containers(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tag_moved_to_another_image_changes_nothing() {
    let platform = Synthetic::released(&[("billing", &app(""))]).await;
    let repository = platform.repository("billing");
    let evil = platform
        .publish_image(&repository, "evil", &["/probe", "exit", "66"], &[])
        .await;
    platform.tag(&repository, &evil, "1.0").await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_build_without_a_signature_is_refused() {
    let mut platform = Synthetic::released(&[("billing", &app(""))]).await;
    let evil = platform
        .publish_image(
            &platform.repository("billing"),
            "evil",
            &["/probe", "exit", "66"],
            &[],
        )
        .await;
    let mut reference = platform.compile();
    reference.containers.get_mut("billing").unwrap().digest = Some(evil.digest);
    let (number, digest) = platform.publish_reference(&reference).await;
    platform.promote_to("production", number, digest).await;
    refused(&platform, "billing 1.0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reference_signed_by_a_wrong_key_is_refused() {
    let mut platform = Synthetic::released(&[("billing", &app(""))]).await;
    let own = std::mem::replace(
        &mut platform.key,
        SigningKey::generate(&SystemRandom::new()).unwrap(),
    );
    let (number, digest) = platform.reference().await;
    platform.key = own;
    platform.promote_to("production", number, digest).await;
    refused(&platform, "reference 2");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_signed_by_a_wrong_key_is_refused() {
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    platform.release("billing", "1.0").await;
    platform.reference().await;
    platform.key = SigningKey::generate(&SystemRandom::new()).unwrap();
    platform.promote("production").await;
    refused(&platform, "the ledger of production is refused");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_tampered_bundle_is_refused() {
    let mut platform = Synthetic::define(&[("billing", &app(""))]);
    platform.release("billing", "1.0").await;
    let reference = platform.compile();
    let own = std::mem::replace(
        &mut platform.key,
        SigningKey::generate(&SystemRandom::new()).unwrap(),
    );
    let (number, digest) = platform.publish_reference(&reference).await;
    platform.key = own;
    let predicate = ReferencePredicate {
        platform: platform.trust.platform.clone(),
        number,
        commit: platform.commit.parse().unwrap(),
        reference_sha256: devenv::model::digest::Digest::of(b"something else"),
        created: reference.created,
    };
    let statement = platform.statement("front", digest, predicate);
    let mut bundle = String::from_utf8(sign_statement(&statement, &platform.key).unwrap()).unwrap();
    let payload = bundle.find("\"payload\":\"").unwrap() + 40;
    let replacement = if &bundle[payload..=payload] == "A" {
        "B"
    } else {
        "A"
    };
    bundle.replace_range(payload..=payload, replacement);
    let repository = platform.repository("front");
    let manifest = platform
        .registry
        .manifest(&repository, &digest, 1 << 20)
        .await
        .unwrap()
        .descriptor();
    platform
        .attach(&repository, &manifest, bundle.into_bytes())
        .await;
    platform.promote_to("production", number, digest).await;
    refused(&platform, "reference 1");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_old_ledger_passed_off_as_current_is_refused() {
    let mut platform = Synthetic::released(&[("billing", &app(""))]).await;
    let environments = platform.repository("environments");
    let old = platform
        .registry
        .manifest(&environments, &Tag::new("production-1").unwrap(), 1 << 20)
        .await
        .unwrap();
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&["up", "billing", "--no-proxy"]).ok();
    for tag in ["production", "production-2"] {
        let tag = Tag::new(tag).unwrap();
        platform
            .registry
            .put_manifest(&environments, &tag, &old.media_type, old.bytes.clone())
            .await
            .unwrap();
    }
    workstation
        .run(&["up"])
        .code(5)
        .says("an old ledger is passed off as current");
}
