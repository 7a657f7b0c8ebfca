//! `devenv server metrics`

use std::path::PathBuf;

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::server::metrics;

/// Write what `devenv server check` sees as a file for Prometheus' textfile collector
#[derive(Debug, Args)]
pub struct Arguments {
    /// The file, named `….prom`; it is replaced as a whole
    #[arg(value_name = "FILE")]
    file: PathBuf,
}

pub async fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    metrics(session, &arguments.file).await?;
    ui.json(&serde_json::json!({ "file": arguments.file }));
    Ok(Exit::Done)
}
