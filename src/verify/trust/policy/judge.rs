//! The checks of one signed payload.

use jiff::Timestamp;

use super::expected::Expected;
use super::report::Checks;
use super::rules::{CLOCK_TOLERANCE, Policy, Verified, names};
use super::signatures::SignedPayload;
use crate::model::digest::Digest;
use crate::model::predicate::Predicate;
use crate::model::statement::{NotThisStatement, Statement};
use crate::model::trust_file::TrustedKey;

/// One payload after all checks.
pub(super) struct Candidate<P> {
    pub(super) checks: Checks,
    /// There if none failed.
    pub(super) verified: Option<Verified<P>>,
}

impl Policy<'_> {
    pub(super) fn judge<E: Expected>(
        &self,
        expected: &E,
        payload: &SignedPayload<'_>,
    ) -> Candidate<E::Predicate> {
        let mut checks = Checks::default();
        let statement = self.read(payload, &mut checks);
        let verified = statement.map(|(statement, signers)| {
            self.check_subject(expected, &statement, &mut checks);
            self.check_revoked(expected, payload, &mut checks);
            expected.check(&statement.predicate, self.trust, &mut checks);
            Verified {
                predicate: statement.predicate,
                subject: statement.subject,
                signers,
                payload: payload.digest,
            }
        });
        let verified = verified.filter(|_| checks.first_failure().is_none());
        Candidate { checks, verified }
    }

    /// The statement and those whose signatures count at its time.
    fn read<P: Predicate>(
        &self,
        payload: &SignedPayload<'_>,
        checks: &mut Checks,
    ) -> Option<(Statement<P>, Vec<String>)> {
        if payload.signers.len() < self.trust.threshold.max(1) {
            checks.fail(self.too_few(&payload.signers, &payload.void));
            return None;
        }
        let statement = match Statement::<P>::from_payload(&payload.bytes) {
            Ok(statement) => statement,
            Err(NotThisStatement::OtherType(found)) => {
                checks.fail(format!("the statement is a `{found}`, not a `{}`", P::TYPE));
                return None;
            }
            Err(NotThisStatement::Malformed(wrong)) => {
                checks.fail(format!("the statement does not hold together: {wrong}"));
                return None;
            }
        };
        let time = statement.predicate.time();
        let (valid, invalid): (Vec<&TrustedKey>, Vec<_>) = payload
            .signers
            .iter()
            .partition(|key| key.is_valid_at(time));
        let mut void = payload.void.clone();
        void.extend(invalid.iter().map(|key| not_valid(key, time)));
        checks.that(
            valid.len() >= self.trust.threshold.max(1),
            || {
                format!(
                    "signed by {} ({} wanted)",
                    quoted(&valid),
                    self.trust.threshold
                )
            },
            || self.too_few(&valid, &void),
        );
        checks.pass(format!("the statement is a `{}`", P::TYPE));
        checks.that(
            time <= self
                .now
                .saturating_add(CLOCK_TOLERANCE)
                .unwrap_or(Timestamp::MAX),
            || format!("it was made at {time}"),
            || {
                format!(
                    "it was made at {time}, in the future: here it is {}",
                    self.now
                )
            },
        );
        Some((statement, names(&valid)))
    }

    fn too_few(&self, valid: &[&TrustedKey], void: &[String]) -> String {
        let threshold = self.trust.threshold;
        let missing = threshold.saturating_sub(valid.len());
        let have = match valid {
            [] => String::new(),
            some => format!(" ({})", quoted(some)),
        };
        let is = if missing == 1 { "is" } else { "are" };
        let mut text = format!(
            "{} of {threshold} wanted signatures by trusted keys{have}, {missing} {is} missing",
            valid.len()
        );
        for reason in void.iter().take(3) {
            text.push_str("; ");
            text.push_str(reason);
        }
        text
    }

    fn check_subject<E: Expected>(
        &self,
        expected: &E,
        statement: &Statement<E::Predicate>,
        checks: &mut Checks,
    ) {
        let (name, digest) = (&statement.subject.name, statement.subject.digest);
        let part = expected.part().unwrap_or_else(|| name.part.clone());
        let wanted = format!("{}/{part}", self.trust.platform);
        checks.that(
            name.to_string() == wanted,
            || format!("it is about `{wanted}`"),
            || format!("it is about `{name}`, not about `{wanted}`"),
        );
        let platform = statement.predicate.platform();
        checks.that(
            *platform == self.trust.platform,
            || format!("it is for platform `{platform}`"),
            || {
                format!(
                    "it is for platform `{platform}`, not `{}`",
                    self.trust.platform
                )
            },
        );
        if let Some(wanted) = expected.digest() {
            checks.that(
                digest == wanted,
                || format!("it is about {wanted}"),
                || format!("it is about {digest}, not about {wanted}"),
            );
        }
    }

    fn check_revoked<E: Expected>(
        &self,
        expected: &E,
        payload: &SignedPayload<'_>,
        checks: &mut Checks,
    ) {
        let digests = [Some(payload.digest), expected.digest()];
        let revoked = |digest: &&Digest| self.trust.revoked.digests.contains(digest);
        match digests.iter().flatten().find(revoked) {
            Some(digest) => checks.fail(format!("{digest} is revoked by the trust file")),
            None => checks.pass("neither it nor the statement is revoked"),
        }
    }
}

fn not_valid(key: &TrustedKey, time: Timestamp) -> String {
    let name = &key.name;
    match (key.from, key.until) {
        (Some(from), _) if time < from => {
            format!("key `{name}` counts from {from} on, and the statement was made at {time}")
        }
        (_, Some(until)) => {
            format!("key `{name}` counted until {until}, and the statement was made at {time}")
        }
        _ => format!("key `{name}` does not count at {time}"),
    }
}

fn quoted(keys: &[&TrustedKey]) -> String {
    let quoted: Vec<String> = keys.iter().map(|key| format!("`{}`", key.name)).collect();
    quoted.join(", ")
}
