//! `up --watch`: what runs from proposals is built and replaced whenever its files change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use super::finish::{finish, show_json};
use crate::cli::ui::Ui;
use crate::engine::Engine;
use crate::error::{Error, Exit, Kind, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::instance::intent::{Intent, Manner, RunFrom};
use crate::instance::{Brought, Instance};
use crate::model::name::ContainerName;
use crate::proposals::{Change, Proposal, RunImage, Sources, Watching};

/// Between two looks at which files count.
const BETWEEN: Duration = Duration::from_secs(1);
/// Paths of a change that are told.
const TOLD: usize = 5;

/// Runs until it is interrupted. What cannot be built or does not become healthy is told, and the
/// next change tries again; what ran before a failed build runs on.
pub(super) async fn run(
    ui: &Ui,
    session: &Session,
    open: &OpenPlatform,
    mut intent: Intent,
    manner: Manner,
) -> Result<Exit> {
    let local = locals(session, open, &intent)?;
    if local.is_empty() {
        return Err(
            Error::usage("no container of this instance runs from a proposal")
                .hint("`devenv up NAME --local --watch` runs one and watches it"),
        );
    }
    // Before the first build: what is saved meanwhile counts.
    let mut watching = Watching::begin(sources(session, open, &local)?);
    match finish(ui, session, open, &intent, manner).await {
        Ok(_) => intent = Intent::Refresh,
        Err(error) if endures(session, &error).await => ui.error(&error),
        Err(error) => return Err(error),
    }
    loop {
        let local = locals(session, open, &intent)?;
        let watched = sources(session, open, &local)?;
        watching.follow(watched.clone());
        tell_watching(ui, &local);
        let change = tokio::select! {
            change = watching.changed() => change,
            added = others(session, open, &intent, &watched) => added?,
        };
        tell(ui, session, open, &change);
        if !change.missing.is_empty() {
            continue;
        }
        match round(ui, session, open, (&intent, manner), &local).await {
            Ok(()) => intent = Intent::Refresh,
            Err(error) => ui.error(&error),
        }
    }
}

/// Whether the next save may mend it: the definition, the build, the program in the image.
async fn endures(session: &Session, error: &Error) -> bool {
    match error.kind() {
        Kind::Definitions | Kind::NotHealthy => true,
        Kind::Engine => match session.engine() {
            Ok((engine, _)) => engine.architecture().await.is_ok(),
            Err(_) => false,
        },
        _ => false,
    }
}

/// What runs from proposals, or is about to.
fn locals(
    session: &Session,
    open: &OpenPlatform,
    intent: &Intent,
) -> Result<BTreeSet<ContainerName>> {
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let mut local = record.map(|record| record.local).unwrap_or_default();
    if let Intent::Add(addition) = intent {
        let sources = addition.sources.iter();
        let proposed = sources.filter(|(_, from)| **from == RunFrom::Proposal);
        local.extend(proposed.map(|(name, _)| name.clone()));
    }
    Ok(local)
}

/// Waits until other files count: `devenv build NAME --artifact FILE` beside this command.
async fn others(
    session: &Session,
    open: &OpenPlatform,
    intent: &Intent,
    watched: &Sources,
) -> Result<Change> {
    loop {
        tokio::time::sleep(BETWEEN).await;
        let now = sources(session, open, &locals(session, open, intent)?)?;
        if now != *watched {
            let trees = now.trees.difference(&watched.trees);
            let added = now.artifacts.difference(&watched.artifacts).chain(trees);
            return Ok(Change {
                paths: added.cloned().collect(),
                missing: Vec::new(),
            });
        }
    }
}

fn sources(
    session: &Session,
    open: &OpenPlatform,
    local: &BTreeSet<ContainerName>,
) -> Result<Sources> {
    let mut sources = Sources::default();
    for name in local {
        if let Some(proposal) = Proposal::find(session, open, name)? {
            sources
                .trees
                .insert(session.home.paths.worktree(&open.name, name));
            sources.artifacts.extend(proposal.artifacts);
        }
    }
    Ok(sources)
}

/// Builds, replaces and waits once.
async fn round(
    ui: &Ui,
    session: &Session,
    open: &OpenPlatform,
    (intent, manner): (&Intent, Manner),
    local: &BTreeSet<ContainerName>,
) -> Result<()> {
    let begun = Instant::now();
    let before = images(session, open, local)?;
    let brought = Instance::new(session, open)?.up(intent, manner).await?;
    let now = images(session, open, local)?;
    let (engine, _) = session.engine()?;
    for old in before.difference(&now) {
        // Another instance may run it still.
        let _ = engine.remove_image(old).await;
    }
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if brought.planned.plan.is_empty() {
        ui.note("no running container has changed");
    } else {
        show(ui, &brought, milliseconds);
    }
    ui.json(&json!({
        "event": "replaced", "containers": replaced(&brought), "milliseconds": milliseconds,
    }));
    if ui.is_json() {
        show_json(ui, session, open).await?;
    }
    Ok(())
}

/// The tags of what was built of proposals last.
fn images(
    session: &Session,
    open: &OpenPlatform,
    local: &BTreeSet<ContainerName>,
) -> Result<BTreeSet<String>> {
    let mut tags = BTreeSet::new();
    for name in local {
        if let Some(proposal) = Proposal::find(session, open, name)? {
            tags.extend(proposal.tags(&open.platform.proxy));
        }
    }
    Ok(tags)
}

fn replaced(brought: &Brought) -> BTreeSet<String> {
    let containers = brought.planned.plan.containers();
    containers.map(ToString::to_string).collect()
}

fn show(ui: &Ui, brought: &Brought, milliseconds: u64) {
    let style = ui.style();
    let tenths = milliseconds / 100;
    for name in replaced(brought) {
        let image = brought.images.get(name.as_str()).map(RunImage::image);
        let version = image.map_or("", |it| it.version.as_str());
        let state = brought.ready.get(name.as_str());
        let state = state.map_or("replaced", |ready| ready.as_str());
        ui.data(&format!(
            "{name} {} is {} after {}.{} s",
            style.yellow(version),
            style.green(state),
            tenths / 10,
            tenths % 10
        ));
    }
}

fn tell_watching(ui: &Ui, local: &BTreeSet<ContainerName>) {
    let names: Vec<&str> = local.iter().map(ContainerName::as_str).collect();
    let names = names.join(" ");
    ui.note(&format!(
        "watching the proposals for {names} (Ctrl-C stops)"
    ));
    ui.json(&json!({ "event": "watching", "containers": local }));
}

fn tell(ui: &Ui, session: &Session, open: &OpenPlatform, change: &Change) {
    let trees = session.home.paths.worktrees(&open.name);
    let short = |path: &PathBuf| {
        let below: &Path = path.strip_prefix(&trees).unwrap_or(path);
        let inside: PathBuf = below.components().skip(1).collect();
        let shown = if below == path { below } else { &inside };
        shown.display().to_string()
    };
    let mut paths: Vec<String> = change.paths.iter().take(TOLD).map(short).collect();
    if let Some(more) = change.paths.len().checked_sub(TOLD + 1) {
        paths.push(format!("and {} more", more + 1));
    }
    ui.note(&format!("changed: {}", paths.join(", ")));
    for missing in &change.missing {
        let text = format!(
            "{} was removed: waiting until it exists again",
            missing.display()
        );
        ui.note(&text);
    }
    ui.json(&json!({
        "event": "changed", "paths": change.paths, "missing": change.missing,
    }));
}
