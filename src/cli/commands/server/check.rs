//! `devenv server check`

use clap::Args;

use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::server::check;

/// Tell supervision whether all is well, as a Nagios plugin does
///
/// One line, the root cause first, and performance data. Ends with 0 (OK), 1 (WARNING), 2 (CRITICAL)
/// or 3 (UNKNOWN: it could not look). `check` in server.yaml says how often something has to be seen
/// before it is told. No registry is asked.
#[derive(Debug, Args)]
pub struct Arguments {}

/// What supervision knows as UNKNOWN.
const UNKNOWN: u8 = 3;

pub async fn run(ui: &Ui, session: &Session, _: &Arguments) -> Result<Exit> {
    let (word, code, line) = match check(session).await {
        Ok((level, line)) => (level.as_str(), level.code(), line),
        Err(error) => {
            let why = error.chain().join(": ").replace(['|', '\n'], " ");
            ("UNKNOWN", UNKNOWN, format!("UNKNOWN - {why}"))
        }
    };
    ui.data(&line);
    ui.json(&serde_json::json!({ "level": word, "line": line }));
    Ok(match code {
        0 => Exit::Done,
        code => Exit::Command(code),
    })
}
