//! `devenv trust update`

use clap::Args;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::prepare::Preparation;

/// Take the trust files that production published since, if the keys pinned here signed them
///
/// Each is verified with the keys of the one before it: as many must have signed as that one
/// demands, and its root version must be higher. A file that does not verify is refused (exit 5).
#[derive(Debug, Args)]
pub struct Arguments {}

/// Looks, verifies, pins.
pub(super) async fn run(context: &Context, _: &Arguments) -> Result<Exit> {
    let open = context.open()?;
    let registry = context
        .registry()
        .ok_or_else(|| Error::usage("trust files are fetched from the registry, not offline"))?;
    let repository = open.platform.trust_repository()?;
    let preparation = Preparation::new(context, &open, Some(&registry));
    let verifier = preparation.verifier();
    let mut found = verifier.succession(&registry, &repository).await?;
    let next = found.accepted.pop().map(|last| last.predicate.trust);
    if let Some(next) = &next {
        super::show_change(context, &open.trust, next)?;
        super::pin(context, next)?;
    }
    if let Some(error) = found.refused.into_iter().next() {
        return Err(error);
    }
    if next.is_none() {
        context.ui.json(&serde_json::json!({
            "platform": open.name, "root_version": open.trust.root_version,
            "threshold": open.trust.threshold, "changed": false,
        }));
        let text = format!(
            "root version {} is the newest that is published",
            open.trust.root_version
        );
        context.ui.data(&text);
    }
    Ok(Exit::Done)
}
