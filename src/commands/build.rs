//! `devenv build`

use std::path::PathBuf;

use clap::Args;

use crate::complete;
use crate::context::Context;
use crate::error::{Kind, PathContext, Result};
use crate::exit::Exit;
use crate::model::container::Kind as ContainerKind;
use crate::model::name::ContainerName;
use crate::proposals::Proposal;

/// Build a container from your proposal, as production would
///
/// The same files, arguments and verified bases, as `localhost/devenv-local/NAME`: for this machine,
/// signed by nobody and pushed nowhere. What was built before from the same inputs is not built again.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The container
    #[arg(add = complete::names())]
    name: ContainerName,
    /// Use this file instead of the released artifact of its name, now and later (repeatable)
    #[arg(long, value_name = "FILE")]
    artifact: Vec<PathBuf>,
    /// Build without the engine's layer cache
    #[arg(long)]
    no_cache: bool,
}

/// Builds.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let open = context.open()?;
    let mut proposal = Proposal::of(context, &open, &arguments.name)?;
    // Not resolved: what a link names may be another file after the next build of it.
    let whole = |path: &PathBuf| {
        std::fs::metadata(path)
            .and_then(|_| std::path::absolute(path))
            .at(Kind::Usage, "read", path)
    };
    let given: Vec<PathBuf> = arguments
        .artifact
        .iter()
        .map(whole)
        .collect::<Result<_>>()?;
    if !given.is_empty() {
        proposal.artifacts.clone_from(&given);
    }
    let (engine, _) = context.engine()?;
    let local = proposal
        .build(context, &open, &engine, arguments.no_cache)
        .await?;
    if !given.is_empty() {
        Proposal::change(context, &open, &arguments.name, |it| it.artifacts = given)?;
    }
    let tag = local.repository.tagged(&local.built.inputs.short());
    context.ui.json(&serde_json::json!({
        "container": arguments.name, "image": tag, "id": local.built.image,
        "unchanged": local.unchanged, "source": "local",
    }));
    context.ui.data(&tag);
    context.ui.note(&if local.unchanged {
        "nothing that goes into it has changed".to_owned()
    } else {
        next(open.kind(&arguments.name), &arguments.name)
    });
    Ok(Exit::Done)
}

/// What to do with what was built.
fn next(kind: Option<ContainerKind>, name: &ContainerName) -> String {
    match kind {
        Some(ContainerKind::Base) => {
            format!("next: `devenv propose {name}`; what is built upon it comes after")
        }
        _ => format!("next: `devenv up {name} --local` runs it"),
    }
}
