//! `devenv release build`

use std::path::PathBuf;

use clap::Args;

use super::signing::Signing;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::model::name::{ContainerName, Version};
use crate::release::Desk;
use crate::release::Workshop;
use crate::release::version::{Order, Source};

/// Build, sign and publish one version of one container
///
/// The definition is read from the newest commit of the definitions' branch, not from a work tree;
/// what `devenv check` finds there refuses it, but for the folders of other containers. The image is
/// built on its verified base, judged by `policy.yaml` (`devenv help policy`), pushed, signed by
/// digest, and only then tagged; the version is then recorded in platform.yaml. Versions are never
/// built twice: a version that exists is refused.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container
    #[arg(add = complete::definitions())]
    name: ContainerName,
    /// Version of the new image
    #[arg(long)]
    version: Version,
    /// A file that the definition lists as `artifact` (repeatable)
    #[arg(long = "artifact", value_name = "FILE")]
    artifacts: Vec<PathBuf>,
    /// Build without the engine's layer cache
    #[arg(long)]
    no_cache: bool,
    /// Take over a release that another operator left unfinished (asks first)
    #[arg(long)]
    take_over: bool,
    #[command(flatten)]
    signing: Signing,
}

pub(super) async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let mut desk = Desk::production(session, &open)?;
    let key = arguments.signing.open(ui, session)?;
    let (docker, _) = session.engine()?;
    let workshop = Workshop {
        docker: &docker,
        key: &key,
    };
    let order = Order {
        container: arguments.name,
        version: arguments.version,
        source: Source::Build {
            artifacts: arguments.artifacts,
            no_cache: arguments.no_cache,
        },
        take_over: arguments.take_over,
    };
    let released = desk.build(&workshop, &order).await?;
    super::outcome::show_released(ui, &order, &released);
    Ok(Exit::Done)
}
