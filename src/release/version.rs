//! `release build` and `release import`: one version of one container.

use std::sync::Arc;

use super::attempt::Attempt;
use super::check;
use super::check::container::Folder;
use super::check::findings::{self, Stand};
use super::checkout::{Checkout, checkout, folder_of};
use super::claim::{Claim, Claimed, Wish, taken};
use super::import::refuse_built;
use super::norms::Policy;
use super::{Desk, Workshop, artifacts};
use crate::definitions::{CommitId, Tag, TreeFile};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::model::container::Kind;
use crate::model::name::ContainerName;
use crate::model::norms::{Finding, Rule};
use crate::model::predicate::BuildPredicate;
use crate::release::build::suspicious;

use super::order::{Content, Made, Prepared};
pub use super::order::{Order, Released, Source};
pub use super::record::Recorded;

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
        let checkout = checkout(&self.definitions, head, &self.trust.platform)?;
        refuse_proxy(&checkout, &order.container)?;
        if let Some(released) = self.existing(&checkout, order, &attempt).await? {
            let recorded = self.record(&order.container, &order.version).await?;
            attempt.finish()?;
            return Ok(Released {
                recorded,
                ..released
            });
        }
        let prepared = self.prepare(workshop.docker, checkout, order).await?;
        attempt.save(None)?;
        let claim = match self.reserve(&prepared, order, &attempt).await {
            Ok(claim) => claim,
            Err(error) => {
                attempt.finish()?;
                return Err(error);
            }
        };
        let made = self.make(workshop, &prepared, order, &attempt).await;
        let made = match made {
            Ok(made) => made,
            Err(error) => {
                // Nothing is visible yet: the version is free again.
                self.give_back(&claim).await;
                attempt.finish()?;
                return Err(error);
            }
        };
        let missing_signatures = self
            .publish(workshop, &prepared, order, &made, &claim)
            .await?;
        let (staged, version) = (&made.staged, order.version.as_str());
        match &made.id {
            Some(id) => {
                self.clean_up(workshop.docker, staged, id, &order.container, version)
                    .await;
            }
            None => self.remove_staging(staged).await,
        }
        let recorded = self.record(&order.container, &order.version).await?;
        attempt.finish()?;
        Ok(Released {
            repository: prepared.repository,
            digest: made.staged.manifest.digest,
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
    async fn prepare(
        &self,
        docker: &Docker,
        checkout: Checkout,
        order: &Order,
    ) -> Result<Prepared> {
        let container = &order.container;
        self.refuse_unsound(checkout.commit, container)?;
        let files = checkout.files(&self.definitions, container)?;
        let policy = self.policy_at(checkout.commit)?;
        let mut findings = self.found_in_files(&checkout, container, &files, policy.as_ref())?;
        self.refuse_by_definitions(container, policy.as_ref(), &findings)?;
        let content = match &order.source {
            Source::Build { artifacts, .. } => {
                let wanted = &checkout.definition(container)?.artifact;
                let artifacts = artifacts::open(container, wanted, artifacts).await?;
                let recipe = self
                    .recipe(docker, &checkout, container, files, artifacts.clone())
                    .await?;
                if let Some(policy) = &policy
                    && let Some(base) = recipe.last_base()
                {
                    let stand = Stand {
                        container: container.clone(),
                        version: order.version.clone(),
                        base: base.container.clone(),
                        base_version: base.version.clone(),
                        base_built: Some(base.statement.predicate.built),
                        newest: None,
                    };
                    findings.extend(policy.stands(&stand, self.now()));
                }
                Content::Build(artifacts, Box::new(recipe))
            }
            Source::Archive(path) => {
                refuse_built(&checkout, container, &files)?;
                let (layout, imported) = self.archived(path).await?;
                Content::Import(Arc::new(layout), imported)
            }
            Source::Image(repository, digest) => {
                refuse_built(&checkout, container, &files)?;
                let (layout, imported) = self.fetched(repository, digest).await?;
                Content::Import(Arc::new(layout), imported)
            }
        };
        self.refuse_by_definitions(container, policy.as_ref(), &findings)?;
        let repository = checkout.catalogue.platform.repository(container.as_str())?;
        Ok(Prepared {
            checkout,
            repository,
            policy,
            findings,
            content,
        })
    }

    /// What `devenv check` finds refuses; what it finds in the folders of other containers is said.
    fn refuse_unsound(&self, commit: CommitId, container: &ContainerName) -> Result<()> {
        let faults = check::check(&self.definitions, commit)?.faults;
        let own = folder_of(container);
        let is_elsewhere = |fault: &Error| {
            let file = fault.place().map_or("", |place| &place.file);
            file.starts_with("containers/") && !file.starts_with(&format!("{own}/"))
        };
        let (elsewhere, here): (Vec<_>, Vec<_>) = faults.into_iter().partition(is_elsewhere);
        if !here.is_empty() {
            return Err(check::all(here));
        }
        if let Some(first) = elsewhere.first() {
            self.reporter.warn(&format!(
                "the definitions of other containers have faults, which `devenv check` shows: {first}"
            ));
        }
        Ok(())
    }

    /// What the files tell about the policy's rules; secrets are warned of where it has none.
    pub(super) fn found_in_files(
        &self,
        checkout: &Checkout,
        container: &ContainerName,
        files: &[TreeFile],
        policy: Option<&Policy>,
    ) -> Result<Vec<Finding>> {
        if policy.is_none_or(|policy| !policy.has(&Rule::Secrets)) {
            self.warn_of_secrets(container, files);
        }
        let folder = Folder {
            catalogue: &checkout.catalogue,
            name: container,
            definition: checkout.definition(container)?,
            files,
        };
        let source = checkout.containers.get(container);
        let text = source.map_or(&[][..], |source| &source.text);
        Ok(findings::of_folder(&folder, text))
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
        self.reporter.note(&format!("reserving {tag}"));
        let wish = Wish {
            tag: tag.clone(),
            commit: prepared.checkout.commit,
            inputs: match &prepared.content {
                Content::Build(_, recipe) => recipe.inputs(),
                Content::Import(layout, _) => {
                    [("image".to_owned(), layout.digest().to_string())].into()
                }
            },
            take_over: order.take_over,
        };
        match self.claim(&wish, attempt.token()).await? {
            Claimed::Ours(claim) => Ok(claim),
            Claimed::Taken(holder) => Err(taken(&tag, &holder)),
        }
    }

    async fn publish(
        &mut self,
        workshop: &Workshop<'_>,
        prepared: &Prepared,
        order: &Order,
        made: &Made,
        claim: &Claim,
    ) -> Result<usize> {
        let (staged, sbom) = (&made.staged, &made.inspected.sbom);
        let (artifacts, base, imported) = match &prepared.content {
            Content::Build(artifacts, recipe) => (&artifacts[..], recipe.base(), None),
            Content::Import(_, imported) => (&[][..], None, Some(imported.clone())),
        };
        let predicate = BuildPredicate {
            platform: self.trust.platform.clone(),
            container: order.container.clone(),
            version: order.version.clone(),
            commit: commit_text(prepared.checkout.commit)?,
            artifacts: artifacts
                .iter()
                .map(|it| (it.name.clone(), it.digest))
                .collect(),
            built: self.now(),
            base,
            imported,
            sbom: Some(sbom.digest()),
            policy: made.inspected.verdict.clone(),
        };
        // Before the statement that names it: whoever finds that finds the list as well.
        self.sign_sbom(workshop, staged, &order.container, sbom)
            .await?;
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
            .note(&format!("publishing {container} {version}"));
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
