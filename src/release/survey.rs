//! What a new reference would pin: every listed version, verified, and what there was before.

use std::collections::BTreeMap;

use futures_util::StreamExt;
use futures_util::stream;

use super::Desk;
use super::changes::{self, ProxyInputs};
use super::checkout::{Checkout, checkout, definition_at, folder_of};
use super::compile::{Compiled, Part, Parts, compile};
use super::norms::Policy;
use super::proxy_image::ProxyParts;
use crate::definitions::{CommitId, TreeFile};
use crate::error::{Error, Result};
use crate::model::container::Kind;
use crate::model::difference::Difference;
use crate::model::image::Repository;
use crate::model::name::{ContainerName, Version};
use crate::model::norms::Finding;
use crate::model::reference::Reference;
use crate::verify::evidence::VerifiedReference;

/// How many registry look-ups go on at once.
const PARALLEL: usize = 8;

/// What stands before the reservation.
pub(super) struct Prepared {
    pub(super) checkout: Checkout,
    pub(super) proxy: ContainerName,
    pub(super) repository: Repository,
    pub(super) files: Vec<TreeFile>,
    pub(super) released: BTreeMap<ContainerName, Part>,
    pub(super) previous: Option<VerifiedReference>,
    pub(super) policy: Option<Policy>,
    /// What the proxy's files tell about the policy's rules.
    pub(super) findings: Vec<Finding>,
}

impl Prepared {
    pub(super) fn parts(&self) -> ProxyParts<'_> {
        ProxyParts {
            checkout: &self.checkout,
            proxy: &self.proxy,
            files: &self.files,
            repository: &self.repository,
            policy: self.policy.as_ref(),
            findings: &self.findings,
        }
    }
}

impl Desk<'_> {
    /// Reads the newest definitions and verifies everything that the next reference pins.
    pub(super) async fn prepare_reference(&mut self) -> Result<Prepared> {
        self.fetch().await?;
        let head = self.definitions.head_id()?;
        let checkout = checkout(&self.definitions, head, &self.trust.platform)?;
        let platform = checkout.catalogue.platform.clone();
        let proxy = platform.proxy.clone();
        let files = checkout.files(&self.definitions, &proxy)?;
        let policy = self.policy_at(checkout.commit)?;
        let findings = self.found_in_files(&checkout, &proxy, &files, policy.as_ref())?;
        self.refuse_by_definitions(&proxy, policy.as_ref(), &findings)?;
        let released = self.released(&checkout).await?;
        Ok(Prepared {
            repository: platform.repository(proxy.as_str())?,
            previous: self.newest_reference(&platform).await?,
            checkout,
            proxy,
            files,
            released,
            policy,
            findings,
        })
    }

    /// Every listed version, verified, with its definition at the commit of its statement.
    async fn released(&self, checkout: &Checkout) -> Result<BTreeMap<ContainerName, Part>> {
        let platform = &checkout.catalogue.platform;
        self.reporter.note(&format!(
            "verifying {} released versions",
            platform.containers.len()
        ));
        let found: Vec<_> = stream::iter(&platform.containers)
            .map(|(name, version)| self.published(platform, name, version))
            .buffered(PARALLEL)
            .collect()
            .await;
        let mut parts = BTreeMap::new();
        for published in found {
            let published = published?;
            let name = published.container;
            if name == platform.proxy {
                let text = format!("platform.yaml: the proxy `{name}` has no version of its own");
                return Err(Error::definitions(text).hint("remove it from `containers`"));
            }
            if checkout.definition(&name)?.kind == Kind::Base {
                continue;
            }
            let commit: CommitId = published
                .statement
                .predicate
                .commit
                .as_str()
                .parse()
                .map_err(Error::trust)?;
            let (at_commit, source, definition) = definition_at(&self.definitions, commit, &name)
                .map_err(|error| {
                error.within(format!("cannot read what {name} was built from"))
            })?;
            let (repository, digest) = (published.repository, published.digest);
            let image = self.configuration(&repository, &digest).await?.defaults();
            let part = Part {
                version: published.version,
                repository,
                digest,
                image,
                definition,
                defaults: at_commit.defaults,
                source,
            };
            parts.insert(name, part);
        }
        Ok(parts)
    }

    /// The reference as it would be under `number`.
    pub(super) fn compiled(&self, prepared: &Prepared, number: u64) -> Result<Compiled> {
        let checkout = &prepared.checkout;
        let parts = Parts {
            platform: &checkout.catalogue.platform,
            platform_source: &checkout.platform,
            containers: &checkout.containers,
            proxy: checkout.definition(&prepared.proxy)?,
            released: prepared.released.clone(),
        };
        compile(&parts, number, self.now(), checkout.commit.to_string())
    }

    /// What differs in the proxy besides the reference in it.
    pub(super) fn proxy_changes(
        &self,
        prepared: &Prepared,
        previous: &Reference,
    ) -> Result<Vec<Difference>> {
        let now = &prepared.checkout;
        let before: CommitId = previous.commit.parse().map_err(Error::trust)?;
        let Ok(before) = checkout(&self.definitions, before, &self.trust.platform) else {
            // Written under other rules: what cannot be compared counts as changed.
            return Ok(vec![Difference {
                path: folder_of(&prepared.proxy),
                before: Some(format!("at {}", previous.commit).into()),
                after: Some(format!("at {}", now.commit).into()),
            }]);
        };
        let inputs = |checkout: &Checkout, files: Vec<TreeFile>| ProxyInputs {
            bases: bases(checkout),
            files,
        };
        let files_before = before.files(&self.definitions, &prepared.proxy)?;
        Ok(changes::of_proxy(
            &prepared.proxy,
            &inputs(&before, files_before),
            &inputs(now, prepared.files.clone()),
        ))
    }
}

/// The released versions of all bases.
fn bases(checkout: &Checkout) -> BTreeMap<ContainerName, Version> {
    let definitions = &checkout.catalogue.definitions;
    let is_base = |name: &ContainerName| {
        definitions
            .get(name)
            .is_some_and(|definition| definition.kind == Kind::Base)
    };
    let listed = checkout.catalogue.platform.containers.iter();
    listed
        .filter(|(name, _)| is_base(name))
        .map(|(name, version)| (name.clone(), version.clone()))
        .collect()
}
