//! From an environment's ledger to a verified reference with everything that running it takes.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use ring::hmac;

use super::Target;
use crate::converge::desired::{Image, Secrets};
use crate::converge::select::{Request, select};
use crate::error::{Error, Result};
use crate::home::cache::Cache;
use crate::home::file;
use crate::home::secrets::{self, Missing};
use crate::home::session::Session;
use crate::home::state::{Owner, ReferenceRecord};
use crate::model::ledger::LedgerEntry;
use crate::model::name::ContainerName;
use crate::model::server::ServerFile;
use crate::model::subject::Part;
use crate::model::trust_file::TrustFile;
use crate::registry::Registry;
use crate::verify::evidence::ledger::Look;
use crate::verify::evidence::{Source, VerifiedReference, Verifier};
use crate::verify::trust::policy::LedgerSeen;

/// How long the registry may take to show the ledger: nobody waits for a server as somebody does for `up`.
const PATIENCE: Duration = Duration::from_secs(10);

/// Images that are verified at the same time.
const AT_ONCE: usize = 16;

/// What a server reads and verifies.
pub struct Follow<'a> {
    /// Its home.
    pub session: &'a Session,
    /// Whose ledger it follows.
    pub file: &'a ServerFile,
    /// Whose signatures count.
    pub trust: &'a TrustFile,
    /// Hides secrets in hashes.
    pub owner: &'a Owner,
    /// Where everything is published; `None`: offline.
    pub registry: Option<&'a Registry>,
    /// What was fetched before.
    pub cache: Cache,
}

impl Follow<'_> {
    fn verifier(&self) -> Verifier<'_> {
        Verifier {
            source: Source {
                cache: &self.cache,
                registry: self.registry,
            },
            trust: self.trust,
            now: self.session.home.now(),
            grace: self.session.home.settings.ledger_grace.value,
            look: Some(PATIENCE),
        }
    }

    /// The environment's ledger; what was seen is remembered, so that nothing older is taken for it.
    pub async fn look(&self) -> Result<Look> {
        let (platform, environment) = (&self.file.platform, &self.file.environment);
        let path = self.session.home.paths.ledger_seen(platform, environment);
        let seen: Option<LedgerSeen> = file::load(&path)?;
        let repository = self.file.repository("environments")?;
        let look = self
            .verifier()
            .ledger(&repository, environment, seen.as_ref())
            .await?;
        let now_seen = LedgerSeen::of(&look.ledger, self.trust);
        if seen.as_ref() != Some(&now_seen) {
            file::save(&path, &now_seen)?;
        }
        Ok(look)
    }

    /// The entry of a ledger that runs now.
    pub fn entry(look: &Look) -> Result<&LedgerEntry> {
        let entry = look.ledger.predicate.current();
        entry.ok_or_else(|| Error::trust("the ledger is empty"))
    }

    /// The reference of an entry.
    pub fn record(entry: &LedgerEntry) -> ReferenceRecord {
        ReferenceRecord {
            number: entry.number,
            digest: entry.digest,
        }
    }

    /// A reference of a ledger's platform, verified.
    pub async fn reference(
        &self,
        look: &Look,
        wanted: ReferenceRecord,
    ) -> Result<VerifiedReference> {
        let Part::Container(proxy) = &look.ledger.subject.name.part else {
            return Err(Error::trust("the ledger is not about a proxy image"));
        };
        let repository = self.file.repository(proxy.as_str())?;
        self.verifier()
            .reference(proxy, &repository, wanted.digest, Some(wanted.number))
            .await
    }

    /// The same with all its images.
    pub async fn target(&self, look: &Look, wanted: ReferenceRecord) -> Result<Target> {
        let (verifier, verified) = (self.verifier(), self.reference(look, wanted).await?);
        let reference = &verified.reference;
        let once = reference.containers.iter().filter(|(_, it)| it.run.once);
        let request = Request {
            names: once.map(|(name, _)| name.to_string()).collect(),
            all: true,
            without: Vec::new(),
            proxy: true,
        };
        let order = select(reference, &request)?.order;
        let named = async |name: &ContainerName| {
            let image = verifier.image_of(&verified, name).await?;
            Ok::<_, Error>((name.clone(), image.image))
        };
        let verified_images: BTreeMap<ContainerName, Image> = stream::iter(order.iter().map(named))
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let environment = &self.file.environment;
        let spread = reference.spread(|_, run| run.replicas.get(environment).copied().unwrap_or(1));
        let order = select(&spread, &request)?.order;
        let images = order.iter().filter_map(|name| {
            let image = verified_images.get(spread.origin(name))?;
            Some((name.clone(), image.clone()))
        });
        let configuration = self.file.configuration()?;
        let names: BTreeSet<_> = order
            .iter()
            .flat_map(|name| spread.containers[name].run.secret_names().cloned())
            .collect();
        let values = secrets::values(
            self.session,
            &self.file.platform,
            &configuration,
            &names,
            Missing::Asked,
        );
        Ok(Target {
            record: wanted,
            secrets: Secrets {
                values: values.await?,
                key: self.owner.key.clone(),
            },
            inputs: self.inputs()?,
            images: images.collect(),
            order,
            configuration,
            reference: spread,
        })
    }

    /// A hash of what decides besides the reference: the configuration, and the file of secrets.
    pub fn inputs(&self) -> Result<String> {
        let key = hmac::Key::new(hmac::HMAC_SHA256, self.owner.key.expose().as_bytes());
        let mut hash = hmac::Context::with_key(&key);
        hash.update(self.file.configuration()?.as_str().as_bytes());
        hash.update(b"\n");
        let path = self.session.home.paths.secrets(&self.file.platform);
        hash.update(&std::fs::read(path).unwrap_or_default());
        if self.file.ipv6 {
            hash.update(b"ipv6");
        }
        let tag = hash.sign();
        Ok(tag.as_ref()[..16]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect())
    }
}
