//! `devenv release reference`

use clap::Args;
use serde_json::json;

use super::signing::Signing;
use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::release::Desk;
use crate::release::Workshop;
use crate::release::reference::{Order, Outcome};

/// Pin all released versions in the next proxy image
///
/// It verifies every version that platform.yaml lists, compiles `reference.yaml`, shows field by field
/// what differs from the newest reference, and asks. Then it renders the proxy's templates and builds,
/// signs and publishes the proxy image under the next number. It runs nowhere until it is promoted.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Reason, kept with the reference's number
    #[arg(long, short, value_name = "TEXT")]
    message: Option<String>,
    /// Build without the engine's layer cache
    #[arg(long)]
    no_cache: bool,
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
        message: arguments.message,
        no_cache: arguments.no_cache,
    };
    let outcome = desk.make_reference(&workshop, &order).await?;
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
            super::outcome::warn_of_missing(ui, missing_signatures);
            ui.note(&format!(
                "next: devenv release promote {number} --to ENVIRONMENT"
            ));
        }
    }
    Ok(Exit::Done)
}
