//! Publishing an image: pushed under a staging tag, checked, signed by digest, tagged at last.

use std::collections::BTreeMap;

use super::{Desk, Workshop};
use crate::engine::Engine;
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::ContainerName;
use crate::model::predicate::Predicate;
use crate::model::statement::{Statement, Subject, SubjectName};
use crate::registry::{Attachment, Content, Descriptor, MANIFEST_LIMIT, Manifest, Tag};
use crate::trust::bundle::{MEDIA_TYPE, sign_statement};

/// What cosign notes on the bundles that it attaches.
const BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";
const BUNDLE_PREDICATE: &str = "dev.sigstore.bundle.predicateType";

/// An image that is in the registry, and is not a release yet.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) repository: Repository,
    pub(super) manifest: Manifest,
    tag: Tag,
}

impl Desk<'_> {
    /// Pushes an image and finds out its digest: by the registry's bytes, which must be those of
    /// the image that was built.
    pub(super) async fn stage(
        &self,
        docker: &Docker,
        id: &Digest,
        repository: &Repository,
        token: &str,
    ) -> Result<Staged> {
        let tag = Tag::new(format!("staging-{token}")).map_err(Error::bug)?;
        self.reporter.step(&format!("pushing to {repository}"));
        docker.tag(id, repository.as_str(), tag.as_str()).await?;
        let login = self.login(repository).await?;
        docker
            .push(repository, tag.as_str(), login.as_ref(), &|progress| {
                self.reporter
                    .transfer(repository.path(), progress.current, progress.total);
            })
            .await
            .map_err(|fault| {
                Error::registry(format!("cannot push to {repository}")).because(fault)
            })?;
        let manifest = self
            .online()?
            .manifest(repository, &tag, MANIFEST_LIMIT)
            .await?;
        let configuration = match manifest.content() {
            Ok(Content::Image(image)) => Some(image.config.digest),
            _ => None,
        };
        if manifest.digest != *id && configuration != Some(*id) {
            return Err(Error::trust(format!(
                "{} is not the image that was built: somebody else pushes there",
                repository.tagged(tag.as_str())
            )));
        }
        Ok(Staged {
            repository: repository.clone(),
            manifest,
            tag,
        })
    }

    /// Signs what is claimed about a staged image and attaches the signature. Gives how many
    /// more signatures the trust file asks for.
    pub(super) async fn sign<P: Predicate>(
        &self,
        workshop: &Workshop<'_>,
        staged: &Staged,
        container: &ContainerName,
        predicate: P,
    ) -> Result<usize> {
        self.reporter
            .step(&format!("signing {}", staged.manifest.digest));
        let statement = Statement {
            subject: Subject {
                name: SubjectName::container(&self.trust.platform, container),
                digest: staged.manifest.digest,
            },
            predicate,
        };
        let bundle = sign_statement(&statement, workshop.key)?;
        let missing = self.missing(&bundle)?;
        let image = staged.manifest.descriptor();
        self.attach(&staged.repository, &image, bundle, P::TYPE)
            .await?;
        Ok(missing)
    }

    /// Attaches a signature to an image, as cosign does.
    pub(super) async fn attach(
        &self,
        repository: &Repository,
        image: &Descriptor,
        bundle: Vec<u8>,
        predicate: &str,
    ) -> Result<()> {
        let attachment = Attachment {
            artifact_type: MEDIA_TYPE.to_owned(),
            media_type: MEDIA_TYPE.to_owned(),
            bytes: bundle.into(),
            annotations: BTreeMap::from([
                (BUNDLE_CONTENT.to_owned(), "dsse-envelope".to_owned()),
                (BUNDLE_PREDICATE.to_owned(), predicate.to_owned()),
            ]),
        };
        self.online()?.attach(repository, image, attachment).await?;
        Ok(())
    }

    /// How many signatures are missing to what this one signs.
    pub(super) fn missing(&self, bundle: &[u8]) -> Result<usize> {
        match self.policy().pending(&[bundle]).as_slice() {
            [pending] => Ok(pending.missing),
            _ => Err(Error::bug("a signature that was just made does not verify")),
        }
    }

    /// Makes a staged and signed image a release: from here on it exists.
    pub(super) async fn tag(&self, staged: &Staged, tag: &str) -> Result<()> {
        let tag = Tag::new(tag).map_err(Error::usage)?;
        let manifest = &staged.manifest;
        self.online()?
            .put_manifest(
                &staged.repository,
                &tag,
                &manifest.media_type,
                manifest.bytes.clone(),
            )
            .await?;
        Ok(())
    }

    /// Removes the staging tag where the registry can, and gives the image a local name that
    /// spares it from `docker image prune`. What fails here does no harm.
    pub(super) async fn clean_up(
        &self,
        docker: &Docker,
        staged: &Staged,
        id: &Digest,
        container: &ContainerName,
        version: &str,
    ) {
        let local = format!("localhost/devenv/{}/{container}", self.trust.platform);
        let _ = docker.tag(id, &local, version).await;
        let staging = staged.repository.tagged(staged.tag.as_str());
        let _ = docker.remove_image(&staging).await;
        if let Ok(registry) = self.online() {
            let _ = registry.delete_tag(&staged.repository, &staged.tag).await;
        }
    }
}
