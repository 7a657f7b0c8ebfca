//! `devenv abandon`

use clap::Args;

use crate::complete;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::model::name::ContainerName;
use crate::proposals::{Proposal, Withdrawn, remove_images, running, withdraw};

/// Drop a proposal: request, branch, work tree and local images (asks first)
#[derive(Debug, Args)]
pub struct Arguments {
    /// The container
    #[arg(add = complete::names())]
    name: ContainerName,
    /// Leave the request and its branch on the server
    #[arg(long)]
    keep_request: bool,
}

/// Asks and removes.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let open = context.open()?;
    let name = &arguments.name;
    let proposal = Proposal::of(context, &open, name)?;
    if let Some(instance) = running(context, &open, name)?.first() {
        return Err(Error::usage(format!(
            "the instance `{instance}` runs {name} from this proposal"
        ))
        .hint(format!(
            "`devenv up {name} --release --instance {instance}` goes back to what production released, `devenv down {name} --instance {instance}` ends it"
        )));
    }
    let definitions = context.definitions(&open.name)?;
    let now = proposal.snapshot(context, &open, &definitions)?;
    for change in definitions.changed_files(proposal.base, now)? {
        context.ui.note(&format!("would be lost: {}", change.path));
    }
    let sent = proposal.sent.as_ref().filter(|_| !arguments.keep_request);
    let question = match sent {
        Some(sent) => format!(
            "drop the proposal about {name}, with its work tree, and {} on the server?",
            sent.branch
        ),
        None => format!("drop the proposal about {name}, with its work tree?"),
    };
    if !context.ui.confirm(&question, "--yes")? {
        return Err(Error::usage("nothing was dropped"));
    }
    let withdrawn = if arguments.keep_request {
        Withdrawn::default()
    } else {
        withdraw(context, &open, &proposal).await?
    };
    proposal.remove(context, &open)?;
    remove_images(context, &open, &proposal).await;
    context.ui.json(&serde_json::json!({
        "container": name, "dropped": true, "withdrawn": withdrawn,
    }));
    context
        .ui
        .data(&format!("dropped the proposal about {name}"));
    tell(context, &withdrawn);
    Ok(Exit::Done)
}

fn tell(context: &Context, withdrawn: &Withdrawn) {
    if let Some(branch) = &withdrawn.branch {
        context.ui.data(&format!("removed the branch {branch}"));
    }
    match &withdrawn.request {
        Some(url) if withdrawn.closed => context.ui.data(&format!("closed {url}")),
        Some(url) if withdrawn.branch.is_some() => context.ui.note(&format!(
            "most forges close {url} with its branch; without a token devenv does not know"
        )),
        Some(url) => context.ui.warn(&format!(
            "{url} is still open: without a token devenv cannot close it"
        )),
        None => {}
    }
}
