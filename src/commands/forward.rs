//! `devenv forward`: what `up` starts where ports appear elsewhere. Hidden: nobody types it.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::context::Context;
use crate::error::{Kind, PathContext, Result};
use crate::exit::Exit;
use crate::forward::{Files, Service, serve};
use crate::model::identity::Identity;
use crate::state::Owner;

/// Carry an instance's published ports to this machine, until the instance is gone
#[derive(Debug, Args)]
pub struct Arguments {}

/// How long the engine may take to tell whether the instance is still there: meanwhile nothing that
/// is wanted is heard.
const PATIENCE: Duration = Duration::from_secs(2);

/// Out of the folder that it was started in, which could not be unmounted or removed meanwhile. What
/// was relative to it is known by now.
fn leave() -> Result<()> {
    let root = Path::new("/");
    std::env::set_current_dir(root).at(Kind::Usage, "change to", root)
}

/// Forwards until there is nothing left to forward.
pub async fn run(context: &Context, _: Arguments) -> Result<Exit> {
    let platform = context.platform_name()?;
    let (engine, _) = context.engine()?;
    leave()?;
    let engine = engine.with_limit(PATIENCE);
    let service = Service {
        files: Files::new(&context.paths, &platform, &context.instance),
        engine: &engine,
        identity: Identity {
            owner: Owner::load(&context.paths)?.id,
            platform,
            instance: context.instance.clone(),
        },
    };
    serve(&service).await?;
    Ok(Exit::Done)
}
