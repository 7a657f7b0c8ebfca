//! `devenv forward`: what `up` starts where ports appear elsewhere. Hidden: nobody types it.

use std::path::Path;
use std::time::Duration;

use clap::Args;

use crate::error::{Exit, Kind, PathContext, Result};
use crate::home::session::Session;
use crate::home::state::Owner;
use crate::instance::forward::{Files, Service, serve};
use crate::model::identity::Identity;

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
pub async fn run(session: &Session, _: Arguments) -> Result<Exit> {
    let platform = session.home.platform_name()?;
    let (engine, _) = session.engine()?;
    leave()?;
    let engine = engine.with_limit(PATIENCE);
    let service = Service {
        files: Files::new(&session.home.paths, &platform, &session.instance),
        engine: &engine,
        identity: Identity {
            owner: Owner::load(&session.home.paths)?.id,
            platform,
            instance: session.instance.clone(),
        },
    };
    serve(&service).await?;
    Ok(Exit::Done)
}
