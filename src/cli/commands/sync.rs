//! `devenv sync`

use std::collections::BTreeMap;

use clap::Args;

use crate::cli::ui::Ui;
use crate::definitions::{Changed, CommitId, Definitions, Fetched, FileChange, History};
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::name::PlatformName;
use crate::model::platform::Platform;
use crate::proposals::changes::{Changes, ContainerChange, Snapshot};
use crate::proposals::{Merged, merged};

/// Commits that are shown.
const SHOWN: usize = 10;

/// Commits that `--json` gives at most.
const MOST: usize = 500;

/// Fetch the platform's definitions and show what changed
///
/// Running containers stay as they are: production's signed references decide what `devenv up` runs,
/// not the newest commit.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Accept a history that was rewritten on the server (a force push)
    #[arg(long)]
    accept_rewritten: bool,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let name = session.home.platform_name()?;
    if session.offline {
        return Err(Error::usage(
            "`sync` needs the network, and `--offline` forbids it",
        ));
    }
    // Not `Session::open`: definitions that cannot be read must not be in the way of newer ones.
    let mut definitions = session.definitions(&name)?;
    let history = if arguments.accept_rewritten {
        History::Rewritten
    } else {
        History::Forward
    };
    let work = ui.work("definitions");
    let fetched = definitions.fetch(history, work.clone()).await?;
    work.finish("fetched");
    let changes = changes(&definitions, fetched)?;
    show(ui, &name, fetched, &changes);
    // Definitions that cannot be read hide no proposals: those wait until they can.
    let merged = match session.open_named(&name) {
        Ok(open) => merged(session, &open, &definitions).await?,
        Err(_) => Vec::new(),
    };
    ui.json(&serde_json::json!({
        "platform": name, "before": fetched.before.to_string(), "after": fetched.after.to_string(),
        "changes": changes, "merged": merged,
    }));
    for proposal in &merged {
        tell(ui, proposal);
    }
    warn(ui, &definitions, fetched.after, &name, &changes);
    Ok(Exit::Done)
}

/// Says what became of a merged proposal.
fn tell(ui: &Ui, merged: &Merged) {
    let name = &merged.container;
    let url = merged.url.as_deref().unwrap_or("in the definitions now");
    ui.data(&format!("merged     your proposal for {name}: {url}"));
    for instance in &merged.instances {
        ui.note(&format!(
            "the instance `{instance}` still runs it LOCAL; when production has released it, run \
             `devenv up {name} --release --instance {instance}`, then `devenv sync` again"
        ));
    }
    if merged.more {
        ui.note(&format!(
            "the work tree of {name} has changes that were not merged: it is kept"
        ));
    }
    if merged.removed {
        ui.data("           its work tree and local image were removed");
    }
}

fn changes(definitions: &Definitions, fetched: Fetched) -> Result<Changes> {
    let Fetched { before, after } = fetched;
    let commits = definitions.log_between(before, after, MOST)?;
    let files = definitions.changed_files(before, after)?;
    Ok(Changes::between(
        &snapshot(definitions, before),
        &snapshot(definitions, after),
        &commits,
        files,
    ))
}

/// What cannot be read counts as nothing: [`warn`] says so.
fn snapshot(definitions: &Definitions, commit: CommitId) -> Snapshot {
    Snapshot {
        containers: definitions.containers(commit).unwrap_or_default(),
        versions: platform(definitions, commit).map_or_else(BTreeMap::new, |it| it.containers),
    }
}

fn platform(definitions: &Definitions, commit: CommitId) -> Option<Platform> {
    let text = definitions.read(commit, "platform.yaml").ok()??;
    Platform::parse("platform.yaml", &text).ok()
}

/// Says what the user must know of the new commit.
fn warn(
    ui: &Ui,
    definitions: &Definitions,
    commit: CommitId,
    name: &PlatformName,
    changes: &Changes,
) {
    match definitions.catalogue(commit) {
        Err(error) => ui.warn(&format!(
            "the definitions at {} are not valid: {}",
            commit.short(),
            error.chain().join(": ")
        )),
        Ok(catalogue) if catalogue.platform.platform != *name => ui.warn(&format!(
            "the definitions of `{name}` now have the platform name `{}`: devenv does not use them",
            catalogue.platform.platform
        )),
        Ok(_) => {}
    }
    if changes.files.iter().any(|file| file.path == "trust.yaml") {
        ui.note("trust.yaml changed in the definitions; this machine keeps its pinned keys (`devenv trust update`)");
    }
}

fn show(ui: &Ui, name: &PlatformName, fetched: Fetched, changes: &Changes) {
    let style = ui.style();
    if fetched.before == fetched.after {
        ui.data(&format!(
            "{name} is up to date at {}",
            fetched.after.short()
        ));
        return;
    }
    ui.data(&format!(
        "{}: {} → {}",
        style.bold(name),
        fetched.before.short(),
        fetched.after.short()
    ));
    for commit in changes.commits.iter().take(SHOWN) {
        let author = commit.author.split(" <").next().unwrap_or_default();
        ui.data(&format!(
            "  {}  {author}: {}",
            commit.time.strftime("%Y-%m-%d"),
            commit.subject
        ));
    }
    if changes.commits.len() > SHOWN {
        let more = changes.commits.len() - SHOWN;
        ui.data(&format!("  … and {more} more"));
    }
    for change in &changes.containers {
        ui.data(&container(change));
    }
    for change in &changes.versions {
        ui.data(&format!("released   {change}"));
    }
    if !changes.files.is_empty() {
        ui.data(&format!("other      {}", files(&changes.files)));
    }
}

fn container(change: &ContainerChange) -> String {
    match change.change {
        Changed::Added => format!("new        {}", change.name),
        Changed::Removed => format!("gone       {}", change.name),
        Changed::Modified => format!("changed    {}: {}", change.name, files(&change.files)),
    }
}

/// The first few paths.
fn files(files: &[FileChange]) -> String {
    const FIRST: usize = 4;
    let mut text: Vec<String> = files
        .iter()
        .take(FIRST)
        .map(|file| match file.change {
            Changed::Added => format!("+{}", file.path),
            Changed::Removed => format!("-{}", file.path),
            Changed::Modified => file.path.clone(),
        })
        .collect();
    if files.len() > FIRST {
        text.push(format!("… and {} more", files.len() - FIRST));
    }
    text.join(", ")
}
