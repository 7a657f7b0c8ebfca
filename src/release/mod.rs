//! Production's side: versions, references and promotions, each reserved, signed and published.
//!
//! Every operation can be interrupted at any point and run again: what is published is a tag
//! *and* a valid signature, and the tag comes last. A rerun builds again; it never signs what it
//! finds in the registry.

mod artifacts;
mod attempt;
pub mod build;
mod changes;
pub mod check;
mod checkout;
mod claim;
mod compile;
mod document;
mod image;
mod import;
pub mod key;
pub mod layout;
pub mod ledger;
pub mod local;
mod made;
pub mod mixed;
pub mod norms;
mod order;
mod proxy_image;
mod publish;
mod published;
mod record;
pub mod reference;
mod rollback;
pub mod sign;
pub mod succession;
mod survey;
pub mod version;

use std::collections::BTreeMap;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};

use crate::definitions::{CommitId, Definitions, History};
use crate::engine::RegistryLogin;
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::cache::Cache;
use crate::home::paths::Paths;
use crate::home::reporter::Reporter;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::Owner;
use crate::model::image::Repository;
use crate::model::mirrors::Mirrors;
use crate::model::secret::Secret;
use crate::model::trust_file::{TrustFile, TrustedKey};
use crate::registry::Registry;
use crate::verify::evidence::{Source, Verifier};
use crate::verify::trust::keys::SigningKey;
use crate::verify::trust::policy::Policy;

/// What every operation works with: one platform, its registry and its definitions.
pub struct Desk<'a> {
    /// The bare clone.
    pub definitions: Definitions,
    /// The registry, unless offline: only a local build can do without.
    pub registry: Option<Registry>,
    /// Whose signatures count: the pinned trust file.
    pub trust: &'a TrustFile,
    /// What was fetched before.
    pub cache: Cache,
    /// Where attempts and the highest ledgers are remembered.
    pub paths: &'a Paths,
    /// The present.
    pub clock: fn() -> Timestamp,
    /// Proxy variables for builds, by name.
    pub proxies: BTreeMap<String, Secret>,
    /// Who is told and asked.
    pub reporter: &'a dyn Reporter,
    /// For whom it works.
    pub side: Side,
    /// Where the secrets of builds come from.
    session: &'a Session,
}

/// Who builds.
#[derive(Debug, Clone)]
pub enum Side {
    /// Whoever releases: every base comes from the registry itself, each time.
    Production,
    /// A developer: a base that the engine has under its digest is not pulled again. What is
    /// verified after the build is the same.
    Workstation {
        /// Where bases are pulled from.
        mirrors: Mirrors,
        /// This home's identity on engines, so that its images can be told from others'.
        owner: String,
    },
}

/// What building takes besides.
#[derive(Clone, Copy)]
pub struct Workshop<'a> {
    /// Where images are built.
    pub docker: &'a Docker,
    /// What they are signed with.
    pub key: &'a SigningKey,
}

impl<'a> Desk<'a> {
    /// Production's: on the registry itself.
    ///
    /// # Errors
    /// Offline, or definitions that cannot be opened.
    pub fn production(session: &'a Session, open: &'a OpenPlatform) -> Result<Self> {
        let registry = session.registry_itself();
        let registry = registry.ok_or_else(|| Error::usage("releasing needs the network"))?;
        Self::open(session, open, Some(registry), Side::Production)
    }

    /// A developer's: mirrors count, and the network may be out of use.
    ///
    /// # Errors
    /// Definitions that cannot be opened.
    pub fn workstation(session: &'a Session, open: &'a OpenPlatform) -> Result<Self> {
        let side = Side::Workstation {
            mirrors: session.home.settings.registry_mirrors.value.clone(),
            owner: Owner::load(&session.home.paths)?.id,
        };
        Self::open(session, open, session.registry(), side)
    }

    fn open(
        session: &'a Session,
        open: &'a OpenPlatform,
        registry: Option<Registry>,
        side: Side,
    ) -> Result<Self> {
        Ok(Self {
            definitions: session.definitions(&open.name)?,
            registry,
            trust: &open.trust,
            cache: session.cache(),
            paths: &session.home.paths,
            clock: Timestamp::now,
            proxies: session.build_arguments()?,
            reporter: &*session.reporter,
            side,
            session,
        })
    }

    /// The present, in whole seconds: statements are read by people.
    fn now(&self) -> Timestamp {
        let now = (self.clock)();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    fn verifier(&self) -> Verifier<'_> {
        Verifier {
            source: Source {
                cache: &self.cache,
                registry: self.registry.as_ref(),
            },
            trust: self.trust,
            now: self.now(),
            // Who renews a ledger has to read the expired one.
            grace: SignedDuration::MAX,
            look: None,
        }
    }

    fn online(&self) -> Result<&Registry> {
        let text = "this takes the registry, and the network is not to be used";
        self.registry.as_ref().ok_or_else(|| Error::registry(text))
    }

    fn policy(&self) -> Policy<'_> {
        Policy {
            trust: self.trust,
            now: self.now(),
        }
    }

    /// Brings the newest definitions and tags.
    async fn fetch(&mut self) -> Result<()> {
        self.reporter.note("fetching the definitions");
        self.definitions
            .fetch(History::Forward, Arc::new(()))
            .await
            .map(drop)
    }

    /// The entry of the trust file for this key: what it signs must count.
    fn signer(&self, key: &SigningKey) -> Result<&TrustedKey> {
        let fingerprint = key.public().fingerprint();
        let usable = self
            .trust
            .usable_keys()
            .find(|trusted| trusted.fingerprint() == fingerprint);
        let refuse = |why: String| {
            Error::trust(why).hint("`devenv trust show` lists the keys that count for the platform")
        };
        match usable {
            None => Err(refuse(format!(
                "the signing key {} is not one that the platform trusts",
                fingerprint.short()
            ))),
            Some(trusted) if !trusted.is_valid_at(self.now()) => Err(refuse(format!(
                "the signing key `{}` does not count at this time",
                trusted.name
            ))),
            Some(trusted) => Ok(trusted),
        }
    }

    /// A commit with its author and subject, as far as this clone has it.
    fn commit_in_words(&self, commit: &str) -> String {
        let known = commit.parse::<CommitId>().ok();
        match known.and_then(|id| self.definitions.resolve(id).ok()) {
            Some(known) => format!("{commit} ({}: {})", known.author, known.subject),
            None => commit.to_owned(),
        }
    }

    /// The login that the engine needs for a repository.
    async fn login(&self, repository: &Repository) -> Result<Option<RegistryLogin>> {
        let host = repository.host();
        let Some(registry) = &self.registry else {
            return Ok(None);
        };
        let stored = registry.credentials(host).await?;
        Ok(stored.map(|credentials| RegistryLogin::new(host, credentials)))
    }
}
