//! `devenv server rollback`

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::name::ContainerName;
use crate::server::{Back, Manner, candidate, rollback};

/// Lead requests back to a reference that is kept on this server, at once
///
/// Needs no registry. This server then stays there until production gives its environment another
/// reference, or until `devenv server apply --again`. Production goes back for all servers with
/// `devenv release rollback`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Number of the reference; without it, the one that served before
    #[arg(long, value_name = "NUMBER")]
    to: Option<u64>,
    /// Why, for the log of events
    #[arg(long, value_name = "TEXT", default_value = "")]
    reason: String,
    /// Stop this container for it: it has data of its own and cannot run twice
    #[arg(long, value_name = "NAME")]
    allow_stop: Vec<ContainerName>,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let (to, from) = candidate(session, arguments.to).await?;
    let question = format!("lead this server's requests from reference {from} back to {to}?");
    if !ui.confirm(&question, "--yes")? {
        return Err(Error::usage("nothing was changed"));
    }
    let back = Back {
        to: arguments.to,
        told: Some((to, from)),
        reason: arguments.reason,
        manner: Manner {
            allow_stop: arguments.allow_stop.into_iter().collect(),
            ..Manner::default()
        },
    };
    let went = Box::pin(rollback(session, &back)).await?;
    ui.note(&format!(
        "reference {} serves again, before it was {} ({} ms); it stays until the ledger has another entry",
        went.to, went.from, went.milliseconds
    ));
    ui.json(&serde_json::json!({
        "from": went.from, "reference": went.to, "milliseconds": went.milliseconds,
    }));
    Ok(Exit::Done)
}
