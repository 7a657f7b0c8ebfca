//! `devenv server apply`

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::name::ContainerName;
use crate::server::{Applied, Manner, apply};

/// Bring this server to what its environment's ledger says
///
/// New containers start beside the old ones, and requests are led over once every route answers. What
/// fails leaves the old ones untouched, and is not tried again until `--retry` or a newer reference.
/// An interrupted apply is completed or undone by the next one. Where nothing is new, nothing is said.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Show what would be done
    #[arg(long)]
    dry_run: bool,
    /// Stop this container while it changes: it has data of its own and cannot run twice
    #[arg(long, value_name = "NAME")]
    allow_stop: Vec<ContainerName>,
    /// Try a reference again that could not be brought up; where it serves, read secrets anew and make again
    /// what was changed by hand
    #[arg(long)]
    retry: bool,
    /// Follow the ledger again after `devenv server rollback`
    #[arg(long)]
    again: bool,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let manner = Manner {
        dry_run: arguments.dry_run,
        allow_stop: arguments.allow_stop.into_iter().collect(),
        retry: arguments.retry,
        again: arguments.again,
    };
    match Box::pin(apply(session, &manner)).await? {
        Applied::Nothing { reference } => {
            if ui.is_verbose() {
                ui.note(&format!("reference {reference} serves, as the ledger says"));
            }
            ui.json(
                &serde_json::json!({ "event": "result", "did": "nothing", "reference": reference }),
            );
        }
        Applied::Waits { why } => {
            ui.warn(&why);
            ui.json(&serde_json::json!({ "event": "result", "did": "waits", "why": why }));
        }
        Applied::Planned {
            reference,
            lines,
            stops,
        } => {
            ui.data(&format!("reference {reference}\n{}", lines.join("\n")));
            for name in &stops {
                ui.warn(&format!(
                    "{name} may not stop: `--allow-stop {name}` allows it"
                ));
            }
            ui.json(&serde_json::json!({
                "event": "result", "did": "planned", "reference": reference, "plan": lines, "stops": stops,
            }));
        }
        Applied::Switched {
            from,
            to,
            milliseconds,
        } => {
            let from_text = from.map_or_else(String::new, |from| format!(", before it was {from}"));
            ui.note(&format!(
                "reference {to} serves{from_text} ({milliseconds} ms)"
            ));
            ui.json(&serde_json::json!({
                "event": "result", "did": "switched", "from": from, "reference": to, "milliseconds": milliseconds,
            }));
        }
    }
    Ok(Exit::Done)
}
