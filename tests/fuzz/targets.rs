//! What is fuzzed: every parser of bytes that somebody else wrote. Included by each fuzz target, and by the
//! test that walks the corpus. An answer is right or an error; what holds of the right ones is asserted.

use std::collections::BTreeMap;

use devenv::model::catalogue::{Catalogue, Source};
use devenv::model::ledger::Ledger;
use devenv::model::name::ContainerName;
use devenv::model::platform::Platform;
use devenv::model::predicate::{BuildPredicate, ReferencePredicate};
use devenv::model::reference::Reference;
use devenv::model::requests::har;
use devenv::model::requests::scrub::Scrub;
use devenv::model::requests::source::Source as Kind;
use devenv::model::statement::Statement;
use devenv::model::trust_file::TrustFile;
use devenv::registry::Content;
use devenv::verify::trust::bundle::Bundle;

/// A Sigstore bundle, and the statements that its payload may be.
pub(crate) fn bundle(bytes: &[u8]) {
    if let Ok(bundle) = Bundle::parse(bytes) {
        let _ = bundle.signed_bytes();
    }
    let _ = Statement::<BuildPredicate>::from_payload(bytes);
    let _ = Statement::<ReferencePredicate>::from_payload(bytes);
}

/// A manifest or an index.
pub(crate) fn manifest(bytes: &[u8]) {
    let _ = Content::parse(bytes);
}

/// A ledger's statement: one that is read can be written, and reads the same.
pub(crate) fn ledger(bytes: &[u8]) {
    if let Ok(statement) = Statement::<Ledger>::from_payload(bytes) {
        let payload = statement.to_payload().expect("it was read");
        let again = Statement::<Ledger>::from_payload(&payload).expect("it was written");
        assert_eq!(statement, again);
    }
}

/// A reference: one that is read can be written, and reads the same.
pub(crate) fn reference(bytes: &[u8]) {
    if let Ok(reference) = Reference::parse("reference", bytes) {
        let text = reference.to_yaml().expect("it was read");
        let again = Reference::parse("reference", text.as_bytes()).expect("it was written");
        assert_eq!(reference, again);
    }
}

/// A trust file: one that is read can be written, and reads the same.
pub(crate) fn trust_file(bytes: &[u8]) {
    if let Ok(file) = TrustFile::parse("trust.yaml", bytes) {
        let text = file.to_yaml().expect("it was read");
        let again = TrustFile::parse("trust.yaml", text.as_bytes()).expect("it was written");
        assert_eq!(file, again);
    }
}

/// A `platform.yaml`, and a `container.yaml` within a platform.
pub(crate) fn definition(bytes: &[u8]) {
    let _ = Platform::parse("platform.yaml", bytes);
    let platform = source("platform.yaml", PLATFORM);
    let containers = BTreeMap::from([
        (
            name("front"),
            source("front.yaml", b"kind: proxy\npublish: [80]\n"),
        ),
        (name("billing"), source("billing.yaml", bytes)),
    ]);
    let _ = Catalogue::load(&platform, &containers);
}

/// The last layer of a proxy image.
pub(crate) fn layer(bytes: &[u8]) {
    if let Ok(text) = devenv::verify::evidence::layer::reference(bytes) {
        let _ = Reference::parse("reference", &text);
    }
}

/// Requests from any source: what is kept of them reads the same.
pub(crate) fn requests(bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let Ok(reading) = Kind::of(&text).read("requests", &text, &[]) else {
        return;
    };
    let mut scrub = Scrub::default();
    for request in reading.requests {
        let kept = scrub.request(request);
        let line = har::line(&kept).to_string();
        let again = Kind::Lines
            .read("kept", &line, &[])
            .expect("it was written");
        assert_eq!(again.requests[0].target, kept.target);
        assert_eq!(again.requests[0].headers, kept.headers);
    }
}

const PLATFORM: &[u8] = b"schema: 1\nplatform: acme\nregistry: registry.example/acme\nproxy: front
environments: [recette, production]\nconfiguration_variable: PLATFORM_ENVIRONMENT
workstation: { environment: production, configuration: recette }\n";

fn name(text: &str) -> ContainerName {
    ContainerName::new(text).expect("a name")
}

fn source(path: &str, text: &[u8]) -> Source {
    Source {
        path: path.to_owned(),
        text: text.to_vec(),
    }
}
