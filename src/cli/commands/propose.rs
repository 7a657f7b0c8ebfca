//! `devenv propose`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::definitions::Changed;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::{OpenPlatform, Session};
use crate::instance::replay::evidence as evidence_of;
use crate::model::forge::ForgeKind;
use crate::model::name::ContainerName;
use crate::proposals::{Asked, Outcome, Proposal, Typed, Word, propose};

/// Send your change as a branch and a merge request
///
/// Your change is put on top of the newest definitions, checked with them, and sent as one commit
/// with only that container's files, signed if git is configured to sign. The same command again
/// updates the request. Your text is kept until it was sent.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container
    #[arg(add = complete::names())]
    name: ContainerName,
    /// Title of the merge request; without it, the last one that you typed
    #[arg(long, short = 'm', value_name = "TITLE")]
    message: Option<String>,
    /// Reason for the change; a description of what changes is added
    #[arg(long, value_name = "TEXT")]
    description: Option<String>,
    /// Result of a replay (`devenv replay --json`); in short it is added to the description
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    evidence: Option<PathBuf>,
    /// Mark the request as a draft
    #[arg(long)]
    draft: bool,
    /// Only show what would be sent, and where
    #[arg(long)]
    dry_run: bool,
    /// Kind of the git server: gitlab, gitea, forgejo, github, plain
    #[arg(long, value_name = "KIND")]
    forge: Option<ForgeKind>,
}

/// The longest title, in characters, that all forges take.
const LONGEST_TITLE: usize = 255;
/// What forges put before a draft's title, in characters, at most: `Draft: `.
const DRAFT_MARK: usize = 7;

pub async fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let name = &arguments.name;
    let proposal = Proposal::of(session, &open, name)?;
    let (typed, file) = typed(ui, session, &open, arguments, &proposal)?;
    let evidence = arguments.evidence.as_deref();
    let evidence = evidence.map(|it| evidence_of(it, &open)).transpose()?;
    let asked = Asked {
        evidence: evidence.map(|it| it.to_string()),
        typed,
        file,
        forge: arguments.forge,
        dry_run: arguments.dry_run,
    };
    let outcome = propose(session, &open, name, &asked, |outcome| {
        announce(ui, outcome);
    })
    .await?;
    ui.json(&outcome);
    ui.data(&result(&outcome));
    for path in &outcome.written {
        ui.data(&path.display().to_string());
    }
    Ok(Exit::Done)
}

/// The words: from the command line, else those of last time, else from the editor; and the file
/// that the editor wrote them to. One that is there was not sent yet: it is newer than all else.
fn typed(
    ui: &Ui,
    session: &Session,
    open: &OpenPlatform,
    arguments: &Arguments,
    proposal: &Proposal,
) -> Result<(Typed, Option<PathBuf>)> {
    let file = session
        .home
        .paths
        .proposal_words(&open.name, &arguments.name);
    let mut typed = Typed {
        title: String::new(),
        description: String::new(),
        draft: arguments.draft,
    };
    let sent = proposal.sent.as_ref().and_then(|it| it.typed.clone());
    if let Some(kept) = proposal.typed.clone().or(sent) {
        (typed.title, typed.description) = (kept.title, kept.description);
    }
    let editor = super::edit::editor(session).filter(|_| ui.is_interactive());
    let mut used = None;
    match (&arguments.message, editor) {
        (Some(title), _) => {
            if file.exists() {
                typed = super::edit::written(&file, &typed)?;
                used = Some(file);
            }
            typed.title.clone_from(title);
        }
        (None, Some(editor)) if file.exists() || typed.title.is_empty() => {
            typed = super::edit::words(editor, &file, &typed)?;
            used = Some(file);
        }
        (None, _) => {}
    }
    if let Some(description) = &arguments.description {
        typed.description.clone_from(description);
    }
    typed.title = typed.title.trim().to_owned();
    fits(&typed.title, typed.draft).map_err(|error| match &used {
        Some(file) => error.hint(format!("your text is kept in {}", file.display())),
        None => error,
    })?;
    Ok((typed, used))
}

/// What all forges take as a title.
fn fits(title: &str, draft: bool) -> Result<()> {
    let longest = LONGEST_TITLE - if draft { DRAFT_MARK } else { 0 };
    let plain = !title.chars().any(char::is_control);
    let length = title.chars().count();
    if length == 0 {
        return Err(Error::usage("a proposal needs a title").hint("`-m TITLE` gives it"));
    }
    if length > longest || !plain {
        return Err(Error::usage(format!(
            "a title is one line of at most {longest} characters"
        ))
        .hint("`--description` takes the rest"));
    }
    Ok(())
}

/// What will be sent, and where.
fn announce(ui: &Ui, outcome: &Outcome) {
    ui.note(&format!(
        "{} → {} ({}), as {}",
        outcome.container, outcome.target, outcome.forge, outcome.branch
    ));
    ui.note(&format!(
        "  {}{}",
        if outcome.draft { "Draft: " } else { "" },
        outcome.title
    ));
    for file in &outcome.files {
        let sign = match file.change {
            Changed::Added => "+",
            Changed::Removed => "-",
            Changed::Modified => "~",
        };
        ui.note(&format!("  {sign} {}", file.path));
    }
    for difference in &outcome.effect.run {
        ui.note(&format!("  run: {difference}"));
    }
    for risk in &outcome.effect.risks {
        ui.note(&format!("  look twice: {risk}"));
    }
}

fn result(outcome: &Outcome) -> String {
    let what = outcome.forge.request();
    let url = outcome.request.as_ref().map(|it| it.url.as_str());
    let place = url.map_or_else(|| format!("branch {}", outcome.branch), ToOwned::to_owned);
    match outcome.outcome {
        Word::WouldCreate if outcome.forge == ForgeKind::Plain => format!(
            "would push the branch {} and write the request's text",
            outcome.branch
        ),
        Word::WouldCreate => format!("would make a {what} for {}", outcome.target),
        Word::WouldUpdate => format!("would update {place}"),
        Word::Created => format!("proposed: {place}"),
        Word::Updated => format!("updated: {place}"),
        Word::Unchanged => format!("unchanged: {place}"),
    }
}
