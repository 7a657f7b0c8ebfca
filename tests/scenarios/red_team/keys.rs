//! Whose signatures count: revoked keys, one of two, the same twice.

use devenv::verify::trust::bundle::sign_statement;
use devenv::verify::trust::keys::SigningKey;
use jiff::SignedDuration;

use super::{accepted, billing, evil, new_key, pin, refused, signed_by, trusted};
use crate::support::synthetic::{Synthetic, now};

/// A key again: private halves are not cloned by accident.
fn again(key: &SigningKey) -> SigningKey {
    let random = ring::rand::SystemRandom::new();
    let passphrase = devenv::model::secret::Secret::new("for a test");
    let pem = key.to_encrypted_pem(&passphrase, &random).unwrap();
    let pem = devenv::model::secret::Secret::new(pem);
    SigningKey::from_pem(&pem, Some(&passphrase)).unwrap()
}

/// An image signed in this way is refused; signed as everything else here, its twin was accepted.
async fn attack(
    mut platform: Synthetic,
    bundles: impl FnOnce(devenv::model::digest::Digest) -> Vec<Vec<u8>>,
    words: &str,
) {
    accepted(&platform);
    let image = evil(&platform, "billing").await;
    let bundles = bundles(image.digest);
    platform
        .attach_all(&platform.repository("billing"), &image, bundles)
        .await;
    pin(&mut platform, image.digest).await;
    refused(&platform, words);
}

/// A platform where two of two keys must sign, with those keys.
async fn two_of_two() -> (Synthetic, SigningKey, SigningKey) {
    let (one, two) = (new_key(), new_key());
    let keys = vec![trusted("one", &one), trusted("two", &two)];
    let change = |trust: &mut devenv::model::trust_file::TrustFile| {
        trust.keys = keys;
        trust.threshold = 2;
    };
    let platform = signed_by(change, again(&one), vec![again(&two)]).await;
    (platform, one, two)
}

/// Refused: a revoked key.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_key() {
    let (good, stolen) = (new_key(), new_key());
    let keys = vec![trusted("good", &good), trusted("stolen", &stolen)];
    let revoked = stolen.public().fingerprint();
    let platform = signed_by(
        |trust| {
            trust.keys = keys;
            trust.revoked.keys.insert(revoked);
        },
        good,
        Vec::new(),
    )
    .await;
    let signed = |image| vec![sign_statement(&billing(image), &stolen).unwrap()];
    attack(platform, signed, "revoked").await;
}

/// Refused: a key before and after its time.
#[tokio::test(flavor = "multi_thread")]
async fn a_key_before_and_after_its_time() {
    for (from, until) in [(Some(1), None), (None, Some(-1))] {
        let (good, other) = (new_key(), new_key());
        let at = |hours| now() + SignedDuration::from_hours(hours);
        let mut key = trusted("other", &other);
        (key.from, key.until) = (from.map(at), until.map(at));
        let keys = vec![trusted("good", &good), key];
        let platform = signed_by(|trust| trust.keys = keys, good, Vec::new()).await;
        let signed = |image| vec![sign_statement(&billing(image), &other).unwrap()];
        attack(platform, signed, "key `other` count").await;
    }
}

/// Refused: one of two keys.
#[tokio::test(flavor = "multi_thread")]
async fn one_of_two_keys() {
    let (platform, one, _) = two_of_two().await;
    let signed = |image| vec![sign_statement(&billing(image), &one).unwrap()];
    attack(platform, signed, "1 of 2 wanted signatures").await;
}

/// Refused: the same key twice.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_twice() {
    let (platform, one, _) = two_of_two().await;
    let signed = |image| {
        let bundle = sign_statement(&billing(image), &one).unwrap();
        let mut value: serde_json::Value = serde_json::from_slice(&bundle).unwrap();
        let signatures = value["dsseEnvelope"]["signatures"].as_array_mut().unwrap();
        let twice = signatures[0].clone();
        signatures.push(twice);
        vec![bundle, serde_json::to_vec(&value).unwrap()]
    };
    attack(platform, signed, "1 of 2 wanted signatures").await;
}

/// Refused: two keys over different payloads.
#[tokio::test(flavor = "multi_thread")]
async fn two_keys_over_different_payloads() {
    let (platform, one, two) = two_of_two().await;
    let signed = |image| {
        let mut other = billing(image);
        other.predicate.commit = "d".repeat(40).parse().unwrap();
        vec![
            sign_statement(&billing(image), &one).unwrap(),
            sign_statement(&other, &two).unwrap(),
        ]
    };
    attack(platform, signed, "1 of 2 wanted signatures").await;
}

/// Refused: a revoked image.
#[tokio::test(flavor = "multi_thread")]
async fn a_revoked_image() {
    let mut platform = super::released().await;
    accepted(&platform);
    let image = evil(&platform, "billing").await;
    let repository = platform.repository("billing");
    let honest = platform.bundles(&billing(image.digest));
    platform.attach_all(&repository, &image, honest).await;
    pin(&mut platform, image.digest).await;
    let workstation = crate::support::workstation::Workstation::initialised(&platform.url());
    workstation.run(&super::UP).ok();
    // Production revokes it; the developer takes the file by hand.
    let mut next = platform.trust.clone();
    next.root_version = 2;
    next.revoked.digests.insert(image.digest);
    let file = workstation.home.path().join("next.yaml");
    std::fs::write(&file, next.to_yaml().unwrap()).unwrap();
    let accept = ["trust", "accept", file.to_str().unwrap()];
    workstation.run(&accept).code(2).says("--yes");
    workstation.run(&[&accept[..], &["--yes"]].concat()).ok();
    workstation
        .run(&super::UP)
        .code(5)
        .says("is revoked by the trust file");
    // Not without a network either: what was verified before is judged again.
    workstation
        .run(&[&super::UP[..], &["--offline"]].concat())
        .code(5)
        .says("is revoked by the trust file");
}
