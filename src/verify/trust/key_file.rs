//! How cosign encrypts a private key with a passphrase. Source:
//! <https://github.com/secure-systems-lab/go-securesystemslib/blob/main/encrypted/encrypted.go>.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use crypto_secretbox::aead::Aead;
use crypto_secretbox::{KeyInit, Nonce, XSalsa20Poly1305};
use ring::rand::SecureRandom;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::model::secret::Secret;
use crate::model::visible::visible;

/// The cost that cosign writes: N = 2^16.
const COST: u32 = 1 << 16;

/// The JSON within the PEM file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Envelope {
    kdf: Derivation,
    cipher: Cipher,
    ciphertext: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Derivation {
    name: String,
    params: Parameters,
    salt: String,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Parameters {
    #[serde(rename = "N")]
    cost: u32,
    r: u32,
    p: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Cipher {
    name: String,
    nonce: String,
}

/// `N` random bytes.
pub(super) fn fresh<const N: usize>(random: &dyn SecureRandom) -> Result<[u8; N]> {
    let mut bytes = [0; N];
    random
        .fill(&mut bytes)
        .map_err(|_| Error::bug("the system gives no random numbers"))?;
    Ok(bytes)
}

fn cipher(passphrase: &Secret, salt: &[u8], cost: u32) -> Result<XSalsa20Poly1305> {
    // Bounded, so that a file cannot ask for all memory: 2^20 takes 1 GiB.
    if !cost.is_power_of_two() || !(1 << 10..=1 << 20).contains(&cost) {
        return Err(Error::usage(format!(
            "the key file asks for scrypt with N = {cost}; wanted is {COST}"
        )));
    }
    let log = u8::try_from(cost.ilog2()).unwrap_or_default();
    let mut key = [0; 32];
    scrypt::Params::new(log, 8, 1)
        .map_err(|error| Error::bug("scrypt parameters").because(error))
        .and_then(|parameters| {
            scrypt::scrypt(passphrase.expose().as_bytes(), salt, &parameters, &mut key)
                .map_err(|error| Error::bug("scrypt").because(error))
        })?;
    Ok(XSalsa20Poly1305::new(&key.into()))
}

/// Opens the JSON of a key file. Errors: usage, when it is damaged or the passphrase wrong.
pub(super) fn decrypt(json: &[u8], passphrase: &Secret) -> Result<Vec<u8>> {
    let wrong = |what: &str| Error::usage(format!("the encrypted key file is damaged: {what}"));
    let envelope: Envelope =
        serde_json::from_slice(json).map_err(|error| wrong(&visible(&error.to_string())))?;
    let decode = |text: &str| BASE64.decode(text).map_err(|_| wrong("not base64"));
    if envelope.kdf.name != "scrypt" || envelope.cipher.name != "nacl/secretbox" {
        return Err(wrong("it is not encrypted with scrypt and nacl/secretbox"));
    }
    if (envelope.kdf.params.r, envelope.kdf.params.p) != (8, 1) {
        return Err(wrong("scrypt's r and p must be 8 and 1"));
    }
    let nonce: [u8; 24] = decode(&envelope.cipher.nonce)?
        .try_into()
        .map_err(|_| wrong("the nonce is not 24 bytes long"))?;
    let salt = decode(&envelope.kdf.salt)?;
    let ciphertext = decode(&envelope.ciphertext)?;
    cipher(passphrase, &salt, envelope.kdf.params.cost)?
        .decrypt(&Nonce::from(nonce), &ciphertext[..])
        .map_err(|_| Error::usage("the passphrase does not open the key"))
}

/// The JSON of a key file, as cosign reads it.
pub(super) fn encrypt(
    plain: &[u8],
    passphrase: &Secret,
    random: &dyn SecureRandom,
) -> Result<Vec<u8>> {
    let salt: [u8; 32] = fresh(random)?;
    let nonce: [u8; 24] = fresh(random)?;
    let ciphertext = cipher(passphrase, &salt, COST)?
        .encrypt(&Nonce::from(nonce), plain)
        .map_err(|_| Error::bug("cannot encrypt a key"))?;
    let envelope = Envelope {
        kdf: Derivation {
            name: "scrypt".to_owned(),
            params: Parameters {
                cost: COST,
                r: 8,
                p: 1,
            },
            salt: BASE64.encode(salt),
        },
        cipher: Cipher {
            name: "nacl/secretbox".to_owned(),
            nonce: BASE64.encode(nonce),
        },
        ciphertext: BASE64.encode(ciphertext),
    };
    serde_json::to_vec(&envelope).map_err(|error| Error::bug("cannot write a key").because(error))
}
