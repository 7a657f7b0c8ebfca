//! Noticing that a proposal was merged, squashed or not: the forge's word where it can be asked,
//! else the proposed files in the base branch.

use serde::Serialize;

use super::Proposal;
use super::reach::reach;
use super::sent::Sent;
use crate::context::{Context, OpenPlatform};
use crate::definitions::{CommitId, Definitions, Upon};
use crate::error::Result;
use crate::forge::{Request, State};
use crate::model::name::{ContainerName, InstanceName};
use crate::state::{self, InstanceRecord};

/// A proposal that was merged.
#[derive(Debug, Serialize)]
pub struct Merged {
    /// The container.
    pub container: ContainerName,
    /// Where it was merged.
    pub url: Option<String>,
    /// Instances that still run it from the proposal.
    pub instances: Vec<InstanceName>,
    /// Whether the work tree has changes that were not part of it.
    pub more: bool,
    /// Whether work tree, record and local image are gone.
    pub removed: bool,
}

/// What became of the proposals that were sent; merged ones are removed unless somebody needs them.
/// `definitions` are fetched.
pub async fn merged(
    context: &Context,
    open: &OpenPlatform,
    definitions: &Definitions,
) -> Result<Vec<Merged>> {
    let mut all = Vec::new();
    for mut proposal in Proposal::all(context, open)? {
        let Some(mut sent) = proposal.sent.clone() else {
            continue;
        };
        let Some(commit) = sent.commit else {
            continue;
        };
        if let Some(request) = ask(context, open, definitions, &sent).await {
            sent.request = Some(request);
        }
        let head = definitions.head_id()?;
        if sent.state() != Some(State::Merged) && has(definitions, head, commit)? {
            let request = sent.request.get_or_insert_with(|| Request {
                number: None,
                url: String::new(),
                state: State::Merged,
                merged_as: None,
            });
            request.state = State::Merged;
        }
        let is_merged = sent.state() == Some(State::Merged);
        proposal.sent = Some(sent);
        proposal.save(context, open)?;
        if is_merged {
            all.push(finish(context, open, definitions, &proposal, head).await?);
        }
    }
    Ok(all)
}

/// The forge's own word, where it can be asked.
async fn ask(
    context: &Context,
    open: &OpenPlatform,
    definitions: &Definitions,
    sent: &Sent,
) -> Option<Request> {
    let forge = reach(context, open, definitions, Some(sent.kind))
        .await
        .ok()?;
    match forge.requests()?.find(&sent.draft()).await {
        Ok(request) => request,
        Err(error) => {
            context.ui.warn(&format!(
                "what became of {} cannot be asked: {}",
                sent.branch,
                error.chain().join(": ")
            ));
            None
        }
    }
}

/// Whether `head` has every file as `commit` left it.
fn has(definitions: &Definitions, head: CommitId, commit: CommitId) -> Result<bool> {
    let Some(parent) = definitions.parent(commit)? else {
        return Ok(false);
    };
    let changed = definitions.changed_files(parent, commit)?;
    for file in &changed {
        if definitions.read(head, &file.path)? != definitions.read(commit, &file.path)? {
            return Ok(false);
        }
    }
    Ok(!changed.is_empty())
}

async fn finish(
    context: &Context,
    open: &OpenPlatform,
    definitions: &Definitions,
    proposal: &Proposal,
    head: CommitId,
) -> Result<Merged> {
    let name = &proposal.container;
    let instances = running(context, open, name)?;
    let snapshot = proposal.snapshot(context, open, definitions)?;
    let folder = proposal.folder();
    let more = match definitions.upon(proposal.base, snapshot, head, &folder)? {
        Upon::Fits(commit) => !definitions.same_folder(commit, head, &folder)?,
        Upon::Conflicts(_) => true,
    };
    let removed = instances.is_empty() && !more;
    if removed {
        proposal.remove(context, open)?;
        remove_images(context, open, proposal).await;
    }
    let sent = proposal.sent.as_ref();
    let url = sent
        .and_then(|it| it.request.as_ref())
        .map(|it| it.url.clone());
    Ok(Merged {
        container: name.clone(),
        url: url.filter(|it| !it.is_empty()),
        instances,
        more,
        removed,
    })
}

/// Instances that run a container from its proposal.
pub fn running(
    context: &Context,
    open: &OpenPlatform,
    name: &ContainerName,
) -> Result<Vec<InstanceName>> {
    let mut found = Vec::new();
    for instance in state::instances(&context.paths, &open.name)? {
        let record = InstanceRecord::load(&context.paths, &open.name, &instance)?;
        if record.is_some_and(|record| record.local.contains(name)) {
            found.push(instance);
        }
    }
    Ok(found)
}

/// Removes what was built of a proposal, as far as nothing runs it.
pub async fn remove_images(context: &Context, open: &OpenPlatform, proposal: &Proposal) {
    let built = [
        (&proposal.container, proposal.built),
        (&open.platform.proxy, proposal.proxy),
    ];
    let Ok((engine, _)) = context.engine() else {
        return;
    };
    for (name, built) in built {
        if let Some(built) = built {
            let tag = format!("localhost/devenv-local/{name}:{}", built.inputs.short());
            // In use elsewhere, gone, or no engine there: none is of harm.
            let _ = engine.remove_image(&tag).await;
        }
    }
}
