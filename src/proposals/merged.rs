//! Noticing that a proposal was merged, squashed or not: the forge's word where it can be asked,
//! else the proposed files in the branch that they were for.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use serde::Serialize;
use tokio::time::{Instant, timeout_at};

use super::Proposal;
use super::reach::reach;
use super::sent::Sent;
use crate::definitions::{CommitId, Definitions, Upon};
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{self, InstanceRecord, Owner};
use crate::model::forge::ForgeKind;
use crate::model::identity;
use crate::model::name::{ContainerName, InstanceName};
use crate::proposals::forge::{Forge, Request, State};
use crate::release::local;

/// How long the forge is asked in all.
const PATIENCE: Duration = Duration::from_secs(20);

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
/// `definitions` are fetched. What cannot be told of one proposal is a warning.
pub async fn merged(
    session: &Session,
    open: &OpenPlatform,
    definitions: &Definitions,
) -> Result<Vec<Merged>> {
    let all = Proposal::all(session, open)?;
    let sent: Vec<&Sent> = all.iter().filter_map(|it| it.sent.as_ref()).collect();
    let mut requests = ask(session, open, definitions, &sent).await.into_iter();
    let mut found = Vec::new();
    for proposal in &all {
        let Some(sent) = &proposal.sent else {
            continue;
        };
        let said = requests.next().flatten();
        match look(session, open, definitions, proposal, sent, said).await {
            Ok(merged) => found.extend(merged),
            Err(error) => session.reporter.warn(&format!(
                "what became of the proposal about {} cannot be told: {}",
                proposal.container,
                error.chain().join(": ")
            )),
        }
    }
    Ok(found)
}

/// The forge's own word about each, where it can be asked: all at once, with one deadline.
async fn ask(
    session: &Session,
    open: &OpenPlatform,
    definitions: &Definitions,
    sent: &[&Sent],
) -> Vec<Option<Request>> {
    let mut answers = vec![None; sent.len()];
    let deadline = Instant::now() + PATIENCE;
    for kind in ForgeKind::ALL {
        let of_kind = sent.iter().enumerate().filter(|(_, it)| it.kind == kind);
        let of_kind: Vec<(usize, &Sent)> = of_kind.map(|(index, it)| (index, *it)).collect();
        if of_kind.is_empty() {
            continue;
        }
        let forge = timeout_at(deadline, reach(session, open, definitions, Some(kind))).await;
        let forge = forge.unwrap_or_else(|_| Err(too_slow()));
        let asked = of_kind.iter().map(|(_, sent)| one(&forge, sent, deadline));
        for ((index, sent), answer) in of_kind.iter().zip(join_all(asked).await) {
            match answer {
                Ok(request) => answers[*index] = request,
                Err(why) => session.reporter.warn(&format!(
                    "what became of {} could not be asked: {why}",
                    sent.branch
                )),
            }
        }
    }
    answers
}

async fn one(
    forge: &Result<Box<dyn Forge>>,
    sent: &Sent,
    deadline: Instant,
) -> Result<Option<Request>, String> {
    let told = |error: &Error| error.chain().join(": ");
    let Some(requests) = forge.as_ref().map_err(told)?.requests() else {
        return Ok(None);
    };
    match timeout_at(deadline, requests.find(&sent.draft())).await {
        Ok(answer) => answer.map_err(|error| told(&error)),
        Err(_) => Err(told(&too_slow())),
    }
}

fn too_slow() -> Error {
    let seconds = PATIENCE.as_secs();
    Error::git(format!("the forge did not answer within {seconds} s"))
}

/// Keeps what is known of a request now, and finishes a merged one.
async fn look(
    session: &Session,
    open: &OpenPlatform,
    definitions: &Definitions,
    proposal: &Proposal,
    sent: &Sent,
    said: Option<Request>,
) -> Result<Option<Merged>> {
    let mut request = said.or_else(|| sent.request.clone());
    let is_merged = |it: &Request| it.state == State::Merged;
    if !request.as_ref().is_some_and(is_merged) && arrived(definitions, sent)? {
        let url = request.as_ref().map_or("", |it| &it.url).to_owned();
        request = Some(Request {
            number: request.as_ref().and_then(|it| it.number),
            url,
            state: State::Merged,
            merged_as: None,
        });
    }
    // Another command may have sent it again meanwhile: that is not what was asked about.
    let proposal = Proposal::change(session, open, &proposal.container, |it| {
        if let Some(now) = &mut it.sent
            && now.commits() == sent.commits()
        {
            now.request.clone_from(&request);
        }
    })?;
    let state = proposal.sent.as_ref().and_then(Sent::state);
    if state != Some(State::Merged) {
        return Ok(None);
    }
    finish(session, open, definitions, &proposal)
        .await
        .map(Some)
}

/// Whether the branch that it was for got it, as it was sent or was about to be sent last.
fn arrived(definitions: &Definitions, sent: &Sent) -> Result<bool> {
    let Some(tip) = definitions.branch_commit(&sent.target)? else {
        return Ok(false);
    };
    for commit in sent.commits() {
        if definitions.has_arrived(commit, tip)? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn finish(
    session: &Session,
    open: &OpenPlatform,
    definitions: &Definitions,
    proposal: &Proposal,
) -> Result<Merged> {
    let name = &proposal.container;
    let instances = running(session, open, name)?;
    let more = has_more(session, open, definitions, proposal)?;
    let removed = instances.is_empty() && !more;
    if removed {
        proposal.remove(session, open)?;
        remove_images(session, open, proposal).await;
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

/// Whether anything stands in the work tree that was neither sent nor is in the target now.
fn has_more(
    session: &Session,
    open: &OpenPlatform,
    definitions: &Definitions,
    proposal: &Proposal,
) -> Result<bool> {
    let path = session.home.paths.worktree(&open.name, &proposal.container);
    if !path.join(".git").exists() {
        // Removed by hand; a folder that is no work tree any more is nobody's to remove.
        return Ok(path.exists());
    }
    let snapshot = proposal.snapshot(session, open, definitions)?;
    if !proposal.outside(definitions, snapshot)?.is_empty()
        || !definitions.ignored_files(&path)?.is_empty()
    {
        return Ok(true);
    }
    let folder = proposal.folder();
    let is_in = |commit: CommitId, upon: CommitId| -> Result<bool> {
        Ok(
            match definitions.upon(proposal.base, snapshot, upon, &folder)? {
                Upon::Fits(merged) => definitions.same_folder(merged, commit, &folder)?,
                Upon::Conflicts(_) => false,
            },
        )
    };
    let Some(sent) = &proposal.sent else {
        return Ok(true);
    };
    let tip = definitions.branch_commit(&sent.target)?;
    for commit in sent.commits() {
        // A push that was refused sent nothing: what stands in it may be nowhere else.
        let arrived = tip.map(|tip| definitions.has_arrived(commit, tip));
        if sent.commit != Some(commit) && !arrived.transpose()?.unwrap_or(false) {
            continue;
        }
        // As it was sent, whatever those who merged it made of it.
        if let Some(parent) = definitions.parent(commit)?
            && is_in(commit, parent)?
        {
            return Ok(false);
        }
    }
    match tip {
        Some(tip) => Ok(!is_in(tip, tip)?),
        None => Ok(true),
    }
}

/// Instances that run a container from its proposal.
pub fn running(
    session: &Session,
    open: &OpenPlatform,
    name: &ContainerName,
) -> Result<Vec<InstanceName>> {
    let mut found = Vec::new();
    for instance in state::instances(&session.home.paths, &open.name)? {
        let record = InstanceRecord::load(&session.home.paths, &open.name, &instance)?;
        let runs = |it: InstanceRecord| it.asks_for_something() && it.local.contains(name);
        if record.is_some_and(runs) {
            found.push(instance);
        }
    }
    Ok(found)
}

/// Removes what was built of a proposal, now and before, as far as nothing runs it.
pub async fn remove_images(session: &Session, open: &OpenPlatform, proposal: &Proposal) {
    let Ok((engine, _)) = session.engine() else {
        return;
    };
    let mut tags = proposal.tags(&open.platform.proxy);
    let place = format!("{}/{}:", local::REPOSITORY, proposal.container);
    if let (Ok(owner), Ok(images)) = (Owner::load(&session.home.paths), engine.images().await) {
        let has = |labels: &BTreeMap<String, String>, name: &str, value: &str| {
            labels.get(name).is_some_and(|it| it == value)
        };
        for image in images {
            if has(&image.labels, identity::OWNER, &owner.id)
                && has(&image.labels, identity::PLATFORM, open.name.as_str())
            {
                let earlier = image.tags.into_iter().filter(|tag| tag.starts_with(&place));
                tags.extend(earlier);
            }
        }
    }
    tags.sort();
    tags.dedup();
    for tag in tags {
        // In use elsewhere, gone, or no engine there: none is of harm.
        let _ = engine.remove_image(&tag).await;
    }
}
