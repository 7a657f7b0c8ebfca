//! argv → exit code.

use std::process::ExitCode;

use clap::{CommandFactory, Parser};
use devenv::commands::Cli;
use devenv::error::Error;
use devenv::exit::Exit;
use devenv::settings::Environment;
use devenv::system::{Here, System as _};
use devenv::ui::Ui;

fn main() -> ExitCode {
    match devenv::complete::answer(Cli::command, std::env::args_os()) {
        Ok(false) => {}
        Ok(true) => return Exit::Done.into(),
        // A shell that asks wrongly gets no names.
        Err(_) => return Exit::Usage.into(),
    }
    let environment = Environment::read();
    let cli = Cli::parse();
    let ui = cli.ui(&environment);
    let runtime = match tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
    {
        Ok(runtime) => runtime,
        Err(error) => {
            ui.error(&Error::bug("cannot start").because(error));
            return Exit::Bug.into();
        }
    };
    let exit = runtime.block_on(run(cli, environment, ui));
    // A blocked thread (a lock, a prompt) must not keep the process.
    runtime.shutdown_background();
    exit.into()
}

async fn run(cli: Cli, environment: Environment, ui: Ui) -> Exit {
    let farewell = cli.farewell();
    let result = tokio::select! {
        result = cli.run(environment, ui.clone()) => result,
        exit = stopped() => {
            ui.note(farewell);
            return exit;
        }
    };
    result.unwrap_or_else(|error| {
        ui.error(&error);
        error.exit()
    })
}

/// Ends when the user or the system asks the process to.
async fn stopped() -> Exit {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Exit::Interrupted,
        () = Here::asked_to_end() => Exit::Terminated,
    }
}
