//! A file with a record: a server's own word, if it signed it, else anybody's.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, Kind, PathContext as _, Result};
use crate::model::facets::record::{LARGEST, Place, Record};
use crate::model::trust_file::TrustFile;
use crate::verify::trust::bundle::{Bundle, RECORD_TYPE};

/// Bytes of a file at most: a record in base64, with a signature.
const MOST: u64 = LARGEST / 3 * 4 + 4096;

/// Reads a record, and gives the server that signed it.
///
/// # Errors
/// A file that is no record; a signature of nobody whom the trust file lists, or a wrong one:
/// [`Kind::Trust`].
pub(super) fn read(path: &Path, trust: &TrustFile) -> Result<(Record, Option<String>)> {
    let file = File::open(path).at(Kind::Usage, "read", path)?;
    let mut text = Vec::new();
    let mut limited = file.take(MOST + 1);
    limited
        .read_to_end(&mut text)
        .at(Kind::Usage, "read", path)?;
    parse(&path.display().to_string(), &text, trust)
}

fn parse(source: &str, text: &[u8], trust: &TrustFile) -> Result<(Record, Option<String>)> {
    if !is_bundle(text) {
        return Ok((Record::parse(source, text)?, None));
    }
    let refuse = |why: &str| Error::trust(format!("{source} is not trusted: {why}"));
    let bundle = Bundle::parse_as(RECORD_TYPE, text).map_err(|why| refuse(&why))?;
    let server = bundle.hint.and_then(|key| trust.server(&key));
    let Some((name, key)) = server else {
        let whose = bundle.hint.map_or_else(
            || "it does not say whose key signed it".to_owned(),
            |key| format!("no server of the pinned trust file has the key {key}"),
        );
        return Err(refuse(&whose)
            .hint("`devenv trust update` takes a newer trust file; production lists a server with `devenv release trust --add-server NAME.pub`"));
    };
    let signed = bundle.signed_bytes();
    let mut signatures = bundle.signatures.iter();
    if !signatures.any(|it| key.verifies(&signed, it)) {
        return Err(refuse(&format!("the signature is not the server {name}'s")));
    }
    let record = Record::parse(source, &bundle.payload)?;
    if record.place != Place::Server {
        return Err(refuse("a server signed what is not a server's record"));
    }
    Ok((record, Some(name.to_owned())))
}

/// Whether it says that it is one; a record has no such key.
fn is_bundle(text: &[u8]) -> bool {
    #[derive(Deserialize)]
    struct Head {
        #[serde(rename = "mediaType")]
        _media_type: String,
    }
    serde_json::from_slice::<Head>(text).is_ok()
}

#[cfg(test)]
mod tests {
    use ring::rand::SystemRandom;

    use super::*;
    use crate::model::facets::value::Facts;
    use crate::model::testing::{platform, time, trust_file};
    use crate::verify::trust::bundle::{sign_as, sign_payload};
    use crate::verify::trust::keys::SigningKey;

    fn record(place: Place) -> Vec<u8> {
        let record = Record {
            schema: crate::model::facets::record::SCHEMA,
            platform: platform(),
            place,
            taken: time(1),
            devenv: "1".to_owned(),
            environment: "production".parse().unwrap(),
            configuration: "production".parse().unwrap(),
            reference: None,
            key: "00".to_owned(),
            engine: Facts::new(),
            containers: std::collections::BTreeMap::new(),
        };
        serde_json::to_vec(&record).unwrap()
    }

    #[test]
    fn a_servers_word_counts_and_nobody_elses_passes_for_it() {
        let key = || SigningKey::generate(&SystemRandom::new()).unwrap();
        let (web, other) = (key(), key());
        let mut trust = trust_file(1, 1);
        trust.servers.insert("web1".to_owned(), web.public());
        let read = |text: &[u8]| parse("r.json", text, &trust);
        let plain = record(Place::Server);
        let signed = sign_as(RECORD_TYPE, &plain, &web).unwrap();
        assert_eq!(read(&signed).unwrap().1.as_deref(), Some("web1"));
        assert_eq!(read(&plain).unwrap().1, None);
        let refused = |text: &[u8], why: &str| {
            let error = read(text).unwrap_err();
            assert_eq!(error.kind(), Kind::Trust);
            assert!(error.to_string().contains(why), "{error}");
        };
        let foreign = sign_as(RECORD_TYPE, &plain, &other).unwrap();
        refused(&foreign, "no server of the pinned trust file has the key");
        let hint = |bundle: &[u8]| {
            let value: serde_json::Value = serde_json::from_slice(bundle).unwrap();
            value["verificationMaterial"].clone()
        };
        let mut posing: serde_json::Value = serde_json::from_slice(&foreign).unwrap();
        posing["verificationMaterial"] = hint(&signed);
        refused(posing.to_string().as_bytes(), "is not the server web1's");
        let workstation = sign_as(RECORD_TYPE, &record(Place::Workstation), &web).unwrap();
        refused(&workstation, "what is not a server's record");
        // The same bytes as a statement about a release are no record.
        refused(&sign_payload(&plain, &web).unwrap(), "its payload is a");
    }
}
