//! Trust files that nobody entitled handed over.

use devenv::model::digest::Digest;
use devenv::model::predicate::TrustPredicate;
use devenv::model::statement::{Part, Statement, Subject, SubjectName};
use devenv::model::trust_file::TrustFile;
use devenv::verify::trust::bundle::sign_statement;
use devenv::verify::trust::keys::SigningKey;

use super::{UP, new_key, released, signed_by, trusted};
use crate::support::synthetic::{Synthetic, now};
use crate::support::workstation::Workstation;

const UPDATE: [&str; 2] = ["trust", "update"];

fn statement(trust: &TrustFile) -> Statement<TrustPredicate> {
    Statement {
        subject: Subject {
            name: SubjectName {
                platform: trust.platform.clone(),
                part: Part::Trust,
            },
            digest: Digest::of(trust.to_yaml().unwrap().as_bytes()),
        },
        predicate: TrustPredicate {
            issued: now(),
            trust: trust.clone(),
        },
    }
}

/// Publishes a trust file under a tag, signed by these keys.
async fn publish(platform: &Synthetic, tag: u64, trust: &TrustFile, keys: &[&SigningKey]) {
    // One document, whatever the second.
    let statement = statement(trust);
    let bundles = keys
        .iter()
        .map(|key| sign_statement(&statement, key).unwrap());
    platform
        .publish_document("trust", &[tag.to_string()], bundles.collect())
        .await;
}

/// The next trust file with one more key.
fn next(platform: &Synthetic, key: &SigningKey) -> TrustFile {
    let mut next = platform.trust.clone();
    next.root_version += 1;
    next.keys.push(trusted("new", key));
    next
}

/// Refused: a trust file signed by a stranger.
#[tokio::test(flavor = "multi_thread")]
async fn a_trust_file_signed_by_a_stranger() {
    let platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    let evil = new_key();
    publish(&platform, 2, &next(&platform, &evil), &[&evil]).await;
    workstation
        .run(&UPDATE)
        .code(5)
        .says("0 of 1 wanted signatures");
    publish(&platform, 2, &next(&platform, &evil), &[&platform.key]).await;
    workstation.run(&UPDATE).ok();
    let again = workstation.run(&UPDATE).ok();
    assert!(again.stdout.contains("root version 2 is the newest"));
}

/// Refused: a trust file signed by one key of two.
#[tokio::test(flavor = "multi_thread")]
async fn a_trust_file_signed_by_one_key_of_two() {
    let (one, two) = (new_key(), new_key());
    let keys = vec![trusted("one", &one), trusted("two", &two)];
    let change = |trust: &mut TrustFile| {
        trust.keys = keys;
        trust.threshold = 2;
    };
    let platform = signed_by(change, one, vec![two]).await;
    let workstation = Workstation::initialised(&platform.url());
    let mut lone = next(&platform, &new_key());
    lone.threshold = 1;
    publish(&platform, 2, &lone, &[&platform.key]).await;
    workstation
        .run(&UPDATE)
        .code(5)
        .says("1 of 2 wanted signatures");
    let both = [&platform.key, &platform.cosigners[0]];
    publish(&platform, 2, &lone, &both).await;
    workstation.run(&UPDATE).ok();
}

/// Refused: a trust file of a lower root version.
#[tokio::test(flavor = "multi_thread")]
async fn a_trust_file_of_a_lower_root_version() {
    let platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    let second = next(&platform, &new_key());
    publish(&platform, 2, &second, &[&platform.key]).await;
    workstation.run(&UPDATE).ok();
    // Under a higher tag it is as old as ever.
    publish(&platform, 3, &platform.trust, &[&platform.key]).await;
    workstation
        .run(&UPDATE)
        .code(5)
        .says("an old trust file is passed off as new");
    let file = workstation.home.path().join("old.yaml");
    std::fs::write(&file, platform.trust.to_yaml().unwrap()).unwrap();
    workstation
        .run(&["trust", "accept", file.to_str().unwrap(), "--yes"])
        .code(5)
        .says("it must be higher");
}

/// Refused: a trust file under anothers root version.
#[tokio::test(flavor = "multi_thread")]
async fn a_trust_file_under_anothers_root_version() {
    let platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    let second = next(&platform, &new_key());
    publish(&platform, 5, &second, &[&platform.key]).await;
    workstation.run(&UPDATE).code(5).says("is root version 2");
    publish(&platform, 2, &second, &[&platform.key]).await;
    let found = workstation.run(&UPDATE);
    assert!(found.stdout.contains("pinned root version 2"), "{found:?}");
}

/// Refused: another platforms trust file.
#[tokio::test(flavor = "multi_thread")]
async fn another_platforms_trust_file() {
    let platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    let mut other = next(&platform, &new_key());
    other.platform = "other".parse().unwrap();
    publish(&platform, 2, &other, &[&platform.key]).await;
    workstation.run(&UPDATE).code(5).says("`other/trust`");
    let file = workstation.home.path().join("other.yaml");
    std::fs::write(&file, other.to_yaml().unwrap()).unwrap();
    workstation
        .run(&["trust", "accept", file.to_str().unwrap(), "--yes"])
        .code(5)
        .says("is for the platform `other`");
}

/// Refused: keys that follow one another.
#[tokio::test(flavor = "multi_thread")]
async fn keys_that_follow_one_another() {
    let mut platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    // 1 → 2 adds a key, 3 revokes the first and is signed by the second alone.
    let second = new_key();
    let two = next(&platform, &second);
    publish(&platform, 2, &two, &[&platform.key]).await;
    let mut three = two.clone();
    three.root_version = 3;
    let first = platform.key.public().fingerprint();
    three.revoked.keys.insert(first);
    publish(&platform, 3, &three, &[&second]).await;
    let found = workstation.run(&UPDATE).ok();
    assert!(found.stdout.contains("pinned root version 3"), "{found:?}");
    // What the first one signed counts no longer, the cache included.
    workstation.run(&UP).code(5).says("revoked");
    workstation
        .run(&[&UP[..], &["--offline"]].concat())
        .code(5)
        .says("revoked");
    platform.key = second;
    platform.release("billing", "1.1").await;
    platform.release("audit", "1.1").await;
    platform.reference().await;
    platform.promote("production").await;
    workstation.run(&UP).ok();
}

/// Refused: what git says of keys is only a hint.
#[tokio::test(flavor = "multi_thread")]
async fn what_git_says_of_keys_is_only_a_hint() {
    let mut platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    let evil = new_key();
    let theirs = next(&platform, &evil);
    std::fs::write(
        platform.work().join("trust.yaml"),
        theirs.to_yaml().unwrap(),
    )
    .unwrap();
    platform.push("More keys");
    workstation.run(&["sync"]).ok();
    let shown = workstation.run(&["trust", "show", "--json"]).ok().json();
    assert_eq!(shown["trust"]["root_version"], 1);
    let own = std::mem::replace(&mut platform.key, evil);
    platform.reference().await;
    platform.promote("production").await;
    // The evil promotion is passed over; the honest one is what runs.
    let plan = workstation.run(&[&UP[..], &["--json"]].concat()).ok();
    assert_eq!(plan.json()["reference"], 1);
    drop(own);
}
