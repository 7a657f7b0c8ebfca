//! From a work tree to a request: validated, merged with the newest base in memory, compared with
//! what was sent before, then delivered.

use serde::Serialize;

use super::Proposal;
use super::branch::branch;
use super::deliver::{Delivered, Parcel};
use super::description::{Tried, description};
use super::effect::Effect;
use super::reach::reach;
use super::sent::{Sent, Typed};
use crate::definitions::{CommitId, Definitions, FileChange, History, Upon};
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::model::forge::ForgeKind;
use crate::model::lfs;
use crate::model::name::ContainerName;
use crate::model::visible::visible;
use crate::proposals::forge::{Draft, Forge, Request, State};

/// What is asked for.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The words.
    pub typed: Typed,
    /// The result of a replay, in short.
    pub evidence: Option<String>,
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
    session: &Session,
    open: &OpenPlatform,
    name: &ContainerName,
    asked: &Asked,
    show: impl Fn(&Outcome),
) -> Result<Outcome> {
    let mut proposal = Proposal::of(session, open, name)?;
    if !asked.dry_run {
        proposal.keep_typed(session, open, Some(asked.typed.clone()))?;
        if let Some(file) = &asked.file {
            // They are kept better now.
            let _ = std::fs::remove_file(file);
        }
    }
    let mut definitions = session.definitions(&open.name)?;
    let fresh = newest(session, open, &proposal, &mut definitions).await?;
    let forge = reach(session, open, &definitions, asked.forge).await?;
    let tried = tried(session, open, &definitions, &proposal)?;
    let draft = draft(session, &definitions, &proposal, asked, (&fresh, tried))?;
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
            proposal.keep_typed(session, open, None)?;
        }
        return Ok(outcome);
    }
    show(&outcome);
    if asked.dry_run {
        return Ok(outcome);
    }
    let parcel = Parcel {
        session,
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
    session: &Session,
    open: &OpenPlatform,
    proposal: &Proposal,
    definitions: &mut Definitions,
) -> Result<Fresh> {
    let snapshot = proposal.snapshot(session, open, definitions)?;
    proposal.refuse_outside(session, open, definitions, snapshot)?;
    proposal.check(definitions, snapshot)?;
    if session.offline {
        return Err(
            Error::git("a proposal is sent over the network, and `--offline` forbids it")
                .hint("what you typed is kept: the same command sends it later"),
        );
    }
    let work = session.reporter.work("definitions");
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
    session: &Session,
    open: &OpenPlatform,
    definitions: &Definitions,
    proposal: &'a Proposal,
) -> Result<Option<Tried<'a>>> {
    let Some(ran) = &proposal.ran else {
        return Ok(None);
    };
    let now = proposal.snapshot(session, open, definitions)?;
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
    session: &Session,
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
            (tried, asked.evidence.as_deref()),
        ),
        source: match &proposal.sent {
            Some(sent) => sent.branch.clone(),
            None => branch(session, definitions, proposal)?,
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
        Error::git(format!("the server has no branch `{}`", visible(&target)))
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
    refuse_content_over_pointers(definitions, newest, merged, &files)?;
    Ok(Fresh {
        target,
        newest,
        merged,
        files,
        effect: Effect::between(definitions, newest, merged, name)?,
    })
}

/// With git-LFS set up, a work tree holds real content where git has a pointer. The content itself
/// would become part of the history of everybody.
fn refuse_content_over_pointers(
    definitions: &Definitions,
    base: CommitId,
    merged: CommitId,
    files: &[FileChange],
) -> Result<()> {
    // Whoever changes which files git-LFS keeps, means it.
    if files
        .iter()
        .any(|file| file.path.ends_with(".gitattributes"))
    {
        return Ok(());
    }
    for FileChange { path, .. } in files {
        let is_pointer = |bytes: Vec<u8>| lfs::is_pointer(&bytes);
        let before = definitions.read(base, path)?.is_some_and(is_pointer);
        let after = definitions.read(merged, path)?.is_none_or(is_pointer);
        if before && !after {
            let text = format!(
                "{path} is kept by git-LFS, and its content would be proposed in place of the pointer"
            );
            return Err(Error::definitions(text)
                .hint("put the pointer back: `GIT_LFS_SKIP_SMUDGE=1 git checkout -- FILE` in the work tree")
                .hint("new content goes there by `git lfs push` and a commit with its pointer"));
        }
    }
    Ok(())
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
