//! `up --watch`: what runs from proposals is built and replaced whenever its files change.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::context::{Context, OpenPlatform};
use crate::engine::Engine;
use crate::error::{Error, Kind, Result};
use crate::exit::Exit;
use crate::instance::{self, Outcome};
use crate::model::name::ContainerName;
use crate::prepare::Wish;
use crate::proposals::{Change, Proposal, Sources, Watching};
use crate::state::InstanceRecord;

/// Between two looks at which files count.
const BETWEEN: Duration = Duration::from_secs(1);
/// Paths of a change that are told.
const TOLD: usize = 5;

/// Runs until it is interrupted. What cannot be built or does not become healthy is told, and the
/// next change tries again; what ran before a failed build runs on.
pub(super) async fn run(context: &Context, open: &OpenPlatform, mut wish: Wish) -> Result<Exit> {
    let local = locals(context, open, &wish)?;
    if local.is_empty() {
        return Err(Error::usage("nothing here runs from a proposal")
            .hint("`devenv up NAME --local --watch` does"));
    }
    // Before the first build: what is saved meanwhile counts.
    let mut watching = Watching::begin(sources(context, open, &local)?);
    match super::finish(context, open, &wish).await {
        Ok(_) => settle(&mut wish),
        Err(error) if endures(context, &error).await => context.ui.error(&error),
        Err(error) => return Err(error),
    }
    loop {
        let local = locals(context, open, &wish)?;
        let watched = sources(context, open, &local)?;
        watching.follow(watched.clone());
        tell_watching(context, &local);
        let change = tokio::select! {
            change = watching.changed() => change,
            added = others(context, open, &wish, &watched) => added?,
        };
        tell(context, open, &change);
        if !change.missing.is_empty() {
            continue;
        }
        match round(context, open, &wish, &local).await {
            Ok(()) => settle(&mut wish),
            Err(error) => context.ui.error(&error),
        }
    }
}

/// From here on only what changed is replaced: not by a newer reference either.
fn settle(wish: &mut Wish) {
    wish.keep = true;
    (wish.environment, wish.reference, wish.as_of) = (None, None, None);
}

/// Whether the next save may mend it: the definition, the build, the program in the image.
async fn endures(context: &Context, error: &Error) -> bool {
    match error.kind() {
        Kind::Definitions | Kind::NotHealthy => true,
        Kind::Engine => match context.engine() {
            Ok((engine, _)) => engine.architecture().await.is_ok(),
            Err(_) => false,
        },
        _ => false,
    }
}

/// What runs from proposals, or is about to.
fn locals(context: &Context, open: &OpenPlatform, wish: &Wish) -> Result<BTreeSet<ContainerName>> {
    let record = InstanceRecord::load(&context.paths, &open.name, &context.instance)?;
    let mut local = record.map(|record| record.local).unwrap_or_default();
    local.extend(wish.local.iter().cloned());
    Ok(local)
}

/// Waits until other files count: `devenv build NAME --artifact FILE` beside this command.
async fn others(
    context: &Context,
    open: &OpenPlatform,
    wish: &Wish,
    watched: &Sources,
) -> Result<Change> {
    loop {
        tokio::time::sleep(BETWEEN).await;
        let now = sources(context, open, &locals(context, open, wish)?)?;
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
    context: &Context,
    open: &OpenPlatform,
    local: &BTreeSet<ContainerName>,
) -> Result<Sources> {
    let mut sources = Sources::default();
    for name in local {
        if let Some(proposal) = Proposal::find(context, open, name)? {
            sources
                .trees
                .insert(context.paths.worktree(&open.name, name));
            sources.artifacts.extend(proposal.artifacts);
        }
    }
    Ok(sources)
}

/// Builds, replaces and waits once.
async fn round(
    context: &Context,
    open: &OpenPlatform,
    wish: &Wish,
    local: &BTreeSet<ContainerName>,
) -> Result<()> {
    let begun = Instant::now();
    let before = images(context, open, local)?;
    let outcome = instance::bring(context, open, wish).await?;
    let now = images(context, open, local)?;
    let (engine, _) = context.engine()?;
    for old in before.difference(&now) {
        // Another instance may run it still.
        let _ = engine.remove_image(old).await;
    }
    let milliseconds = u64::try_from(begun.elapsed().as_millis()).unwrap_or(u64::MAX);
    if outcome.planned.plan.is_empty() {
        context.ui.note("nothing that runs has changed");
    } else {
        show(context, &outcome, milliseconds);
    }
    context.ui.json(&json!({
        "event": "replaced", "containers": replaced(&outcome), "milliseconds": milliseconds,
    }));
    if context.ui.is_json() {
        super::show_json(context, open).await?;
    }
    Ok(())
}

/// The tags of what was built of proposals last.
fn images(
    context: &Context,
    open: &OpenPlatform,
    local: &BTreeSet<ContainerName>,
) -> Result<BTreeSet<String>> {
    let mut tags = BTreeSet::new();
    for name in local {
        if let Some(proposal) = Proposal::find(context, open, name)? {
            tags.extend(proposal.tags(&open.platform.proxy));
        }
    }
    Ok(tags)
}

fn replaced(outcome: &Outcome) -> BTreeSet<String> {
    let nodes = outcome.planned.plan.nodes.iter();
    let containers = nodes.filter_map(|node| node.step.container());
    containers.map(ToString::to_string).collect()
}

fn show(context: &Context, outcome: &Outcome, milliseconds: u64) {
    let style = context.ui.style();
    let tenths = milliseconds / 100;
    for name in replaced(outcome) {
        let image = outcome.images.get(name.as_str()).map(|it| &it.image);
        let version = image.map_or("", |it| it.version.as_str());
        let state = outcome.ready.get(name.as_str());
        let state = state.map_or("replaced", |ready| ready.as_str());
        context.ui.data(&format!(
            "{name} {} is {} after {}.{} s",
            style.yellow(version),
            style.green(state),
            tenths / 10,
            tenths % 10
        ));
    }
}

fn tell_watching(context: &Context, local: &BTreeSet<ContainerName>) {
    let names: Vec<&str> = local.iter().map(ContainerName::as_str).collect();
    let names = names.join(" ");
    context.ui.note(&format!(
        "watching the proposals of: {names} (Ctrl-C ends it)"
    ));
    context
        .ui
        .json(&json!({ "event": "watching", "containers": local }));
}

fn tell(context: &Context, open: &OpenPlatform, change: &Change) {
    let trees = context.paths.worktrees(&open.name);
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
    context.ui.note(&format!("changed: {}", paths.join(", ")));
    for missing in &change.missing {
        let text = format!("{} is gone: waiting until it is there", missing.display());
        context.ui.note(&text);
    }
    context.ui.json(&json!({
        "event": "changed", "paths": change.paths, "missing": change.missing,
    }));
}
