//! Publishing an image: pushed under a staging tag, checked, signed by digest, tagged at last.

use std::collections::BTreeMap;

use super::{Desk, Workshop};
use crate::engine::docker::Docker;
use crate::engine::{BUSY, Engine, Fault, FaultKind, PullProgress, while_busy};
use crate::error::{Error, Result};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::ContainerName;
use crate::model::predicate::Predicate;
use crate::model::sbom::{self, Sbom};
use crate::model::statement::{Statement, Subject, SubjectName};
use crate::registry::{self, Attachment, Content, Descriptor, MANIFEST_LIMIT, Manifest, Tag, Way};
use crate::verify::evidence::BUNDLE_PREDICATE;
use crate::verify::trust::bundle::{LARGEST, MEDIA_TYPE, sign_payload, sign_statement};

/// What cosign notes on the bundles that it attaches, besides [`BUNDLE_PREDICATE`].
const BUNDLE_CONTENT: &str = "dev.sigstore.bundle.content";
/// The largest list of packages fits into a bundle: found out before anything is published.
const _: () = assert!(sbom::LARGEST / 3 * 4 + (64 << 10) <= LARGEST);

/// An image that is in the registry, and is not a release yet.
#[derive(Debug)]
pub(super) struct Staged {
    pub(super) repository: Repository,
    pub(super) manifest: Manifest,
    tag: Tag,
}

impl Staged {
    /// What was read back from the registry.
    pub(super) fn new(repository: Repository, manifest: Manifest, tag: Tag) -> Self {
        Self {
            repository,
            manifest,
            tag,
        }
    }
}

/// What is staged, if it is the image that was built: its Id is its configuration's digest, or its
/// manifest's.
fn built(staged: Staged, id: &Digest) -> Result<Staged> {
    if is_built(&staged.manifest, id) {
        return Ok(staged);
    }
    let name = staged.repository.tagged(staged.tag.as_str());
    Err(Error::trust(format!(
        "{name} is not the image that was built: somebody else pushes there"
    )))
}

fn is_built(manifest: &Manifest, id: &Digest) -> bool {
    let configuration = match manifest.content() {
        Ok(Content::Image(image)) => Some(image.config.digest),
        _ => None,
    };
    manifest.digest == *id || configuration == Some(*id)
}

impl Desk<'_> {
    /// Pushes an image and finds out its digest: by the registry's bytes, which must be those of
    /// the image that was built. Where the engine cannot push it, devenv does.
    pub(super) async fn stage(
        &self,
        docker: &Docker,
        id: &Digest,
        repository: &Repository,
        token: &str,
    ) -> Result<Staged> {
        // A name of this image's own: it need not move where an earlier run was interrupted.
        let name = format!("staging-{token}-{}", id.short());
        let tag = Tag::new(name).map_err(Error::bug)?;
        self.reporter.note(&format!("pushing to {repository}"));
        docker.tag(id, repository.as_str(), tag.as_str()).await?;
        let work = self.reporter.work(repository.path());
        let login = self.login(repository).await?;
        let pushed = self
            .while_busy(repository.host(), async || {
                let told = |it: PullProgress| work.bytes(it.current, it.total);
                docker
                    .push(repository, tag.as_str(), login.as_ref(), &told)
                    .await
            })
            .await;
        let staged = self
            .online()?
            .manifest(repository, &tag, MANIFEST_LIMIT)
            .await;
        let missing = matches!(staged, Err(registry::Fault::NotFound { .. }));
        let manifest = match (pushed, staged) {
            (Ok(()), staged) => staged?,
            // Engines give up where a registry has other words for a tag that is not there, or where
            // they do not know its certificate; its bytes are the same whoever pushes them.
            (Err(fault), Err(_)) if missing && fault.kind != FaultKind::Busy => {
                self.reporter
                    .note(&format!("the engine could not push it: {fault}"));
                let layout = self.exported(docker, id).await?;
                let staged = self.stage_layout(&layout, repository, token).await?;
                return built(staged, id);
            }
            // Who lets no tag move may refuse what an interrupted run has pushed already.
            (Err(_), Ok(staged)) if is_built(&staged, id) => staged,
            (Err(fault), _) => {
                let busy = (fault.kind == FaultKind::Busy).then(|| BUSY.into());
                let hint = fault.hint.clone().or(busy);
                let text = format!("cannot push to {repository}");
                let error = Error::registry(text).because(fault);
                return Err(match hint {
                    Some(hint) => error.hint(hint),
                    None => error,
                });
            }
        };
        built(Staged::new(repository.clone(), manifest, tag), id)
    }

    /// What an engine asks of a registry is asked again, aloud, while that has too much to do.
    pub(super) async fn while_busy<T>(
        &self,
        host: &str,
        call: impl AsyncFn() -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        while_busy(host, &|text| self.reporter.note(text), call).await
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
            .note(&format!("signing {}", staged.manifest.digest));
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
        let (_, way) = self.online()?.attach(repository, image, attachment).await?;
        if way == Way::OwnTags {
            self.reporter.warn(
                "this registry lists the signature in its tag list only: devenv finds it there, \
                 cosign does not",
            );
        }
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
        self.remove_staging(staged).await;
    }

    /// Removes the staging tag where the registry can. What fails here does no harm.
    pub(super) async fn remove_staging(&self, staged: &Staged) {
        if let Ok(registry) = self.online() {
            let _ = registry.delete_tag(&staged.repository, &staged.tag).await;
        }
    }

    /// Signs the list of a staged image's packages and attaches it.
    pub(super) async fn sign_sbom(
        &self,
        workshop: &Workshop<'_>,
        staged: &Staged,
        container: &ContainerName,
        sbom: &Sbom,
    ) -> Result<()> {
        let subject = Subject {
            name: SubjectName::container(&self.trust.platform, container),
            digest: staged.manifest.digest,
        };
        let payload = sbom.to_payload(&subject).map_err(Error::bug)?;
        let bundle = sign_payload(&payload, workshop.key)?;
        let image = staged.manifest.descriptor();
        self.attach(&staged.repository, &image, bundle, sbom::TYPE)
            .await
    }
}
