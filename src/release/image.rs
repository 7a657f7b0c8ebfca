//! From a definition to an image on the engine: verified bases below, checks before and after.

use std::collections::{BTreeMap, BTreeSet};

use super::checkout::{Checkout, folder_of};
use super::published::Published;
use super::{Desk, Side};
use crate::build::context::{Artifact, Context};
use crate::build::dockerfile::{Dockerfile, argument_of};
use crate::build::layers::check_prefix;
use crate::build::probe::Looker;
use crate::definitions::{CommitId, TreeFile};
use crate::engine::docker::{BuildOptions, Docker};
use crate::engine::{Engine, PullProgress, RegistryLogin};
use crate::error::{Error, Result};
use crate::model::container::{Definition, Kind};
use crate::model::digest::Digest;
use crate::model::identity;
use crate::model::image::Repository;
use crate::model::name::ContainerName;
use crate::model::predicate::Base;
use crate::model::secret::Secret;

/// The Dockerfile of a definition.
const DOCKERFILE: &str = "Dockerfile";

/// What one image is built from, all of it verified.
#[derive(Debug)]
pub(super) struct Recipe {
    container: ContainerName,
    health_by_path: bool,
    context: Context,
    dockerfile: Dockerfile,
    bases: Vec<Published>,
}

/// What an image is about to be called.
#[derive(Debug, Clone, Copy)]
pub(super) struct Naming<'a> {
    /// A version, or a reference's number.
    pub(super) version: &'a str,
    pub(super) commit: CommitId,
}

impl Desk<'_> {
    /// Checks a definition and finds the bases that it is built from, published and signed.
    /// `files` are those of its folder, templates rendered.
    pub(super) async fn recipe(
        &self,
        checkout: &Checkout,
        container: &ContainerName,
        files: Vec<TreeFile>,
        artifacts: Vec<Artifact>,
    ) -> Result<Recipe> {
        let definition = checkout.definition(container)?;
        let dockerfile = dockerfile(checkout, container, definition, &files)?;
        let platform = &checkout.catalogue.platform;
        let mut bases = Vec::new();
        for base in dockerfile.bases() {
            let version = platform.containers.get(base).ok_or_else(|| {
                Error::definitions(format!(
                    "{container} is built from {base}, of which no version is released"
                ))
                .hint(format!("devenv release build {base} --version VERSION"))
            })?;
            bases.push(self.published(platform, base, version).await?);
        }
        let by_path = |definition: &Definition| {
            let health = definition.health.as_ref();
            health.is_some_and(|health| health.path.is_some())
        };
        Ok(Recipe {
            container: container.clone(),
            health_by_path: definition.kind != Kind::Base && by_path(definition),
            context: Context::new(files, artifacts)?,
            dockerfile,
            bases,
        })
    }

    /// Builds, and checks that the image really lies on its base and can answer its health check.
    /// Gives its Id on the engine.
    pub(super) async fn build_image(
        &self,
        docker: &Docker,
        recipe: &Recipe,
        naming: &Naming<'_>,
        no_cache: bool,
    ) -> Result<Digest> {
        let logins = self.pull_bases(docker, recipe).await?;
        let options = BuildOptions {
            dockerfile: DOCKERFILE.to_owned(),
            args: self.arguments(recipe, naming.version),
            proxies: recipe.undeclared(&self.proxies),
            labels: self.labels(&recipe.container, naming),
            no_cache,
            logins,
            ..BuildOptions::default()
        };
        self.reporter
            .step(&format!("building {} {}", recipe.container, naming.version));
        let line = |line: &str| self.reporter.output(line);
        let id = docker
            .build(recipe.context.archive(), &options, &line)
            .await
            .map_err(|error| error.within(format!("{} was not built", recipe.container)))?;
        self.check_base(docker, recipe, &id).await?;
        if recipe.health_by_path {
            let looker = Looker {
                docker,
                owner: &crate::state::Owner::load(self.paths)?.id,
                platform: &self.trust.platform,
            };
            looker.check_health_client(&id).await.map_err(|error| {
                error.within(format!("{} cannot be released", recipe.container))
            })?;
        }
        Ok(id)
    }

    /// Brings the bases to the engine, and gives the logins that this takes.
    async fn pull_bases(&self, docker: &Docker, recipe: &Recipe) -> Result<Vec<RegistryLogin>> {
        let there = match self.side {
            Side::Production => BTreeSet::new(),
            Side::Workstation { .. } => {
                let images = docker.images().await?.into_iter();
                images.flat_map(|image| image.digests).collect()
            }
        };
        let mut logins = Vec::new();
        for base in &recipe.bases {
            let place = self.pulled_from(&base.repository);
            if there.contains(&place.at(&base.digest)) {
                continue;
            }
            let what = format!("{} {}", base.container, base.version);
            if self.registry.is_none() {
                let text =
                    format!("the base {what} is not on the engine, and offline is asked for");
                return Err(Error::engine(text).hint("run it once with a network"));
            }
            let login = self.login(&place).await?;
            let told = |progress: PullProgress| {
                self.reporter
                    .transfer(&what, progress.current, progress.total);
            };
            docker
                .pull(&place, &base.digest, None, login.as_ref(), &told)
                .await
                .map_err(|fault| {
                    Error::from(fault).within(format!("cannot pull the base {what}"))
                })?;
            logins.extend(login);
        }
        Ok(logins)
    }

    /// Where an image is pulled from: production asks the registry itself.
    fn pulled_from(&self, repository: &Repository) -> Repository {
        match &self.side {
            Side::Production => repository.clone(),
            Side::Workstation { mirrors, .. } => mirrors.of(repository),
        }
    }

    /// The build arguments of an image that is about to be called this: those that the Dockerfile
    /// declares, because the builder warns of others.
    pub(super) fn arguments(&self, recipe: &Recipe, version: &str) -> BTreeMap<String, String> {
        let bases = recipe.bases.iter().map(|base| {
            (
                argument_of(&base.container),
                self.pulled_from(&base.repository).at(&base.digest),
            )
        });
        bases
            .chain([("VERSION".to_owned(), version.to_owned())])
            .filter(|(name, _)| recipe.dockerfile.arguments.contains(name))
            .collect()
    }

    async fn check_base(&self, docker: &Docker, recipe: &Recipe, id: &Digest) -> Result<()> {
        let Some(base) = recipe.last_base() else {
            return Ok(());
        };
        let image = docker
            .image(id)
            .await?
            .ok_or_else(|| Error::engine(format!("the image of {} vanished", recipe.container)))?;
        let layers = self.layers(&base.repository, &base.digest).await?;
        let name = format!("{} {}", base.container, base.version);
        check_prefix(recipe.container.as_str(), &image.layers, &name, &layers)
    }

    /// Information for people who look at a release (source: OCI image specification, annotations);
    /// on a developer's image only whose it is: the classic builder runs a container for each label,
    /// and one that changes costs its cache.
    fn labels(&self, container: &ContainerName, naming: &Naming<'_>) -> BTreeMap<String, String> {
        if let Side::Workstation { owner, .. } = &self.side {
            return BTreeMap::from([
                (identity::OWNER.to_owned(), owner.clone()),
                (
                    identity::PLATFORM.to_owned(),
                    self.trust.platform.to_string(),
                ),
            ]);
        }
        let label = |name: &str, value: String| (format!("org.opencontainers.image.{name}"), value);
        BTreeMap::from([
            label("title", format!("{}/{container}", self.trust.platform)),
            label("version", naming.version.to_owned()),
            label("revision", naming.commit.to_string()),
        ])
    }
}

impl Recipe {
    /// The base that the image itself lies on.
    fn last_base(&self) -> Option<&Published> {
        let name = self.dockerfile.last_base()?;
        self.bases.iter().find(|base| base.container == *name)
    }

    /// That base, for the statement.
    pub(super) fn base(&self) -> Option<Base> {
        self.last_base().map(|base| Base {
            container: base.container.clone(),
            digest: base.digest,
        })
    }

    /// What goes into it, by name: for the reservation.
    pub(super) fn inputs(&self) -> BTreeMap<String, String> {
        let mut inputs: BTreeMap<_, _> = self
            .bases
            .iter()
            .map(|base| (argument_of(&base.container), base.digest.to_string()))
            .collect();
        inputs.insert("context".to_owned(), self.context.digest().to_string());
        inputs
    }
}

impl Recipe {
    /// Those that the Dockerfile does not declare: what it declares, the builder writes into the
    /// image's history, with a password in it.
    fn undeclared(&self, proxies: &BTreeMap<String, Secret>) -> BTreeMap<String, Secret> {
        let mut proxies = proxies.clone();
        proxies.retain(|name, _| !self.dockerfile.arguments.contains(name));
        proxies
    }
}

fn dockerfile(
    checkout: &Checkout,
    container: &ContainerName,
    definition: &Definition,
    files: &[TreeFile],
) -> Result<Dockerfile> {
    let path = format!("{}/{DOCKERFILE}", folder_of(container));
    let file = files.iter().find(|file| file.path == DOCKERFILE);
    let file = file.ok_or_else(|| Error::definitions(format!("there is no {path}")))?;
    let dockerfile = Dockerfile::parse(&path, &file.bytes)?;
    let known = &checkout.catalogue.definitions;
    dockerfile.check(container, definition.kind, |name| {
        known.get(name).is_some_and(|it| it.kind == Kind::Base)
    })?;
    Ok(dockerfile)
}
