//! `trust.yaml`: whose signatures count for a platform, and how many it takes.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::difference::{Difference, differences};
use super::digest::Digest;
use super::name::{EnvironmentName, PlatformName};
use super::public_key::{Fingerprint, Fingerprints, PublicKey};
use super::visible::visible;
use super::yaml;
use crate::error::{Error, Kind, Result};

/// The only layout of the file so far.
pub const SCHEMA: u32 = 1;

/// More keys than this are refused: each costs time for every signature.
pub const MOST_KEYS: usize = 32;

/// More servers than this are refused.
pub const MOST_SERVERS: usize = 1000;

/// The content of a `trust.yaml` that holds together; made by [`TrustFile::parse`], or by hand
/// and then checked with [`TrustFile::validate`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustFile {
    /// [`SCHEMA`]
    pub schema: u32,
    /// The platform whose statements the keys may sign.
    pub platform: PlatformName,
    /// Rises by at least one with every change of this file; from 1.
    pub root_version: u64,
    /// How many distinct keys must have signed the identical payload.
    pub threshold: usize,
    /// The keys that count.
    pub keys: Vec<TrustedKey>,
    /// Servers, whose keys sign what they tell of themselves and can never sign a release.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub servers: BTreeMap<String, PublicKey>,
    /// Ledgers below these sequences are refused.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub minimum_sequences: BTreeMap<EnvironmentName, u64>,
    /// What counts no longer, whoever signed it.
    #[serde(default, skip_serializing_if = "Revoked::is_empty")]
    pub revoked: Revoked,
}

/// One key and the person or machine that holds it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrustedKey {
    /// Letters, digits, `.`, `_`, `-` and `@`, at most 60.
    pub name: String,
    /// The public key, as PEM.
    pub key: PublicKey,
    /// Statements made before this do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Timestamp>,
    /// Statements made at this time or later do not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<Timestamp>,
}

/// Keys and digests that were withdrawn.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revoked {
    /// Keys by fingerprint; they count for no statement, however old.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub keys: Fingerprints,
    /// Digests of images, or of signed payloads.
    #[serde(default, skip_serializing_if = "BTreeSet::is_empty")]
    pub digests: BTreeSet<Digest>,
}

impl Revoked {
    fn is_empty(&self) -> bool {
        self.keys.is_empty() && self.digests.is_empty()
    }
}

impl TrustedKey {
    /// The SHA-256 of the key's DER form.
    pub fn fingerprint(&self) -> Fingerprint {
        self.key.fingerprint()
    }

    /// Whether a statement made at `time` may be signed with it.
    pub fn is_valid_at(&self, time: Timestamp) -> bool {
        self.from.is_none_or(|from| from <= time) && self.until.is_none_or(|until| time < until)
    }
}

impl TrustFile {
    /// Reads and validates; `source` names the file in errors, which are of [`Kind::Trust`].
    pub fn parse(source: &str, bytes: &[u8]) -> Result<Self> {
        let file: Self = yaml::read(Kind::Trust, source, bytes)?;
        file.validate()
            .map_err(|wrong| Error::trust(format!("{source}: {wrong}")))?;
        Ok(file)
    }

    /// The file's text, which [`TrustFile::parse`] reads to the same value.
    pub fn to_yaml(&self) -> Result<String> {
        yaml::write(self)
    }

    /// What another file would change, field by field, for people.
    pub fn changes(&self, after: &Self) -> Result<Vec<String>> {
        let value = |file: &Self| {
            serde_json::to_value(file).map_err(|error| Error::bug("a trust file").because(error))
        };
        let found = differences(&value(self)?, &value(after)?);
        // A key's PEM has several lines.
        let line = |difference: &Difference| difference.to_string().replace("\\n", " ");
        Ok(found.iter().map(line).collect())
    }

    /// The rules and keys for people, a line each.
    pub fn in_words(&self) -> String {
        let mut lines = vec![format!(
            "releases count when signed by {} of these keys:",
            self.threshold
        )];
        for key in &self.keys {
            let from = key.from.map(|time| format!(", from {time}"));
            let until = key.until.map(|time| format!(", until {time}"));
            let revoked = if self.is_revoked(key) {
                ", REVOKED"
            } else {
                ""
            };
            lines.push(format!(
                "  {:<16} SHA-256 {}{}{}{revoked}",
                key.name,
                key.fingerprint(),
                from.unwrap_or_default(),
                until.unwrap_or_default()
            ));
        }
        for (name, key) in &self.servers {
            let fingerprint = key.fingerprint();
            lines.push(format!(
                "records of the server {name} count: SHA-256 {fingerprint}"
            ));
        }
        for (environment, sequence) in &self.minimum_sequences {
            lines.push(format!(
                "ledgers of {environment} count from sequence {sequence} on"
            ));
        }
        for digest in &self.revoked.digests {
            lines.push(format!("revoked: {digest}"));
        }
        lines.join("\n")
    }

    /// Whether signatures of this key are void.
    pub fn is_revoked(&self, key: &TrustedKey) -> bool {
        self.revoked.keys.contains(&key.fingerprint())
    }

    /// The keys that are not revoked.
    pub fn usable_keys(&self) -> impl Iterator<Item = &TrustedKey> {
        self.keys.iter().filter(|key| !self.is_revoked(key))
    }

    /// Whether the parts agree; the error names what does not, and what would be right.
    pub fn validate(&self) -> Result<(), String> {
        if self.schema != SCHEMA {
            return Err(format!("schema is {}, not {SCHEMA}", self.schema));
        }
        if self.root_version == 0 {
            return Err("root_version is 0; the first is 1".to_owned());
        }
        if self.keys.is_empty() || self.keys.len() > MOST_KEYS {
            return Err(format!(
                "{} keys are listed; there may be 1 to {MOST_KEYS}",
                self.keys.len()
            ));
        }
        let usable = self.usable_keys().count();
        if self.threshold == 0 || self.threshold > usable {
            return Err(format!(
                "threshold is {}; with {usable} keys that are not revoked it may be 1 to {usable}",
                self.threshold
            ));
        }
        self.validate_keys()
    }

    fn validate_keys(&self) -> Result<(), String> {
        for (index, key) in self.keys.iter().enumerate() {
            check_name("key", &key.name)?;
            for other in &self.keys[..index] {
                if other.name == key.name {
                    return Err(format!("two keys are named `{}`", key.name));
                }
                if other.key == key.key {
                    return Err(format!(
                        "`{}` and `{}` are the same key ({}…), which can count only once",
                        other.name,
                        key.name,
                        key.fingerprint().short()
                    ));
                }
            }
            if let (Some(from), Some(until)) = (key.from, key.until)
                && from >= until
            {
                return Err(format!(
                    "key `{}` would be valid from {from} until {until}, which is never",
                    key.name
                ));
            }
        }
        self.validate_servers()
    }

    fn validate_servers(&self) -> Result<(), String> {
        if self.servers.len() > MOST_SERVERS {
            return Err(format!("there may be {MOST_SERVERS} servers"));
        }
        let mut seen = BTreeMap::new();
        for (name, key) in &self.servers {
            check_name("server", name)?;
            if let Some(other) = self.keys.iter().find(|it| it.key == *key) {
                let other = &other.name;
                return Err(format!(
                    "the server `{name}` has the key `{other}`, which signs releases"
                ));
            }
            if let Some(other) = seen.insert(key.fingerprint(), name) {
                return Err(format!("the servers `{other}` and `{name}` have one key"));
            }
        }
        Ok(())
    }

    /// The server that has this key, unless that is revoked.
    pub fn server(&self, key: &Fingerprint) -> Option<(&str, &PublicKey)> {
        let mut servers = self.servers.iter();
        let (name, found) = servers.find(|(_, it)| it.fingerprint() == *key)?;
        (!self.revoked.keys.contains(key)).then_some((name, found))
    }
}

fn check_name(what: &str, name: &str) -> Result<(), String> {
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-@".contains(c);
    if (1..=60).contains(&name.len()) && name.chars().all(allowed) {
        return Ok(());
    }
    Err(format!(
        "`{}` is not a {what} name (letters, digits, `.`, `_`, `-` and `@`, at most 60)",
        visible(name)
    ))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::testing::{public_key, trust_file};

    fn refusal(change: impl FnOnce(&mut TrustFile)) -> String {
        let mut file = trust_file(2, 2);
        change(&mut file);
        let yaml = file.to_yaml().unwrap();
        let error = TrustFile::parse("trust.yaml", yaml.as_bytes()).unwrap_err();
        assert_eq!(error.kind(), Kind::Trust);
        error.to_string()
    }

    #[test]
    fn what_is_written_reads_the_same() {
        let mut file = trust_file(3, 2);
        file.keys[0].until = Some("2026-01-01T00:00:00Z".parse().unwrap());
        file.minimum_sequences
            .insert(EnvironmentName::new("production").unwrap(), 7);
        file.revoked.keys.insert(file.keys[2].fingerprint());
        file.revoked.digests.insert(Digest::of(b"bad"));
        let yaml = file.to_yaml().unwrap();
        assert!(yaml.contains("-----BEGIN PUBLIC KEY-----\n"), "{yaml}");
        assert_eq!(TrustFile::parse("t", yaml.as_bytes()).unwrap(), file);
    }

    #[test]
    fn thresholds_that_cannot_be_met_or_mean_nothing() {
        assert!(refusal(|file| file.threshold = 0).contains("threshold is 0"));
        assert!(refusal(|file| file.threshold = 3).contains("it may be 1 to 2"));
        let revoke = |file: &mut TrustFile| {
            file.revoked.keys.insert(file.keys[0].fingerprint());
        };
        assert!(refusal(revoke).contains("with 1 keys that are not revoked"));
        assert!(refusal(|file| file.keys.clear()).contains("0 keys are listed"));
    }

    #[test]
    fn one_key_cannot_pose_as_two() {
        let twice = refusal(|file| file.keys[1].key = public_key(1));
        assert!(
            twice.contains("`key1` and `key2` are the same key"),
            "{twice}"
        );
        let named = refusal(|file| file.keys[1].name = "key1".to_owned());
        assert!(named.contains("two keys are named `key1`"), "{named}");
        let odd = refusal(|file| file.keys[0].name = "a\u{1b}[2J".to_owned());
        assert!(odd.contains("is not a key name") && !odd.contains('\u{1b}'));
    }

    #[test]
    fn a_servers_key_signs_no_release_and_is_one_servers() {
        let server = |number| {
            move |file: &mut TrustFile| {
                file.servers.insert("web1".to_owned(), public_key(3));
                file.servers.insert("web2".to_owned(), public_key(number));
            }
        };
        let both = refusal(server(1));
        assert!(
            both.contains("`web2` has the key `key1`, which signs releases"),
            "{both}"
        );
        assert!(refusal(server(3)).contains("`web1` and `web2` have one key"));
        let odd = |file: &mut TrustFile| {
            file.servers.insert("a b".to_owned(), public_key(3));
        };
        assert!(refusal(odd).contains("is not a server name"));
        let mut file = trust_file(2, 1);
        server(4)(&mut file);
        let yaml = file.to_yaml().unwrap();
        let mut file = TrustFile::parse("t", yaml.as_bytes()).unwrap();
        let key = public_key(4).fingerprint();
        assert_eq!(file.server(&key).unwrap().0, "web2");
        file.revoked.keys.insert(key);
        assert_eq!(file.server(&key), None);
        assert_eq!(file.server(&public_key(1).fingerprint()), None);
    }

    #[test]
    fn schema_version_and_times() {
        assert!(refusal(|file| file.schema = 2).contains("schema is 2, not 1"));
        assert!(refusal(|file| file.root_version = 0).contains("root_version is 0"));
        let never = refusal(|file| {
            file.keys[0].from = Some("2026-01-02T00:00:00Z".parse().unwrap());
            file.keys[0].until = Some("2026-01-01T00:00:00Z".parse().unwrap());
        });
        assert!(never.contains("which is never"), "{never}");
    }

    #[test]
    fn unknown_keys_are_refused() {
        let yaml = trust_file(1, 1).to_yaml().unwrap() + "treshold: 0\n";
        let error = TrustFile::parse("trust.yaml", yaml.as_bytes()).unwrap_err();
        assert!(error.to_string().contains("treshold"), "{error}");
    }

    #[test]
    fn validity_is_half_open() {
        let mut key = trust_file(1, 1).keys.remove(0);
        let time = |text: &str| text.parse::<Timestamp>().unwrap();
        key.from = Some(time("2026-01-01T00:00:00Z"));
        key.until = Some(time("2027-01-01T00:00:00Z"));
        assert!(key.is_valid_at(time("2026-01-01T00:00:00Z")));
        assert!(!key.is_valid_at(time("2025-12-31T23:59:59Z")));
        assert!(!key.is_valid_at(time("2027-01-01T00:00:00Z")));
    }
}
