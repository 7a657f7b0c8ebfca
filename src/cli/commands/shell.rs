//! `devenv shell`

use clap::Args;

use crate::cli::commands::exec;
use crate::cli::complete;
use crate::error::{Exit, Result};
use crate::home::session::Session;

/// Open a shell in a running container
///
/// The shell is bash if the image has it, else sh. Without a terminal it reads commands from standard
/// input.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container
    #[arg(add = complete::container_names())]
    name: String,
    /// Run this shell: sh, bash or a path in the container
    #[arg(long, value_name = "SHELL")]
    shell: Option<String>,
    #[command(flatten)]
    manner: exec::Manner,
}

/// Prefers bash, for its history and completion.
const BEST: &str = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi";

pub async fn run(session: &Session, arguments: Arguments) -> Result<Exit> {
    let command = match arguments.shell {
        Some(shell) => vec![shell],
        None => ["sh", "-c", BEST].map(ToOwned::to_owned).to_vec(),
    };
    exec::inside(session, &arguments.name, arguments.manner, command).await
}
