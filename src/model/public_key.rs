//! A key that signatures are checked against: ECDSA on P-256, in the one encoding of it.

use std::collections::BTreeSet;
use std::fmt;
use std::str::FromStr;

use p256::pkcs8::LineEnding;
use p256::pkcs8::der::pem;
use ring::digest::{SHA256, digest};
use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::visible::visible;

/// The PEM label of a public key.
const LABEL: &str = "PUBLIC KEY";

/// How the `SubjectPublicKeyInfo` (RFC 5480) of every P-256 key in uncompressed form begins;
/// the point follows: a 4 and 64 bytes of coordinates. Other encodings of the same key are refused, so that one
/// key has one fingerprint.
const HEADER: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// An ECDSA P-256 public key whose point is on the curve.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct PublicKey {
    coordinates: [[u8; 32]; 2],
}

impl PublicKey {
    /// Reads a PEM file (`-----BEGIN PUBLIC KEY-----`), as cosign and OpenSSL write it.
    pub fn from_pem(text: &str) -> Result<Self, String> {
        let (label, der) = pem::decode_vec(text.trim().as_bytes())
            .map_err(|error| format!("not a PEM public key ({error})"))?;
        if label != LABEL {
            return Err(format!(
                "the PEM file holds a `{}`, not a `{LABEL}`",
                visible(label)
            ));
        }
        Self::from_spki(&der)
    }

    /// Reads the DER form of a `SubjectPublicKeyInfo`.
    pub fn from_spki(der: &[u8]) -> Result<Self, String> {
        let wrong = || "not an ECDSA P-256 public key in uncompressed form".to_owned();
        let (header, point) = der.split_at_checked(HEADER.len()).ok_or_else(wrong)?;
        if header != HEADER {
            return Err(wrong());
        }
        Self::from_point(point)
    }

    /// Takes the point as SEC 1 writes it: a 4 and two coordinates of 32 bytes.
    pub fn from_point(point: &[u8]) -> Result<Self, String> {
        let wrong = || "not an ECDSA P-256 public key in uncompressed form".to_owned();
        let (&[x, y], []) = point
            .strip_prefix(&[4])
            .ok_or_else(wrong)?
            .as_chunks::<32>()
        else {
            return Err(wrong());
        };
        p256::PublicKey::from_sec1_bytes(point)
            .map_err(|_| "the key's point is not on the curve P-256".to_owned())?;
        Ok(Self {
            coordinates: [x, y],
        })
    }

    /// The DER form of the `SubjectPublicKeyInfo`: 91 bytes.
    pub fn to_spki(&self) -> Vec<u8> {
        [&HEADER[..], &self.to_point()].concat()
    }

    /// The PEM form, ending in a line feed.
    pub fn to_pem(&self) -> String {
        // Encoding into a fresh buffer has no way to fail.
        pem::encode_string(LABEL, LineEnding::LF, &self.to_spki()).unwrap_or_default()
    }

    /// What people compare: the SHA-256 of the DER form.
    pub fn fingerprint(&self) -> Fingerprint {
        let mut bytes = [0; 32];
        bytes.copy_from_slice(digest(&SHA256, &self.to_spki()).as_ref());
        Fingerprint(bytes)
    }

    /// Whether `signature` (DER) over `message` was made with the private half of this key.
    pub fn verifies(&self, message: &[u8], signature: &[u8]) -> bool {
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, self.to_point())
            .verify(message, signature)
            .is_ok()
    }

    fn to_point(self) -> [u8; 65] {
        let mut point = [4; 65];
        point[1..].copy_from_slice(self.coordinates.as_flattened());
        point
    }
}

impl TryFrom<String> for PublicKey {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        Self::from_pem(&text)
    }
}

impl From<PublicKey> for String {
    fn from(key: PublicKey) -> Self {
        key.to_pem()
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "PublicKey({})", self.fingerprint())
    }
}

/// The SHA-256 of a public key's DER form, written as 64 hexadecimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Fingerprint([u8; 32]);

/// Fingerprints in a fixed order.
pub type Fingerprints = BTreeSet<Fingerprint>;

impl Fingerprint {
    /// Takes the 32 raw bytes, as a Sigstore bundle's hint carries them.
    pub fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 raw bytes.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// The first 12 digits, for messages.
    pub fn short(&self) -> String {
        Digest::from_bytes(self.0).short()
    }
}

impl FromStr for Fingerprint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "`{}` is not a key's fingerprint (SHA-256 as 64 hexadecimal digits)",
                visible(text)
            )
        };
        let digit = |byte: u8| char::from(byte).to_digit(16).ok_or_else(wrong);
        let mut bytes = [0; 32];
        let (pairs, []) = text.as_bytes().as_chunks::<2>() else {
            return Err(wrong());
        };
        if pairs.len() != bytes.len() {
            return Err(wrong());
        }
        for (byte, &[high, low]) in bytes.iter_mut().zip(pairs) {
            *byte = u8::try_from(digit(high)? * 16 + digit(low)?).map_err(|_| wrong())?;
        }
        Ok(Self(bytes))
    }
}

impl TryFrom<String> for Fingerprint {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<Fingerprint> for String {
    fn from(fingerprint: Fingerprint) -> Self {
        fingerprint.to_string()
    }
}

impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&Digest::from_bytes(self.0).hex())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Made by cosign 3 (`generate-key-pair`); the fingerprint by
    /// `openssl pkey -pubin -outform der | sha256sum`.
    const PEM: &str = "\
-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEfS4dma1WSAwperEgPaH3FzXpLX8H
6XL8efQOPpUZcFfqowkmLeyZda5or8M4LLwXQD5bPHSjoNteODDGztVrBA==
-----END PUBLIC KEY-----
";
    const FINGERPRINT: &str = "c519eef861db68e7a8335243a3a9d4327f810bf1546739eff4f88bd6e16a6a5a";

    #[test]
    fn a_key_made_by_cosign() {
        let key = PublicKey::from_pem(PEM).unwrap();
        assert_eq!(key.fingerprint().to_string(), FINGERPRINT);
        assert_eq!(key.to_pem(), PEM);
        assert_eq!(FINGERPRINT.parse(), Ok(key.fingerprint()));
        assert!(FINGERPRINT[2..].parse::<Fingerprint>().is_err());
        assert!(
            FINGERPRINT
                .replace('c', "x")
                .parse::<Fingerprint>()
                .is_err()
        );
    }

    #[test]
    fn other_keys_and_encodings_are_refused() {
        let der = PublicKey::from_pem(PEM).unwrap().to_spki();
        let off_curve = [&der[..90], &[der[90] ^ 1]].concat();
        let long = [&der[..], &[0]].concat();
        for bad in [&der[..90], &off_curve, &long, &[][..], &[0x30; 91]] {
            assert!(PublicKey::from_spki(bad).is_err(), "{bad:?}");
        }
        let private = PEM.replace("PUBLIC", "PRIVATE");
        assert!(
            PublicKey::from_pem(&private)
                .unwrap_err()
                .contains("PRIVATE KEY")
        );
        assert!(PublicKey::from_pem("").is_err());
    }
}
