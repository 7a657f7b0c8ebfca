//! A developer's own changes to definitions: edited in a work tree, built and run on this machine,
//! marked as local everywhere; sent to those who merge.

mod deliver;
mod description;
mod effect;
mod merged;
mod overlay;
mod propose;
mod reach;
mod refusal;
mod sent;
mod withdraw;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::context::{Context, OpenPlatform};
use crate::definitions::{CommitId, Definitions};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::model::name::ContainerName;
use crate::release::Desk;
use crate::release::local::{Built, Local, Order, repository};
use crate::state;
use crate::ui::release::ReleaseProgress;

pub use effect::Effect;
pub use merged::{Merged, merged, remove_images, running};
pub use overlay::Locals;
pub use propose::{Asked, Outcome, Word, propose};
pub use sent::{Ran, Sent, Typed};
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
    /// The proposal about a container, if there is one.
    pub fn find(
        context: &Context,
        open: &OpenPlatform,
        container: &ContainerName,
    ) -> Result<Option<Self>> {
        state::load(&context.paths.proposal(&open.name, container))
    }

    /// The proposal about a container; its absence is a usage error.
    pub fn of(context: &Context, open: &OpenPlatform, container: &ContainerName) -> Result<Self> {
        Self::find(context, open, container)?.ok_or_else(|| {
            Error::usage(format!("there is no proposal about `{container}`"))
                .hint(format!("`devenv edit {container}` begins one"))
        })
    }

    /// All proposals of a platform, by container.
    pub fn all(context: &Context, open: &OpenPlatform) -> Result<Vec<Self>> {
        let Ok(entries) = std::fs::read_dir(context.paths.proposals(&open.name)) else {
            return Ok(Vec::new());
        };
        let mut all: Vec<Self> = entries
            .flatten()
            .map(|entry| state::load(&entry.path()))
            .collect::<Result<Vec<Option<Self>>>>()?
            .into_iter()
            .flatten()
            .collect();
        all.sort_by(|a, b| a.container.cmp(&b.container));
        Ok(all)
    }

    /// Begins one at the newest accepted commit.
    pub fn begin(
        context: &Context,
        open: &OpenPlatform,
        container: &ContainerName,
    ) -> Result<Self> {
        let definitions = context.definitions(&open.name)?;
        let path = context.paths.worktree(&open.name, container);
        let base = definitions.add_worktree(container.as_str(), &path)?;
        let proposal = Self {
            container: container.clone(),
            base,
            begun: context.now(),
            built: None,
            proxy: None,
            artifacts: Vec::new(),
            ran: None,
            typed: None,
            sent: None,
        };
        proposal.save(context, open)?;
        Ok(proposal)
    }

    /// Takes over the newest accepted definitions; gives the files in which both sides are marked.
    pub fn update(&mut self, context: &Context, open: &OpenPlatform) -> Result<Vec<String>> {
        let definitions = context.definitions(&open.name)?;
        let snapshot = self.snapshot(context, open, &definitions)?;
        let path = context.paths.worktree(&open.name, &self.container);
        let folder = self.folder();
        let (base, conflicts) = definitions.update_worktree(&path, self.base, snapshot, &folder)?;
        self.base = base;
        self.save(context, open)?;
        Ok(conflicts)
    }

    /// Keeps what is known of it.
    pub fn save(&self, context: &Context, open: &OpenPlatform) -> Result<()> {
        state::save(&context.paths.proposal(&open.name, &self.container), self)
    }

    /// Forgets it, with its work tree.
    pub fn remove(&self, context: &Context, open: &OpenPlatform) -> Result<()> {
        let definitions = context.definitions(&open.name)?;
        let path = context.paths.worktree(&open.name, &self.container);
        definitions.remove_worktree(self.container.as_str(), &path)?;
        let kept = context.paths.proposal(&open.name, &self.container);
        let _ = std::fs::remove_file(kept);
        Ok(())
    }

    /// What stands in its work tree now.
    pub fn snapshot(
        &self,
        context: &Context,
        open: &OpenPlatform,
        definitions: &Definitions,
    ) -> Result<CommitId> {
        definitions.snapshot(&context.paths.worktree(&open.name, &self.container))
    }

    /// Its folder in the definitions.
    pub fn folder(&self) -> String {
        format!("containers/{}", self.container)
    }

    /// Builds it, unless nothing that goes into it has changed, and remembers the image.
    pub async fn build(
        &mut self,
        context: &Context,
        open: &OpenPlatform,
        engine: &Docker,
        no_cache: bool,
    ) -> Result<Local> {
        let mut bench = Bench::open(context, open)?;
        let commit = self.snapshot(context, open, &bench.definitions)?;
        let order = Order {
            container: self.container.clone(),
            commit,
            artifacts: self.artifacts.clone(),
            before: self.built,
            no_cache,
        };
        let local = bench
            .desk(open, context)
            .build_local(engine, &order)
            .await?;
        self.built = Some(local.built);
        self.save(context, open)?;
        Ok(local)
    }
}

impl Proposal {
    /// What was built of it last, without building: for plans, and without a network.
    pub fn as_built(&self, context: &Context, open: &OpenPlatform) -> Result<Local> {
        let name = &self.container;
        let built = self.built.ok_or_else(|| {
            Error::usage(format!("the proposal about {name} was never built"))
                .hint(format!("`devenv build {name}` does so"))
        })?;
        let definitions = context.definitions(&open.name)?;
        let commit = self.snapshot(context, open, &definitions)?;
        let mut catalogue = definitions.catalogue(commit)?;
        let definition = catalogue.definitions.remove(name).ok_or_else(|| {
            Error::definitions(format!("the proposal has no containers/{name} any more"))
        })?;
        Ok(Local {
            built,
            repository: repository(name)?,
            definition,
            platform: catalogue.platform,
            unchanged: true,
        })
    }
}

/// What a build works with.
struct Bench<'a> {
    definitions: Definitions,
    registry: crate::registry::Registry,
    cache: crate::cache::Cache,
    progress: ReleaseProgress<'a>,
}

impl<'a> Bench<'a> {
    fn open(context: &'a Context, open: &OpenPlatform) -> Result<Self> {
        Ok(Self {
            definitions: context.definitions(&open.name)?,
            registry: context.registry().ok_or_else(|| {
                Error::usage("a local build looks for its bases in the registry, not offline")
            })?,
            cache: context.cache(),
            progress: ReleaseProgress::new(&context.ui),
        })
    }

    fn desk<'b>(&'b mut self, open: &'b OpenPlatform, context: &'b Context) -> Desk<'b> {
        Desk {
            definitions: &mut self.definitions,
            registry: &self.registry,
            trust: &open.trust,
            cache: &self.cache,
            paths: &context.paths,
            clock: Timestamp::now,
            reporter: &self.progress,
        }
    }
}
