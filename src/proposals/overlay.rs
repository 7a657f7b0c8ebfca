//! Production's reference with proposals laid over it.

use std::collections::BTreeMap;

use jiff::Timestamp;

use super::{Bench, Proposal};
use crate::context::{Context, OpenPlatform};
use crate::definitions::CommitId;
use crate::desired::{Image, Source};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::evidence::VerifiedImage;
use crate::model::image::Repository;
use crate::model::name::{ContainerName, Version};
use crate::model::reference::{Reference, ReferenceContainer};
use crate::model::run_specification::{ResolvedNeed, RunSpecification};
use crate::prepare::Chosen;
use crate::release::local::{Built, Local, repository};
use crate::select::Selection;
use crate::state::InstanceRecord;

/// The images of containers that run from proposals.
#[derive(Debug, Clone, Default)]
pub struct Locals {
    /// By container; the proxy among them where routes differ.
    pub images: BTreeMap<ContainerName, VerifiedImage>,
    /// The proposals that they were built of just now.
    pub commits: BTreeMap<ContainerName, CommitId>,
}

impl Locals {
    /// Builds what the instance runs from proposals, and lays it over the reference: image and run
    /// specification both. Where routes differ, the proxy is built for them too. Without `build`,
    /// what was built last stands for it.
    pub async fn of(
        context: &Context,
        open: &OpenPlatform,
        engine: &Docker,
        record: &InstanceRecord,
        chosen: &mut Chosen,
        build: bool,
    ) -> Result<Self> {
        let mut locals = Self::default();
        let reference = &mut chosen.verified.reference;
        let mut rerouted = None;
        for name in &record.local {
            let Some(mut proposal) = Proposal::find(context, open, name)? else {
                let text = format!("there is no proposal about {name} any more: it is not LOCAL");
                context.ui.warn(&text);
                continue;
            };
            let local = if build {
                proposal.build(context, open, engine, false).await?
            } else {
                proposal.as_built(context, open)?
            };
            let entry = entry(&local, reference)?;
            let before = reference.containers.insert(name.clone(), entry);
            let before = before.map(|it| it.routes).unwrap_or_default();
            if before != reference.containers[name].routes {
                rerouted = Some(proposal);
            }
            if build {
                locals.commits.insert(name.clone(), local.commit);
            }
            locals.insert(name, local.built, &local.repository, context.now());
            context.ui.warn(&format!(
                "{name} is LOCAL ({}): built here from your proposal, signed by nobody",
                local.built.version()
            ));
        }
        if let Some(proposal) = rerouted.filter(|_| record.proxy) {
            if !build {
                let text = "a plan cannot show the proxy for routes that were never built";
                let built = proposal.proxy.ok_or_else(|| Error::usage(text))?;
                let proxy = reference.proxy.clone();
                locals.insert(&proxy, built, &repository(&proxy)?, context.now());
                return Ok(locals);
            }
            let mut bench = Bench::open(context, open)?;
            let desk = bench.desk(open, context);
            let before = proposal.proxy;
            let (built, place) = desk.build_local_proxy(engine, reference, before).await?;
            Proposal::change(context, open, &proposal.container, |it| {
                it.proxy = Some(built);
            })?;
            let proxy = reference.proxy.clone();
            locals.insert(&proxy, built, &place, context.now());
            context.ui.warn(&format!(
                "{proxy} is LOCAL too ({}): the proposal changes routes",
                built.version()
            ));
        }
        Ok(locals)
    }

    /// Whether a container runs from its proposal: what is not selected is not LOCAL any more.
    pub fn runs(&self, name: &ContainerName, selection: &Selection) -> bool {
        self.images.contains_key(name) && selection.why.contains_key(name)
    }

    fn insert(
        &mut self,
        name: &ContainerName,
        built: Built,
        repository: &Repository,
        now: Timestamp,
    ) {
        let image = Image {
            repository: repository.clone(),
            digest: built.image,
            accepted: vec![built.image],
            architectures: Vec::new(),
            version: built.version(),
            source: Source::Local,
        };
        let image = VerifiedImage {
            image,
            signers: Vec::new(),
            commit: String::new(),
            built: now,
        };
        self.images.insert(name.clone(), image);
    }
}

/// What a reference would say of it.
fn entry(local: &Local, reference: &Reference) -> Result<ReferenceContainer> {
    let definition = &local.definition;
    let run = RunSpecification::resolve(definition, &local.platform.defaults);
    let mut needs = Vec::new();
    for need in &definition.needs {
        let there = reference.containers.get(&need.container).ok_or_else(|| {
            Error::definitions(format!(
                "the proposal needs {}, which is not in reference {}",
                need.container, reference.number
            ))
        })?;
        needs.push(ResolvedNeed {
            container: need.container.clone(),
            until: need.until.unwrap_or_else(|| there.run.default_until()),
        });
    }
    let known = |other: &&ContainerName| reference.containers.contains_key(*other);
    Ok(ReferenceContainer {
        version: Some(Version::new(local.built.version()).map_err(Error::bug)?),
        repository: local.repository.clone(),
        digest: Some(local.built.image),
        description: definition.description.clone(),
        needs,
        uses: definition.uses.iter().filter(known).cloned().collect(),
        routes: definition.routes.clone(),
        run,
    })
}
