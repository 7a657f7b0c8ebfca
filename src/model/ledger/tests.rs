use super::*;
use crate::model::testing::{entry, ledger, time};

#[test]
fn promotions_in_force() {
    let ledger = ledger(3);
    assert_eq!(ledger.current().map(|entry| entry.number), Some(3));
    assert_eq!(ledger.as_of(time(2)).map(|entry| entry.number), Some(2));
    assert_eq!(ledger.as_of(time(100)).map(|entry| entry.number), Some(3));
    assert_eq!(ledger.as_of(time(0)), None);
}

#[test]
fn append_and_renew_extend() {
    let first = ledger(1);
    let second = first.append(5, entry(2), time(200)).unwrap();
    assert_eq!((second.sequence, second.issued), (5, entry(2).at));
    let renewed = second.renew(6, time(50), time(300)).unwrap();
    assert_eq!(renewed.entries, second.entries);
    assert!(renewed.extends(1, first.issued, &first.entries).is_ok());
}

#[test]
fn what_does_not_follow() {
    let three = ledger(3);
    let wrong = |error: Result<Ledger, String>, text: &str| {
        let error = error.unwrap_err();
        assert!(error.contains(text), "{error}");
    };
    wrong(three.renew(3, time(4), time(200)), "does not follow");
    wrong(three.append(4, entry(1), time(200)), "order of their times");
    wrong(three.renew(4, time(2), time(200)), "order of their times");
    wrong(three.renew(4, time(200), time(200)), "before it was issued");
    let mut odd = entry(4);
    odd.reason = "a\nb".to_owned();
    wrong(three.append(4, odd, time(200)), "on one line");
}

#[test]
fn rewritten_or_shortened_history() {
    let three = ledger(3);
    let mut other = ledger(4);
    other.entries[1].digest = Digest::of(b"evil");
    let error = other.extends(3, three.issued, &three.entries).unwrap_err();
    assert!(
        error.contains("promotion 2") && error.contains("rewritten"),
        "{error}"
    );
    let mut short = ledger(2);
    short.sequence = 9;
    short.issued = three.issued;
    let error = short.extends(3, three.issued, &three.entries).unwrap_err();
    assert!(error.contains("has 2 promotions"), "{error}");
    short.entries.push(entry(3));
    short.issued = time(2);
    assert!(short.extends(3, three.issued, &three.entries).is_err());
}

#[test]
fn impossible_sequences() {
    let mut ledger = ledger(3);
    ledger.sequence = 2;
    assert!(ledger.validate().unwrap_err().contains("impossible"));
    ledger.sequence = LARGEST_NUMBER + 1;
    assert!(ledger.validate().is_err());
    ledger.entries.clear();
    assert!(ledger.validate().unwrap_err().contains("0 promotions"));
}

#[test]
fn expiry_is_half_open() {
    let ledger = ledger(1);
    let expires = ledger.expires;
    assert_eq!(
        ledger.freshness(ledger.issued),
        Freshness::Current { until: expires }
    );
    assert_eq!(
        ledger.freshness(expires),
        Freshness::Expired { since: expires }
    );
}
