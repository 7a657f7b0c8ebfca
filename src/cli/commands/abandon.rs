//! `devenv abandon`

use clap::Args;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::name::ContainerName;
use crate::proposals::{Proposal, Withdrawn, remove_images, running, withdraw};

/// Drop a proposal with its merge request, branch, work tree and local images (asks first)
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container
    #[arg(add = complete::names())]
    name: ContainerName,
    /// Keep the merge request and its branch on the server
    #[arg(long)]
    keep_request: bool,
}

pub async fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let name = &arguments.name;
    let proposal = Proposal::of(session, &open, name)?;
    if let Some(instance) = running(session, &open, name)?.first() {
        return Err(Error::usage(format!(
            "the instance `{instance}` runs {name} from this proposal"
        ))
        .hint(format!(
            "`devenv up {name} --release --instance {instance}` runs production's version again, `devenv down {name} --instance {instance}` removes it"
        )));
    }
    let definitions = session.definitions(&open.name)?;
    let now = proposal.snapshot(session, &open, &definitions)?;
    for change in definitions.changed_files(proposal.base, now)? {
        ui.note(&format!("would be lost: {}", change.path));
    }
    let sent = proposal.sent.as_ref().filter(|_| !arguments.keep_request);
    let question = match sent {
        Some(sent) => format!(
            "drop the proposal for {name}, its work tree, and the branch {} on the server?",
            sent.branch
        ),
        None => format!("drop the proposal for {name} and its work tree?"),
    };
    if !ui.confirm(&question, "--yes")? {
        return Err(Error::usage("nothing was dropped"));
    }
    let withdrawn = if arguments.keep_request {
        Withdrawn::default()
    } else {
        withdraw(session, &open, &proposal).await?
    };
    proposal.remove(session, &open)?;
    remove_images(session, &open, &proposal).await;
    ui.json(&serde_json::json!({
        "container": name, "dropped": true, "withdrawn": withdrawn,
    }));
    ui.data(&format!("dropped the proposal for {name}"));
    tell(ui, &withdrawn);
    Ok(Exit::Done)
}

fn tell(ui: &Ui, withdrawn: &Withdrawn) {
    if let Some(branch) = &withdrawn.branch {
        ui.data(&format!("removed the branch {branch}"));
    }
    match &withdrawn.request {
        Some(url) if withdrawn.closed => ui.data(&format!("closed {url}")),
        Some(url) if withdrawn.branch.is_some() => ui.note(&format!(
            "most forges close {url} when its branch is removed; devenv cannot check it without a token"
        )),
        Some(url) => ui.warn(&format!(
            "{url} is still open: devenv cannot close it without a token"
        )),
        None => {}
    }
}
