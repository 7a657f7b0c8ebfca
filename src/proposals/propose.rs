//! From a work tree to a request: validated, merged with the newest base in memory, compared with
//! what was sent before, then delivered.

use serde::Serialize;

use super::Proposal;
use super::deliver::{Delivered, Parcel};
use super::description::description;
use super::effect::Effect;
use super::reach::reach;
use super::refusal;
use super::sent::{Sent, Typed};
use crate::context::{Context, OpenPlatform};
use crate::definitions::{CommitId, Definitions, FileChange, History, Upon};
use crate::error::{Error, Result};
use crate::forge::{Draft, Forge, Request, State};
use crate::model::forge::ForgeKind;
use crate::model::name::ContainerName;
use crate::ui::progress::Work;

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The words.
    pub typed: Typed,
    /// The kind of forge, where the definitions do not say.
    pub forge: Option<ForgeKind>,
    /// Whether only to say what would be sent.
    pub dry_run: bool,
}

/// What became of it, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Word {
    /// Nothing was sent: `--dry-run`.
    WouldCreate,
    /// As that.
    WouldUpdate,
    /// There is a new request.
    Created,
    /// The request has the new commit and words.
    Updated,
    /// It was there already, just so.
    Unchanged,
}

/// What became of it.
#[derive(Debug, Serialize)]
pub struct Outcome {
    /// Which container.
    pub container: ContainerName,
    /// In a word.
    pub outcome: Word,
    /// The kind of forge.
    pub forge: ForgeKind,
    /// The title.
    pub title: String,
    /// Whether it is not to be merged yet.
    pub draft: bool,
    /// The whole description.
    pub description: String,
    /// The branch on the server.
    pub branch: String,
    /// The branch that it is for.
    pub target: String,
    /// The commit, where one was made.
    pub commit: Option<CommitId>,
    /// The request, where one is known.
    pub request: Option<Request>,
    /// Files for people, on a server without requests.
    pub written: Vec<std::path::PathBuf>,
    /// What it changes.
    pub files: Vec<FileChange>,
    /// How that runs.
    pub effect: Effect,
}

/// A proposal on the newest base.
struct Fresh {
    newest: CommitId,
    merged: CommitId,
    files: Vec<FileChange>,
    effect: Effect,
}

/// Proposes. The words are kept from the first moment, so that no failure loses them.
pub async fn propose(
    context: &Context,
    open: &OpenPlatform,
    name: &ContainerName,
    asked: &Asked,
    show: impl Fn(&Outcome),
) -> Result<Outcome> {
    let mut proposal = Proposal::of(context, open, name)?;
    if !asked.dry_run {
        proposal.typed = Some(asked.typed.clone());
        proposal.save(context, open)?;
    }
    let mut definitions = context.definitions(&open.name)?;
    let snapshot = proposal.snapshot(context, open, &definitions)?;
    definitions.catalogue(snapshot)?;
    if context.offline {
        return Err(
            Error::git("a proposal is sent over the network, and `--offline` forbids it")
                .hint("what you typed is kept: the same command sends it later"),
        );
    }
    let work = Work::begin(&context.ui, "definitions");
    definitions.fetch(History::Forward, work.clone()).await?;
    work.finish("fetched");
    let settled = open.platform.forge.as_ref();
    let target = match settled.and_then(|it| it.target_branch.clone()) {
        Some(branch) => branch,
        None => definitions.base_branch()?,
    };
    let fresh = fresh(&definitions, &proposal, snapshot, &target)?;
    let forge = reach(context, open, &definitions, asked.forge).await?;
    let typed = &asked.typed;
    let draft = Draft {
        title: typed.title.clone(),
        description: description(
            typed,
            name,
            &fresh.files,
            &fresh.effect,
            proposal.ran.as_ref(),
        ),
        source: match &proposal.sent {
            Some(sent) => sent.branch.clone(),
            None => branch(context, &definitions, &proposal)?,
        },
        target,
        draft: typed.draft,
    };
    let open_request = look(forge.as_ref(), &draft, proposal.sent.as_ref()).await?;
    let mut outcome = Outcome {
        container: name.clone(),
        outcome: if open_request.is_some() {
            Word::WouldUpdate
        } else {
            Word::WouldCreate
        },
        forge: forge.kind(),
        title: draft.title.clone(),
        draft: draft.draft,
        description: draft.description.clone(),
        branch: draft.source.clone(),
        target: draft.target.clone(),
        commit: proposal.sent.as_ref().and_then(|it| it.commit),
        request: open_request.clone(),
        written: Vec::new(),
        files: fresh.files.clone(),
        effect: fresh.effect.clone(),
    };
    if same(
        &definitions,
        &proposal,
        &fresh,
        &draft,
        forge.as_ref(),
        open_request.as_ref(),
    )? {
        outcome.outcome = Word::Unchanged;
        proposal.typed = None;
        proposal.save(context, open)?;
        return Ok(outcome);
    }
    show(&outcome);
    if asked.dry_run {
        return Ok(outcome);
    }
    let parcel = Parcel {
        context,
        open,
        container: name,
        forge: forge.as_ref(),
        draft: &draft,
        typed,
        newest: fresh.newest,
        merged: fresh.merged,
        request: open_request,
    };
    let Delivered {
        commit,
        request,
        written,
        updated,
    } = parcel.deliver(&mut definitions, &mut proposal).await?;
    outcome.outcome = if updated {
        Word::Updated
    } else {
        Word::Created
    };
    outcome.commit = Some(commit);
    outcome.request = request;
    outcome.written = written;
    Ok(outcome)
}

/// The proposal on top of the newest target, checked as a whole.
fn fresh(
    definitions: &Definitions,
    proposal: &Proposal,
    snapshot: CommitId,
    target: &str,
) -> Result<Fresh> {
    let name = &proposal.container;
    let newest = definitions.branch_commit(target)?.ok_or_else(|| {
        Error::git(format!(
            "the server has no branch `{}`",
            target.escape_default()
        ))
        .hint("`forge.target_branch` of platform.yaml names it")
    })?;
    let merged = match definitions.upon(proposal.base, snapshot, newest, &proposal.folder())? {
        Upon::Fits(merged) => merged,
        Upon::Conflicts(files) => {
            return Err(Error::git(format!(
                "{target} has changed what you change as well: {}",
                files.join(", ")
            ))
            .hint(format!("`devenv edit {name} --update` takes over {target}, with both sides marked in the files"))
            .hint("what you typed is kept: the same command sends it later"));
        }
    };
    let after = definitions.catalogue(merged)?;
    let before = definitions.catalogue(newest)?;
    let files = definitions.changed_files(newest, merged)?;
    if files.is_empty() {
        return Err(Error::usage(format!(
            "{target} has all of it: there is nothing to propose"
        ))
        .hint(format!(
            "`devenv edit {name}` changes it; `devenv sync` notices what was merged"
        )));
    }
    Ok(Fresh {
        newest,
        merged,
        files,
        effect: Effect::between(&before, &after, name)?,
    })
}

/// The open request, as the forge says, or as it was when it was sent.
async fn look(forge: &dyn Forge, draft: &Draft, sent: Option<&Sent>) -> Result<Option<Request>> {
    let found = match forge.requests() {
        Some(requests) => requests.find(draft).await?,
        None => sent.and_then(|it| it.request.clone()),
    };
    Ok(found.filter(|it| it.state == State::Open))
}

/// Whether the server has exactly this.
fn same(
    definitions: &Definitions,
    proposal: &Proposal,
    fresh: &Fresh,
    draft: &Draft,
    forge: &dyn Forge,
    request: Option<&Request>,
) -> Result<bool> {
    let Some(sent) = &proposal.sent else {
        return Ok(false);
    };
    let Some(commit) = sent.commit else {
        return Ok(false);
    };
    let there = definitions.branch_commit(&sent.branch)?;
    let reference = forge.delivery(draft).target;
    let arrived = there == Some(commit) || !reference.starts_with("refs/heads/");
    let words = sent.description == draft.description
        && sent
            .typed
            .as_ref()
            .is_some_and(|it| it.title == draft.title && it.draft == draft.draft);
    let asked =
        request.is_some() || forge.by_hand(draft).is_some() || forge.kind() == ForgeKind::Plain;
    Ok(arrived
        && words
        && asked
        && sent.target == draft.target
        && definitions.same_folder(commit, fresh.merged, &proposal.folder())?)
}

/// `devenv/<user>/<container>-h<digits>`: always the same for one proposal. Not from a digit and
/// not to the end of digits only: GitLab takes such for the number of an issue.
fn branch(context: &Context, definitions: &Definitions, proposal: &Proposal) -> Result<String> {
    let author = definitions.author(context.now())?;
    let user = author
        .email
        .split('@')
        .next()
        .unwrap_or_default()
        .to_ascii_lowercase();
    let user: String = user
        .chars()
        .filter(|c| c.is_ascii_alphanumeric() || *c == '-')
        .take(40)
        .collect();
    let user = if user.is_empty() {
        "someone"
    } else {
        user.trim_matches('-')
    };
    let name = &proposal.container;
    let what = format!(
        "{} {} {name} {}",
        author.email, proposal.base, proposal.begun
    );
    let digest = crate::model::digest::Digest::of(what.as_bytes());
    Ok(format!("devenv/{user}/{name}-h{}", &digest.hex()[..7]))
}

/// The branch on the server is as it was left, or not there.
pub(super) fn expect(
    definitions: &Definitions,
    proposal: &Proposal,
    branch: &str,
) -> Result<Option<CommitId>> {
    let there = definitions.branch_commit(branch)?;
    let known = |commit: &CommitId| proposal.sent.as_ref().is_some_and(|it| it.knows(*commit));
    match there {
        Some(commit) if !known(&commit) => Err(refusal::overtaken(branch)),
        there => Ok(there),
    }
}
