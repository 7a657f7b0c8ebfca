//! Ledgers: old ones passed off as current, rewritten ones, others' ones.

use devenv::model::ledger::Ledger;
use jiff::SignedDuration;

use super::{UP, accepted, move_tag, new_key, refused, released, tagged};
use crate::support::synthetic::{Synthetic, now};
use crate::support::workstation::Workstation;

/// Signs a ledger as production and publishes it as production's with its sequence.
async fn publish(platform: &Synthetic, ledger: &Ledger) {
    let digest = ledger.current().unwrap().digest;
    let statement = platform.statement("front", digest, ledger.clone());
    let tags = [
        format!("production-{}", ledger.sequence),
        "production".to_owned(),
    ];
    platform
        .publish_document("environments", &tags, platform.bundles(&statement))
        .await;
}

/// Refused: an old ledger replayed.
#[tokio::test(flavor = "multi_thread")]
async fn an_old_ledger_replayed() {
    let mut platform = released().await;
    let old = tagged(&platform, "environments", "production-1").await;
    platform.reference().await;
    platform.promote("production").await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    for tag in ["production", "production-2"] {
        move_tag(&platform, "environments", tag, &old).await;
    }
    workstation
        .run(&UP)
        .code(5)
        .says("an old ledger is passed off as current");
}

/// Refused: a frozen ledger.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_ledger() {
    let platform = released().await;
    accepted(&platform);
    let seen = Workstation::initialised(&platform.url());
    let mut ledger = platform.ledger("production");
    ledger.sequence += 1;
    ledger.entries[0].at = now() - SignedDuration::from_hours(24 * 40);
    ledger.issued = ledger.entries[0].at;
    // Within the grace it is told, and taken.
    ledger.expires = now() - SignedDuration::from_hours(24 * 10);
    publish(&platform, &ledger).await;
    seen.run(&UP).ok().says("expired 10 days ago");
    // Beyond it only what was verified before still runs.
    let strict = Workstation::initialised(&platform.url());
    strict.write("config/settings.yaml", "ledger_grace_days: 5\n");
    strict
        .run(&UP)
        .code(5)
        .says("this machine has not verified it before");
    seen.write("config/settings.yaml", "ledger_grace_days: 5\n");
    seen.run(&UP).ok().says("expired 10 days ago");
}

/// Refused: a rewritten history.
#[tokio::test(flavor = "multi_thread")]
async fn a_rewritten_history() {
    let platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    let honest = platform.ledger("production");
    let mut ledger = honest.clone();
    ledger.sequence += 1;
    ledger.entries[0].by = "somebody else".to_owned();
    publish(&platform, &ledger).await;
    workstation.run(&UP).code(5).says("it does not extend");
    // The twin: the same with its history unchanged.
    let mut ledger = honest.clone();
    ledger.sequence += 2;
    ledger.issued = now();
    publish(&platform, &ledger).await;
    move_tag(
        &platform,
        "environments",
        "production-2",
        &tagged(&platform, "environments", "production-3").await,
    )
    .await;
    workstation.run(&UP).ok();
}

/// Refused: two ledgers with one sequence.
#[tokio::test(flavor = "multi_thread")]
async fn two_ledgers_with_one_sequence() {
    let platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    let mut ledger = platform.ledger("production");
    ledger.expires += SignedDuration::from_hours(24);
    publish(&platform, &ledger).await;
    workstation.run(&UP).code(5).says("equivocation");
}

/// Refused: two ledgers with one sequence at first sight.
#[tokio::test(flavor = "multi_thread")]
async fn two_ledgers_with_one_sequence_at_first_sight() {
    let platform = released().await;
    accepted(&platform);
    let mut ledger = platform.ledger("production");
    ledger.expires += SignedDuration::from_hours(24);
    let honest = tagged(&platform, "environments", "production-1").await;
    publish(&platform, &ledger).await;
    // The plain tag names one, the sequence's tag the other.
    move_tag(&platform, "environments", "production", &honest).await;
    refused(&platform, "equivocation");
}

/// Refused: another environments ledger.
#[tokio::test(flavor = "multi_thread")]
async fn another_environments_ledger() {
    let platform = released().await;
    accepted(&platform);
    let recette = tagged(&platform, "environments", "recette-1").await;
    for tag in ["production", "production-1"] {
        move_tag(&platform, "environments", tag, &recette).await;
    }
    refused(&platform, "it is the ledger of recette, not of production");
}

/// Refused: another platforms ledger.
#[tokio::test(flavor = "multi_thread")]
async fn another_platforms_ledger() {
    let platform = released().await;
    accepted(&platform);
    let mut ledger = platform.ledger("production");
    ledger.platform = "other".parse().unwrap();
    ledger.sequence += 1;
    publish(&platform, &ledger).await;
    // It is passed over for the honest one beneath; alone it is refused.
    accepted(&platform);
    let other = tagged(&platform, "environments", "production-2").await;
    move_tag(&platform, "environments", "production-1", &other).await;
    refused(&platform, "it is for platform `other`, not `acme`");
}

/// Refused: a ledger below the lowest sequence allowed.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_below_the_lowest_sequence_allowed() {
    let platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    let mut next = platform.trust.clone();
    next.root_version = 2;
    next.minimum_sequences
        .insert("production".parse().unwrap(), 2);
    let file = workstation.home.path().join("next.yaml");
    std::fs::write(&file, next.to_yaml().unwrap()).unwrap();
    workstation
        .run(&["trust", "accept", file.to_str().unwrap(), "--yes"])
        .ok();
    workstation
        .run(&UP)
        .code(5)
        .says("but the trust file demands at least 2");
}

/// Refused: a strangers ledger.
#[tokio::test(flavor = "multi_thread")]
async fn a_strangers_ledger() {
    let mut platform = released().await;
    accepted(&platform);
    platform.key = new_key();
    let mut ledger = platform.ledger("production");
    ledger.sequence = 1;
    publish(&platform, &ledger).await;
    refused(&platform, "the ledger of production is refused");
}

/// Refused: a ledger from the future.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_from_the_future() {
    let platform = released().await;
    accepted(&platform);
    let mut ledger = platform.ledger("production");
    ledger.issued = now() + SignedDuration::from_hours(3);
    publish(&platform, &ledger).await;
    refused(&platform, "in the future");
}

/// Refused: a ledger signed by one of two keys.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_signed_by_one_of_two_keys() {
    let (one, two) = (new_key(), new_key());
    let keys = vec![super::trusted("one", &one), super::trusted("two", &two)];
    let change = |trust: &mut devenv::model::trust_file::TrustFile| {
        trust.keys = keys;
        trust.threshold = 2;
    };
    let mut platform = super::signed_by(change, one, vec![two]).await;
    accepted(&platform);
    let mut ledger = platform.ledger("production");
    ledger.expires += SignedDuration::from_hours(24);
    platform.cosigners.clear();
    publish(&platform, &ledger).await;
    refused(&platform, "1 of 2 wanted signatures");
}

/// Refused: a ledger that was seen and is gone.
#[tokio::test(flavor = "multi_thread")]
async fn a_ledger_that_was_seen_and_is_gone() {
    let platform = released().await;
    let workstation = Workstation::initialised(&platform.url());
    workstation.run(&UP).ok();
    let elsewhere = format!("{}x", platform.prefix);
    let definitions = platform.work().join("platform.yaml");
    let text = std::fs::read_to_string(&definitions).unwrap();
    let moved = text.replace(&platform.prefix, &elsewhere);
    std::fs::write(&definitions, moved).unwrap();
    let mut platform = platform;
    platform.push("Another registry");
    workstation.run(&["sync"]).ok();
    workstation
        .run(&UP)
        .code(5)
        .says("this machine has seen sequence 1");
}

/// Refused: junk under higher sequences hides nothing and shows nothing older.
#[tokio::test(flavor = "multi_thread")]
async fn junk_under_higher_sequences_hides_nothing_and_shows_nothing_older() {
    let mut platform = released().await;
    let junk = tagged(&platform, "billing", "1.0").await;
    let repository = platform.repository("environments");
    // Anybody who may push can do this: its blobs are of no interest.
    let bytes = serde_json::json!({ "schemaVersion": 2, "mediaType": devenv::registry::OCI_INDEX, "manifests": [] });
    let bytes = bytes::Bytes::from(serde_json::to_vec(&bytes).unwrap());
    drop(junk);
    for sequence in [90, 91] {
        let tag = devenv::registry::Tag::new(format!("production-{sequence}")).unwrap();
        platform
            .registry
            .put_manifest(
                &repository,
                &tag,
                devenv::registry::OCI_INDEX,
                bytes.clone(),
            )
            .await
            .unwrap();
    }
    accepted(&platform);
    platform.reference().await;
    platform.promote("production").await;
    let status = Workstation::initialised(&platform.url())
        .run(&[&UP[..], &["--json"]].concat())
        .ok();
    assert_eq!(status.json()["reference"], 2);
}
