//! `release trust`: the trust file that follows the pinned one.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::Desk;
use super::document::Document;
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::name::EnvironmentName;
use crate::model::predicate::TrustPredicate;
use crate::model::public_key::PublicKey;
use crate::model::statement::{Part, Statement, Subject, SubjectName};
use crate::model::trust_file::{TrustFile, TrustedKey};
use crate::model::visible::visible;
use crate::registry::Tag;
use crate::verify::trust::bundle::sign_statement;
use crate::verify::trust::keys::SigningKey;

/// What is to be different in the next trust file. Keys are meant by their names.
#[derive(Debug, Clone, Default)]
pub struct Change {
    /// Keys that count from now on.
    pub add: Vec<TrustedKey>,
    /// Servers whose records count from now on.
    pub add_servers: BTreeMap<String, PublicKey>,
    /// Servers whose records count no longer.
    pub remove_servers: Vec<String>,
    /// Keys whose later statements do not count; what they signed before stays good.
    pub retire: Vec<String>,
    /// Keys that count for nothing any more, however old.
    pub revoke: Vec<String>,
    /// Images or signed payloads that count no longer.
    pub revoke_digests: Vec<Digest>,
    /// How many must sign.
    pub threshold: Option<usize>,
    /// The lowest sequence that is taken of an environment's ledger.
    pub minimum_sequences: BTreeMap<EnvironmentName, u64>,
}

/// How it ended.
#[derive(Debug, Clone)]
pub enum Outcome {
    /// The operator said no.
    Declined,
    /// It is published; so many signatures by keys of the one before are missing.
    Published(TrustFile, usize),
}

impl Change {
    /// The next file. Fails with [`crate::error::Kind::Usage`] on an unknown name, or where nothing
    /// would change or hold together.
    pub fn apply(&self, before: &TrustFile, now: Timestamp) -> Result<TrustFile> {
        let mut next = before.clone();
        for name in &self.retire {
            named(&mut next, name)?.until = Some(now);
        }
        for name in &self.revoke {
            let fingerprint = named(&mut next, name)?.fingerprint();
            next.revoked.keys.insert(fingerprint);
        }
        next.keys.extend(self.add.iter().cloned());
        for name in &self.remove_servers {
            if next.servers.remove(name).is_none() {
                let known: Vec<&str> = before.servers.keys().map(String::as_str).collect();
                let error = Error::usage(format!("no server is named `{}`", visible(name)));
                return Err(error.hint(format!("the servers are: {}", known.join(", "))));
            }
        }
        for (name, key) in &self.add_servers {
            if next.servers.insert(name.clone(), *key).is_some() {
                let error = Error::usage(format!("the server `{name}` has a key already"));
                return Err(error.hint(format!("`--remove-server {name}` takes that off")));
            }
        }
        next.revoked.digests.extend(&self.revoke_digests);
        next.threshold = self.threshold.unwrap_or(next.threshold);
        let minimum_sequences = self.minimum_sequences.clone();
        next.minimum_sequences.extend(minimum_sequences);
        if next == *before {
            return Err(Error::usage("nothing would change in the trust file"));
        }
        next.root_version += 1;
        next.validate().map_err(Error::usage)?;
        let lasting = next.usable_keys().filter(|key| key.is_valid_at(now));
        let lasting = lasting.count();
        if lasting < next.threshold {
            return Err(Error::usage(format!(
                "only {lasting} keys would count, and {} must sign: nothing could be released",
                next.threshold
            )));
        }
        Ok(next)
    }
}

fn named<'a>(trust: &'a mut TrustFile, name: &str) -> Result<&'a mut TrustedKey> {
    let known: Vec<&str> = trust.keys.iter().map(|key| key.name.as_str()).collect();
    let hint = format!("the keys are: {}", known.join(", "));
    let mut keys = trust.keys.iter_mut();
    keys.find(|key| key.name == name).ok_or_else(|| {
        let name = visible(name);
        Error::usage(format!("no key is named `{name}`")).hint(hint)
    })
}

impl Desk<'_> {
    /// Shows the next trust file, asks, signs it and publishes it under its root version.
    pub async fn succeed(&mut self, key: &SigningKey, change: &Change) -> Result<Outcome> {
        self.signer(key)?;
        self.fetch().await?;
        let head = self.definitions.head_id()?;
        let checkout = super::checkout::checkout(&self.definitions, head, &self.trust.platform)?;
        let repository = checkout.catalogue.platform.trust_repository()?;
        let next = change.apply(self.trust, self.now())?;
        self.reporter
            .note(&format!("root version {}:", next.root_version));
        for line in self.trust.changes(&next)? {
            self.reporter.note(&format!("  {line}"));
        }
        let tag = Tag::new(next.root_version.to_string()).map_err(Error::bug)?;
        self.refuse_second(&repository, &tag).await.map_err(|error| {
            error.hint("`devenv release sign trust` adds a signature to it; once it counts, `devenv trust update` takes it")
        })?;
        if !self.reporter.confirm("Sign and publish this?", "--yes")? {
            return Ok(Outcome::Declined);
        }
        let text = next.to_yaml()?;
        let statement = Statement {
            subject: Subject {
                name: SubjectName {
                    platform: self.trust.platform.clone(),
                    part: Part::Trust,
                },
                digest: Digest::of(text.as_bytes()),
            },
            predicate: TrustPredicate {
                issued: self.now(),
                trust: next.clone(),
            },
        };
        let bundle = sign_statement(&statement, key)?;
        let missing = self.missing(&bundle)?;
        let nothing = Document::new("application/vnd.devenv.trust.v1");
        self.add_signature(&repository, &nothing, bundle, &tag, None)
            .await?;
        Ok(Outcome::Published(next, missing))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::verify::trust::testing::{public_key, time, trust_file};

    fn key(number: u8) -> TrustedKey {
        TrustedKey {
            name: format!("key{number}"),
            key: public_key(number),
            from: None,
            until: None,
        }
    }

    #[test]
    fn rotation_and_revocation() {
        let before = trust_file(1, 1);
        let change = Change {
            add: vec![key(2), key(3)],
            retire: vec!["key1".to_owned()],
            threshold: Some(2),
            ..Change::default()
        };
        let next = change.apply(&before, time(5)).unwrap();
        assert_eq!((next.root_version, next.threshold), (2, 2));
        assert_eq!(next.keys[0].until, Some(time(5)));
        let change = Change {
            revoke: vec!["key1".to_owned()],
            ..Change::default()
        };
        let last = change.apply(&next, time(6)).unwrap();
        assert_eq!(last.usable_keys().count(), 2);
        assert_eq!(last.root_version, 3);
    }

    #[test]
    fn what_could_not_release_is_refused() {
        let refused = |change: Change| {
            let error = change.apply(&trust_file(2, 2), time(5)).unwrap_err();
            error.to_string()
        };
        assert!(refused(Change::default()).contains("nothing would change"));
        let retire = |name: &str| Change {
            retire: vec![name.to_owned()],
            ..Change::default()
        };
        assert!(refused(retire("key1")).contains("only 1 keys would count"));
        assert!(refused(retire("key9")).contains("no key is named"));
        let threshold = Some(3);
        let high = Change {
            threshold,
            ..Change::default()
        };
        assert!(refused(high).contains("threshold is 3"));
    }
}
