//! `devenv pull`

use clap::Args;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Error, Exit, Result};
use crate::home::session::Session;
use crate::instance::{self, Fetched, Which};
use crate::model::name::EnvironmentName;
use crate::verify::choose::Versions;

/// Fetch and verify containers in advance, to work without a network
///
/// It fetches ledger, reference, signatures and images of the named containers and of those that they
/// need, and starts nothing. `devenv --offline up` runs them later, and verifies them again.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, what the instance runs
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// All containers except one-shots that no other container needs
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// Fetch what this environment runs now
    #[arg(long, short, value_name = "NAME", add = complete::environments())]
    environment: Option<EnvironmentName>,
    /// Fetch the containers of this reference
    #[arg(long, value_name = "N", conflicts_with = "environment", add = complete::references())]
    reference: Option<u64>,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    if session.offline {
        return Err(Error::usage(
            "`pull` needs the network, and `--offline` forbids it",
        ));
    }
    let open = session.open()?;
    let versions = match (arguments.reference, arguments.environment) {
        (Some(number), environment) => Versions::Number(number, environment),
        (None, Some(environment)) => Versions::Environment(environment),
        (None, None) => Versions::Remembered,
    };
    let which = Which {
        names: arguments.names,
        all: arguments.all,
        versions,
    };
    let fetched = instance::fetch(session, &open, &which).await?;
    show(ui, &fetched);
    Ok(Exit::Done)
}

fn show(ui: &Ui, fetched: &Fetched) {
    let reference = fetched.chosen.verified.reference.number;
    let images: Vec<_> = fetched
        .images
        .iter()
        .map(|(name, it)| {
            serde_json::json!({
                "name": name, "version": it.image.version, "digest": it.image.digest,
                "signers": it.signers, "pulled": fetched.pulled.contains(name),
            })
        })
        .collect();
    ui.json(
        &serde_json::json!({ "event": "result", "reference": reference, "containers": images }),
    );
    let rows: Vec<Vec<Cell>> = fetched
        .images
        .iter()
        .map(|(name, it)| {
            let image = if fetched.pulled.contains(name) {
                "pulled"
            } else {
                "was here"
            };
            vec![
                Cell::from(name.as_str()),
                Cell::from(it.image.version.clone()),
                Cell::from(it.image.digest.short()),
                Cell::from(it.signers.join(", ")),
                Cell::from(image),
            ]
        })
        .collect();
    ui.data(&format!(
        "reference {reference}, verified and complete on this machine"
    ));
    let header = ["NAME", "VERSION", "DIGEST", "SIGNED BY", "IMAGE"];
    ui.data(&table(ui.style(), &header, &rows));
}
