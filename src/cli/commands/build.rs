//! `devenv build`

use std::path::PathBuf;

use clap::Args;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Kind, PathContext, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::container::Kind as ContainerKind;
use crate::model::name::ContainerName;
use crate::proposals::Proposal;

/// Build a container from your proposal, as production would
///
/// It uses the same files, build arguments and verified bases as production. The image is called
/// `localhost/devenv-local/NAME`; it is neither signed nor pushed. Nothing is built again while the
/// inputs stay the same.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container
    #[arg(add = complete::names())]
    name: ContainerName,
    /// Use this file instead of the released artifact of the same name, from now on (repeatable)
    #[arg(long, value_name = "FILE")]
    artifact: Vec<PathBuf>,
    /// Build without the engine's layer cache
    #[arg(long)]
    no_cache: bool,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let mut proposal = Proposal::of(session, &open, &arguments.name)?;
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
    let (engine, _) = session.engine()?;
    let local = proposal
        .build(session, &open, &engine, arguments.no_cache)
        .await?;
    if !given.is_empty() {
        Proposal::change(session, &open, &arguments.name, |it| it.artifacts = given)?;
    }
    let tag = local.repository.tagged(&local.built.inputs.short());
    ui.json(&serde_json::json!({
        "container": arguments.name, "image": tag, "id": local.built.image,
        "unchanged": local.unchanged, "source": "local",
    }));
    ui.data(&tag);
    ui.note(&if local.unchanged {
        "nothing to build: its inputs are unchanged".to_owned()
    } else {
        next(open.kind(&arguments.name), &arguments.name)
    });
    Ok(Exit::Done)
}

/// What to do with what was built.
fn next(kind: Option<ContainerKind>, name: &ContainerName) -> String {
    match kind {
        Some(ContainerKind::Base) => {
            format!("next: `devenv propose {name}`; then build the containers that use it")
        }
        _ => format!("next: `devenv up {name} --local` runs it"),
    }
}
