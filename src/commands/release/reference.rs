//! `devenv release reference`

use clap::Args;
use serde_json::json;

use super::{Office, Signing};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::release::Workshop;
use crate::release::reference::{Order, Outcome};

/// Pin all released versions in the next proxy image
///
/// Verifies every version that platform.yaml lists, compiles `reference.yaml`, shows what differs
/// from the newest reference field by field, asks, then renders the proxy's templates, builds, signs
/// and publishes the proxy under the next number. Nothing runs it before it is promoted.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Why it is made; kept with its number
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// Build without the engine's layer cache
    #[arg(long)]
    no_cache: bool,
    #[command(flatten)]
    signing: Signing,
}

/// Compiles, shows, asks, builds, signs, publishes.
pub(super) async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let mut office = Office::open(context)?;
    let key = arguments.signing.open(context)?;
    let (docker, _) = context.engine()?;
    let workshop = Workshop {
        docker: &docker,
        key: &key,
    };
    let order = Order {
        message: arguments.message,
        no_cache: arguments.no_cache,
    };
    let outcome = office.desk().make_reference(&workshop, &order).await?;
    let ui = &context.ui;
    match outcome {
        Outcome::Declined => return Err(Error::usage("no reference was made")),
        Outcome::Unchanged { number } => {
            ui.json(&json!({ "outcome": "unchanged", "number": number }));
            ui.data(&format!("nothing changed since reference {number}"));
        }
        Outcome::Published {
            number,
            repository,
            digest,
            missing_signatures,
        } => {
            ui.json(&json!({
                "outcome": "published", "number": number, "repository": repository,
                "digest": digest, "missing_signatures": missing_signatures,
            }));
            ui.data(&format!("reference {number}: {}", repository.at(&digest)));
            super::warn_of_missing(context, missing_signatures);
            ui.note(&format!(
                "next: devenv release promote {number} --to ENVIRONMENT"
            ));
        }
    }
    Ok(Exit::Done)
}
