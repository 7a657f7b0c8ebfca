//! Keys and ledger: whether releases can be verified, and for how long.

use jiff::Timestamp;

use crate::doctor::finding::Observation;
use crate::doctor::world::World;
use crate::error::Error;
use crate::model::ledger::{Freshness, Ledger};
use crate::model::trust_file::TrustFile;
use crate::verify::evidence::ledger::Look;

/// Days before a key ends that the next one should be there.
const KEY_SOON: i64 = 30;
/// Days before a ledger ends that production should have renewed it.
const LEDGER_SOON: i64 = 7;

/// Of the pinned trust file.
pub(in crate::doctor) fn keys(world: &World<'_>) -> Vec<Observation> {
    match world.open() {
        Ok(open) => judge_keys(&open.trust, world.session.home.now()),
        Err(skipped) => vec![skipped],
    }
}

fn days(until: Timestamp, now: Timestamp) -> i64 {
    (until.as_second() - now.as_second()).div_euclid(86_400)
}

fn judge_keys(trust: &TrustFile, now: Timestamp) -> Vec<Observation> {
    let valid: Vec<_> = trust
        .keys
        .iter()
        .filter(|key| key.is_valid_at(now) && !trust.revoked.keys.contains(&key.fingerprint()))
        .collect();
    let text = format!(
        "{} of {} pinned keys are valid now, and {} must sign",
        valid.len(),
        trust.keys.len(),
        trust.threshold
    );
    let advice = "`devenv sync` fetches a newer trust.yaml; production signs one with `devenv release trust`";
    let mut seen = vec![if valid.len() < trust.threshold {
        Observation::fail(format!(
            "{text}: nothing that is released from now on counts"
        ))
        .advise(advice)
    } else {
        Observation::ok(text)
    }];
    for key in valid {
        if let Some(until) = key.until.filter(|until| days(*until, now) < KEY_SOON) {
            let text = format!("the key {} ends in {} days", key.name, days(until, now));
            seen.push(Observation::warn(text).advise(advice));
        }
    }
    seen
}

/// Of the environment whose versions the instance runs.
pub(in crate::doctor) async fn ledger(world: &World<'_>) -> Vec<Observation> {
    let limit = world.patience();
    match tokio::time::timeout(limit, world.ledger()).await {
        Ok(Ok(look)) => judge_ledger(look, world.session.home.now()),
        Ok(Err(skipped)) => vec![skipped],
        Err(_) => vec![Observation::fail(format!("no answer within {limit:?}"))],
    }
}

fn judge_ledger(look: Result<Option<&Look>, &Error>, now: Timestamp) -> Vec<Observation> {
    let look = match look {
        Ok(Some(look)) => look,
        Ok(None) => {
            return vec![Observation::skipped(
                "nothing was promoted to the environment yet",
            )];
        }
        Err(error) => return vec![Observation::error(error)],
    };
    let mut seen = vec![judge_freshness(&look.ledger.predicate, now)];
    if let Some(why) = &look.unreachable {
        let text = format!("it is the one of {}: {why}", look.confirmed);
        seen.push(Observation::warn(text));
    }
    seen
}

fn judge_freshness(ledger: &Ledger, now: Timestamp) -> Observation {
    let environment = &ledger.environment;
    let advice = format!("production renews it with `devenv release renew {environment}`");
    match ledger.freshness(now) {
        Freshness::Expired { since } => Observation::warn(format!(
            "the ledger of {environment} expired {} days ago: nobody renewed it, or somebody withholds newer ones",
            days(now, since)
        ))
        .advise(advice),
        Freshness::Current { until } => {
            let left = days(until, now);
            let text = format!(
                "the ledger of {environment} (sequence {}) is vouched for {left} more days",
                ledger.sequence
            );
            if left < LEDGER_SOON {
                Observation::warn(text).advise(advice)
            } else {
                Observation::ok(text)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::finding::Verdict;
    use crate::model::testing;

    #[test]
    fn enough_valid_keys() {
        let verdicts = |trust: &TrustFile, day| {
            let seen = judge_keys(trust, testing::time(day));
            seen.iter().map(|it| it.verdict).collect::<Vec<_>>()
        };
        let mut trust = testing::trust_file(2, 2);
        assert_eq!(verdicts(&trust, 1), [Verdict::Ok]);
        trust.keys[0].until = Some(testing::time(60));
        assert_eq!(verdicts(&trust, 1), [Verdict::Ok]);
        assert_eq!(verdicts(&trust, 40), [Verdict::Ok, Verdict::Warn]);
        assert_eq!(verdicts(&trust, 60), [Verdict::Fail]);
        trust.keys[0].until = None;
        trust.revoked.keys.insert(trust.keys[1].fingerprint());
        assert_eq!(verdicts(&trust, 1), [Verdict::Fail]);
    }

    #[test]
    fn a_fresh_ledger() {
        let ledger = testing::ledger(1);
        let verdict = |day| judge_freshness(&ledger, testing::time(day)).verdict;
        assert_eq!(verdict(10), Verdict::Ok);
        assert_eq!(verdict(85), Verdict::Warn);
        assert_eq!(verdict(100), Verdict::Warn);
        let none = judge_ledger(Ok(None), testing::time(1));
        assert_eq!(none[0].verdict, Verdict::Skipped);
        let refused = judge_ledger(Err(&Error::trust("no")), testing::time(1));
        assert_eq!(refused[0].verdict, Verdict::Fail);
    }
}
