//! `devenv trust update`

use clap::Args;

use super::pinning;
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::session::Session;
use crate::verify::choose::Preparation;

/// Pin the newest trust file that production published, if the pinned keys have signed it
///
/// Each new file is verified with the keys of the one before: as many keys must have signed it as that
/// one demands, and its root version must be higher. Any other file is refused (exit code 5).
#[derive(Debug, Args)]
pub struct Arguments {}

pub(super) async fn run(ui: &Ui, session: &Session, _: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let registry = session.registry().ok_or_else(|| {
        Error::usage("trust files are in the registry, and `--offline` forbids the network")
    })?;
    let repository = open.platform.trust_repository()?;
    let preparation = Preparation::new(session, &open, Some(&registry));
    let verifier = preparation.verifier();
    let mut found = verifier.succession(&registry, &repository).await?;
    let next = found.accepted.pop().map(|last| last.predicate.trust);
    if let Some(next) = &next {
        pinning::show_change(ui, &open.trust, next)?;
        pinning::pin(ui, session, next)?;
    }
    if let Some(error) = found.refused.into_iter().next() {
        return Err(error);
    }
    if next.is_none() {
        pinning::json(ui, &open.trust, false);
        let text = format!("root version {} is the newest one", open.trust.root_version);
        ui.data(&text);
    }
    Ok(Exit::Done)
}
