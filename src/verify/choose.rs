//! From what the user asked for to one verified reference.

use jiff::Timestamp;

use crate::error::{Error, Result};
use crate::home::cache::Cache;
use crate::home::file;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, ReferenceRecord};
use crate::model::digest::Digest;
use crate::model::ledger::{Freshness, LedgerEntry};
use crate::model::name::EnvironmentName;
use crate::model::platform::{Platform, Workstation};
use crate::registry::{Registry, Tag};
use crate::system::in_full;
use crate::verify::evidence::ledger::{LOOK, Look};
use crate::verify::evidence::{Source, VerifiedReference, Verifier};
use crate::verify::trust::policy::LedgerSeen;

/// Whose versions an instance is to run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Versions {
    /// As it remembers: the reference that it is pinned to, else what its environment runs now.
    #[default]
    Remembered,
    /// The reference that it runs, whatever its environment runs meanwhile.
    Same,
    /// What this environment runs now.
    Environment(EnvironmentName),
    /// One reference by its number; the environment is the one that is remembered from then on.
    Number(u64, Option<EnvironmentName>),
    /// The same by its digest, whatever the registry's tag says.
    Exactly(ReferenceRecord, Option<EnvironmentName>),
    /// What an environment ran at this time.
    AsOf(Timestamp, Option<EnvironmentName>),
}

impl Versions {
    /// The environment that is named.
    pub fn environment(&self) -> Option<&EnvironmentName> {
        match self {
            Self::Remembered | Self::Same => None,
            Self::Environment(name) => Some(name),
            Self::Number(_, name) | Self::Exactly(_, name) | Self::AsOf(_, name) => name.as_ref(),
        }
    }
}

/// Which reference is wanted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// What an environment runs now.
    Environment(EnvironmentName),
    /// One by its number.
    Number(u64),
    /// What an environment ran at a time.
    AsOf(EnvironmentName, Timestamp),
    /// What an instance was pinned to.
    Pinned(u64, Digest),
}

/// The reference that was chosen, and how.
#[derive(Debug)]
pub struct Chosen {
    /// The verified reference.
    pub verified: VerifiedReference,
    /// Whether it stays until another environment is asked for.
    pub pinned: bool,
    /// Lines for the user: how old the ledger is, what expired.
    pub warnings: Vec<String>,
}

/// Reads and verifies references and ledgers of one platform.
pub struct Preparation<'a> {
    pub(super) open: &'a OpenPlatform,
    cache: Cache,
    pub(super) registry: Option<&'a Registry>,
    session: &'a Session,
    now: Timestamp,
}

impl<'a> Preparation<'a> {
    /// From the cache, and from the registry where there is one.
    pub fn new(
        session: &'a Session,
        open: &'a OpenPlatform,
        registry: Option<&'a Registry>,
    ) -> Self {
        Self {
            open,
            cache: session.cache(),
            registry,
            session,
            now: session.home.now(),
        }
    }

    /// `platform.yaml` as it is read here.
    pub fn platform(&self) -> &Platform {
        &self.open.platform
    }

    /// With another view of the cache.
    #[must_use]
    pub fn with_cache(mut self, cache: Cache) -> Self {
        self.cache = cache;
        self
    }

    /// The verifier of this platform.
    pub fn verifier(&self) -> Verifier<'_> {
        Verifier {
            source: Source {
                cache: &self.cache,
                registry: self.registry,
            },
            trust: &self.open.trust,
            now: self.now,
            grace: self.session.home.settings.ledger_grace.value,
            look: Some(LOOK),
        }
    }

    /// The ledger of an environment; what was seen is remembered, so that nothing older is taken
    /// for it later.
    pub async fn ledger(&self, environment: &EnvironmentName) -> Result<Look> {
        let look = self.ledger_if_any(environment).await?;
        look.ok_or_else(|| nothing_promoted(self.open, environment))
    }

    /// Like [`Preparation::ledger`]; `None` when nothing was ever promoted there.
    pub async fn ledger_if_any(&self, environment: &EnvironmentName) -> Result<Option<Look>> {
        if !self.open.platform.environments.contains(environment) {
            return Err(unknown_environment(self.open, environment));
        }
        let path = self
            .session
            .home
            .paths
            .ledger_seen(&self.open.name, environment);
        let seen: Option<LedgerSeen> = file::load(&path)?;
        let repository = self.open.platform.environments_repository()?;
        let Some(look) = self
            .verifier()
            .ledger_if_any(&repository, environment, seen.as_ref())
            .await?
        else {
            return Ok(None);
        };
        let now_seen = LedgerSeen::of(&look.ledger, &self.open.trust);
        if seen.as_ref() != Some(&now_seen) {
            file::save(&path, &now_seen)?;
        }
        Ok(Some(look))
    }

    /// What an environment runs now, verified; `None` when nothing was ever promoted there.
    pub async fn current(&self, environment: &EnvironmentName) -> Result<Option<Chosen>> {
        let Some(look) = self.ledger_if_any(environment).await? else {
            return Ok(None);
        };
        let entry = look.ledger.predicate.current().cloned();
        let warnings = self.warnings(&look, environment);
        self.entry(entry, environment, false, warnings)
            .await
            .map(Some)
    }

    /// The reference that is wanted, verified.
    pub async fn choose(&self, choice: &Choice) -> Result<Chosen> {
        match choice {
            Choice::Environment(environment) => {
                let current = self.current(environment).await?;
                current.ok_or_else(|| nothing_promoted(self.open, environment))
            }
            Choice::AsOf(environment, time) => {
                let look = self.ledger(environment).await?;
                let entry = look.ledger.predicate.as_of(*time).cloned();
                if entry.is_none() {
                    let first = look
                        .ledger
                        .predicate
                        .entries
                        .first()
                        .map(|entry| in_full(entry.at));
                    return Err(Error::usage(format!(
                        "{environment} ran nothing at {}",
                        in_full(*time)
                    ))
                    .hint(format!(
                        "its first promotion was at {}",
                        first.unwrap_or_default()
                    )));
                }
                self.entry(entry, environment, true, self.warnings(&look, environment))
                    .await
            }
            Choice::Pinned(number, digest) => self.by_digest(*number, *digest, Vec::new()).await,
            Choice::Number(number) => self.by_number(*number).await,
        }
    }

    async fn entry(
        &self,
        entry: Option<LedgerEntry>,
        environment: &EnvironmentName,
        pinned: bool,
        warnings: Vec<String>,
    ) -> Result<Chosen> {
        let entry =
            entry.ok_or_else(|| Error::trust(format!("the ledger of {environment} is empty")))?;
        let chosen = self.by_digest(entry.number, entry.digest, warnings).await?;
        Ok(Chosen { pinned, ..chosen })
    }

    async fn by_digest(
        &self,
        number: u64,
        digest: Digest,
        warnings: Vec<String>,
    ) -> Result<Chosen> {
        let proxy = &self.open.platform.proxy;
        let repository = self.open.platform.repository(proxy.as_str())?;
        let verified = self
            .verifier()
            .reference(proxy, &repository, digest, Some(number))
            .await?;
        Ok(Chosen {
            verified,
            pinned: true,
            warnings,
        })
    }

    /// By the registry's tag; offline by what was fetched before.
    async fn by_number(&self, number: u64) -> Result<Chosen> {
        let proxy = &self.open.platform.proxy;
        let repository = self.open.platform.repository(proxy.as_str())?;
        let key = format!("{}-{number}", self.open.name);
        let digest = match self.registry {
            None => self.cache.hint("references", &key).ok_or_else(|| {
                Error::trust(format!(
                    "reference {number} was never fetched on this machine"
                ))
            })?,
            Some(registry) => {
                let tag = Tag::new(number.to_string()).map_err(Error::usage)?;
                let digest = registry.resolve(&repository, &tag).await?.ok_or_else(|| {
                    Error::usage(format!("there is no reference {number} in {repository}"))
                        .hint("`devenv history ENVIRONMENT` shows the numbers that ran")
                })?;
                self.cache.keep_hint("references", &key, &digest)?;
                digest
            }
        };
        self.by_digest(number, digest, Vec::new()).await
    }

    /// What the user should know of a ledger: how old it is, that it expired.
    pub fn warnings(&self, look: &Look, environment: &EnvironmentName) -> Vec<String> {
        let mut warnings = Vec::new();
        if let Some(why) = &look.unreachable {
            warnings.push(format!(
                "the ledger of {environment} could not be looked at ({why}); using the one of {} ({} ago)",
                look.confirmed.strftime("%Y-%m-%d %H:%M UTC"),
                age(look.confirmed, self.now)
            ));
        } else if self.registry.is_none() {
            warnings.push(format!(
                "offline: the ledger of {environment} was last looked at {} ago",
                age(look.confirmed, self.now)
            ));
        }
        if let Freshness::Expired { since } = look.ledger.predicate.freshness(self.now) {
            warnings.push(format!(
                "the ledger of {environment} expired {} ago: production has not renewed it, or somebody withholds newer ones",
                age(since, self.now)
            ));
        }
        warnings
    }
}

/// The environment that an instance follows, and the reference that it is to run.
pub fn choice(
    workstation: &Workstation,
    record: Option<&InstanceRecord>,
    versions: &Versions,
) -> (EnvironmentName, Choice) {
    let remembered = record.map(|record| &record.environment);
    let default = &workstation.environment;
    let name = versions.environment().or(remembered).unwrap_or(default);
    let choice = match (versions, record) {
        (Versions::Number(number, _), _) => Choice::Number(*number),
        (Versions::Exactly(it, _), _) => Choice::Pinned(it.number, it.digest),
        (Versions::AsOf(time, _), _) => Choice::AsOf(name.clone(), *time),
        (Versions::Same, Some(record)) => pinned(record),
        (Versions::Remembered, Some(record)) if record.pinned => pinned(record),
        _ => Choice::Environment(name.clone()),
    };
    (name.clone(), choice)
}

fn pinned(record: &InstanceRecord) -> Choice {
    Choice::Pinned(record.reference.number, record.reference.digest)
}

fn nothing_promoted(open: &OpenPlatform, environment: &EnvironmentName) -> Error {
    Error::registry(format!(
        "nothing was ever promoted to {environment} of {} (no ledger in {}/environments)",
        open.name, open.platform.registry
    ))
    .hint(format!(
        "production does so with `devenv release promote N --to {environment}`"
    ))
}

fn unknown_environment(open: &OpenPlatform, environment: &EnvironmentName) -> Error {
    let known: Vec<_> = open
        .platform
        .environments
        .iter()
        .map(EnvironmentName::as_str)
        .collect();
    Error::usage(format!(
        "`{environment}` is no environment of {}",
        open.name
    ))
    .hint(format!("it is one of: {}", known.join(", ")))
}

/// A span in words: `3 days`, `2 hours`, `5 minutes`, `moments`.
pub fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = (now.as_second() - then.as_second()).max(0);
    let (count, unit) = match seconds {
        0..60 => return "moments".to_owned(),
        60..3600 => (seconds / 60, "minute"),
        3600..86_400 => (seconds / 3600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    let plural = if count == 1 { "" } else { "s" };
    format!("{count} {unit}{plural}")
}
