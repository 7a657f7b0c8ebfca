//! Honest statements and their evil twins.

mod images;
mod ledgers;

use jiff::SignedDuration;

use super::*;
use crate::error::Kind;
use crate::model::digest::Digest;
use crate::model::name::{ContainerName, Version};
use crate::model::statement::Part;
use crate::model::trust_file::TrustFile;
use crate::verify::trust::bundle::{sign_payload, sign_statement};
use crate::verify::trust::testing::{
    build, container, entry, image, key, ledger, ledger_statement, platform, production, proxy,
    reference, time, trust_file,
};

fn policy(trust: &TrustFile) -> Policy<'_> {
    let now = time(10);
    Policy { trust, now }
}

/// The statement, signed by the keys with these numbers: a bundle each.
fn signed<P: crate::model::predicate::Predicate>(
    statement: &crate::model::statement::Statement<P>,
    keys: &[u8],
) -> Vec<Vec<u8>> {
    let bundle = |&number: &u8| sign_statement(statement, &key(number)).unwrap();
    keys.iter().map(bundle).collect()
}

/// The refusal's words. It is of the right kind, and tells the failed check among all checks.
fn refused<T: std::fmt::Debug>(verdict: Verdict<T>) -> String {
    let error = verdict.result.unwrap_err();
    assert_eq!(error.kind(), Kind::Trust);
    let failed = |check: &&Check| check.outcome == Outcome::Failed;
    let failure = verdict.checks.iter().find(failed).expect("a failed check");
    assert!(error.to_string().ends_with(&failure.text), "{error}");
    assert!(
        error.details()[0].contains(&failure.to_string()),
        "{error:?}"
    );
    error.to_string()
}

/// What was accepted, after no failed check.
fn accepted<T: std::fmt::Debug>(verdict: Verdict<T>) -> T {
    let failed = |check: &Check| check.outcome == Outcome::Failed;
    assert!(!verdict.checks.iter().any(failed), "{:?}", verdict.checks);
    verdict.result.unwrap()
}

#[track_caller]
fn says(text: &str, part: &str) {
    assert!(text.contains(part), "`{part}` is not in: {text}");
}
