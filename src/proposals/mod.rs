//! A developer's own changes to definitions: edited in a work tree, built and run on this machine,
//! marked as local everywhere; sent to those who merge.

mod branch;
pub mod changes;
mod comparison;
mod deliver;
mod description;
mod effect;
pub mod forge;
mod merge;
mod merged;
mod overlay;
mod propose;
mod reach;
mod record;
mod refusal;
mod review;
mod sent;
mod sources;
mod withdraw;

use std::collections::BTreeSet;
use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::definitions::{CommitId, Definitions};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::file;
use crate::home::paths::Paths;
use crate::home::session::{OpenPlatform, Session};
use crate::model::name::{ContainerName, PlatformName};
use crate::release::Desk;
use crate::release::local::{Built, Local, Order, repository};

pub use comparison::{Comparison, ImageComparison, PackageChange};
pub use effect::Effect;
pub use merge::{ContainerChange, Merge};
pub use merged::{Merged, merged, remove_images, running};
pub use overlay::{Building, LocalImage, Overlay, RunImage};
pub use propose::{Asked, Outcome, Word, propose};
pub use record::forget;
pub use review::{Review, review};
pub use sent::{Ran, Sent, Typed};
pub use sources::{Change, Sources, Watching};
pub use withdraw::{Withdrawn, withdraw};

/// What is kept of one proposal, beside its work tree.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Proposal {
    /// The container that it is about.
    pub container: ContainerName,
    /// The definitions' commit that it began at.
    pub base: CommitId,
    /// When.
    pub begun: Timestamp,
    /// What was built of it last.
    #[serde(default)]
    pub built: Option<Built>,
    /// The proxy that was built for its routes last.
    #[serde(default)]
    pub proxy: Option<Built>,
    /// Files that were given instead of the released artifacts.
    #[serde(default)]
    pub artifacts: Vec<std::path::PathBuf>,
    /// How it ran here last.
    #[serde(default)]
    pub ran: Option<Ran>,
    /// Words that were typed and not sent yet.
    #[serde(default)]
    pub typed: Option<Typed>,
    /// What was sent of it.
    #[serde(default)]
    pub sent: Option<Sent>,
}

impl Proposal {
    /// What stands in its work tree now.
    pub fn snapshot(
        &self,
        session: &Session,
        open: &OpenPlatform,
        definitions: &Definitions,
    ) -> Result<CommitId> {
        definitions.snapshot(&session.home.paths.worktree(&open.name, &self.container))
    }

    /// Whether what stands in its work tree holds together, as a build would find.
    pub fn check(&self, definitions: &Definitions, snapshot: CommitId) -> Result<()> {
        let folder = self.folder();
        if let Some(place) = definitions.marked(snapshot, &folder)? {
            return Err(Error::definitions(format!(
                "{place}: both sides are still marked there"
            ))
            .hint("keep what is right of both, and remove the lines with <<<<<<<, ======= and >>>>>>>"));
        }
        definitions.catalogue(snapshot)?;
        // Symbolic links and the like are refused here as well as in a build.
        definitions.folder(snapshot, &folder).map(drop)
    }

    /// Files that differ from what it began at and are not in its folder.
    fn outside(&self, definitions: &Definitions, snapshot: CommitId) -> Result<Vec<String>> {
        let changed = definitions.changed_files(self.base, snapshot)?;
        let folder = self.folder();
        let is_inside = |path: &str| {
            let below = path.strip_prefix(&folder);
            below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        };
        let paths = changed.into_iter().map(|it| it.path);
        Ok(paths.filter(|path| !is_inside(path)).collect())
    }

    /// Tells what is built and run here, and will not be sent.
    pub fn warn_outside(
        &self,
        session: &Session,
        definitions: &Definitions,
        snapshot: CommitId,
    ) -> Result<()> {
        let outside = self.outside(definitions, snapshot)?;
        if !outside.is_empty() {
            let (folder, outside) = (self.folder(), outside.join(", "));
            session.reporter.warn(&format!(
                "only {folder}/ is proposed; changed outside of it: {outside}"
            ));
        }
        Ok(())
    }

    /// A proposal is its folder: what else was edited would be built and run, but never sent.
    fn refuse_outside(
        &self,
        session: &Session,
        open: &OpenPlatform,
        definitions: &Definitions,
        snapshot: CommitId,
    ) -> Result<()> {
        let outside = self.outside(definitions, snapshot)?;
        if outside.is_empty() {
            return Ok(());
        }
        let tree = session.home.paths.worktree(&open.name, &self.container);
        Err(Error::usage(format!(
            "only {}/ is proposed, and there are changes outside of it: {}",
            self.folder(),
            outside.join(", ")
        ))
        .hint(format!(
            "put them back in {}: another container is another proposal, and the versions in platform.yaml are production's",
            tree.display()
        )))
    }

    /// Whether anything in its work tree differs from what it began at.
    pub fn changes_anything(&self, session: &Session, open: &OpenPlatform) -> Result<bool> {
        let definitions = session.definitions(&open.name)?;
        let now = self.snapshot(session, open, &definitions)?;
        Ok(!definitions.changed_files(self.base, now)?.is_empty())
    }

    /// The names of the images that were built of it last.
    pub fn tags(&self, proxy: &ContainerName) -> Vec<String> {
        let built = [(&self.container, self.built), (proxy, self.proxy)];
        let tag = |(name, built): (&ContainerName, Option<Built>)| {
            let place = repository(name).ok()?;
            Some(place.tagged(&built?.inputs.short()))
        };
        built.into_iter().filter_map(tag).collect()
    }

    /// Its folder in the definitions.
    pub fn folder(&self) -> String {
        format!("containers/{}", self.container)
    }

    /// Builds it, unless nothing that goes into it has changed, and remembers the image.
    pub async fn build(
        &mut self,
        session: &Session,
        open: &OpenPlatform,
        engine: &Docker,
        no_cache: bool,
    ) -> Result<Local> {
        let desk = Desk::workstation(session, open)?;
        let commit = self.snapshot(session, open, &desk.definitions)?;
        self.warn_outside(session, &desk.definitions, commit)?;
        let order = Order {
            container: self.container.clone(),
            commit,
            artifacts: self.artifacts.clone(),
            before: self.built,
            no_cache,
        };
        let local = desk.build_local(engine, &order).await?;
        let built = Some(local.built);
        *self = Self::change(session, open, &self.container, |it| it.built = built)?;
        Ok(local)
    }
}

impl Proposal {
    /// What was built of it last, without building: for plans, and without a network.
    pub fn as_built(&self, session: &Session, open: &OpenPlatform) -> Result<Local> {
        let name = &self.container;
        let built = self.built.ok_or_else(|| {
            Error::usage(format!("the proposal about {name} was never built"))
                .hint(format!("`devenv build {name}` does so"))
        })?;
        let definitions = session.definitions(&open.name)?;
        let commit = self.snapshot(session, open, &definitions)?;
        let mut catalogue = definitions.catalogue(commit)?;
        let definition = catalogue.definitions.remove(name).ok_or_else(|| {
            Error::definitions(format!("the proposal has no containers/{name} any more"))
        })?;
        Ok(Local {
            built,
            repository: repository(name)?,
            definition,
            platform: catalogue.platform,
            commit,
            unchanged: true,
        })
    }
}

/// Half proposals, and what is missing of them: an interrupted command or a removed folder.
pub fn orphans(
    paths: &Paths,
    platform: &PlatformName,
) -> Result<Vec<(ContainerName, &'static str)>> {
    let names = |folder: &Path, end: &str| -> Result<BTreeSet<ContainerName>> {
        let names = file::names(folder)?;
        Ok(names
            .iter()
            .filter_map(|name| ContainerName::new(name.strip_suffix(end)?).ok())
            .collect())
    };
    let trees = names(&paths.worktrees(platform), "")?;
    let records = names(&paths.proposals(platform), ".json")?;
    let forgotten = trees.difference(&records).map(|name| {
        (
            name.clone(),
            "a folder that no proposal belongs to, with what was edited in it",
        )
    });
    let lost = records
        .difference(&trees)
        .map(|name| (name.clone(), "its folder was removed"));
    Ok(forgotten.chain(lost).collect())
}
