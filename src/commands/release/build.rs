//! `devenv release build`

use std::path::PathBuf;

use clap::Args;
use serde_json::json;

use super::{Office, Signing};
use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::model::name::{ContainerName, Version};
use crate::release::Workshop;
use crate::release::build::{Order, Recorded, Released};

/// Build, sign and publish one version of one container
///
/// The definition is read from the newest commit of the definitions' branch, not from a work tree.
/// The image is built on its verified base, pushed, signed by digest, and only then tagged; the
/// version is then recorded in platform.yaml. Versions are never built twice: a version that exists
/// is refused.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The container
    #[arg(add = complete::definitions())]
    name: ContainerName,
    /// The version that it gets
    #[arg(long)]
    version: Version,
    /// A file that the definition lists as `artifact`; once for each
    #[arg(long = "artifact", value_name = "FILE")]
    artifacts: Vec<PathBuf>,
    /// Build without the engine's layer cache
    #[arg(long)]
    no_cache: bool,
    /// Replace a reservation that another operator left unfinished (asks first)
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    signing: Signing,
}

/// Builds, signs, publishes, records.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let mut office = Office::open(context)?;
    let key = arguments.signing.open(context)?;
    let (docker, _) = context.engine()?;
    let workshop = Workshop {
        docker: &docker,
        key: &key,
    };
    let order = Order {
        container: arguments.name,
        version: arguments.version,
        artifacts: arguments.artifacts,
        take_over: arguments.take_over,
        no_cache: arguments.no_cache,
    };
    let released = office.desk().build(&workshop, &order).await?;
    show(context, &order, &released);
    Ok(Exit::Done)
}

fn show(context: &Context, order: &Order, released: &Released) {
    let ui = &context.ui;
    let recorded = match &released.recorded {
        Recorded::Already => json!({ "how": "already" }),
        Recorded::Pushed { branch, commit } => {
            json!({ "how": "pushed", "branch": branch, "commit": commit.to_string() })
        }
        Recorded::Proposed { branch, target, .. } => {
            json!({ "how": "proposed", "branch": branch, "target": target })
        }
    };
    ui.json(&json!({
        "container": order.container, "version": order.version, "repository": released.repository,
        "digest": released.digest, "commit": released.commit,
        "missing_signatures": released.missing_signatures, "recorded": recorded,
    }));
    ui.data(&format!(
        "released {} {}: {}",
        order.container,
        order.version,
        released.repository.at(&released.digest)
    ));
    if let Recorded::Proposed {
        branch,
        target,
        said,
    } = &released.recorded
    {
        ui.warn(&format!(
            "`{target}` is protected: the version is recorded on the branch `{branch}`, which has to be merged"
        ));
        for line in said {
            ui.note(&format!("  {line}"));
        }
        ui.note(&format!(
            "  git fetch origin && git merge origin/{branch}   or a merge request into {target}"
        ));
    }
    super::warn_of_missing(context, released.missing_signatures);
}
