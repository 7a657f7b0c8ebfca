//! `devenv pull`

use clap::Args;

use crate::complete;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::instance::{self, Fetched};
use crate::model::name::EnvironmentName;
use crate::prepare::Wish;
use crate::ui::Ui;
use crate::ui::table::{Cell, table};

/// Fetch and verify containers ahead, for working without a network
///
/// Ledger, reference, signatures and images of the named containers and of what they need are
/// fetched; nothing is started. `devenv --offline up` then runs them, verified again.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without, what the instance runs
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Everything but one-shots that nobody needs
    #[arg(long, conflicts_with = "names")]
    all: bool,
    /// What this environment runs now
    #[arg(long, short, value_name = "NAME", add = complete::environments())]
    environment: Option<EnvironmentName>,
    /// This reference
    #[arg(long, value_name = "N", conflicts_with = "environment", add = complete::references())]
    reference: Option<u64>,
}

/// Fetches.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    if context.offline {
        return Err(Error::usage(
            "`pull` needs the network, and `--offline` forbids it",
        ));
    }
    let open = context.open()?;
    let wish = Wish {
        names: arguments.names,
        all: arguments.all,
        environment: arguments.environment,
        reference: arguments.reference,
        ..Wish::default()
    };
    let fetched = instance::fetch(context, &open, &wish).await?;
    show(&context.ui, &fetched);
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
