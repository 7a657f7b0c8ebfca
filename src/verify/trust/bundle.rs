//! Sigstore bundles v0.3 around DSSE envelopes, made and read without a look at the payload.
//! Sources: <https://github.com/sigstore/protobuf-specs/blob/main/protos/sigstore_bundle.proto>,
//! <https://github.com/secure-systems-lab/dsse/blob/master/protocol.md>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::{Deserialize, Serialize};

use super::keys::{Fingerprint, PublicKey, SigningKey};
use crate::error::{Error, Result};
use crate::model::predicate::Predicate;
use crate::model::statement::Statement;
use crate::model::visible::visible;

/// The media type of a bundle, in itself and as a layer in the registry.
pub const MEDIA_TYPE: &str = "application/vnd.dev.sigstore.bundle.v0.3+json";

/// The DSSE payload type of in-toto statements.
pub const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// The DSSE payload type of what a server tells of itself: never a statement about a release.
pub const RECORD_TYPE: &str = "application/vnd.devenv.facets+json";

/// The DSSE payload type of a capsule's OCI manifest: never a statement about a release either.
pub const CAPSULE_TYPE: &str = "application/vnd.devenv.capsule+json";

/// Larger bundles are refused unread. A ledger of 10 000 promotions fits.
pub const LARGEST: usize = 4 * 1024 * 1024;

/// More signatures in one envelope than this are refused.
pub const MOST_SIGNATURES: usize = 8;

/// A DER signature on P-256 is at most this long.
const LONGEST_SIGNATURE: usize = 72;

/// A payload with its signatures, none of them verified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bundle {
    /// The signed bytes: an in-toto statement, if anyone trusted signed them.
    pub payload: Vec<u8>,
    /// DER signatures over [`Bundle::signed_bytes`]; 1 to [`MOST_SIGNATURES`].
    pub signatures: Vec<Vec<u8>>,
    /// The key that the bundle says it was signed with. Proves nothing.
    pub hint: Option<Fingerprint>,
    /// What the payload is, which the signatures cover too.
    payload_type: &'static str,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Wire {
    media_type: String,
    verification_material: Material,
    dsse_envelope: Envelope,
}

/// Certificates, log entries and timestamps may stand here as well; they are not used.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Material {
    #[serde(default)]
    public_key: Option<Hint>,
}

#[derive(Serialize, Deserialize)]
struct Hint {
    #[serde(default)]
    hint: String,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Envelope {
    payload: String,
    payload_type: String,
    signatures: Vec<Signature>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    sig: String,
    #[serde(default, skip_serializing)]
    #[allow(dead_code, reason = "allowed to be there, never used")]
    keyid: String,
}

impl Bundle {
    /// Reads a bundle of a statement; the error says, in harmless words, what is wrong with it.
    pub fn parse(bytes: &[u8]) -> Result<Self, String> {
        Self::parse_as(PAYLOAD_TYPE, bytes)
    }

    /// The same of a bundle with another payload.
    pub fn parse_as(payload_type: &'static str, bytes: &[u8]) -> Result<Self, String> {
        if bytes.len() > LARGEST {
            return Err(format!(
                "it has {} bytes; there may be {LARGEST}",
                bytes.len()
            ));
        }
        let wire: Wire = serde_json::from_slice(bytes).map_err(|error| {
            format!(
                "it is not a Sigstore bundle: {}",
                visible(&error.to_string())
            )
        })?;
        if wire.media_type != MEDIA_TYPE {
            return Err(format!(
                "it is a `{}`, not a `{MEDIA_TYPE}`",
                visible(&wire.media_type)
            ));
        }
        let envelope = wire.dsse_envelope;
        if envelope.payload_type != payload_type {
            return Err(format!(
                "its payload is a `{}`, not a `{payload_type}`",
                visible(&envelope.payload_type)
            ));
        }
        let count = envelope.signatures.len();
        if !(1..=MOST_SIGNATURES).contains(&count) {
            return Err(format!(
                "its envelope has {count} signatures; there may be 1 to {MOST_SIGNATURES}"
            ));
        }
        let payload = BASE64
            .decode(envelope.payload)
            .map_err(|_| "its payload is not base64".to_owned())?;
        let signatures = envelope.signatures.iter().map(read_signature);
        Ok(Self {
            payload,
            signatures: signatures.collect::<Result<_, _>>()?,
            hint: wire.verification_material.public_key.and_then(read_hint),
            payload_type,
        })
    }

    /// What the signatures cover.
    pub fn signed_bytes(&self) -> Vec<u8> {
        pre_authentication_encoding(self.payload_type, &self.payload)
    }
}

fn read_signature(signature: &Signature) -> Result<Vec<u8>, String> {
    let bytes = BASE64
        .decode(&signature.sig)
        .map_err(|_| "a signature is not base64".to_owned())?;
    if bytes.len() > LONGEST_SIGNATURE || p256::ecdsa::Signature::from_der(&bytes).is_err() {
        return Err(format!(
            "a signature of {} bytes is not DER for a P-256 key (cut short or padded?)",
            bytes.len()
        ));
    }
    Ok(bytes)
}

fn read_hint(hint: Hint) -> Option<Fingerprint> {
    let bytes = BASE64.decode(hint.hint).ok()?;
    Some(Fingerprint::from_bytes(bytes.try_into().ok()?))
}

/// DSSE's PAE: type and payload with their lengths, so that neither can pose as the other.
fn pre_authentication_encoding(payload_type: &str, payload: &[u8]) -> Vec<u8> {
    let (letters, bytes) = (payload_type.len(), payload.len());
    let mut bytes = format!("DSSEv1 {letters} {payload_type} {bytes} ").into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}

/// Signs `payload` as it is and gives the bundle's bytes. To add a signature to what others
/// signed, pass their payload unchanged.
pub fn sign_payload(payload: &[u8], key: &SigningKey) -> Result<Vec<u8>> {
    sign_as(PAYLOAD_TYPE, payload, key)
}

/// The same of a payload that is no statement.
pub fn sign_as(payload_type: &'static str, payload: &[u8], key: &SigningKey) -> Result<Vec<u8>> {
    let signature = key.sign(&pre_authentication_encoding(payload_type, payload));
    let bytes = assemble(payload_type, payload, &[signature], &key.public())?;
    if bytes.len() > LARGEST {
        return Err(Error::usage(format!(
            "the signed document has {} bytes; there may be {LARGEST}",
            bytes.len()
        )));
    }
    Ok(bytes)
}

/// Signs a statement and gives the bundle's bytes. Errors: a bug, when the statement does not
/// agree with itself.
pub fn sign_statement<P: Predicate>(statement: &Statement<P>, key: &SigningKey) -> Result<Vec<u8>> {
    let payload = statement
        .to_payload()
        .map_err(|wrong| Error::bug(format!("a statement to be signed is wrong: {wrong}")))?;
    sign_payload(&payload, key)
}

pub(super) fn assemble(
    payload_type: &str,
    payload: &[u8],
    signatures: &[Vec<u8>],
    key: &PublicKey,
) -> Result<Vec<u8>> {
    let wire = Wire {
        media_type: MEDIA_TYPE.to_owned(),
        verification_material: Material {
            public_key: Some(Hint {
                hint: BASE64.encode(key.fingerprint().as_bytes()),
            }),
        },
        dsse_envelope: Envelope {
            payload: BASE64.encode(payload),
            payload_type: payload_type.to_owned(),
            signatures: signatures
                .iter()
                .map(|signature| Signature {
                    sig: BASE64.encode(signature),
                    keyid: String::new(),
                })
                .collect(),
        },
    };
    serde_json::to_vec(&wire).map_err(|error| Error::bug("cannot write a bundle").because(error))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::trust::testing::{build, key};

    fn bundle() -> String {
        String::from_utf8(sign_statement(&build("billing"), &key(1)).unwrap()).unwrap()
    }

    #[test]
    fn what_is_signed_verifies() {
        let statement = build("billing");
        let bundle = Bundle::parse(bundle().as_bytes()).unwrap();
        assert_eq!(bundle.payload, statement.to_payload().unwrap());
        let public = key(1).public();
        assert_eq!(bundle.hint, Some(public.fingerprint()));
        assert!(public.verifies(&bundle.signed_bytes(), &bundle.signatures[0]));
        assert!(!public.verifies(&bundle.payload, &bundle.signatures[0]));
    }

    #[test]
    fn the_encoding_of_the_dsse_specification() {
        assert_eq!(
            pre_authentication_encoding(PAYLOAD_TYPE, b"hello"),
            b"DSSEv1 28 application/vnd.in-toto+json 5 hello"
        );
    }

    #[test]
    fn broken_bundles_say_what_is_wrong() {
        let honest = bundle();
        let signature = "\"signatures\":[";
        let (before, after) = honest.split_once(signature).unwrap();
        let many = format!("{before}{signature}{}{after}", r#"{"sig":""},"#.repeat(8));
        let none = format!("{before}{signature}]}}}}");
        for (bytes, text) in [
            (honest.replace("v0.3", "v0.2"), "v0.2"),
            (honest.replace("in-toto", "intoto"), "its payload is a"),
            (honest.replace("\"sig\":\"ME", "\"sig\":\"MD"), "not DER"),
            (
                honest.replace("\"payload\":\"", "\"payload\":\"*"),
                "not base64",
            ),
            (honest.replace("\"sig\":\"", "\"sig\":\"*"), "not base64"),
            (
                honest.replace("dsseEnvelope", "messageSignature"),
                "dsseEnvelope",
            ),
            (
                honest.replace("\"payloadType\"", "\"x\":1,\"payloadType\""),
                "unknown field",
            ),
            (many, "9 signatures"),
            (none, "0 signatures"),
            ("garbage".to_owned(), "not a Sigstore bundle"),
            (String::new(), "not a Sigstore bundle"),
            (" ".repeat(LARGEST + 1), "there may be"),
            ("[".repeat(100_000), "not a Sigstore bundle"),
        ] {
            let error = Bundle::parse(bytes.as_bytes()).unwrap_err();
            assert!(error.contains(text), "{error} / {text}");
        }
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_crash_it(bytes: Vec<u8>, at in 0_usize..400) {
            let _ = Bundle::parse(&bytes);
            let honest = bundle();
            let _ = Bundle::parse(&honest.as_bytes()[..at.min(honest.len())]);
        }
    }
}
