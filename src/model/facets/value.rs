//! What was found of a facet, or why not.

use std::collections::{BTreeMap, BTreeSet};

use ring::hmac;
use serde::{Deserialize, Serialize};

use super::facet::Facet;
use crate::model::digest::Digest;
use crate::model::visible::visible;

/// What was found of one facet.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Value {
    /// This.
    Is(String),
    /// Something whose keyed hash is this.
    Hash(Digest),
    /// Something that is not told.
    Withheld(Withheld),
    /// It could not be looked at.
    Unknown(String),
}

/// Why a value is not told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Withheld {
    /// The reference calls it a secret.
    Secret,
    /// Neither the reference nor the image says it: it may be one.
    Unsaid,
}

/// Bytes of a value; of a longer one its digest is kept.
const LONGEST: usize = 1000;

impl Value {
    /// A value in plain text.
    pub fn is(text: impl Into<String>) -> Self {
        let text = text.into();
        Self::Is(match text.len() {
            ..=LONGEST => text,
            bytes => format!("{bytes} bytes, {}", Digest::of(text.as_bytes())),
        })
    }

    /// For people, on one line and harmless. Of a variable only that it is set.
    pub fn shown(value: Option<&Self>) -> String {
        match value {
            None => "not set".to_owned(),
            Some(Self::Is(text)) if text.is_empty() => "empty".to_owned(),
            Some(Self::Is(text)) => visible(text),
            Some(Self::Hash(_)) => "set".to_owned(),
            Some(Self::Withheld(Withheld::Secret)) => "a secret".to_owned(),
            Some(Self::Withheld(Withheld::Unsaid)) => "set by hand".to_owned(),
            Some(Self::Unknown(why)) => format!("unknown ({})", visible(why)),
        }
    }
}

/// What was found, by facet: `memory`, `environment/PATH`.
pub type Facts = BTreeMap<String, Value>;

/// All facets of a source are unknown, for one reason.
pub fn unknown(facets: impl Iterator<Item = &'static Facet>, why: &str) -> Facts {
    facets
        .map(|it| (it.name.to_owned(), Value::Unknown(why.to_owned())))
        .collect()
}

/// How variables get into records and comparisons: never with their values.
///
/// A holder of a record can try values against a hash of them, be the key as it may, for the key has to
/// be in the record. So only what every reader of the reference or of the image can know anyway is
/// hashed; secrets, and what was set by hand, are withheld.
#[derive(Debug, Clone)]
pub struct Hiding {
    key: hmac::Key,
    /// What the reference and the image say, `NAME=value`; `None`: nothing is withheld but secrets,
    /// for one side of a comparison, which is not kept.
    pub said: Option<BTreeSet<String>>,
    /// The names of secrets.
    pub secrets: BTreeSet<String>,
}

impl Hiding {
    /// With a record's key.
    pub fn new(key: &[u8]) -> Self {
        Self {
            key: hmac::Key::new(hmac::HMAC_SHA256, key),
            said: None,
            secrets: BTreeSet::new(),
        }
    }

    /// The value of a variable, as far as it may be told.
    pub fn variable(&self, name: &str, value: &str) -> Value {
        let line = format!("{name}={value}");
        if self.secrets.contains(name) {
            Value::Withheld(Withheld::Secret)
        } else if self.said.as_ref().is_some_and(|it| !it.contains(&line)) {
            Value::Withheld(Withheld::Unsaid)
        } else {
            let tag = hmac::sign(&self.key, line.as_bytes());
            let mut bytes = [0; 32];
            bytes.copy_from_slice(tag.as_ref());
            Value::Hash(Digest::from_bytes(bytes))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_the_reference_says_is_hashed() {
        let mut hiding = Hiding::new(b"key");
        hiding.said = Some(BTreeSet::from(["TRACE=1".to_owned()]));
        hiding.secrets.insert("DB_PASSWORD".to_owned());
        let of = |name, value| hiding.variable(name, value);
        assert!(matches!(of("TRACE", "1"), Value::Hash(_)));
        assert_eq!(of("TRACE", "2"), Value::Withheld(Withheld::Unsaid));
        assert_eq!(of("DB_PASSWORD", "1"), Value::Withheld(Withheld::Secret));
        let other = Hiding::new(b"another key");
        assert_ne!(of("TRACE", "1"), other.variable("TRACE", "1"));
    }

    #[test]
    fn values_are_shown_harmless() {
        let shown = |value: &Value| Value::shown(Some(value));
        assert_eq!(shown(&Value::is("a\u{1b}[31m")), "a\\u{1b}[31m");
        assert_eq!(
            shown(&Value::Unknown("\u{202e}".into())),
            "unknown (\\u{202e})"
        );
    }
}
