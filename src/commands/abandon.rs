//! `devenv abandon`

use clap::Args;

use crate::complete;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::model::name::ContainerName;
use crate::proposals::Proposal;
use crate::state::{self, InstanceRecord};

/// Drop a proposal, with its work tree and local images (asks first)
#[derive(Debug, Args)]
pub struct Arguments {
    /// The container
    #[arg(add = complete::names())]
    name: ContainerName,
}

/// Asks and removes.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let open = context.open()?;
    let name = &arguments.name;
    let proposal = Proposal::of(context, &open, name)?;
    for instance in state::instances(&context.paths, &open.name)? {
        let record = InstanceRecord::load(&context.paths, &open.name, &instance)?;
        if record.is_some_and(|record| record.local.contains(name)) {
            return Err(Error::usage(format!(
                "the instance `{instance}` runs {name} from this proposal"
            ))
            .hint(format!(
                "`devenv up {name} --release --instance {instance}` goes back to what production released"
            )));
        }
    }
    let definitions = context.definitions(&open.name)?;
    let now = proposal.snapshot(context, &open, &definitions)?;
    for change in definitions.changed_files(proposal.base, now)? {
        context.ui.note(&format!("would be lost: {}", change.path));
    }
    let question = format!("drop the proposal about {name}, with its work tree?");
    if !context.ui.confirm(&question, "--yes")? {
        return Err(Error::usage("nothing was dropped"));
    }
    proposal.remove(context, &open)?;
    let built = [
        (name, proposal.built),
        (&open.platform.proxy, proposal.proxy),
    ];
    let (engine, _) = context.engine()?;
    for (name, built) in built {
        if let Some(built) = built {
            let tag = format!("localhost/devenv-local/{name}:{}", built.inputs.short());
            // In use elsewhere, or gone: neither is of harm.
            let _ = engine.remove_image(&tag).await;
        }
    }
    context
        .ui
        .json(&serde_json::json!({ "container": name, "dropped": true }));
    context
        .ui
        .data(&format!("dropped the proposal about {name}"));
    Ok(Exit::Done)
}
