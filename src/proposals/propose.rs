//! From a work tree to a request: validated, merged with the newest base in memory, compared with
//! what was sent before, then delivered.

use serde::Serialize;

use super::Proposal;
use super::branch::branch;
use super::deliver::{Delivered, Parcel};
use super::description::{Tried, description};
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
    /// The file that an editor wrote them to; not needed once they are kept.
    pub file: Option<std::path::PathBuf>,
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
    target: String,
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
        proposal.keep_typed(context, open, Some(asked.typed.clone()))?;
        if let Some(file) = &asked.file {
            // They are kept better now.
            let _ = std::fs::remove_file(file);
        }
    }
    let mut definitions = context.definitions(&open.name)?;
    let fresh = newest(context, open, &proposal, &mut definitions).await?;
    let forge = reach(context, open, &definitions, asked.forge).await?;
    let tried = tried(context, open, &definitions, &proposal)?;
    let draft = draft(context, &definitions, &proposal, asked, (&fresh, tried))?;
    let request = look(forge.as_ref(), &draft, proposal.sent.as_ref()).await?;
    let mut outcome = Outcome::planned(&proposal, forge.kind(), &draft, &fresh, request.as_ref());
    let there = There {
        definitions: &definitions,
        forge: forge.as_ref(),
        request: request.as_ref(),
    };
    if there.is_same(&proposal, &fresh, &draft)? {
        outcome.outcome = Word::Unchanged;
        if !asked.dry_run {
            proposal.keep_typed(context, open, None)?;
        }
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
        typed: &asked.typed,
        newest: fresh.newest,
        merged: fresh.merged,
        request,
    };
    let delivered = parcel.deliver(&mut definitions, &mut proposal).await?;
    outcome.take(delivered);
    Ok(outcome)
}

impl Outcome {
    /// What would become of it.
    fn planned(
        proposal: &Proposal,
        forge: ForgeKind,
        draft: &Draft,
        fresh: &Fresh,
        request: Option<&Request>,
    ) -> Self {
        let outcome = match request {
            Some(_) => Word::WouldUpdate,
            None => Word::WouldCreate,
        };
        Self {
            container: proposal.container.clone(),
            outcome,
            forge,
            title: draft.title.clone(),
            draft: draft.draft,
            description: draft.description.clone(),
            branch: draft.source.clone(),
            target: draft.target.clone(),
            commit: proposal.sent.as_ref().and_then(|it| it.commit),
            request: request.cloned(),
            written: Vec::new(),
            files: fresh.files.clone(),
            effect: fresh.effect.clone(),
        }
    }

    /// What became of it.
    fn take(&mut self, delivered: Delivered) {
        self.outcome = if delivered.updated {
            Word::Updated
        } else {
            Word::Created
        };
        self.commit = Some(delivered.commit);
        self.request = delivered.request;
        self.written = delivered.written;
    }
}

/// Checks what stands in the work tree, fetches, and puts it on top of the newest target.
async fn newest(
    context: &Context,
    open: &OpenPlatform,
    proposal: &Proposal,
    definitions: &mut Definitions,
) -> Result<Fresh> {
    let snapshot = proposal.snapshot(context, open, definitions)?;
    proposal.refuse_outside(context, open, definitions, snapshot)?;
    proposal.check(definitions, snapshot)?;
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
    fresh(definitions, proposal, snapshot, target)
}

/// How it ran, and whether what is sent is what ran.
fn tried<'a>(
    context: &Context,
    open: &OpenPlatform,
    definitions: &Definitions,
    proposal: &'a Proposal,
) -> Result<Option<Tried<'a>>> {
    let Some(ran) = &proposal.ran else {
        return Ok(None);
    };
    let now = proposal.snapshot(context, open, definitions)?;
    let is_same = |then| definitions.same_folder(then, now, &proposal.folder());
    let files = ran
        .commit
        .is_some_and(|then| is_same(then).unwrap_or(false));
    let image = proposal.built.map(|built| built.version()).as_ref() == Some(&ran.version);
    Ok(Some(Tried {
        ran,
        whole: files && image,
    }))
}

fn draft(
    context: &Context,
    definitions: &Definitions,
    proposal: &Proposal,
    asked: &Asked,
    (fresh, tried): (&Fresh, Option<Tried<'_>>),
) -> Result<Draft> {
    let typed = &asked.typed;
    Ok(Draft {
        title: typed.title.clone(),
        description: description(
            typed,
            &proposal.container,
            &fresh.files,
            &fresh.effect,
            tried,
        ),
        source: match &proposal.sent {
            Some(sent) => sent.branch.clone(),
            None => branch(context, definitions, proposal)?,
        },
        target: fresh.target.clone(),
        draft: typed.draft,
    })
}

/// The proposal on top of the newest target, checked as a whole.
fn fresh(
    definitions: &Definitions,
    proposal: &Proposal,
    snapshot: CommitId,
    target: String,
) -> Result<Fresh> {
    let name = &proposal.container;
    let newest = definitions.branch_commit(&target)?.ok_or_else(|| {
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
        target,
        newest,
        merged,
        files,
        effect: Effect::between(definitions, newest, merged, name)?,
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

/// What is on the server.
struct There<'a> {
    definitions: &'a Definitions,
    forge: &'a dyn Forge,
    request: Option<&'a Request>,
}

impl There<'_> {
    /// Whether the server has exactly this.
    fn is_same(&self, proposal: &Proposal, fresh: &Fresh, draft: &Draft) -> Result<bool> {
        let Some(sent) = &proposal.sent else {
            return Ok(false);
        };
        let Some(commit) = sent.commit else {
            return Ok(false);
        };
        let there = self.definitions.branch_commit(&sent.branch)?;
        let reference = self.forge.delivery(draft).target;
        let arrived = there == Some(commit) || !reference.starts_with("refs/heads/");
        let typed = sent.typed.as_ref();
        let words = sent.description == draft.description
            && typed.is_some_and(|it| it.title == draft.title && it.draft == draft.draft);
        let by_hand =
            || self.forge.kind() == ForgeKind::Plain || self.forge.by_hand(draft).is_some();
        let asked = self.request.is_some() || (self.forge.requests().is_none() && by_hand());
        let folder = proposal.folder();
        Ok(arrived
            && words
            && asked
            && sent.target == draft.target
            && self
                .definitions
                .same_folder(commit, fresh.merged, &folder)?)
    }
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
