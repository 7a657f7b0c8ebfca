//! Ledgers and the ratchet.

use super::*;

fn verify(
    trust: &TrustFile,
    seen: Option<&LedgerSeen>,
    bundles: &[Vec<u8>],
) -> Verdict<Verified<Ledger>> {
    policy(trust).verify_ledger(&production(), seen, bundles)
}

fn signed_ledger(ledger: &Ledger) -> Vec<Vec<u8>> {
    signed(&ledger_statement(ledger), &[1])
}

/// What a machine remembers that has seen the ledger.
fn seen(ledger: &Ledger) -> LedgerSeen {
    let trust = trust_file(1, 1);
    LedgerSeen::of(
        &accepted(verify(&trust, None, &signed_ledger(ledger))),
        &trust,
    )
}

/// Held against three promotions seen.
fn after_three(found: &Ledger) -> Verdict<Verified<Ledger>> {
    verify(
        &trust_file(1, 1),
        Some(&seen(&ledger(3))),
        &signed_ledger(found),
    )
}

#[test]
fn the_same_and_the_next_document() {
    let three = ledger(3);
    assert_eq!(accepted(after_three(&three)).predicate, three);
    assert_eq!(accepted(after_three(&ledger(4))).predicate.sequence, 4);
    accepted(after_three(&three.renew(9, time(5), time(95)).unwrap()));
}

#[test]
fn an_old_ledger_replayed() {
    let text = refused(after_three(&ledger(2)));
    says(
        &text,
        "its sequence is 2, but this machine has already seen 3",
    );
}

#[test]
fn two_documents_with_one_sequence() {
    let mut other = ledger(3);
    other.expires = time(91);
    says(
        &refused(after_three(&other)),
        "two signed documents with sequence 3",
    );

    let trust = trust_file(1, 1);
    let both = [signed_ledger(&ledger(3)), signed_ledger(&other)].concat();
    says(&refused(verify(&trust, None, &both)), "equivocation");
    // A later document does not cover it up, whether the first was seen here or lies beside.
    let later = [both, signed_ledger(&ledger(4))].concat();
    says(&refused(verify(&trust, None, &later)), "sequence 3");
    let seen = seen(&ledger(3));
    says(
        &refused(verify(&trust, Some(&seen), &later[1..])),
        "sequence 3",
    );
}

#[test]
fn history_rewritten() {
    let mut other = ledger(4);
    other.entries[0].by = "somebody else".to_owned();
    says(
        &refused(after_three(&other)),
        "does not extend the history last seen",
    );
    let beside = [signed_ledger(&ledger(3)), signed_ledger(&other)].concat();
    let text = refused(verify(&trust_file(1, 1), None, &beside));
    says(&text, "does not extend a document beside it");
}

#[test]
fn the_highest_of_several_documents_counts() {
    let documents = [ledger(2), ledger(4), ledger(3)].map(|ledger| signed_ledger(&ledger));
    let verified = accepted(verify(&trust_file(1, 1), None, &documents.concat()));
    assert_eq!(verified.predicate.sequence, 4);
    // An unsigned higher one does not stand in the way.
    let evil = signed(&ledger_statement(&ledger(5)), &[9]);
    let verified = accepted(verify(
        &trust_file(1, 1),
        None,
        &[documents.concat(), evil].concat(),
    ));
    assert_eq!(verified.predicate.sequence, 4);
}

#[test]
fn another_environment_or_platform() {
    let mut other = ledger(3);
    other.environment = EnvironmentName::new("recette").unwrap();
    let text = refused(verify(&trust_file(1, 1), None, &signed_ledger(&other)));
    says(&text, "it is the ledger of recette, not of production");
    let mut other = ledger(3);
    other.platform = "globex".parse().unwrap();
    let text = refused(verify(&trust_file(1, 1), None, &signed_ledger(&other)));
    says(&text, "it is for platform `globex`, not `acme`");
    assert_ne!(other.platform, platform());
}

#[test]
fn one_of_two_keys() {
    let trust = trust_file(2, 2);
    let statement = ledger_statement(&ledger(3));
    says(
        &refused(verify(&trust, None, &signed(&statement, &[1]))),
        "1 is missing",
    );
    assert_eq!(
        accepted(verify(&trust, None, &signed(&statement, &[1, 2])))
            .signers
            .len(),
        2
    );
}

#[test]
fn a_document_at_odds_with_itself() {
    let payload = ledger_statement(&ledger(3)).to_payload().unwrap();
    let text = String::from_utf8(payload).unwrap();
    for (from, to, part) in [
        (
            "\"sequence\":3",
            "\"sequence\":2",
            "impossible with 3 promotions",
        ),
        (&proxy(3).hex()[..], &proxy(9).hex()[..], "last promotion"),
        (
            "\"issued\":\"2026-01-04",
            "\"issued\":\"2026-01-03",
            "order of their times",
        ),
    ] {
        let changed = text.replacen(from, to, 1);
        assert_ne!(changed, text);
        let bundle = sign_payload(changed.as_bytes(), &key(1)).unwrap();
        says(&refused(verify(&trust_file(1, 1), None, &[bundle])), part);
    }
}

#[test]
fn the_lowest_sequence_allowed() {
    let mut trust = trust_file(1, 1);
    trust.minimum_sequences.insert(production(), 3);
    accepted(verify(&trust, None, &signed_ledger(&ledger(3))));
    let text = refused(verify(&trust, None, &signed_ledger(&ledger(2))));
    says(
        &text,
        "its sequence is 2, but the trust file demands at least 3",
    );
}

#[test]
fn only_a_higher_root_with_another_minimum_sets_the_ratchet_aside() {
    // A stolen key had signed sequence 9; production goes on from 4.
    let mut stolen = ledger(3);
    stolen.sequence = 9;
    let (seen, honest) = (seen(&stolen), signed_ledger(&ledger(4)));
    let mut trust = trust_file(1, 1);
    refused(verify(&trust, Some(&seen), &honest));
    trust.root_version = 2;
    refused(verify(&trust, Some(&seen), &honest));
    trust.minimum_sequences.insert(production(), 4);
    let verified = accepted(verify(&trust, Some(&seen), &honest));
    refused(verify(&trust, Some(&seen), &signed_ledger(&ledger(3))));
    trust.root_version = 1;
    refused(verify(&trust, Some(&seen), &honest));

    // From then on it holds again, also under the next rotation.
    trust.root_version = 2;
    let next = accepted(verify(&trust, Some(&seen), &signed_ledger(&ledger(5))));
    let remembered = LedgerSeen::of(&next, &trust);
    trust.root_version = 3;
    refused(verify(
        &trust,
        Some(&remembered),
        &signed_ledger(&verified.predicate),
    ));
}

#[test]
fn expiry_and_revocation_are_told_but_left_to_the_caller() {
    let trust = trust_file(1, 1);
    let late = Policy {
        trust: &trust,
        now: time(91),
    };
    let verdict = late.verify_ledger(&production(), None, &signed_ledger(&ledger(3)));
    assert!(
        verdict
            .checks
            .iter()
            .any(|check| check.text.starts_with("it expired at"))
    );
    let verified = accepted(verdict);
    assert_eq!(
        verified.predicate.freshness(time(91)),
        Freshness::Expired { since: time(90) }
    );

    let mut trust = trust_file(1, 1);
    trust.revoked.digests.insert(entry(3).digest);
    let verdict = verify(&trust, None, &signed_ledger(&ledger(3)));
    assert!(
        verdict
            .checks
            .iter()
            .any(|check| check.text.contains("reference 3 in it is revoked"))
    );
    accepted(verdict);
}

#[test]
fn what_is_remembered_survives_the_state_folder() {
    let seen = seen(&ledger(3));
    let json = serde_json::to_string(&seen).unwrap();
    assert_eq!(serde_json::from_str::<LedgerSeen>(&json).unwrap(), seen);
    let more = json.replacen('{', "{\"more\":1,", 1);
    assert!(serde_json::from_str::<LedgerSeen>(&more).is_err());
}
