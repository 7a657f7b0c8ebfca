//! The look at an environment's ledger: what runs there, as far as this machine can know.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::Verifier;
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::ledger::{Freshness, Ledger};
use crate::model::name::EnvironmentName;
use crate::registry::{Fault, Registry, Tag};
use crate::verify::trust::policy::{Check, LedgerSeen, Verdict, Verified};

/// How long the look at the registry may take before the cached ledger is used.
pub const LOOK: Duration = Duration::from_secs(2);

/// How many documents are tried, highest sequence first.
const TRIED: usize = 4;

/// A verified ledger and when the registry last confirmed it.
#[derive(Debug, Clone)]
pub struct Look {
    /// What was verified.
    pub ledger: Verified<Ledger>,
    /// When the registry was last asked.
    pub confirmed: Timestamp,
    /// Why it could not be asked now.
    pub unreachable: Option<String>,
    /// Every check that was made.
    pub checks: Vec<Check>,
}

/// What was fetched last, as a hint in the cache.
#[derive(Debug, Serialize, Deserialize)]
struct Fetched {
    manifests: Vec<Digest>,
    at: Timestamp,
}

/// The tag of one document of an environment's ledger.
pub fn sequence_tag(environment: &EnvironmentName, sequence: u64) -> String {
    format!("{environment}-{sequence}")
}

/// The sequence that a tag of this environment names.
pub fn sequence_of(environment: &EnvironmentName, tag: &str) -> Option<u64> {
    let number = tag.strip_prefix(environment.as_str())?.strip_prefix('-')?;
    (!number.starts_with('0')).then(|| number.parse().ok())?
}

/// The tag of one document.
fn document_tag(environment: &EnvironmentName, sequence: u64) -> Result<Tag, Asked> {
    let tag = Tag::new(sequence_tag(environment, sequence));
    tag.map_err(|why| Asked::Refused(Error::registry(why)))
}

impl Verifier<'_> {
    /// Looks at the ledger of an environment. Without network, or when the registry does not
    /// answer in time, the cached one is verified instead; other refusals are errors.
    pub async fn ledger(
        &self,
        repository: &Repository,
        environment: &EnvironmentName,
        seen: Option<&LedgerSeen>,
    ) -> Result<Look> {
        let look = self.ledger_if_any(repository, environment, seen).await?;
        look.ok_or_else(|| {
            Error::registry(format!(
                "nothing was ever promoted to {environment} (no ledger in {repository})"
            ))
            .hint(format!(
                "production does so with `devenv release promote N --to {environment}`"
            ))
        })
    }

    /// Like [`Verifier::ledger`]; `None` when the registry answers that there is no ledger, and
    /// none was seen before.
    pub async fn ledger_if_any(
        &self,
        repository: &Repository,
        environment: &EnvironmentName,
        seen: Option<&LedgerSeen>,
    ) -> Result<Option<Look>> {
        let key = format!("{}-{environment}", self.trust.platform);
        let cached: Option<Fetched> = self.source.cache.hint("ledgers", &key);
        let mut unreachable = None;
        if let Some(registry) = self.source.registry {
            let limit = self.look.filter(|_| cached.is_some());
            let asked = self.in_time(limit, registry, repository, environment, seen);
            match asked.await {
                Ok((ledger, checks, manifests)) => {
                    let fetched = Fetched {
                        manifests,
                        at: self.now,
                    };
                    self.source.cache.keep_hint("ledgers", &key, &fetched)?;
                    return Ok(Some(Look {
                        ledger,
                        confirmed: self.now,
                        unreachable: None,
                        checks,
                    }));
                }
                Err(Asked::Nothing) => return nothing(environment, seen),
                Err(Asked::Unreachable(why)) if cached.is_some() => {
                    unreachable = Some(why.to_string());
                }
                Err(Asked::Unreachable(error) | Asked::Refused(error)) => return Err(error),
            }
        }
        let cached = cached.ok_or_else(|| {
            Error::trust(format!(
                "the ledger of {environment} was never fetched on this machine"
            ))
            .hint("run this once with a network, or `devenv pull` before you leave it")
        })?;
        let bundles = self.source.documents(repository, &cached.manifests).await?;
        let verdict = self.policy().verify_ledger(environment, seen, &bundles);
        let ledger = self.in_time_or_seen(verdict.result?, environment, seen)?;
        Ok(Some(Look {
            ledger,
            confirmed: cached.at,
            unreachable,
            checks: verdict.checks,
        }))
    }

    /// [`Self::newest`] within a limit; without one, as long as the registry may take for an answer.
    async fn in_time(
        &self,
        limit: Option<Duration>,
        registry: &Registry,
        repository: &Repository,
        environment: &EnvironmentName,
        seen: Option<&LedgerSeen>,
    ) -> Result<Newest, Asked> {
        let asked = self.newest(registry, repository, environment, seen);
        let Some(limit) = limit else {
            return asked.await;
        };
        tokio::time::timeout(limit, asked)
            .await
            .unwrap_or_else(|_| {
                let within = format!("within {} s", limit.as_secs());
                Err(registry.timed_out(repository, within).into())
            })
    }

    /// Long after its expiry nothing new is decided by a ledger: somebody may withhold later ones.
    /// The one that this machine has verified before still says what runs.
    fn in_time_or_seen(
        &self,
        ledger: Verified<Ledger>,
        environment: &EnvironmentName,
        seen: Option<&LedgerSeen>,
    ) -> Result<Verified<Ledger>> {
        let Freshness::Expired { since } = ledger.predicate.freshness(self.now) else {
            return Ok(ledger);
        };
        let known = seen.is_some_and(|seen| seen.payload == ledger.payload);
        if known
            || since
                .saturating_add(self.grace)
                .is_ok_and(|end| self.now <= end)
        {
            return Ok(ledger);
        }
        Err(Error::trust(format!(
            "the ledger of {environment} (sequence {}) expired at {since}, and this machine has \
             not verified it before",
            ledger.predicate.sequence
        ))
        .hint(format!(
            "production renews it with `devenv release renew {environment}`; `ledger_grace_days` in \
             settings.yaml says how long after its expiry a ledger is still taken"
        )))
    }

    /// The highest document that verifies, together with what the plain tag names.
    async fn newest(
        &self,
        registry: &Registry,
        repository: &Repository,
        environment: &EnvironmentName,
        seen: Option<&LedgerSeen>,
    ) -> Result<Newest, Asked> {
        let plain = Tag::new(environment.as_str())
            .map_err(|why| Asked::Refused(Error::definitions(why)))?;
        // Most often nothing is new: the document last seen is asked for along with the list.
        let known = seen.map(|seen| seen.sequence);
        let known_tag = known.map(|known| document_tag(environment, known));
        let known_tag = known_tag.transpose()?;
        let again = async {
            match &known_tag {
                Some(tag) => registry.resolve(repository, tag).await,
                None => Ok(None),
            }
        };
        let (tags, current, again) = futures_util::future::join3(
            registry.tags(repository),
            registry.resolve(repository, &plain),
            again,
        )
        .await;
        let tags = match tags {
            Err(Fault::NotFound { .. }) => Vec::new(),
            other => other?,
        };
        let (current, again) = (current?, again?);
        let mut sequences: Vec<u64> = tags
            .iter()
            .filter_map(|tag| sequence_of(environment, tag))
            .collect();
        sequences.sort_unstable_by(|a, b| b.cmp(a));
        let mut refusal = None;
        for sequence in sequences.iter().take(TRIED) {
            let tag = document_tag(environment, *sequence)?;
            let document = if known == Some(*sequence) {
                again
            } else {
                registry.resolve(repository, &tag).await?
            };
            let Some(document) = document else {
                continue;
            };
            let mut manifests = vec![document];
            manifests.extend(current.filter(|current| *current != document));
            match self
                .judge(repository, environment, seen, manifests.clone())
                .await
            {
                Ok(newest) => return Ok(newest),
                Err(error) => refusal = refusal.or(Some(error)),
            }
            let added = self.source.additions(repository, &tag, &tags).await;
            let added = added.map_err(Asked::Refused)?;
            if added.is_empty() {
                continue;
            }
            manifests.extend(added);
            if let Ok(newest) = self.judge(repository, environment, seen, manifests).await {
                return Ok(newest);
            }
        }
        Err(refusal.map_or(Asked::Nothing, Asked::Refused))
    }

    /// Verifies what some documents hold together.
    async fn judge(
        &self,
        repository: &Repository,
        environment: &EnvironmentName,
        seen: Option<&LedgerSeen>,
        manifests: Vec<Digest>,
    ) -> Result<Newest> {
        let bundles = self.source.documents(repository, &manifests).await?;
        let Verdict { checks, result } = self.policy().verify_ledger(environment, seen, &bundles);
        let ledger = self.in_time_or_seen(result?, environment, seen)?;
        Ok((ledger, checks, manifests))
    }
}

/// The highest document that verifies, its checks, and the manifests it was read from.
type Newest = (Verified<Ledger>, Vec<Check>, Vec<Digest>);

/// Why the registry gave no ledger.
enum Asked {
    /// It could not be reached: the cached ledger may serve.
    Unreachable(Error),
    /// It answered, and the answer is no.
    Refused(Error),
    /// It has no document.
    Nothing,
}

/// A ledger that was seen does not go by itself.
fn nothing(environment: &EnvironmentName, seen: Option<&LedgerSeen>) -> Result<Option<Look>> {
    match seen {
        None => Ok(None),
        Some(seen) => Err(Error::trust(format!(
            "the registry has no ledger of {environment} any more; this machine has seen sequence {}",
            seen.sequence
        ))
        .hint("somebody removed it, or the registry is another one: ask production")),
    }
}

impl From<Fault> for Asked {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::Unreachable { .. } | Fault::Server { status: 500.., .. } => {
                Self::Unreachable(fault.into())
            }
            other => Self::Refused(other.into()),
        }
    }
}
