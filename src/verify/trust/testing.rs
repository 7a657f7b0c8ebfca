//! Keys for tests, beside what [`crate::model::testing`] has.

use super::keys::SigningKey;

#[allow(clippy::wildcard_imports, reason = "one set of test data")]
pub(crate) use crate::model::testing::*;

/// The `number`th key (from 1), the same in every test.
pub(crate) fn key(number: u8) -> SigningKey {
    SigningKey::fixed(&[number; 32])
}
