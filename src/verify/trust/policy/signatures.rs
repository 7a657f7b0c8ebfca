//! Which trusted keys signed which payloads; no payload is interpreted here.

use super::report::Checks;
use crate::model::digest::Digest;
use crate::model::public_key::Fingerprint;
use crate::model::trust_file::{TrustFile, TrustedKey};
use crate::verify::trust::bundle::Bundle;

/// More bundles on one object than this are refused: each costs a download and time.
pub const MOST_BUNDLES: usize = 12;

/// One payload, from however many bundles, with those who signed it.
#[derive(Debug)]
pub(super) struct SignedPayload<'a> {
    pub(super) bytes: Vec<u8>,
    pub(super) digest: Digest,
    /// Distinct, not revoked, in the order of the trust file.
    pub(super) signers: Vec<&'a TrustedKey>,
    /// Signatures that do not count, and why.
    pub(super) void: Vec<String>,
}

/// Verifies all signatures and groups them by identical payload. Bundles that cannot be read
/// are noted and left out; errors only when there are none or too many.
pub(super) fn collect<'a, B: AsRef<[u8]>>(
    trust: &'a TrustFile,
    bundles: &[B],
    notes: &mut Checks,
) -> Result<Vec<SignedPayload<'a>>, String> {
    let total = bundles.len();
    if total == 0 {
        return Err(format!(
            "no signature is attached; {} wanted",
            trust.threshold
        ));
    }
    if total > MOST_BUNDLES {
        return Err(format!(
            "{total} signature bundles are attached; there may be {MOST_BUNDLES}"
        ));
    }
    let mut payloads: Vec<SignedPayload<'a>> = Vec::new();
    let mut unreadable = None;
    for (index, bytes) in bundles.iter().enumerate() {
        match Bundle::parse(bytes.as_ref()) {
            Ok(bundle) => add(trust, bundle, &mut payloads),
            Err(wrong) => {
                let text = format!("bundle {} of {total} cannot be read: {wrong}", index + 1);
                notes.note(&text);
                unreadable.get_or_insert(text);
            }
        }
    }
    for payload in &mut payloads {
        let place = |signer: &&TrustedKey| trust.keys.iter().position(|key| key == *signer);
        payload.signers.sort_by_key(place);
    }
    match unreadable {
        Some(text) if payloads.is_empty() => Err(text),
        _ => Ok(payloads),
    }
}

fn add<'a>(trust: &'a TrustFile, bundle: Bundle, payloads: &mut Vec<SignedPayload<'a>>) {
    let digest = Digest::of(&bundle.payload);
    let signed = bundle.signed_bytes();
    let known = payloads.iter().position(|payload| payload.digest == digest);
    let index = known.unwrap_or_else(|| {
        payloads.push(SignedPayload {
            bytes: bundle.payload,
            digest,
            signers: Vec::new(),
            void: Vec::new(),
        });
        payloads.len() - 1
    });
    let payload = &mut payloads[index];
    for signature in &bundle.signatures {
        match signer(trust, &signed, signature, bundle.hint) {
            None => payload.void.push(unknown(trust, bundle.hint)),
            Some(key) if trust.is_revoked(key) => {
                payload.void.push(format!("key `{}` is revoked", key.name));
            }
            Some(key) if payload.signers.contains(&key) => {
                let twice = format!(
                    "key `{}` signed more than once, which counts once",
                    key.name
                );
                payload.void.push(twice);
            }
            Some(key) => payload.signers.push(key),
        }
    }
}

/// The key that made the signature. The hint only says which to try first.
fn signer<'a>(
    trust: &'a TrustFile,
    signed: &[u8],
    signature: &[u8],
    hint: Option<Fingerprint>,
) -> Option<&'a TrustedKey> {
    let hinted = |key: &&TrustedKey| Some(key.fingerprint()) == hint;
    let first = trust.keys.iter().filter(hinted);
    let rest = trust.keys.iter().filter(|key| !hinted(key));
    first
        .chain(rest)
        .find(|key| key.key.verifies(signed, signature))
}

fn unknown(trust: &TrustFile, hint: Option<Fingerprint>) -> String {
    let Some(hint) = hint else {
        return "a signature matches no trusted key".to_owned();
    };
    match trust.keys.iter().find(|key| key.fingerprint() == hint) {
        Some(key) => format!(
            "a signature names key `{}` but does not match: content or signature was changed",
            key.name
        ),
        None => format!(
            "a signature names key {}…, which the trust file does not list",
            hint.short()
        ),
    }
}
