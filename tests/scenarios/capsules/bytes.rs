//! What is in a capsule for whoever opens it without devenv, and how a value may stand in it.

use std::io::Read as _;
use std::path::Path;

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};

/// A value as programs write it, and what is left of it in base64 wherever it begins.
pub(super) fn forms(value: &str) -> Vec<String> {
    let json = serde_json::to_string(value).unwrap();
    let percent = utf8_percent_encode(value, NON_ALPHANUMERIC).to_string();
    let hex: String = value.bytes().map(|it| format!("{it:02x}")).collect();
    let mut all = vec![
        value.to_owned(),
        json[1..json.len() - 1].to_owned(),
        percent.replace("%20", "+"),
        percent,
        value.replace('&', "&amp;").replace('"', "&quot;"),
        hex.to_uppercase(),
        hex,
    ];
    for before in ["", "a", "ab"] {
        let whole = format!("{before}{value}abc");
        for packed in [STANDARD.encode(&whole), URL_SAFE_NO_PAD.encode(&whole)] {
            // Characters that hold bits of the value alone.
            let end = (before.len() + value.len()) * 8 / 6;
            all.push(packed[(before.len() * 8).div_ceil(6)..end].to_owned());
        }
    }
    all
}

/// Everything that a capsule holds, decrypted and unpacked.
pub(super) fn opened(file: &Path) -> Vec<u8> {
    let bytes = std::fs::read(file).unwrap();
    let passphrase = age::secrecy::SecretString::from(super::PASSPHRASE.to_owned());
    let mut identity = age::scrypt::Identity::new(passphrase);
    identity.set_max_work_factor(30);
    let sealed = age::Decryptor::new(&bytes[..]).unwrap();
    let mut reader = sealed
        .decrypt(std::iter::once(&identity as &dyn age::Identity))
        .unwrap();
    let mut plain = Vec::new();
    reader.read_to_end(&mut plain).unwrap();
    let mut all = plain.clone();
    unpack(&plain, &mut all);
    all
}

/// Adds what is in an archive, and in what it holds.
fn unpack(archive: &[u8], all: &mut Vec<u8>) {
    for entry in tar::Archive::new(archive).entries().unwrap() {
        let mut bytes = Vec::new();
        entry.unwrap().read_to_end(&mut bytes).unwrap();
        if let Ok(unpacked) = zstd::stream::decode_all(&bytes[..]) {
            all.extend(unpacked);
        } else if bytes.get(257..262) == Some(b"ustar") {
            unpack(&bytes, all);
        }
    }
}

pub(super) fn has(all: &[u8], text: &str) -> bool {
    all.windows(text.len()).any(|it| it == text.as_bytes())
}
