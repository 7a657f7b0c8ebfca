//! The command line: one command, one file with its arguments, its help and its function.

pub mod abandon;
pub mod build;
pub mod clean;
pub mod completions;
pub mod config;
pub mod diff;
pub mod doctor;
pub mod down;
pub mod edit;
pub mod exec;
pub mod forward;
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
pub mod restart;
pub mod resume;
pub mod shell;
mod size;
pub mod status;
pub mod sync;
pub mod trust;
pub mod up;

use clap::{Args, Parser, Subcommand};

use crate::complete;
use crate::context::Context;
use crate::error::Result;
use crate::exit::Exit;
use crate::model::name::{InstanceName, PlatformName};
use crate::paths::Paths;
use crate::settings::{Environment, Flags, Settings};
use crate::ui::{Manner, Ui};

/// Run any subset of production's own signed containers on this workstation.
///
/// `devenv init URL` clones a platform's definitions, `devenv up NAME` starts a container with what
/// it needs behind production's own proxy, `devenv status` shows what runs where.
#[derive(Debug, Parser)]
#[command(
    name = "devenv",
    version,
    max_term_width = 100,
    disable_help_subcommand = true
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
    /// The platform, where several are initialised
    #[arg(long, global = true, env = "DEVENV_PLATFORM", value_name = "NAME", add = complete::platforms())]
    platform: Option<PlatformName>,
    /// The copy of the platform: several can run side by side
    #[arg(
        long,
        global = true,
        env = "DEVENV_INSTANCE",
        value_name = "NAME",
        default_value = "default",
        add = complete::instances()
    )]
    instance: InstanceName,
    /// The Docker engine, as for docker: unix:///…, tcp://…, ssh://…
    #[arg(long, global = true, env = "DEVENV_HOST", value_name = "URL")]
    host: Option<String>,
    /// Print data as JSON
    #[arg(long, global = true, env = "DEVENV_JSON")]
    json: bool,
    /// Print only data, warnings and errors
    #[arg(long, short, global = true, env = "DEVENV_QUIET")]
    quiet: bool,
    /// Tell every step and why it is done
    #[arg(long, short, global = true, env = "DEVENV_VERBOSE")]
    verbose: bool,
    /// Use no network: only what was fetched before, verified again
    #[arg(long, global = true, env = "DEVENV_OFFLINE")]
    offline: bool,
    /// Answer every question with yes
    #[arg(long, short, global = true, env = "DEVENV_YES")]
    yes: bool,
    /// Print without colours (as does `NO_COLOR`)
    #[arg(long, global = true, env = "DEVENV_NO_COLOR")]
    no_color: bool,
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
    Edit(edit::Arguments),
    Build(build::Arguments),
    Diff(diff::Arguments),
    Propose(propose::Arguments),
    Proposals(proposals::Arguments),
    Abandon(abandon::Arguments),
    Doctor(doctor::Arguments),
    Trust(trust::Arguments),
    Clean(clean::Arguments),
    Config(config::Arguments),
    Completions(completions::Arguments),
    Release(release::Arguments),
    #[command(hide = true)]
    Forward(forward::Arguments),
}

impl Cli {
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

    /// What is said where the user ends it midway.
    pub fn farewell(&self) -> &'static str {
        match self.command {
            Command::List(_)
            | Command::Status(_)
            | Command::Open(_)
            | Command::Logs(_)
            | Command::Exec(_)
            | Command::Shell(_)
            | Command::History(_)
            | Command::Diff(_)
            | Command::Proposals(_)
            | Command::Doctor(_)
            | Command::Config(_)
            | Command::Completions(_) => "stopped",
            _ => "stopped; the same command completes what was begun",
        }
    }

    /// Runs the command.
    pub async fn run(self, environment: Environment, ui: Ui) -> Result<Exit> {
        let paths = Paths::locate(&environment)?;
        let flags = Flags {
            platform: self.globals.platform,
            host: self.globals.host,
        };
        let settings = Settings::resolve(&paths, &flags)?;
        let context = Context {
            environment,
            paths,
            settings,
            instance: self.globals.instance,
            offline: self.globals.offline,
            ui,
            found: std::sync::OnceLock::new(),
            docker_config: std::sync::OnceLock::new(),
        };
        match self.command {
            Command::Init(arguments) => init::run(&context, arguments).await,
            Command::Sync(arguments) => sync::run(&context, arguments).await,
            Command::List(arguments) => list::run(&context, arguments).await,
            Command::Up(arguments) => up::run(&context, arguments).await,
            Command::Status(arguments) => status::run(&context, arguments).await,
            Command::Down(arguments) => down::run(&context, arguments).await,
            Command::Open(arguments) => open::run(&context, arguments).await,
            Command::Pull(arguments) => pull::run(&context, arguments).await,
            Command::History(arguments) => history::run(&context, arguments).await,
            Command::Config(arguments) => config::run(&context, &arguments),
            Command::Completions(arguments) => completions::run(&context, &arguments),
            Command::Edit(arguments) => edit::run(&context, &arguments),
            Command::Build(arguments) => build::run(&context, arguments).await,
            Command::Diff(arguments) => diff::run(&context, &arguments).await,
            Command::Propose(arguments) => propose::run(&context, &arguments).await,
            Command::Proposals(arguments) => proposals::run(&context, &arguments),
            Command::Abandon(arguments) => abandon::run(&context, &arguments).await,
            Command::Doctor(arguments) => doctor::run(&context, arguments).await,
            Command::Trust(arguments) => trust::run(&context, arguments).await,
            Command::Release(arguments) => release::run(&context, arguments).await,
            Command::Forward(arguments) => forward::run(&context, arguments).await,
            Command::Pause(arguments) => pause::run(&context, arguments).await,
            Command::Resume(arguments) => resume::run(&context, arguments).await,
            Command::Restart(arguments) => restart::run(&context, arguments).await,
            Command::Logs(arguments) => logs::run(&context, arguments).await,
            Command::Exec(arguments) => exec::run(&context, arguments).await,
            Command::Shell(arguments) => shell::run(&context, arguments).await,
            Command::Clean(arguments) => clean::run(&context, arguments).await,
        }
    }
}
