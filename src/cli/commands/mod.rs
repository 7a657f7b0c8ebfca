//! The command line: one command, one file with its arguments, its help and its function.

pub mod abandon;
pub mod bisect;
pub mod build;
pub mod capsule;
pub mod check;
pub mod clean;
pub mod compare;
pub mod completions;
pub mod config;
pub mod diff;
pub mod doctor;
pub mod down;
pub mod edit;
pub mod exec;
pub mod explain;
pub mod facts;
pub mod forget;
pub mod forward;
pub mod help;
pub mod history;
pub mod init;
pub mod list;
pub mod logs;
pub mod open;
pub mod pause;
pub mod proposals;
pub mod propose;
pub mod pull;
pub mod release;
pub mod replay;
pub mod requests;
pub mod restart;
pub mod resume;
pub mod sbom;
pub mod server;
pub mod shell;
mod size;
pub mod snapshot;
pub mod status;
pub mod sync;
pub mod trust;
pub mod up;

use std::sync::Arc;

use clap::{Args, CommandFactory as _, FromArgMatches as _, Parser, Subcommand};

use crate::cli::ui::{Manner, Ui};
use crate::cli::{complete, help as topics, version};
use crate::error::{Exit, Result};
use crate::home::Home;
use crate::home::environment::Environment;
use crate::home::paths::Paths;
use crate::home::session::Session;
use crate::home::settings::{Flags, Settings};
use crate::model::name::{InstanceName, PlatformName};

/// Run any subset of production's own signed containers on this workstation.
///
/// `devenv init URL` clones a platform's definitions, `devenv up NAME` starts a container with what
/// it needs behind production's own proxy, `devenv status` shows what runs where.
#[derive(Debug, Parser)]
#[command(
    name = "devenv",
    version,
    max_term_width = 100,
    disable_help_subcommand = true,
    after_help = topics::list()
)]
pub struct Cli {
    #[command(flatten)]
    globals: Globals,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
struct Globals {
    /// Name of the platform; needed if several are initialised
    #[arg(long, global = true, env = "DEVENV_PLATFORM", value_name = "NAME", add = complete::platforms())]
    platform: Option<PlatformName>,
    /// Name of the running copy of the platform: several can run side by side
    #[arg(
        long,
        global = true,
        env = "DEVENV_INSTANCE",
        value_name = "NAME",
        default_value = "default",
        add = complete::instances()
    )]
    instance: InstanceName,
    /// Address of the Docker engine, as for docker: unix:///…, tcp://…, ssh://…
    #[arg(long, global = true, env = "DEVENV_HOST", value_name = "URL")]
    host: Option<String>,
    /// Print data as JSON (`devenv help json`)
    #[arg(long, global = true, env = "DEVENV_JSON", value_parser = switch)]
    json: bool,
    /// Print only data, warnings and errors
    #[arg(long, short, global = true, env = "DEVENV_QUIET", value_parser = switch)]
    quiet: bool,
    /// Show every step and its reason
    #[arg(long, short, global = true, env = "DEVENV_VERBOSE", value_parser = switch)]
    verbose: bool,
    /// Use no network: run what was fetched before, and verify it again
    #[arg(long, global = true, env = "DEVENV_OFFLINE", value_parser = switch)]
    offline: bool,
    /// Answer every question with yes, but the one about a reference that was never promoted
    #[arg(long, short, global = true, env = "DEVENV_YES", value_parser = switch)]
    yes: bool,
    /// Print without colours (as does `NO_COLOR`)
    #[arg(long, global = true, env = "DEVENV_NO_COLOR", value_parser = switch)]
    no_color: bool,
}

/// A switch in the environment: 1, 0 and their words; empty is off.
fn switch(text: &str) -> Result<bool, String> {
    match text.to_lowercase().as_str() {
        "1" | "true" | "yes" | "on" => Ok(true),
        "" | "0" | "false" | "no" | "off" => Ok(false),
        _ => Err("it takes 1, true, yes, on, or 0, false, no, off".to_owned()),
    }
}

#[derive(Debug, Subcommand)]
enum Command {
    Init(init::Arguments),
    Sync(sync::Arguments),
    List(list::Arguments),
    Up(up::Arguments),
    Status(status::Arguments),
    Open(open::Arguments),
    Logs(logs::Arguments),
    Exec(exec::Arguments),
    Shell(shell::Arguments),
    Restart(restart::Arguments),
    Pause(pause::Arguments),
    Resume(resume::Arguments),
    Down(down::Arguments),
    Pull(pull::Arguments),
    History(history::Arguments),
    Sbom(sbom::Arguments),
    Compare(compare::Arguments),
    Facts(facts::Arguments),
    Bisect(bisect::Arguments),
    Explain(explain::Arguments),
    Requests(requests::Arguments),
    Replay(replay::Arguments),
    Snapshot(snapshot::Arguments),
    Capsule(capsule::Arguments),
    Edit(edit::Arguments),
    Build(build::Arguments),
    Check(check::Arguments),
    Diff(diff::Arguments),
    Propose(propose::Arguments),
    Proposals(proposals::Arguments),
    Abandon(abandon::Arguments),
    Doctor(doctor::Arguments),
    Trust(trust::Arguments),
    Clean(clean::Arguments),
    Forget(forget::Arguments),
    Config(config::Arguments),
    Completions(completions::Arguments),
    Help(help::Arguments),
    Release(release::Arguments),
    Server(server::Arguments),
    #[command(hide = true)]
    Forward(forward::Arguments),
}

impl Cli {
    /// What was typed; help, a version or a refusal end the process.
    pub fn read() -> Self {
        let command = Self::command().version(version::of(std::env::args_os()));
        let read = Self::from_arg_matches_mut(&mut command.get_matches());
        read.unwrap_or_else(|error| error.exit())
    }

    /// The user interface that the flags ask for.
    pub fn ui(&self, environment: &Environment) -> Ui {
        let dumb = environment.get("TERM") == Some("dumb");
        Ui::new(Manner {
            json: self.globals.json,
            quiet: self.globals.quiet,
            verbose: self.globals.verbose,
            yes: self.globals.yes,
            no_color: self.globals.no_color || environment.get("NO_COLOR").is_some() || dumb,
        })
    }

    /// What is shown when the user interrupts the command.
    pub fn farewell(&self) -> &'static str {
        match self.command {
            Command::List(_)
            | Command::Status(_)
            | Command::Open(_)
            | Command::Logs(_)
            | Command::Exec(_)
            | Command::Shell(_)
            | Command::History(_)
            | Command::Check(_)
            | Command::Sbom(_)
            | Command::Compare(_)
            | Command::Facts(_)
            | Command::Explain(_)
            | Command::Requests(_)
            | Command::Diff(_)
            | Command::Proposals(_)
            | Command::Doctor(_)
            | Command::Config(_)
            | Command::Completions(_)
            | Command::Help(_) => "stopped",
            _ => "stopped; run the same command again to complete it",
        }
    }

    /// Runs the command with the user's settings; help needs none.
    #[expect(clippy::too_many_lines, reason = "one table")]
    pub async fn run(self, environment: Environment, ui: Ui) -> Result<Exit> {
        // Help is there even where settings are wrong.
        if let Command::Help(arguments) = &self.command {
            return help::run(&ui, Self::command(), arguments);
        }
        let paths = match self.command {
            Command::Server(_) => Paths::of_machine(&environment)?,
            Command::Logs(_) | Command::Facts(_) => logs::paths(&environment)?,
            _ => Paths::locate(&environment)?,
        };
        let flags = Flags {
            platform: self.globals.platform,
            host: self.globals.host,
        };
        let settings = Settings::resolve(&paths, &flags)?;
        let home = Home {
            environment,
            paths,
            settings,
        };
        let (instance, offline) = (self.globals.instance, self.globals.offline);
        let session = Session::new(home, instance, offline, Arc::new(ui.clone()));
        let (ui, session) = (&ui, &session);
        match self.command {
            Command::Init(arguments) => init::run(ui, session, arguments).await,
            Command::Sync(arguments) => sync::run(ui, session, arguments).await,
            Command::List(arguments) => list::run(ui, session, arguments).await,
            Command::Up(arguments) => up::run(ui, session, arguments).await,
            Command::Status(arguments) => status::run(ui, session, arguments).await,
            Command::Down(arguments) => down::run(ui, session, arguments).await,
            Command::Open(arguments) => open::run(ui, session, arguments).await,
            Command::Pull(arguments) => pull::run(ui, session, arguments).await,
            Command::History(arguments) => history::run(ui, session, arguments).await,
            Command::Sbom(arguments) => sbom::run(ui, session, arguments).await,
            Command::Compare(arguments) => compare::run(ui, session, &arguments).await,
            Command::Facts(arguments) => facts::run(ui, session, &arguments).await,
            Command::Explain(arguments) => explain::run(ui, session, arguments).await,
            Command::Requests(arguments) => requests::run(ui, session, arguments).await,
            Command::Replay(arguments) => replay::run(ui, session, arguments).await,
            Command::Bisect(arguments) => bisect::run(ui, session, arguments).await,
            Command::Snapshot(arguments) => snapshot::run(ui, session, arguments).await,
            Command::Capsule(arguments) => capsule::run(ui, session, arguments).await,
            Command::Config(arguments) => config::run(ui, session, &arguments),
            Command::Completions(arguments) => completions::run(ui, &arguments),
            Command::Help(arguments) => help::run(ui, Self::command(), &arguments),
            Command::Edit(arguments) => edit::run(ui, session, &arguments),
            Command::Build(arguments) => build::run(ui, session, arguments).await,
            Command::Check(arguments) => check::run(ui, session, &arguments),
            Command::Diff(arguments) => diff::run(ui, session, &arguments).await,
            Command::Propose(arguments) => propose::run(ui, session, &arguments).await,
            Command::Proposals(arguments) => proposals::run(ui, session, &arguments),
            Command::Abandon(arguments) => abandon::run(ui, session, &arguments).await,
            Command::Doctor(arguments) => doctor::run(ui, session, arguments).await,
            Command::Trust(arguments) => trust::run(ui, session, arguments).await,
            Command::Release(arguments) => release::run(ui, session, arguments).await,
            Command::Server(arguments) => server::run(ui, session, arguments).await,
            Command::Forward(arguments) => forward::run(session, arguments).await,
            Command::Pause(arguments) => pause::run(ui, session, arguments).await,
            Command::Resume(arguments) => resume::run(ui, session, arguments).await,
            Command::Restart(arguments) => restart::run(ui, session, arguments).await,
            Command::Logs(arguments) => logs::run(ui, session, arguments).await,
            Command::Exec(arguments) => exec::run(session, arguments).await,
            Command::Shell(arguments) => shell::run(session, arguments).await,
            Command::Clean(arguments) => clean::run(ui, session, arguments).await,
            Command::Forget(arguments) => forget::run(ui, session, &arguments).await,
        }
    }
}
