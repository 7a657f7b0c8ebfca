//! `devenv exec`

use std::io::IsTerminal;

use clap::Args;

use crate::cli::complete;
use crate::engine::docker::ExecOptions;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::instance::running::Running;
use crate::system::{Here, System as _, TerminalSize};

/// Run a command in a running container
///
/// The command uses this terminal, if there is one, and this program's input; devenv ends with its
/// exit code. Changes inside the container are lost when it is replaced: permanent changes belong in
/// the definitions.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container
    #[arg(add = complete::container_names())]
    name: String,
    #[command(flatten)]
    manner: Manner,
    /// The command with its arguments, after `--`
    #[arg(last = true, required = true, value_name = "COMMAND")]
    command: Vec<String>,
}

/// How a command is run inside.
#[derive(Debug, Args)]
pub struct Manner {
    /// Allocate no terminal
    #[arg(long, short = 'T')]
    no_tty: bool,
    /// Run it as this user (name or number, with `:group`)
    #[arg(long, short)]
    user: Option<String>,
    /// Run it in this folder of the container
    #[arg(long, short, value_name = "FOLDER")]
    workdir: Option<String>,
    /// Set an environment variable for it (repeatable)
    #[arg(long, short, value_name = "NAME=VALUE", value_parser = variable)]
    env: Vec<String>,
}

fn variable(text: &str) -> Result<String, String> {
    match text.split_once('=') {
        Some((name, _)) if !name.is_empty() => Ok(text.to_owned()),
        _ => Err("it is not NAME=VALUE".to_owned()),
    }
}

pub async fn run(session: &Session, arguments: Arguments) -> Result<Exit> {
    inside(
        session,
        &arguments.name,
        arguments.manner,
        arguments.command,
    )
    .await
}

/// Runs a command in a container with this process's terminal, input and output.
pub(super) async fn inside(
    session: &Session,
    name: &str,
    manner: Manner,
    command: Vec<String>,
) -> Result<Exit> {
    let open = session.open()?;
    let running = Running::look(session, &open).await?;
    let container = running.ready_for_commands(name)?;
    let terminals = std::io::stdin().is_terminal() && std::io::stdout().is_terminal();
    let terminal = (terminals && !manner.no_tty).then(|| {
        Here::terminal_size().unwrap_or(TerminalSize {
            rows: 24,
            columns: 80,
        })
    });
    let mut environment = manner.env;
    let term = session
        .home
        .environment
        .get("TERM")
        .filter(|_| terminal.is_some());
    if let Some(term) = term {
        environment.insert(0, format!("TERM={term}"));
    }
    let options = ExecOptions {
        command,
        environment,
        user: manner.user,
        folder: manner.workdir,
        input: true,
        terminal,
    };
    let code = running.engine.exec_here(&container.id, &options).await?;
    // Codes have eight bits; anything else is no success either.
    Ok(Exit::Command(u8::try_from(code).unwrap_or(u8::MAX)))
}
