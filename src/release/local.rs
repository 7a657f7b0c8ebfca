//! A developer's build: the recipe, arguments and bases of a release, and the same builder. Nothing
//! here signs, pushes or reserves, and the image gets a name that no release has.

use std::path::PathBuf;

use super::artifacts;
use super::checkout::{checkout, folder_of};
use super::image::{Naming, Recipe};
use super::{Desk, checkout::Checkout};
use crate::definitions::CommitId;
use crate::engine::Engine;
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::model::container::{Definition, Kind};
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::name::{ContainerName, FileName};
use crate::model::platform::Platform;
use crate::model::reference::Reference;
use crate::registry::{Content, MANIFEST_LIMIT, Tag};
use crate::release::build::context::Artifact;
use crate::release::build::template;

/// Where local images are named.
pub const REPOSITORY: &str = "localhost/devenv-local";

/// What is to be built.
#[derive(Debug, Clone)]
pub struct Order {
    /// Which container.
    pub container: ContainerName,
    /// What stands in the work tree.
    pub commit: CommitId,
    /// Files instead of the released artifacts.
    pub artifacts: Vec<PathBuf>,
    /// What was built last.
    pub before: Option<Built>,
    /// Whether to build without the engine's layer cache.
    pub no_cache: bool,
}

/// An image on this engine alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Built {
    /// All that went into it: tree, artifacts, base digests, arguments, rendered templates.
    pub inputs: Digest,
    /// Its Id.
    pub image: Digest,
}

/// A build and what running it takes.
#[derive(Debug, Clone)]
pub struct Local {
    /// The image.
    pub built: Built,
    /// Where it is named.
    pub repository: Repository,
    /// The definition that it was built from.
    pub definition: Definition,
    /// `platform.yaml` beside it.
    pub platform: Platform,
    /// The proposal, as a commit that nothing refers to.
    pub commit: CommitId,
    /// Whether it was there already.
    pub unchanged: bool,
}

impl Built {
    /// What it is called: `local-` and the inputs' first digits.
    pub fn version(&self) -> String {
        format!("local-{}", self.inputs.short())
    }
}

impl Desk<'_> {
    /// Builds a container from a proposal, unless the same inputs were built before and the image
    /// is still on the engine.
    pub async fn build_local(&self, docker: &Docker, order: &Order) -> Result<Local> {
        let name = &order.container;
        let checkout = checkout(&self.definitions, order.commit, &self.trust.platform)?;
        let definition = checkout.definition(name)?.clone();
        if definition.kind == Kind::Proxy {
            return Err(Error::usage(format!(
                "`{name}` is the proxy: it is rebuilt when a proposal changes its routes"
            )));
        }
        let files = checkout.files(&self.definitions, name)?;
        self.warn_of_secrets(name, &files);
        let artifacts = self
            .local_artifacts(&checkout, name, &definition.artifact, &order.artifacts)
            .await?;
        let recipe = self
            .recipe(docker, &checkout, name, files, artifacts)
            .await?;
        let released = checkout.catalogue.platform.containers.get(name);
        let version = released.map_or("local", |version| version.as_str());
        let (built, unchanged) = self.local(docker, &recipe, version, order).await?;
        Ok(Local {
            built,
            repository: repository(name)?,
            definition,
            platform: checkout.catalogue.platform,
            commit: order.commit,
            unchanged,
        })
    }

    /// Builds the proxy that production's reference has, with the routes of another one.
    pub async fn build_local_proxy(
        &self,
        docker: &Docker,
        reference: &Reference,
        before: Option<Built>,
    ) -> Result<(Built, Repository)> {
        let name = reference.proxy.clone();
        let commit: CommitId = reference.commit.parse().map_err(Error::trust)?;
        let checkout = checkout(&self.definitions, commit, &self.trust.platform)?;
        let files = checkout.files(&self.definitions, &name)?;
        let files = template::render(&folder_of(&name), &files, reference)?;
        let recipe = self
            .recipe(docker, &checkout, &name, files, Vec::new())
            .await?;
        let order = Order {
            container: name.clone(),
            commit,
            artifacts: Vec::new(),
            before,
            no_cache: false,
        };
        let version = reference.number.to_string();
        let (built, _) = self.local(docker, &recipe, &version, &order).await?;
        Ok((built, repository(&name)?))
    }

    async fn local(
        &self,
        docker: &Docker,
        recipe: &Recipe,
        version: &str,
        order: &Order,
    ) -> Result<(Built, bool)> {
        let inputs = (recipe.inputs(), self.arguments(recipe, version));
        let inputs = serde_json::to_vec(&inputs)
            .map_err(|error| Error::bug("cannot hash a build's inputs").because(error))?;
        let inputs = Digest::of(&inputs);
        if let Some(before) = order.before.filter(|before| before.inputs == inputs)
            && !order.no_cache
            && docker.image(&before.image).await?.is_some()
        {
            return Ok((before, true));
        }
        let token = inputs.short();
        let naming = Naming {
            version,
            commit: order.commit,
        };
        let image = self
            .build_image(docker, recipe, &naming, order.no_cache)
            .await?;
        let name = format!("{REPOSITORY}/{}", order.container);
        docker.tag(&image, &name, &token).await?;
        Ok((Built { inputs, image }, false))
    }

    /// The files that were given, and for the rest what the released version was built with.
    async fn local_artifacts(
        &self,
        checkout: &Checkout,
        container: &ContainerName,
        wanted: &[FileName],
        files: &[PathBuf],
    ) -> Result<Vec<Artifact>> {
        let is_given = |name: &FileName| {
            let mut names = files.iter().filter_map(|file| file.file_name());
            names.any(|file| file == name.as_str()) || (wanted.len() == 1 && !files.is_empty())
        };
        let (given, rest): (Vec<FileName>, Vec<FileName>) =
            wanted.iter().cloned().partition(is_given);
        // One that is called like none of them is refused with the whole list.
        let known = if files.len() > given.len() {
            wanted
        } else {
            &given
        };
        let mut artifacts = artifacts::open(container, known, files).await?;
        if !rest.is_empty() {
            artifacts.extend(self.released_artifacts(checkout, container, &rest).await?);
        }
        Ok(artifacts)
    }

    /// The artifacts of the version that is released, by the digests in its signed statement.
    async fn released_artifacts(
        &self,
        checkout: &Checkout,
        container: &ContainerName,
        wanted: &[FileName],
    ) -> Result<Vec<Artifact>> {
        let platform = &checkout.catalogue.platform;
        let none = || {
            Error::usage(format!("{container} needs the artifact `{}`", wanted[0]))
                .hint("--artifact FILE: no version of it is released that has one")
        };
        let version = platform.containers.get(container).ok_or_else(none)?;
        let published = self.published(platform, container, version).await?;
        let known = &published.statement.predicate.artifacts;
        let repository = platform.repository("artifacts")?;
        let mut artifacts = Vec::new();
        for name in wanted {
            let digest = known.get(name).ok_or_else(none)?;
            let path = self.paths.artifact(digest, name);
            if !path.is_file() {
                self.fetch_artifact(&repository, digest, &path).await?;
            }
            let artifact = Artifact::open(name.clone(), &path).await?;
            if artifact.digest != *digest {
                let _ = std::fs::remove_file(&path);
                let text = format!("{} was damaged and is removed", path.display());
                return Err(Error::usage(text).hint("run the same command again"));
            }
            artifacts.push(artifact);
        }
        Ok(artifacts)
    }

    async fn fetch_artifact(
        &self,
        repository: &Repository,
        digest: &Digest,
        path: &std::path::Path,
    ) -> Result<()> {
        let tag = Tag::new(digest.hex()).map_err(Error::bug)?;
        let manifest = self
            .online()?
            .manifest(repository, &tag, MANIFEST_LIMIT)
            .await?;
        let layer = match manifest.content() {
            Ok(Content::Image(image)) => image
                .layers
                .into_iter()
                .find(|layer| layer.digest == *digest),
            _ => None,
        };
        let layer = layer.ok_or_else(|| {
            let place = repository.tagged(tag.as_str());
            Error::registry(format!("{place} does not hold the artifact"))
        })?;
        crate::home::file::create_parent(path)?;
        self.reporter
            .note(&format!("fetching the artifact {digest}"));
        self.online()?
            .blob_to_file(repository, &layer, layer.size, path, &|_| ())
            .await?;
        Ok(())
    }
}

/// Where a container's local images are named.
pub fn repository(container: &ContainerName) -> Result<Repository> {
    format!("{REPOSITORY}/{container}")
        .parse()
        .map_err(Error::bug)
}
