//! `release build`: one version of one container.

use std::path::PathBuf;

use super::attempt::Attempt;
use super::checkout::{Checkout, checkout, folder_of};
use super::claim::{Claim, Claimed, Wish, taken};
use super::image::{Naming, Recipe};
use super::publish::Staged;
use super::{Desk, Workshop, artifacts};
use crate::build::context::Artifact;
use crate::build::{suspicious, template};
use crate::definitions::{CommitId, Tag, TreeFile};
use crate::error::{Error, Result};
use crate::model::container::Kind;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::{ContainerName, Version};
use crate::model::predicate::BuildPredicate;

pub use super::record::Recorded;

/// What is to be released.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which container.
    pub container: ContainerName,
    /// Under which version.
    pub version: Version,
    /// The files that production received for it.
    pub artifacts: Vec<PathBuf>,
    /// Whether to replace another's dead reservation.
    pub take_over: bool,
    /// Whether to build without the engine's layer cache.
    pub no_cache: bool,
}

/// A released version.
#[derive(Debug, Clone)]
pub struct Released {
    /// Where it is published.
    pub repository: Repository,
    /// The signed digest.
    pub digest: Digest,
    /// The definitions' commit that it was built from.
    pub commit: String,
    /// How many more signatures the trust file asks for.
    pub missing_signatures: usize,
    /// Where the version was recorded.
    pub recorded: Recorded,
}

/// What stands before the reservation.
struct Prepared {
    checkout: Checkout,
    repository: Repository,
    artifacts: Vec<Artifact>,
    recipe: Recipe,
}

impl Desk<'_> {
    /// Builds, signs and publishes a version, and records it. Run again after an interruption it
    /// ends in the same state.
    pub async fn build(&mut self, workshop: &Workshop<'_>, order: &Order) -> Result<Released> {
        self.signer(workshop.key)?;
        let scope = format!("release-{}", order.container);
        let what = format!("{scope}.{}", order.version);
        let mut attempt = Attempt::begin(self.paths, &self.trust.platform, &scope, &what)?;
        self.fetch().await?;
        let head = self.definitions.head_id()?;
        let checkout = checkout(self.definitions, head, &self.trust.platform)?;
        refuse_proxy(&checkout, &order.container)?;
        if let Some(released) = self.existing(&checkout, order, &attempt).await? {
            let recorded = self.record(&order.container, &order.version).await?;
            attempt.finish()?;
            return Ok(Released {
                recorded,
                ..released
            });
        }
        let prepared = self.prepare(checkout, order).await?;
        attempt.save(None)?;
        let claim = match self.reserve(&prepared, order, &attempt).await {
            Ok(claim) => claim,
            Err(error) => {
                attempt.finish()?;
                return Err(error);
            }
        };
        let built = self.make(workshop, &prepared, order, &attempt).await;
        let (id, staged) = match built {
            Ok(built) => built,
            Err(error) => {
                // Nothing is visible yet: the version is free again.
                self.give_back(&claim).await;
                attempt.finish()?;
                return Err(error);
            }
        };
        let missing_signatures = self
            .publish(workshop, &prepared, order, &staged, &claim)
            .await?;
        let version = order.version.as_str();
        self.clean_up(workshop.docker, &staged, &id, &order.container, version)
            .await;
        let recorded = self.record(&order.container, &order.version).await?;
        attempt.finish()?;
        Ok(Released {
            repository: prepared.repository,
            digest: staged.manifest.digest,
            commit: prepared.checkout.commit.to_string(),
            missing_signatures,
            recorded,
        })
    }

    /// A version that exists is refused, unless it is what an interrupted run of this attempt
    /// published. An image that nobody trusted signed is no release and stands in no one's way.
    async fn existing(
        &mut self,
        checkout: &Checkout,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Option<Released>> {
        let (container, version) = (&order.container, &order.version);
        let platform = &checkout.catalogue.platform;
        let Some(found) = self.find(platform, container, version).await? else {
            return Ok(None);
        };
        let place = found.repository.tagged(version.as_str());
        if !found.has_trusted_signature {
            let text = format!("{place} is in the registry without a signature; it is replaced");
            self.reporter.warn(&text);
            return Ok(None);
        }
        let tag = Tag::Release(container.clone(), version.clone());
        let (head, token) = (checkout.commit, attempt.token());
        if !attempt.resumed || !self.is_reserved_by(&tag, head, token).await? {
            return Err(
                Error::usage(format!("{container} {version} is released already"))
                    .detail(format!("{place} is {}", found.digest))
                    .hint(format!("devenv release verify {container}:{version}"))
                    .hint("release it under another version"),
            );
        }
        let (commit, missing_signatures) = match &found.verdict.result {
            Ok(verified) => (verified.predicate.commit.to_string(), 0),
            Err(_) => (checkout.commit.to_string(), self.trust.threshold - 1),
        };
        Ok(Some(Released {
            repository: found.repository,
            digest: found.digest,
            commit,
            missing_signatures,
            recorded: Recorded::Already,
        }))
    }

    /// Everything that can be refused before anything is reserved.
    async fn prepare(&self, checkout: Checkout, order: &Order) -> Result<Prepared> {
        let container = &order.container;
        let definition = checkout.definition(container)?;
        let files = checkout.files(self.definitions, container)?;
        template::refuse_outside_proxy(&folder_of(container), definition.kind, &files)?;
        self.warn_of_secrets(container, &files);
        let artifacts = artifacts::open(container, &definition.artifact, &order.artifacts).await?;
        let recipe = self
            .recipe(&checkout, container, files, artifacts.clone())
            .await?;
        let repository = checkout.catalogue.platform.repository(container.as_str())?;
        Ok(Prepared {
            checkout,
            repository,
            artifacts,
            recipe,
        })
    }

    /// Says what looks like a secret in the files that go into an image; never the value.
    pub(super) fn warn_of_secrets(&self, container: &ContainerName, files: &[TreeFile]) {
        for finding in suspicious::scan(files) {
            self.reporter.warn(&format!(
                "{}/{}:{}: {} goes into the image, where everybody can read it; a secret belongs into `secrets`",
                folder_of(container),
                finding.path,
                finding.line,
                finding.what
            ));
        }
    }

    async fn reserve(
        &mut self,
        prepared: &Prepared,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<Claim> {
        let tag = Tag::Release(order.container.clone(), order.version.clone());
        self.reporter.step(&format!("reserving {tag}"));
        let wish = Wish {
            tag: tag.clone(),
            commit: prepared.checkout.commit,
            inputs: prepared.recipe.inputs(),
            take_over: order.take_over,
        };
        match self.claim(&wish, attempt.token()).await? {
            Claimed::Ours(claim) => Ok(claim),
            Claimed::Taken(holder) => Err(taken(&tag, &holder)),
        }
    }

    /// Up to the staging tag.
    async fn make(
        &self,
        workshop: &Workshop<'_>,
        prepared: &Prepared,
        order: &Order,
        attempt: &Attempt,
    ) -> Result<(Digest, Staged)> {
        let platform = &prepared.checkout.catalogue.platform;
        self.archive(platform, &prepared.artifacts).await?;
        let naming = Naming {
            version: order.version.as_str(),
            commit: prepared.checkout.commit,
        };
        let docker = workshop.docker;
        let id = self
            .build_image(docker, &prepared.recipe, &naming, order.no_cache)
            .await?;
        let staged = self
            .stage(docker, &id, &prepared.repository, attempt.token())
            .await?;
        Ok((id, staged))
    }

    async fn publish(
        &mut self,
        workshop: &Workshop<'_>,
        prepared: &Prepared,
        order: &Order,
        staged: &Staged,
        claim: &Claim,
    ) -> Result<usize> {
        let artifacts = prepared.artifacts.iter();
        let predicate = BuildPredicate {
            platform: self.trust.platform.clone(),
            container: order.container.clone(),
            version: order.version.clone(),
            commit: commit_text(prepared.checkout.commit)?,
            artifacts: artifacts.map(|it| (it.name.clone(), it.digest)).collect(),
            built: self.now(),
            base: prepared.recipe.base(),
        };
        let missing = self
            .sign(workshop, staged, &order.container, predicate)
            .await?;
        self.still_ours(claim).await?;
        let platform = &prepared.checkout.catalogue.platform;
        let (container, version) = (&order.container, &order.version);
        let existing = self.find(platform, container, version).await?;
        if existing.is_some_and(|existing| existing.has_trusted_signature) {
            return Err(Error::usage(format!(
                "{container} {version} was released meanwhile"
            )));
        }
        self.reporter
            .step(&format!("publishing {container} {version}"));
        self.tag(staged, order.version.as_str()).await?;
        Ok(missing)
    }
}

/// The proxy is released by `release reference`.
fn refuse_proxy(checkout: &Checkout, container: &ContainerName) -> Result<()> {
    if checkout.definition(container)?.kind != Kind::Proxy {
        return Ok(());
    }
    let text = format!("`{container}` is the proxy: its version is a reference's number");
    Err(Error::usage(text).hint("devenv release reference"))
}

/// A commit as statements name it.
pub(super) fn commit_text(commit: CommitId) -> Result<crate::model::commit::Commit> {
    commit.to_string().parse().map_err(Error::bug)
}
