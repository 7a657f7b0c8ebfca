//! Production's reference with proposals laid over it.

use std::collections::BTreeMap;

use super::Proposal;
use crate::converge::desired::{Image, Source};
use crate::converge::select::Selection;
use crate::definitions::CommitId;
use crate::engine::Engine;
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::model::image::Repository;
use crate::model::members;
use crate::model::name::ContainerName;
use crate::model::reference::Reference;
use crate::model::run_specification::RunSpecification;
use crate::release::Desk;
use crate::release::local::{Built, Local, repository};
use crate::release::mixed::entry;
use crate::verify::evidence::VerifiedImage;

/// What one container runs.
#[derive(Debug, Clone)]
pub enum RunImage {
    /// Production's, verified.
    Released(VerifiedImage),
    /// Built here from a proposal; nobody signed it.
    Local(LocalImage),
}

/// An image that was built here from a proposal.
#[derive(Debug, Clone)]
pub struct LocalImage {
    /// For the engine.
    pub image: Image,
    /// The proposal that it was built from just now; `None`: it was built before.
    pub commit: Option<CommitId>,
}

impl RunImage {
    /// For the engine.
    pub fn image(&self) -> &Image {
        match self {
            Self::Released(verified) => &verified.image,
            Self::Local(local) => &local.image,
        }
    }

    /// Whose keys signed it, and the definitions commit that it was built from; `None`: nobody's.
    pub fn released(&self) -> Option<&VerifiedImage> {
        match self {
            Self::Released(verified) => Some(verified),
            Self::Local(_) => None,
        }
    }
}

/// Whether proposals are built, or what was built of them last stands for them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Building {
    /// What changed is built.
    Now,
    /// For a plan: nothing is built.
    AsLast,
}

/// Production's verified reference, perhaps with other versions of single containers, and with proposals
/// laid over it: not a thing that anybody signed.
#[derive(Debug)]
pub struct Overlay {
    /// What runs: run specifications and routes of proposals in place of production's.
    pub reference: Reference,
    /// What runs from proposals, by container; the proxy among them where routes differ.
    pub locals: BTreeMap<ContainerName, LocalImage>,
}

impl Overlay {
    /// Lays the proposals that the instance runs over a verified reference. Where routes differ,
    /// the proxy is built for them too.
    ///
    /// # Errors
    /// A proposal that cannot be built; for a plan, one that was never built.
    pub async fn new(
        session: &Session,
        open: &OpenPlatform,
        engine: &Docker,
        record: &InstanceRecord,
        verified: &Reference,
        building: Building,
    ) -> Result<Self> {
        let mut overlay = Self {
            reference: verified.clone(),
            locals: BTreeMap::new(),
        };
        let mut rerouted = None;
        for name in &record.local {
            let Some(mut proposal) = Proposal::find(session, open, name)? else {
                let text = format!("there is no proposal about {name} any more: it is not LOCAL");
                session.reporter.warn(&text);
                continue;
            };
            let local = match building {
                Building::Now => proposal.build(session, open, engine, false).await?,
                Building::AsLast => proposal.as_built(session, open)?,
            };
            let image = local_image(engine, local.built, local.repository.clone()).await?;
            if overlay.lay(name, &local, image, building)? {
                rerouted = Some(proposal);
            }
            session.reporter.warn(&format!(
                "{name} is LOCAL ({}): built here from your proposal, signed by nobody",
                local.built.version()
            ));
        }
        if let Some(proposal) = rerouted.filter(|_| record.proxy) {
            overlay
                .reroute(session, open, engine, &proposal, building)
                .await?;
        }
        overlay.reference = record.spread(&overlay.reference);
        Ok(overlay)
    }

    /// Gives whether the proxy has to know something else than production's does: routes, or names of copies.
    fn lay(
        &mut self,
        name: &ContainerName,
        local: &Local,
        image: Image,
        building: Building,
    ) -> Result<bool> {
        let defaults = &local.platform.defaults;
        let entry = entry(&local.definition, defaults, &image, &self.reference)
            .map_err(|error| error.within(format!("the proposal for {name} cannot run")))?;
        let routes = entry.routes.clone();
        let now = members::names(name, entry.run.most());
        let before = self.reference.containers.insert(name.clone(), entry);
        let commit = (building == Building::Now).then_some(local.commit);
        self.locals
            .insert(name.clone(), LocalImage { image, commit });
        let copies = |run: &RunSpecification| members::names(name, run.most());
        let known = before.as_ref().map(|it| copies(&it.run));
        let before = before.map(|it| it.routes).unwrap_or_default();
        let is_same = before.len() == routes.len() && known.is_none_or(|it| it == now);
        Ok(!(is_same && before.iter().zip(&routes).all(|(a, b)| a.is_at(b))))
    }

    /// The proxy with the routes of the proposals.
    async fn reroute(
        &mut self,
        session: &Session,
        open: &OpenPlatform,
        engine: &Docker,
        proposal: &Proposal,
        building: Building,
    ) -> Result<()> {
        let proxy = self.reference.proxy.clone();
        if building == Building::AsLast {
            let text = "a plan cannot show the proxy for routes that were never built";
            let built = proposal.proxy.ok_or_else(|| Error::usage(text))?;
            let image = local_image(engine, built, repository(&proxy)?).await?;
            self.locals.insert(
                proxy,
                LocalImage {
                    image,
                    commit: None,
                },
            );
            return Ok(());
        }
        let desk = Desk::workstation(session, open)?;
        let (built, place) = desk
            .build_local_proxy(engine, &self.reference, proposal.proxy)
            .await?;
        Proposal::change(session, open, &proposal.container, |it| {
            it.proxy = Some(built);
        })?;
        let image = local_image(engine, built, place).await?;
        session.reporter.warn(&format!(
            "{proxy} is LOCAL too ({}): the proposal changes routes",
            built.version()
        ));
        self.locals.insert(
            proxy,
            LocalImage {
                image,
                commit: None,
            },
        );
        Ok(())
    }

    /// Whether a container runs from its proposal: what is not selected is not LOCAL any more.
    pub fn runs(&self, name: &ContainerName, selection: &Selection) -> bool {
        self.locals.contains_key(name) && self.selects(name, selection)
    }

    /// Whether a container is selected, or a copy of it.
    pub fn selects(&self, name: &ContainerName, selection: &Selection) -> bool {
        let mut selected = selection.why.keys();
        selected.any(|it| self.reference.origin(it) == name)
    }
}

/// An image that was built here; one that is not on the engine any more says nothing of itself.
async fn local_image(engine: &Docker, built: Built, repository: Repository) -> Result<Image> {
    let found = engine.image(&built.image).await?;
    Ok(Image {
        repository,
        digest: built.image,
        accepted: vec![built.image],
        architectures: Vec::new(),
        version: built.version(),
        source: Source::Local,
        defaults: found.map(|it| it.defaults).unwrap_or_default(),
    })
}
