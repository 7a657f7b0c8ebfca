//! `devenv capsule open`

use std::path::PathBuf;

use clap::{Args, ValueHint};
use serde_json::json;

use super::shown::{self, Facts};
use super::unlock::Unlocking;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::capsule::{self, Opened, Opening};
use crate::model::quantity::Span;
use crate::model::urls;
use crate::model::visible::visible;

/// Make an instance of a capsule: the very same reference, configuration and data
///
/// The reference is verified as by `devenv up`; without a network it runs where its images are here. The
/// instance is `capsule_` with the first digits of the capsule's digest, or the one of `--instance`, which has
/// to be new. A capsule that nobody signed is asked about. What could not be reproduced is told.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The capsule
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Events before the moment that are shown; half as many after it
    #[arg(long, short = 'n', value_name = "N", default_value_t = shown::EVENTS)]
    events: usize,
    /// Run a reference that was never promoted anywhere
    #[arg(long)]
    unpromoted: bool,
    /// Longest time for one container to become ready (90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
    #[command(flatten)]
    unlocking: Unlocking,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let file = &arguments.file;
    let keys = arguments.unlocking.keys(ui, session, file)?;
    let chest = capsule::read(session, &open, file, keys).await?;
    let (events, of) = chest.timeline(arguments.events)?;
    let parts = chest.sizes();
    let opening = Opening {
        unpromoted: arguments.unpromoted,
        timeout: arguments.timeout.duration(),
    };
    let facts = Facts {
        manifest: &chest.manifest,
        digest: chest.digest,
        signer: &chest.signer,
        parts: &parts,
    };
    // What happened is known, also where it cannot be brought up.
    shown::manifest(ui, &facts);
    shown::timeline(ui, &events, of);
    let opened = Box::pin(capsule::open(session, &open, &chest, opening)).await?;
    let mut value = facts.json();
    shown::add_timeline(&mut value, &events, of);
    value["event"] = json!("result");
    value["opened"] = json!({
        "instance": opened.instance, "snapshot": opened.snapshot, "requests": opened.requests,
        "facts": opened.facts, "not_reproduced": opened.not_reproduced,
        "urls": rows(&opened).map(|(name, _, urls)| (name, urls)).collect::<serde_json::Map<_, _>>(),
    });
    ui.json(&value);
    show(ui, &opened);
    Ok(Exit::Done)
}

/// Each container with its state and its URLs.
fn rows(opened: &Opened) -> impl Iterator<Item = (String, &'static str, serde_json::Value)> {
    let brought = &opened.brought;
    let reference = &brought.overlay.reference;
    let port = brought.planned.ports.proxy(reference);
    let port = port.filter(|_| brought.selection.why.contains_key(&reference.proxy));
    brought.selection.order.iter().map(move |name| {
        let state = brought.ready.get(name).map_or("started", |it| it.as_str());
        let urls = urls::urls(reference, name, port, &brought.host);
        (name.to_string(), state, json!(urls))
    })
}

fn show(ui: &Ui, opened: &Opened) {
    let rows = rows(opened).map(|(name, state, urls)| {
        let urls = urls.as_array().into_iter().flatten();
        let urls: Vec<&str> = urls.filter_map(serde_json::Value::as_str).collect();
        [name, state.to_owned(), urls.join("  ")]
            .map(Cell::from)
            .to_vec()
    });
    let rows: Vec<Vec<Cell>> = rows.collect();
    ui.data("");
    ui.data(&table(ui.style(), &["NAME", "STATE", "URL"], &rows));
    for it in &opened.not_reproduced {
        let what = ui.style().yellow("not as it was");
        ui.data(&format!("{what}: {}", visible(it)));
    }
    let instance = &opened.instance;
    if let Some(path) = &opened.requests {
        ui.note(&format!(
            "its requests, for `devenv replay`: {}",
            path.display()
        ));
    }
    if let Some(path) = &opened.facts {
        ui.note(&format!(
            "`devenv --instance {instance} compare --with {}` compares all of how it runs",
            path.display()
        ));
    }
    if let Some(name) = &opened.snapshot {
        ui.note(&format!(
            "`devenv --instance {instance} snapshot restore {name}` begins again with its data"
        ));
    }
    ui.note(&format!(
        "`devenv --instance {instance} down --volumes` ends it"
    ));
}
