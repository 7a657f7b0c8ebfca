//! `devenv shell`

use clap::Args;

use crate::commands::exec;
use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;

/// Open a shell in a running container
///
/// It is bash where the image has it, else sh. Without a terminal the shell reads commands from
/// standard input.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The container
    #[arg(add = complete::container_names())]
    name: String,
    /// This shell: sh, bash or a path in the container
    #[arg(long, value_name = "SHELL")]
    shell: Option<String>,
    #[command(flatten)]
    manner: exec::Manner,
}

/// Prefers bash, for its history and completion.
const BEST: &str = "if command -v bash >/dev/null 2>&1; then exec bash; else exec sh; fi";

/// Runs the shell.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let command = match arguments.shell {
        Some(shell) => vec![shell],
        None => ["sh", "-c", BEST].map(ToOwned::to_owned).to_vec(),
    };
    exec::inside(context, &arguments.name, arguments.manner, command).await
}
