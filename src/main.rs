//! argv → exit code.

use std::process::ExitCode;
use std::time::Duration;

use clap::CommandFactory;
use devenv::cli::commands::Cli;
use devenv::cli::ui::Ui;
use devenv::error::{Error, Exit};
use devenv::home::environment::Environment;
use devenv::home::reporter::Reporter as _;
use devenv::system::{Here, System as _};
use tokio::sync::oneshot;

/// What a command that was stopped may take to give back what it holds.
const GRACE: Duration = Duration::from_millis(600);

/// What threads may take to end before the process does.
const LEAVE: Duration = Duration::from_millis(100);

/// Bytes: that of a main thread.
const STACK: usize = 8 << 20;

fn main() -> ExitCode {
    match devenv::cli::complete::answer(Cli::command, std::env::args_os()) {
        Ok(false) => {}
        Ok(true) => return Exit::Done.into(),
        // A shell that asks wrongly gets no names.
        Err(_) => return Exit::Usage.into(),
    }
    let environment = Environment::read();
    let cli = Cli::read();
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
    let (ended, mut end) = oneshot::channel();
    let (stop, stopped) = oneshot::channel();
    let (handle, farewell) = (runtime.handle().clone(), (ui.clone(), cli.farewell()));
    let work = std::thread::Builder::new()
        .stack_size(STACK)
        .spawn(move || {
            let _ = ended.send(handle.block_on(run(cli, environment, ui, stopped)));
        });
    let exit = match work {
        Ok(work) => {
            let exit = runtime.block_on(until_ended(&mut end, stop, farewell));
            if end.is_terminated() {
                let _ = work.join();
            }
            exit
        }
        Err(error) => {
            farewell.0.error(&Error::bug("cannot start").because(error));
            Exit::Bug
        }
    };
    // Under Wine, a thread that ends while the process does can make its exit code 0. A blocked one (a
    // lock, a prompt) must not keep the process.
    runtime.shutdown_timeout(LEAVE);
    exit.into()
}

/// The command, until it ends or is told to stop: what it holds is given back then.
async fn run(cli: Cli, environment: Environment, ui: Ui, stop: oneshot::Receiver<()>) -> Exit {
    let result = tokio::select! {
        result = cli.run(environment, ui.clone()) => result,
        Ok(()) = stop => return Exit::Done,
    };
    result.unwrap_or_else(|error| {
        ui.error(&error);
        error.exit()
    })
}

/// Waits for the command on its own thread, where what it computes or reads keeps nobody from
/// hearing signals.
async fn until_ended(
    end: &mut oneshot::Receiver<Exit>,
    stop: oneshot::Sender<()>,
    (ui, farewell): (Ui, &'static str),
) -> Exit {
    let exit = tokio::select! {
        // It ended without a code: it panicked.
        ended = &mut *end => return ended.unwrap_or(Exit::Bug),
        exit = asked_to_end() => exit,
    };
    ui.note(farewell);
    let _ = stop.send(());
    let _ = tokio::time::timeout(GRACE, end).await;
    exit
}

/// Ends when the user or the system asks the process to.
async fn asked_to_end() -> Exit {
    tokio::select! {
        _ = tokio::signal::ctrl_c() => Exit::Interrupted,
        () = Here::asked_to_end() => Exit::Terminated,
    }
}
