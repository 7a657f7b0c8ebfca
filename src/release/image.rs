//! From a definition to an image on the engine: verified bases below, checks before and after.

use std::collections::{BTreeMap, BTreeSet};

use super::check;
use super::check::container::{DOCKERFILE, Folder};
use super::checkout::Checkout;
use super::published::Published;
use super::{Desk, Side};
use crate::definitions::{CommitId, TreeFile};
use crate::engine::docker::{BuildOptions, Buildx, Docker};
use crate::engine::{Engine, FaultKind, PullProgress, RegistryLogin};
use crate::error::{Error, Result};
use crate::home::secrets::{self, Missing};
use crate::model::container::{Definition, Kind};
use crate::model::digest::Digest;
use crate::model::identity;
use crate::model::image::Repository;
use crate::model::name::ConfigurationName;
use crate::model::name::ContainerName;
use crate::model::predicate::Base;
use crate::model::secret::Secret;
use crate::release::build::buildkit::BuildKit;
use crate::release::build::context::{Artifact, Context};
use crate::release::build::dockerfile::{Dockerfile, argument_of};
use crate::release::build::layers::check_prefix;
use crate::release::build::probe::Looker;

/// What one image is built from, all of it verified.
#[derive(Debug)]
pub(super) struct Recipe {
    container: ContainerName,
    health_by_path: bool,
    context: Context,
    dockerfile: Dockerfile,
    bases: Vec<Published>,
    /// What builds it, where the engine's own builder cannot.
    buildx: Option<Buildx>,
    /// What `RUN --mount=type=secret` sees, by name.
    secrets: BTreeMap<String, Secret>,
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
        docker: &Docker,
        checkout: &Checkout,
        container: &ContainerName,
        files: Vec<TreeFile>,
        artifacts: Vec<Artifact>,
    ) -> Result<Recipe> {
        let definition = checkout.definition(container)?;
        let platform = &checkout.catalogue.platform;
        let folder = Folder {
            catalogue: &checkout.catalogue,
            name: container,
            definition,
            files: &files,
        };
        let dockerfile = folder.dockerfile().map_err(check::all)?.ok_or_else(|| {
            Error::definitions(format!("there is no {}/{DOCKERFILE}", folder.path()))
        })?;
        let mut buildx = None;
        let there = buildkit(docker, &mut buildx);
        dockerfile.check_builder(there).await?;
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
        Ok(Recipe {
            container: container.clone(),
            health_by_path: asks_by_path(definition),
            context: Context::new(files, artifacts)?,
            secrets: self.build_secrets(&dockerfile).await?,
            dockerfile,
            bases,
            buildx,
        })
    }

    /// The values of a build's secrets: kept as those of a configuration called `build`.
    async fn build_secrets(&self, dockerfile: &Dockerfile) -> Result<BTreeMap<String, Secret>> {
        let configuration = ConfigurationName::new("build").map_err(Error::bug)?;
        let platform = &self.trust.platform;
        secrets::values(
            self.session,
            platform,
            &configuration,
            &dockerfile.secrets,
            Missing::Asked,
        )
        .await
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
            secrets: recipe.secrets.clone(),
            ..BuildOptions::default()
        };
        self.reporter
            .note(&format!("building {} {}", recipe.container, naming.version));
        let line = |line: &str| self.reporter.note(&format!("  {line}"));
        let build = async || {
            let context = recipe.context.archive();
            match recipe.buildx {
                Some(buildx) => buildx.build(docker, context, &options, &line).await,
                None => docker.build(context, &options, &line).await,
            }
        };
        let registry = "the registry of an image that the Dockerfile names";
        let mut built = self.while_busy(registry, build).await;
        // Another build ended, or the engine's cache was cleared, while this one used it.
        if let Err(fault) = &built
            && fault.kind == FaultKind::NotFound
        {
            self.reporter.note(&format!("building again: {fault}"));
            built = self.while_busy(registry, build).await;
        }
        let not_built = format!("{} was not built", recipe.container);
        let id = built.map_err(|fault| Error::from(fault).within(not_built))?;
        self.check_base(docker, recipe, &id).await?;
        if recipe.health_by_path {
            self.check_health_client(docker, &recipe.container, &id)
                .await?;
        }
        Ok(id)
    }

    /// Checks that an image on the engine has what its health check by path is asked with.
    pub(super) async fn check_health_client(
        &self,
        docker: &Docker,
        container: &ContainerName,
        image: &Digest,
    ) -> Result<()> {
        let looker = Looker {
            docker,
            owner: &crate::home::state::Owner::load(self.paths)?.id,
            platform: &self.trust.platform,
        };
        let checked = looker.check_health_client(image).await;
        checked.map_err(|error| error.within(format!("{container} cannot be released")))
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
            let work = self.reporter.work(&what);
            let told = |progress: PullProgress| work.bytes(progress.current, progress.total);
            self.while_busy(place.host(), async || {
                let login = login.as_ref();
                docker.pull(&place, &base.digest, None, login, &told).await
            })
            .await
            .map_err(|fault| Error::from(fault).within(format!("cannot pull the base {what}")))?;
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
        let below = self.configuration(&base.repository, &base.digest).await?;
        let name = format!("{} {}", base.container, base.version);
        check_prefix(
            recipe.container.as_str(),
            &image.layers,
            &name,
            below.layers(),
        )
    }

    /// How many of the image's layers are its base's.
    pub(super) async fn base_layers(&self, recipe: &Recipe) -> Result<usize> {
        let Some(base) = recipe.last_base() else {
            return Ok(0);
        };
        let below = self.configuration(&base.repository, &base.digest).await?;
        Ok(below.layers().len())
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
    pub(super) fn last_base(&self) -> Option<&Published> {
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

/// Whether its health check is asked from within, by path.
pub(super) fn asks_by_path(definition: &Definition) -> bool {
    let health = definition.health.as_ref();
    definition.kind != Kind::Base && health.is_some_and(|health| health.path.is_some())
}

/// Which BuildKit there is; `found` gets what drives it.
async fn buildkit(docker: &Docker, found: &mut Option<Buildx>) -> Result<BuildKit> {
    *found = Buildx::find().await;
    if found.is_none() {
        return Ok(BuildKit::Absent);
    }
    let version = docker.info().await?.version;
    let major = version
        .split('.')
        .next()
        .and_then(|it| it.parse::<u32>().ok());
    Ok(match major {
        Some(..23) => BuildKit::Old,
        _ => BuildKit::New,
    })
}
