//! Who vouches for a capsule: a Sigstore bundle over the bytes of its OCI manifest, which names everything else
//! by digest. Its type keeps it from passing for a statement about a release, and the other way round.

use jiff::Timestamp;
use serde::Serialize;

use crate::error::{Error, Result};
use crate::model::trust_file::TrustFile;
use crate::verify::trust::bundle::{Bundle, CAPSULE_TYPE, sign_as};
use crate::verify::trust::keys::{PublicKey, SigningKey};

/// Whose word a capsule is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "by", rename_all = "lowercase")]
pub enum Signer {
    /// Nobody signed it.
    Nobody,
    /// A key of the trust file.
    Key {
        /// Its name.
        name: String,
    },
    /// A server of the trust file.
    Server {
        /// Its name.
        name: String,
    },
}

pub(super) fn sign(manifest: &[u8], key: &SigningKey) -> Result<Vec<u8>> {
    sign_as(CAPSULE_TYPE, manifest, key)
}

/// A key that nobody could verify afterwards is refused at once.
///
/// # Errors
/// [`crate::error::Kind::Trust`]
pub(super) fn refuse_unknown(trust: &TrustFile, key: &PublicKey, now: Timestamp) -> Result<Signer> {
    let hint = Some(key.fingerprint());
    let known = trust.usable_keys().find(|it| it.key == *key);
    if let Some(it) = known.filter(|it| it.is_valid_at(now)) {
        let name = it.name.clone();
        return Ok(Signer::Key { name });
    }
    let server = hint.and_then(|it| trust.server(&it));
    if let Some((name, _)) = server {
        let name = name.to_owned();
        return Ok(Signer::Server { name });
    }
    let text = format!(
        "the key {} is none that the trust file lists and that is valid now: nobody could verify the capsule",
        key.fingerprint().short()
    );
    Err(Error::trust(text)
        .hint("without `--key` the capsule is not signed, which is asked about when it is opened"))
}

/// Who signed these bytes, made at that time. A bundle that is there has to be right.
///
/// # Errors
/// [`crate::error::Kind::Trust`]: it is of other bytes, of nobody who is known, of a revoked key, or wrong.
pub(super) fn judge(
    trust: &TrustFile,
    manifest: &[u8],
    taken: Timestamp,
    bundle: Option<&[u8]>,
) -> Result<Signer> {
    let Some(bundle) = bundle else {
        return Ok(Signer::Nobody);
    };
    let refuse = |why: String| Error::trust(format!("its signature does not count: {why}"));
    let bundle = Bundle::parse_as(CAPSULE_TYPE, bundle).map_err(refuse)?;
    if bundle.payload != manifest {
        return Err(refuse("it is over something else".to_owned()));
    }
    let signed = bundle.signed_bytes();
    let made_by = |key: &PublicKey| bundle.signatures.iter().any(|it| key.verifies(&signed, it));
    if let Some(key) = trust.keys.iter().find(|it| made_by(&it.key)) {
        let name = key.name.clone();
        if trust.is_revoked(key) {
            return Err(refuse(format!("the key {name} is revoked")));
        }
        if !key.is_valid_at(taken) {
            return Err(refuse(format!("the key {name} was not valid at {taken}")));
        }
        return Ok(Signer::Key { name });
    }
    let servers = trust.servers.values().filter(|key| made_by(key));
    let mut servers = servers.filter_map(|it| trust.server(&it.fingerprint()));
    if let Some((name, _)) = servers.next() {
        let name = name.to_owned();
        return Ok(Signer::Server { name });
    }
    let known = bundle.hint.is_some_and(|it| {
        trust.server(&it).is_some() || trust.keys.iter().any(|key| key.fingerprint() == it)
    });
    Err(if known {
        refuse("content or signature was changed".to_owned())
    } else {
        refuse("no key of the pinned trust file made it".to_owned())
            .hint("`devenv trust update` takes a newer trust file")
    })
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::error::Kind;
    use crate::model::testing::{time, trust_file};
    use crate::model::trust_file::TrustedKey;
    use crate::verify::trust::bundle::sign_payload;

    #[test]
    fn only_a_key_that_is_listed_and_valid_vouches() {
        let key = || SigningKey::generate(&SystemRandom::new()).unwrap();
        let (own, server, other) = (key(), key(), key());
        let mut trust = trust_file(1, 1);
        trust.keys.push(TrustedKey {
            name: "anna".to_owned(),
            key: own.public(),
            from: None,
            until: Some(time(10)),
        });
        trust.servers.insert("web1".to_owned(), server.public());
        let by = |bytes: &[u8]| judge(&trust, b"manifest", time(5), Some(bytes));
        let signed = sign(b"manifest", &own).unwrap();
        let anna = Signer::Key {
            name: "anna".to_owned(),
        };
        assert_eq!(by(&signed).unwrap(), anna);
        assert_eq!(
            refuse_unknown(&trust, &own.public(), time(5)).unwrap(),
            anna
        );
        let web1 = Signer::Server {
            name: "web1".to_owned(),
        };
        assert_eq!(by(&sign(b"manifest", &server).unwrap()).unwrap(), web1);
        assert_eq!(
            judge(&trust, b"manifest", time(5), None).unwrap(),
            Signer::Nobody
        );

        let refused = |bytes: &[u8], why: &str| {
            let error = by(bytes).unwrap_err();
            assert_eq!(error.kind(), Kind::Trust);
            assert!(error.to_string().contains(why), "{error}");
        };
        refused(&sign(b"another", &own).unwrap(), "over something else");
        refused(
            &sign(b"manifest", &other).unwrap(),
            "no key of the pinned trust file",
        );
        // Who may sign releases did not sign this.
        refused(
            &sign_payload(b"manifest", &own).unwrap(),
            "its payload is a",
        );
        refused(b"{}", "not a Sigstore bundle");
        let mut posing: serde_json::Value =
            serde_json::from_slice(&sign(b"manifest", &other).unwrap()).unwrap();
        let honest: serde_json::Value = serde_json::from_slice(&signed).unwrap();
        posing["verificationMaterial"] = honest["verificationMaterial"].clone();
        refused(posing.to_string().as_bytes(), "was changed");
        let late = judge(&trust, b"manifest", time(10), Some(&signed)).unwrap_err();
        assert!(late.to_string().contains("was not valid"), "{late}");
        let unknown = refuse_unknown(&trust, &other.public(), time(5)).unwrap_err();
        assert_eq!(unknown.kind(), Kind::Trust);
        trust.revoked.keys.insert(own.public().fingerprint());
        let revoked = judge(&trust, b"manifest", time(5), Some(&signed)).unwrap_err();
        assert!(revoked.to_string().contains("is revoked"), "{revoked}");
    }
}
