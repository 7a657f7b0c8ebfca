//! `devenv facts`

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Error, Exit, Result};
use crate::home::file;
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::facets;
use crate::model::facets::record::Record;
use crate::model::facets::value::{Facts, Value};
use crate::server;

/// Show or write down how containers really run: limits, settings, kernel, engine
///
/// On a server it reads what serves, elsewhere what the instance runs. `devenv compare --with FILE`
/// compares with what was written down. A record has no values of secrets; `devenv help facets` says
/// what it has. A server signs its record.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers and bundles; without any, all that run
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Write the record to this file, for this user alone
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    output: Option<PathBuf>,
}

pub async fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let is_server = session.home.paths.server().exists();
    let record = if is_server {
        server::facts(session, &arguments.names).await?
    } else {
        facets::record(
            session,
            &session.open()?,
            &session.instance,
            &arguments.names,
        )
        .await?
    };
    let Some(path) = &arguments.output else {
        ui.json(&record);
        show(ui, &record);
        return Ok(Exit::Done);
    };
    let mut text = if is_server {
        server::signed(session, &record)?
    } else {
        serde_json::to_vec_pretty(&record)
            .map_err(|error| Error::bug("cannot write a record").because(error))?
    };
    text.push(b'\n');
    file::write(path, &text)?;
    let names: Vec<_> = record.containers.keys().collect();
    ui.json(&serde_json::json!({ "file": path, "containers": names }));
    ui.data(&format!("{}: {} containers", path.display(), names.len()));
    ui.note(&format!(
        "`devenv compare --with {}` compares an instance with it",
        path.display()
    ));
    Ok(Exit::Done)
}

fn show(ui: &Ui, record: &Record) {
    let rows = |name: &str, facts: &Facts| -> Vec<Vec<Cell>> {
        let row = |(key, value): (&String, &Value)| {
            let cells = [name.to_owned(), key.clone(), Value::shown(Some(value))];
            cells.map(Cell::from).to_vec()
        };
        facts.iter().map(row).collect()
    };
    let mut all = rows("(engine)", &record.engine);
    for (name, container) in &record.containers {
        all.extend(rows(name.as_str(), &container.facets));
    }
    let header = ["CONTAINER", "FACET", "VALUE"];
    ui.data(&ui.fitted(&table(ui.style(), &header, &all)));
}
