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
use crate::trust::policy::{Check, LedgerSeen, Verdict, Verified};

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
            match self.in_time(registry, repository, environment, seen).await {
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
        let mut bundles = Vec::new();
        for manifest in &cached.manifests {
            bundles.extend(self.source.document(repository, manifest).await?);
        }
        let verdict = self.policy().verify_ledger(environment, seen, &bundles);
        Ok(Some(Look {
            ledger: verdict.result?,
            confirmed: cached.at,
            unreachable,
            checks: verdict.checks,
        }))
    }

    /// [`Self::newest`] within [`LOOK`].
    async fn in_time(
        &self,
        registry: &Registry,
        repository: &Repository,
        environment: &EnvironmentName,
        seen: Option<&LedgerSeen>,
    ) -> Result<Newest, Asked> {
        let asked = self.newest(registry, repository, environment, seen);
        tokio::time::timeout(LOOK, asked).await.unwrap_or_else(|_| {
            let host = repository.host();
            Err(Asked::Unreachable(Error::registry(format!(
                "{host} did not answer within {} s",
                LOOK.as_secs()
            ))))
        })
    }

    /// What the tag of one document names; none without a sequence.
    async fn tagged(
        &self,
        registry: &Registry,
        repository: &Repository,
        environment: &EnvironmentName,
        sequence: Option<u64>,
    ) -> Result<Option<Digest>, Asked> {
        let Some(sequence) = sequence else {
            return Ok(None);
        };
        let tag = Tag::new(sequence_tag(environment, sequence))
            .map_err(|why| Asked::Refused(Error::registry(why)))?;
        Ok(registry.resolve(repository, &tag).await?)
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
            "production renews it with `devenv release renew {environment}`; `ledger_grace` in \
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
        let (tags, current, again) = futures_util::future::join3(
            registry.tags(repository),
            registry.resolve(repository, &plain),
            self.tagged(registry, repository, environment, known),
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
            let document = if known == Some(*sequence) {
                again
            } else {
                self.tagged(registry, repository, environment, Some(*sequence))
                    .await?
            };
            let Some(document) = document else {
                continue;
            };
            let mut manifests = vec![document];
            manifests.extend(current.filter(|current| *current != document));
            let mut bundles = Vec::new();
            for manifest in &manifests {
                bundles.extend(
                    self.source
                        .document(repository, manifest)
                        .await
                        .map_err(Asked::Refused)?,
                );
            }
            let Verdict { checks, result } =
                self.policy().verify_ledger(environment, seen, &bundles);
            match result.and_then(|ledger| self.in_time_or_seen(ledger, environment, seen)) {
                Ok(ledger) => return Ok((ledger, checks, manifests)),
                Err(error) => refusal = refusal.or(Some(error)),
            }
        }
        Err(refusal.map_or(Asked::Nothing, Asked::Refused))
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
