//! The private half of a signing key, and the files it is kept in.

use std::fmt;

use p256::ecdsa::signature::Signer;
use p256::elliptic_curve::sec1::ToSec1Point;
use p256::pkcs8::der::pem;
use p256::pkcs8::{DecodePrivateKey, EncodePrivateKey, LineEnding};
use ring::rand::SecureRandom;

use super::key_file::{decrypt, encrypt, fresh};
pub use crate::model::public_key::{Fingerprint, Fingerprints, PublicKey};

use crate::error::{Error, Result};
use crate::model::secret::Secret;
use crate::model::visible::visible;

/// How cosign labels the keys it writes today.
const ENCRYPTED: &str = "ENCRYPTED SIGSTORE PRIVATE KEY";

/// How it labelled them before.
const ENCRYPTED_BEFORE: &str = "ENCRYPTED COSIGN PRIVATE KEY";

/// A key that is not encrypted.
const PLAIN: &str = "PRIVATE KEY";

/// A key file is a few hundred bytes.
const LARGEST_FILE: usize = 16 * 1024;

/// An ECDSA P-256 private key. Its `Debug` form shows the fingerprint of the public half.
pub struct SigningKey {
    secret: p256::SecretKey,
    public: PublicKey,
}

impl SigningKey {
    /// A new key from `random`.
    pub fn generate(random: &dyn SecureRandom) -> Result<Self> {
        loop {
            let bytes: [u8; 32] = fresh(random)?;
            // Fails for zero and for what exceeds the group's order: once in 2^32.
            if let Ok(key) = p256::SecretKey::from_slice(&bytes) {
                return Self::from_secret(key);
            }
        }
    }

    /// The same key for the same bytes.
    #[cfg(test)]
    pub(super) fn fixed(bytes: &[u8; 32]) -> Self {
        let secret = p256::SecretKey::from_slice(bytes).unwrap();
        Self::from_secret(secret).unwrap()
    }

    /// Whether [`SigningKey::from_pem`] wants a passphrase for this file.
    pub fn needs_passphrase(pem: &str) -> bool {
        [ENCRYPTED, ENCRYPTED_BEFORE]
            .iter()
            .any(|label| pem.contains(&format!("-----BEGIN {label}-----")))
    }

    /// Reads a key file: as `cosign generate-key-pair` writes it, encrypted, or PKCS#8.
    /// Errors: usage, when the file is no such key or the passphrase is missing or wrong.
    pub fn from_pem(pem: &Secret, passphrase: Option<&Secret>) -> Result<Self> {
        let text = pem.expose().trim();
        if text.len() > LARGEST_FILE {
            return Err(Error::usage("the key file is too large for a key"));
        }
        let (label, bytes) = pem::decode_vec(text.as_bytes()).map_err(|error| {
            Error::usage("the key file is not a PEM file").because(error.to_string())
        })?;
        match label {
            PLAIN => Self::from_pkcs8(&bytes),
            ENCRYPTED | ENCRYPTED_BEFORE => {
                let passphrase = passphrase.ok_or_else(|| {
                    Error::usage("the key is encrypted; its passphrase is needed")
                })?;
                Self::from_pkcs8(&decrypt(&bytes, passphrase)?)
            }
            other => Err(Error::usage(format!(
                "the key file holds a `{}`; wanted is `{ENCRYPTED}` or `{PLAIN}`",
                visible(other)
            ))
            .hint("openssl pkcs8 -topk8 -nocrypt -in KEY turns other forms into PKCS#8")),
        }
    }

    fn from_pkcs8(der: &[u8]) -> Result<Self> {
        let key = p256::SecretKey::from_pkcs8_der(der).map_err(|_| {
            Error::usage("the key file does not hold an ECDSA P-256 key")
                .hint("devenv release key makes one; so does cosign generate-key-pair")
        })?;
        Self::from_secret(key)
    }

    fn from_secret(secret: p256::SecretKey) -> Result<Self> {
        let point = secret.public_key().to_sec1_point(false);
        let public = PublicKey::from_point(point.as_bytes()).map_err(Error::bug)?;
        Ok(Self { secret, public })
    }

    /// The key as cosign keeps it, encrypted with `passphrase`.
    pub fn to_encrypted_pem(
        &self,
        passphrase: &Secret,
        random: &dyn SecureRandom,
    ) -> Result<String> {
        let bug = |error: &dyn fmt::Display| Error::bug(format!("cannot write a key: {error}"));
        let der = self.secret.to_pkcs8_der().map_err(|error| bug(&error))?;
        let json = encrypt(der.as_bytes(), passphrase, random)?;
        pem::encode_string(ENCRYPTED, LineEnding::LF, &json).map_err(|error| bug(&error))
    }

    /// The key as PKCS#8, not encrypted: for a machine that nobody types a passphrase at.
    pub fn to_pem(&self) -> Result<Secret> {
        let pem = self.secret.to_pkcs8_pem(LineEnding::LF);
        let pem = pem.map_err(|error| Error::bug(format!("cannot write a key: {error}")))?;
        Ok(Secret::new(pem.as_str()))
    }

    /// The public half.
    pub fn public(&self) -> PublicKey {
        self.public
    }

    /// The signature over the SHA-256 of `message`, as DER. Deterministic (RFC 6979).
    pub fn sign(&self, message: &[u8]) -> Vec<u8> {
        let signature: p256::ecdsa::Signature =
            p256::ecdsa::SigningKey::from(&self.secret).sign(message);
        signature.to_der().as_bytes().to_vec()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SigningKey({})", self.public.fingerprint())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;
    use crate::verify::trust::testing::key;
    use ring::rand::SystemRandom;

    /// Made by cosign 3.1.1 (`COSIGN_PASSWORD=secret cosign generate-key-pair`).
    const COSIGN: &str = "\
-----BEGIN ENCRYPTED SIGSTORE PRIVATE KEY-----
eyJrZGYiOnsibmFtZSI6InNjcnlwdCIsInBhcmFtcyI6eyJOIjo2NTUzNiwiciI6
OCwicCI6MX0sInNhbHQiOiJGeDViWjY5QnFiMm5RNFAwZ1VyMkNTTE9VUk02WnhM
ajRkWStQRVhSS3JRPSJ9LCJjaXBoZXIiOnsibmFtZSI6Im5hY2wvc2VjcmV0Ym94
Iiwibm9uY2UiOiIzTzVIRGRHaTMzUUtkeTdEcThJWUpudFpvTEZOUVJtVCJ9LCJj
aXBoZXJ0ZXh0IjoiUDZ1VDA2MzhkQncxVVZxR2diZE5PSnJDQWdDcnNMQ2k2MHhs
bHViZWtuWTI3d05paEwwcDhDL0NCbGZlbVoweGJnV3ovcTJlS3VRMDUzMDRHaHp2
ZS9EWlpqd3JObndhUU4rVWJsTVhKbitaM1N0QzhLSStKbS9ZTWdKZ09peWNqZU1Q
NEsxekppL1JhSTlTanlqOXRRU2pGWW9pYU9VUWRheFJkNm04d00vU2RSV0dzMTN5
WUxqSmxCZWh4ajd3dThEZzN0SFlYVXd2UUE9PSJ9
-----END ENCRYPTED SIGSTORE PRIVATE KEY-----
";
    /// The fingerprint of the `cosign.pub` beside it.
    const COSIGN_FINGERPRINT: &str =
        "c519eef861db68e7a8335243a3a9d4327f810bf1546739eff4f88bd6e16a6a5a";

    fn open(pem: &str, passphrase: Option<&str>) -> Result<SigningKey> {
        SigningKey::from_pem(&Secret::new(pem), passphrase.map(Secret::new).as_ref())
    }

    #[test]
    fn a_key_made_by_cosign_under_either_label() {
        for pem in [COSIGN.to_owned(), COSIGN.replace("SIGSTORE", "COSIGN")] {
            assert!(SigningKey::needs_passphrase(&pem));
            let key = open(&pem, Some("secret")).unwrap();
            let fingerprint = key.public().fingerprint();
            assert_eq!(fingerprint.to_string(), COSIGN_FINGERPRINT);
        }
    }

    #[test]
    fn passphrases_missing_and_wrong() {
        let error = open(COSIGN, None).unwrap_err();
        assert!(
            error.to_string().contains("passphrase is needed"),
            "{error}"
        );
        let error = open(COSIGN, Some("Secret")).unwrap_err();
        assert!(error.to_string().contains("does not open"), "{error}");
        assert_eq!(error.kind(), Kind::Usage);
    }

    #[test]
    fn what_is_encrypted_opens_again() {
        let random = SystemRandom::new();
        let key = SigningKey::generate(&random).unwrap();
        let pem = key
            .to_encrypted_pem(&Secret::new("pässphrase"), &random)
            .unwrap();
        let again = open(&pem, Some("pässphrase")).unwrap();
        assert_eq!(again.public(), key.public());
    }

    #[test]
    fn plain_pkcs8_needs_no_passphrase() {
        let pem = key(1).secret.to_pkcs8_pem(LineEnding::LF).unwrap();
        assert!(!SigningKey::needs_passphrase(&pem));
        let again = open(&pem, None).unwrap();
        assert_eq!(again.public(), key(1).public());
    }

    #[test]
    fn other_files_are_refused() {
        assert!(open("", None).is_err());
        let sec1 = key(1).secret.to_pkcs8_pem(LineEnding::LF).unwrap();
        let sec1 = sec1.replace("PRIVATE", "EC PRIVATE");
        let error = open(&sec1, None).unwrap_err();
        assert!(error.to_string().contains("`EC PRIVATE KEY`"), "{error}");
        let json = br#"{"kdf":{"name":"scrypt","params":{"N":2147483648,"r":8,"p":1},"salt":""},
            "cipher":{"name":"nacl/secretbox","nonce":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"},"ciphertext":""}"#;
        let hungry = pem::encode_string(ENCRYPTED, LineEnding::LF, json).unwrap();
        let error = open(&hungry, Some("x")).unwrap_err();
        assert!(error.to_string().contains("N = 2147483648"), "{error}");
    }

    #[test]
    fn signatures_verify_with_the_public_half_only() {
        let public = key(1).public();
        let signature = key(1).sign(b"message");
        assert!(public.verifies(b"message", &signature));
        assert!(!public.verifies(b"massage", &signature));
        assert!(!public.verifies(b"message", &signature[..signature.len() - 1]));
        assert!(!public.verifies(b"message", &key(2).sign(b"message")));
        assert!(!public.verifies(b"message", &[]));
    }

    #[test]
    fn debug_shows_no_private_half() {
        let shown = format!("{:?}", key(1));
        assert_eq!(
            shown,
            format!("SigningKey({})", key(1).public().fingerprint())
        );
    }
}
