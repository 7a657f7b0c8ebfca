//! Build and reference statements.

use super::*;

/// Verifies as version 1.4.2 of `billing`.
fn verify(trust: &TrustFile, bundles: &[Vec<u8>]) -> Verdict<Verified<BuildPredicate>> {
    verify_as(trust, "billing", "1.4.2", image("billing"), bundles)
}

fn verify_as(
    trust: &TrustFile,
    name: &str,
    version: &str,
    digest: Digest,
    bundles: &[Vec<u8>],
) -> Verdict<Verified<BuildPredicate>> {
    let (container, version) = (container(name), Version::new(version).unwrap());
    let expected = ExpectedBuild {
        container: &container,
        version: Some(&version),
        digest,
    };
    policy(trust).verify_build(&expected, bundles)
}

fn verify_reference(
    number: u64,
    digest: Digest,
    bundles: &[Vec<u8>],
) -> Verdict<Verified<ReferencePredicate>> {
    let (trust, front): (_, ContainerName) = (trust_file(1, 1), container("front"));
    let expected = ExpectedReference {
        proxy: &front,
        number: Some(number),
        digest,
    };
    policy(&trust).verify_reference(&expected, bundles)
}

#[test]
fn one_key_of_one() {
    let verified = accepted(verify(&trust_file(1, 1), &signed(&build("billing"), &[1])));
    assert_eq!(verified.signers, ["key1"]);
    assert_eq!(verified.predicate, build("billing").predicate);
    assert_eq!(
        verified.payload,
        Digest::of(&build("billing").to_payload().unwrap())
    );
}

#[test]
fn every_check_is_told_in_words() {
    let verdict = verify(&trust_file(1, 1), &signed(&build("billing"), &[1]));
    let lines: Vec<_> = verdict.checks.iter().map(ToString::to_string).collect();
    insta::assert_snapshot!(lines.join("\n"), @r"
    passed: signed by `key1` (1 wanted)
    passed: the statement is a `urn:devenv:build:1`
    passed: it was made at 2026-01-02T00:00:00Z
    passed: it is about `acme/billing`
    passed: it is for platform `acme`
    passed: it is about sha256:0c95c7ece1ce1a9750275ef1c6d7ad6b278f70d66592207783ffe7d58474cc01
    passed: neither it nor the statement is revoked
    passed: it is version 1.4.2
    ");
}

#[test]
fn two_keys_of_three() {
    let trust = trust_file(3, 2);
    let statement = build("billing");
    let verified = accepted(verify(&trust, &signed(&statement, &[3, 1])));
    assert_eq!(verified.signers, ["key1", "key3"]);

    let text = refused(verify(&trust, &signed(&statement, &[2])));
    says(
        &text,
        "1 of 2 wanted signatures by trusted keys (`key2`), 1 is missing",
    );
    let text = refused(verify(&trust, &signed(&statement, &[2, 2])));
    says(
        &text,
        "1 is missing; key `key2` signed more than once, which counts once",
    );
    let text = refused(verify(&trust, &signed(&statement, &[8, 9])));
    says(
        &text,
        "0 of 2 wanted signatures by trusted keys, 2 are missing",
    );
    says(&text, "which the trust file does not list");
}

#[test]
fn two_keys_over_different_payloads_are_not_two() {
    let trust = trust_file(2, 2);
    let mut other = build("billing");
    other.predicate.built = time(2);
    let mut bundles = signed(&build("billing"), &[1]);
    bundles.extend(signed(&other, &[2]));
    says(&refused(verify(&trust, &bundles)), "1 is missing");
    bundles.extend(signed(&other, &[1]));
    assert_eq!(accepted(verify(&trust, &bundles)).predicate.built, time(2));
}

#[test]
fn an_unsigned_image_and_too_many_bundles() {
    let trust = trust_file(2, 2);
    says(
        &refused(verify(&trust, &[])),
        "no signature is attached; 2 wanted",
    );
    let sixteen = signed(&build("billing"), &[1; 16]);
    says(
        &refused(verify(&trust, &sixteen)),
        "16 signature bundles are attached",
    );
}

#[test]
fn a_tampered_payload() {
    let bundle = signed(&build("billing"), &[1]).remove(0);
    let mut evil = build("billing");
    evil.subject.digest = image("evil");
    let from = crate::verify::trust::bundle::Bundle::parse(&bundle).unwrap();
    let evil = crate::verify::trust::bundle::assemble(
        crate::verify::trust::bundle::PAYLOAD_TYPE,
        &evil.to_payload().unwrap(),
        &from.signatures,
        &key(1).public(),
    );
    let verdict = verify_as(
        &trust_file(1, 1),
        "billing",
        "1.4.2",
        image("evil"),
        &[evil.unwrap()],
    );
    says(&refused(verdict), "names key `key1` but does not match");
}

#[test]
fn a_signature_moved_to_another_image() {
    let bundles = signed(&build("billing"), &[1]);
    let verdict = verify_as(
        &trust_file(1, 1),
        "billing",
        "1.4.2",
        image("evil"),
        &bundles,
    );
    says(
        &refused(verdict),
        &format!("about {}, not about {}", image("billing"), image("evil")),
    );
}

#[test]
fn copied_to_another_container_platform_or_version() {
    let trust = trust_file(1, 1);
    let bundles = signed(&build("billing"), &[1]);
    let verdict = verify_as(&trust, "customers", "1.4.2", image("billing"), &bundles);
    says(
        &refused(verdict),
        "it is about `acme/billing`, not about `acme/customers`",
    );
    let verdict = verify_as(&trust, "billing", "1.4.3", image("billing"), &bundles);
    says(&refused(verdict), "it is version 1.4.2, not 1.4.3");

    let mut other = trust_file(1, 1);
    other.platform = "globex".parse().unwrap();
    says(
        &refused(verify(&other, &bundles)),
        "not about `globex/billing`",
    );
    let mut half = build("billing");
    half.predicate.platform = "globex".parse().unwrap();
    let text = refused(verify(&trust, &signed(&half, &[1])));
    says(&text, "it is for platform `globex`, not `acme`");
}

#[test]
fn an_attestation_of_another_type_only() {
    let digest = proxy(3);
    let bundles = signed(&reference(3), &[1]);
    let verdict = verify_as(&trust_file(1, 1), "front", "3", digest, &bundles);
    says(
        &refused(verdict),
        "is a `urn:devenv:reference:1`, not a `urn:devenv:build:1`",
    );
}

#[test]
fn mixed_bundles() {
    let trust = trust_file(1, 1);
    let honest = signed(&build("customers"), &[1]);
    let evil = signed(&build("billing"), &[9]);
    for bundles in [[&honest[..], &evil].concat(), [&evil[..], &honest].concat()] {
        let verdict = verify(&trust, &bundles);
        assert!(
            verdict
                .checks
                .iter()
                .any(|check| check.text.contains("does not list"))
        );
        says(&refused(verdict), "it is about `acme/customers`");
    }
    // Nor does foreign rubbish hide an honest one.
    let bundles = [
        &evil[..],
        &honest,
        &[b"{}".to_vec()],
        &signed(&build("billing"), &[1]),
    ]
    .concat();
    accepted(verify(&trust, &bundles));
}

#[test]
fn one_envelope_with_several_signatures() {
    let payload = build("billing").to_payload().unwrap();
    let signature = |number| {
        let bundle = sign_payload(&payload, &key(number)).unwrap();
        crate::verify::trust::bundle::Bundle::parse(&bundle)
            .unwrap()
            .signatures
            .remove(0)
    };
    let envelope = |numbers: &[u8]| {
        let signatures: Vec<_> = numbers.iter().map(|&number| signature(number)).collect();
        vec![
            crate::verify::trust::bundle::assemble(
                crate::verify::trust::bundle::PAYLOAD_TYPE,
                &payload,
                &signatures,
                &key(1).public(),
            )
            .unwrap(),
        ]
    };
    let trust = trust_file(3, 2);
    assert_eq!(
        accepted(verify(&trust, &envelope(&[1, 2]))).signers,
        ["key1", "key2"]
    );
    refused(verify(&trust, &envelope(&[1, 1])));
    refused(verify(&trust, &envelope(&[1, 9])));
}

#[test]
fn garbage_says_what_is_wrong() {
    let text = refused(verify(&trust_file(1, 1), &[b"\x1b]0;garbage".to_vec()]));
    says(
        &text,
        "bundle 1 of 1 cannot be read: it is not a Sigstore bundle",
    );
    let rubbish = sign_payload(b"{\"predicateType\": 1, \"\x1b[2J\"}", &key(1)).unwrap();
    let text = refused(verify(&trust_file(1, 1), &[rubbish]));
    says(&text, "the statement does not hold together");
    assert!(!text.contains('\u{1b}'));
}

#[test]
fn revoked_keys_and_digests() {
    let mut trust = trust_file(2, 1);
    trust.revoked.keys.insert(trust.keys[0].fingerprint());
    let text = refused(verify(&trust, &signed(&build("billing"), &[1])));
    says(&text, "1 is missing; key `key1` is revoked");
    accepted(verify(&trust, &signed(&build("billing"), &[1, 2])));

    let payload = Digest::of(&build("billing").to_payload().unwrap());
    for digest in [image("billing"), payload] {
        let mut trust = trust_file(1, 1);
        trust.revoked.digests.insert(digest);
        let text = refused(verify(&trust, &signed(&build("billing"), &[1])));
        says(&text, &format!("{digest} is revoked"));
        let verdict = verify_as(
            &trust,
            "customers",
            "1.4.2",
            image("customers"),
            &signed(&build("customers"), &[1]),
        );
        accepted(verdict);
    }
}

#[test]
fn keys_count_only_in_their_time() {
    let bundles = signed(&build("billing"), &[1, 2]);
    let mut trust = trust_file(2, 2);
    trust.keys[0].from = Some(time(1));
    trust.keys[1].until = Some(time(2));
    accepted(verify(&trust, &bundles));
    trust.keys[1].until = Some(time(1));
    says(
        &refused(verify(&trust, &bundles)),
        "key `key2` counted until 2026-01-02",
    );
    trust.keys[1].until = None;
    trust.keys[0].from = Some(time(2));
    says(
        &refused(verify(&trust, &bundles)),
        "key `key1` counts from 2026-01-03",
    );
}

#[test]
fn statements_from_the_future() {
    let mut statement = build("billing");
    statement.predicate.built = time(10) + SignedDuration::from_mins(59);
    accepted(verify(&trust_file(1, 1), &signed(&statement, &[1])));
    statement.predicate.built = time(11);
    let text = refused(verify(&trust_file(1, 1), &signed(&statement, &[1])));
    says(&text, "in the future");
}

#[test]
fn references() {
    let bundles = signed(&reference(3), &[1]);
    assert_eq!(
        accepted(verify_reference(3, proxy(3), &bundles))
            .predicate
            .number,
        3
    );
    says(
        &refused(verify_reference(4, proxy(3), &bundles)),
        "it is reference 3, not 4",
    );
    says(
        &refused(verify_reference(3, proxy(4), &bundles)),
        "not about sha256:",
    );
    let mut app = reference(3);
    app.subject.name.part = Part::Container(container("billing"));
    let text = refused(verify_reference(3, proxy(3), &signed(&app, &[1])));
    says(&text, "it is about `acme/billing`, not about `acme/front`");
}

#[test]
fn pending_signatures() {
    let trust = trust_file(3, 3);
    let bundles = [
        signed(&build("billing"), &[1, 2]),
        signed(&build("evil"), &[9]),
    ]
    .concat();
    let pending = policy(&trust).pending(&bundles);
    let payload = build("billing").to_payload().unwrap();
    let signers = vec!["key1".to_owned(), "key2".to_owned()];
    assert_eq!(
        pending,
        [Pending {
            payload,
            signers,
            missing: 1
        }]
    );
    let third = sign_payload(&pending[0].payload, &key(3)).unwrap();
    accepted(verify(&trust, &[&bundles[..], &[third]].concat()));
}

#[test]
fn a_trust_file_that_was_never_validated_accepts_nothing_unsigned() {
    let trust = trust_file(1, 0);
    refused(verify(&trust, &signed(&build("billing"), &[9])));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(32))]

    /// One key of two, however its bundle is bent, is never enough.
    #[test]
    fn no_change_of_one_byte_is_accepted(at: proptest::sample::Index, flip in 1_u8..=255) {
        let mut bundle = signed(&build("billing"), &[1]).remove(0);
        let at = at.index(bundle.len());
        bundle[at] ^= flip;
        let verdict = verify(&trust_file(1, 1), &[bundle]);
        if let Ok(verified) = verdict.result {
            // Only what is not signed may have changed: the hint, or base64's loose bits.
            proptest::prop_assert_eq!(verified.predicate, build("billing").predicate);
        }
    }
}
