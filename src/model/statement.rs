//! in-toto statements: what a signature says about which image.
//! Source of the format: <https://github.com/in-toto/attestation/tree/main/spec/v1>.

use serde::{Deserialize, Serialize};

use super::predicate::Predicate;
pub use super::subject::{Part, Subject, SubjectName};
use super::visible::visible;

/// The statement type that is written.
const TYPE: &str = "https://in-toto.io/Statement/v1";

/// The older one, which cosign still writes.
const OLDER_TYPE: &str = "https://in-toto.io/Statement/v0.1";

/// One claim about one image, or about the trust file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Statement<P> {
    /// The image.
    pub subject: Subject,
    /// What is claimed.
    pub predicate: P,
}

/// Why bytes are not the statement that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NotThisStatement {
    /// It claims something else.
    OtherType(String),
    /// It is no statement, or breaks a rule; in words.
    Malformed(String),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Wire<P> {
    #[serde(rename = "_type")]
    statement_type: String,
    subject: Vec<WireSubject>,
    #[serde(rename = "predicateType")]
    predicate_type: String,
    predicate: P,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireSubject {
    name: String,
    digest: WireDigest,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct WireDigest {
    sha256: String,
}

/// Only as much as tells one type from another.
#[derive(Deserialize)]
struct Header {
    #[serde(rename = "predicateType")]
    predicate_type: String,
}

impl<P: Predicate> Statement<P> {
    /// The bytes to sign: JSON with fixed order and no spaces, the same for equal statements.
    pub fn to_payload(&self) -> Result<Vec<u8>, String> {
        self.predicate.validate(&self.subject)?;
        let wire = Wire {
            statement_type: TYPE.to_owned(),
            subject: vec![WireSubject {
                name: self.subject.name.to_string(),
                digest: WireDigest {
                    sha256: self.subject.digest.hex(),
                },
            }],
            predicate_type: P::TYPE.to_owned(),
            predicate: &self.predicate,
        };
        serde_json::to_vec(&wire).map_err(|error| error.to_string())
    }

    /// Reads a payload whose signature was verified. Unknown fields, other types, more than
    /// one subject or another hash than SHA-256 are refused.
    pub fn from_payload(payload: &[u8]) -> Result<Self, NotThisStatement> {
        let malformed = NotThisStatement::Malformed;
        let json = |error: serde_json::Error| malformed(visible(&error.to_string()));
        let header: Header = serde_json::from_slice(payload).map_err(json)?;
        if header.predicate_type != P::TYPE {
            return Err(NotThisStatement::OtherType(visible(&header.predicate_type)));
        }
        let wire: Wire<P> = serde_json::from_slice(payload).map_err(json)?;
        if wire.statement_type != TYPE && wire.statement_type != OLDER_TYPE {
            return Err(malformed(format!(
                "`{}` is not the type of an in-toto statement",
                visible(&wire.statement_type)
            )));
        }
        let [subject] = &wire.subject[..] else {
            return Err(malformed(format!(
                "it has {} subjects, not one",
                wire.subject.len()
            )));
        };
        let subject = Subject {
            name: subject.name.parse().map_err(malformed)?,
            digest: format!("sha256:{}", subject.digest.sha256)
                .parse()
                .map_err(|error: String| malformed(visible(&error)))?,
        };
        wire.predicate.validate(&subject).map_err(malformed)?;
        Ok(Self {
            subject,
            predicate: wire.predicate,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::digest::Digest;
    use crate::model::ledger::Ledger;
    use crate::model::predicate::BuildPredicate;
    use crate::model::testing::{build, ledger, ledger_statement};

    fn changed(from: &str, to: &str) -> NotThisStatement {
        let payload = String::from_utf8(build("billing").to_payload().unwrap()).unwrap();
        assert!(payload.contains(from), "{payload}");
        let payload = payload.replacen(from, to, 1);
        Statement::<BuildPredicate>::from_payload(payload.as_bytes()).unwrap_err()
    }

    #[test]
    fn payloads_are_deterministic_and_read_the_same() {
        let statement = build("billing");
        let payload = statement.to_payload().unwrap();
        assert_eq!(payload, build("billing").to_payload().unwrap());
        assert_eq!(Statement::from_payload(&payload), Ok(statement));
        let statement = ledger_statement(&ledger(3));
        let payload = statement.to_payload().unwrap();
        assert_eq!(Statement::from_payload(&payload), Ok(statement));
    }

    #[test]
    fn the_payload_as_others_see_it() {
        let payload = String::from_utf8(build("billing").to_payload().unwrap()).unwrap();
        insta::assert_snapshot!(payload, @r#"{"_type":"https://in-toto.io/Statement/v1","subject":[{"name":"acme/billing","digest":{"sha256":"0c95c7ece1ce1a9750275ef1c6d7ad6b278f70d66592207783ffe7d58474cc01"}}],"predicateType":"urn:devenv:build:1","predicate":{"platform":"acme","container":"billing","version":"1.4.2","commit":"c0ffeec0ffeec0ffeec0ffeec0ffeec0ffeec0ff","artifacts":{"billing.war":"sha256:a2d8daa4281b886508f0abfe6e8f736e34f4dcaae4374e390ebf699f83d2b44f"},"built":"2026-01-02T00:00:00Z"}}"#);
    }

    #[test]
    fn both_statement_types_are_accepted() {
        let payload = String::from_utf8(build("billing").to_payload().unwrap()).unwrap();
        let older = payload.replace("/v1", "/v0.1");
        assert_eq!(
            Statement::from_payload(older.as_bytes()),
            Ok(build("billing"))
        );
        let newer = changed("Statement/v1", "Statement/v2");
        assert!(format!("{newer:?}").contains("Statement/v2"), "{newer:?}");
    }

    #[test]
    fn other_claims_are_told_apart_from_broken_ones() {
        assert_eq!(
            changed("urn:devenv:build:1", "urn:x\\u001b"),
            NotThisStatement::OtherType("urn:x\\u{1b}".to_owned())
        );
        for (from, to) in [
            ("{\"_type\"", "{\"more\":1,\"_type\""),
            ("{\"sha256\"", "{\"sha512\":\"00\",\"sha256\""),
            ("\"sha256\":\"", "\"sha256\":\"0"),
            (
                "}}],",
                "}},{\"name\":\"acme/x\",\"digest\":{\"sha256\":\"00\"}}],",
            ),
            ("acme/billing", "registry.example/acme/billing"),
            ("acme/billing", "acme/customers"),
            ("\"version\"", "\"version\":\"9\",\"version\""),
            ("\"built\"", "\"Built\""),
            (
                "\"billing.war\":",
                "\"billing.war\":\"sha256:0c95c7ece1ce1a9750275ef1c6d7ad6b278f70d66592207783ffe7d58474cc01\",\"billing.war\":",
            ),
            ("{\"_type\"", "[{\"_type\""),
        ] {
            let error = changed(from, to);
            assert!(
                matches!(error, NotThisStatement::Malformed(_)),
                "{to}: {error:?}"
            );
        }
    }

    #[test]
    fn a_ledger_is_about_its_last_promotion() {
        let mut statement = ledger_statement(&ledger(3));
        statement.subject.digest = Digest::of(b"another image");
        let error = statement.to_payload().unwrap_err();
        assert!(error.contains("last promotion"), "{error}");
    }

    proptest::proptest! {
        #[test]
        fn no_bytes_crash_it(bytes: Vec<u8>) {
            let _ = Statement::<Ledger>::from_payload(&bytes);
        }
    }
}
