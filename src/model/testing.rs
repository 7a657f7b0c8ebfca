//! Trust files and statements for tests.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp};
use p256::elliptic_curve::sec1::ToSec1Point;

use super::digest::Digest;
use super::ledger::{Ledger, LedgerEntry};
use super::name::{ContainerName, EnvironmentName, FileName, PlatformName, Version};
use super::predicate::{BuildPredicate, Predicate, ReferencePredicate};
use super::public_key::PublicKey;
use super::statement::{Statement, Subject, SubjectName};
use super::trust_file::{Revoked, SCHEMA, TrustFile, TrustedKey};

/// The public half of the `number`th key (from 1), the same in every test.
pub(crate) fn public_key(number: u8) -> PublicKey {
    let secret = p256::SecretKey::from_slice(&[number; 32]).unwrap();
    PublicKey::from_point(secret.public_key().to_sec1_point(false).as_bytes()).unwrap()
}

/// A trust file of `acme` with the keys `key1`, `key2`, ….
pub(crate) fn trust_file(keys: u8, threshold: usize) -> TrustFile {
    let trusted = |number| TrustedKey {
        name: format!("key{number}"),
        key: public_key(number),
        from: None,
        until: None,
    };
    TrustFile {
        schema: SCHEMA,
        platform: platform(),
        root_version: 1,
        threshold,
        keys: (1..=keys).map(trusted).collect(),
        servers: BTreeMap::new(),
        minimum_sequences: BTreeMap::new(),
        revoked: Revoked::default(),
    }
}

/// `days` after the first of January 2026.
pub(crate) fn time(days: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    start + SignedDuration::from_hours(24 * days)
}

pub(crate) fn platform() -> PlatformName {
    PlatformName::new("acme").unwrap()
}

pub(crate) fn container(name: &str) -> ContainerName {
    ContainerName::new(name).unwrap()
}

pub(crate) fn production() -> EnvironmentName {
    EnvironmentName::new("production").unwrap()
}

/// The digest of the image that [`build`] is about.
pub(crate) fn image(name: &str) -> Digest {
    Digest::of(name.as_bytes())
}

pub(crate) fn about<P: Predicate>(name: &str, digest: Digest, predicate: P) -> Statement<P> {
    Statement {
        subject: Subject {
            name: SubjectName::container(&platform(), &container(name)),
            digest,
        },
        predicate,
    }
}

/// Version 1.4.2 of a container, built on day 1.
pub(crate) fn build(name: &str) -> Statement<BuildPredicate> {
    let predicate = BuildPredicate {
        platform: platform(),
        container: container(name),
        version: Version::new("1.4.2").unwrap(),
        commit: "c0ffee".repeat(7)[..40].parse().unwrap(),
        artifacts: [(FileName::new("billing.war").unwrap(), Digest::of(b"war"))].into(),
        built: time(1),
        base: None,
        imported: None,
        sbom: None,
        policy: None,
    };
    about(name, image(name), predicate)
}

/// Reference `number`, made on that day, in the proxy image `front`.
pub(crate) fn reference(number: u64) -> Statement<ReferencePredicate> {
    let predicate = ReferencePredicate {
        platform: platform(),
        number,
        commit: "c0ffee".repeat(7)[..40].parse().unwrap(),
        reference_sha256: Digest::of(b"reference.yaml"),
        created: time(number.try_into().unwrap()),
        sbom: None,
        policy: None,
    };
    about("front", proxy(number), predicate)
}

/// The digest of the proxy image with reference `number`.
pub(crate) fn proxy(number: u64) -> Digest {
    image(&format!("front:{number}"))
}

/// The promotion of reference `number`, on that day.
pub(crate) fn entry(number: u64) -> LedgerEntry {
    LedgerEntry {
        number,
        digest: proxy(number),
        at: time(number.try_into().unwrap()),
        by: "operator".to_owned(),
        reason: String::new(),
    }
}

/// Production's ledger after as many promotions, which expires on day 90.
pub(crate) fn ledger(promotions: u64) -> Ledger {
    Ledger {
        platform: platform(),
        environment: production(),
        sequence: promotions,
        issued: entry(promotions).at,
        expires: time(90),
        entries: (1..=promotions).map(entry).collect(),
    }
}

pub(crate) fn ledger_statement(ledger: &Ledger) -> Statement<Ledger> {
    let digest = ledger.current().unwrap().digest;
    about("front", digest, ledger.clone())
}
