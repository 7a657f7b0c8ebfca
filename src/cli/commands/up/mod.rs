//! `devenv up`

pub(super) mod finish;
mod moment;
mod sources;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;

use clap::{Args, ValueHint};
use jiff::Timestamp;

use finish::finish;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::session::Session;
use crate::instance::intent::{Addition, Intent, LogsTo, Manner, Until};
use crate::model::name::{ConfigurationName, ContainerName, EnvironmentName};
use crate::model::quantity::Span;
use crate::verify::choose::Versions;

/// Start containers with what they need, behind production's own proxy
///
/// It runs what production released: image and configuration of every container come from a signed
/// reference, by default the one that production runs now. The named containers are added to those
/// that run; without names, the instance is brought back to what was asked for before.
///
/// `devenv up billing:1.4.1` runs that released version of billing, verified like any other, and all
/// other containers from the reference: a mix that never ran in production, and shown as such. The
/// instance keeps it until `devenv up billing:reference`, `--environment` or `devenv down`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles to add; `NAME:VERSION` runs that released version of a container
    #[arg(add = complete::names_and_versions())]
    names: Vec<String>,
    /// All containers except one-shots that no other container needs
    #[arg(long)]
    all: bool,
    /// Do not start this container although others need it (repeatable)
    #[arg(long, value_name = "NAME", add = complete::names())]
    without: Vec<String>,
    /// Run what this environment runs now
    #[arg(long, short, value_name = "NAME", add = complete::environments())]
    environment: Option<EnvironmentName>,
    /// Run this reference, until the next `--environment`
    #[arg(long, value_name = "N", conflicts_with = "as_of", add = complete::references())]
    reference: Option<u64>,
    /// Run the reference although it was never promoted anywhere
    #[arg(long, requires = "reference")]
    unpromoted: bool,
    /// Run what the environment ran at this time (2026-03-01, "2026-03-01 12:00", yesterday, "3 days ago")
    #[arg(long, value_name = "TIME", value_parser = moment::moment)]
    as_of: Option<Timestamp>,
    /// Use this configuration of the images (`recette`, `production`, …)
    #[arg(long, short, value_name = "NAME", add = complete::configurations())]
    configuration: Option<ConfigurationName>,
    /// Begin again with empty volumes of this container, filled as at its first start (repeatable; asks
    /// first: its data is gone then)
    #[arg(long, value_name = "NAME", conflicts_with_all = ["dry_run", "watch", "no_wait"], add = complete::container_names())]
    fresh: Vec<ContainerName>,
    /// Publish a port under another number on this machine (repeatable)
    #[arg(long, value_name = "PORT=HOSTPORT", value_parser = port)]
    port: Vec<(u16, u16)>,
    /// Run so many copies of a container behind the proxy, as servers do (repeatable; 1 ends it)
    #[arg(long, value_name = "NAME=COUNT", value_parser = copies)]
    replicas: Vec<(ContainerName, u16)>,
    /// Run the named containers from their proposals (`devenv edit`), until `--release`
    #[arg(long, requires = "names", conflicts_with = "release")]
    local: bool,
    /// Rebuild and replace containers of proposals whenever their files or artifacts change, until
    /// Ctrl-C
    #[arg(long, conflicts_with_all = ["release", "dry_run", "no_wait"])]
    watch: bool,
    /// Run the named containers as production released them again
    #[arg(long, requires = "names")]
    release: bool,
    /// Run without the proxy, until `--proxy` brings it back
    #[arg(long, conflicts_with = "proxy")]
    no_proxy: bool,
    /// Run the proxy again
    #[arg(long)]
    proxy: bool,
    /// Write log files to this folder of this machine, one subfolder for each container, until
    /// `--no-logs-to`
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    logs_to: Option<PathBuf>,
    /// Write log files to volumes again
    #[arg(long, conflicts_with = "logs_to")]
    no_logs_to: bool,
    /// Only show what would be done, and the signatures it is based on
    #[arg(long)]
    dry_run: bool,
    /// Do not wait until the containers are ready
    #[arg(long)]
    no_wait: bool,
    /// Longest time for one container to become ready (90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
}

fn port(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("`{text}` is not PORT=HOSTPORT, such as 80=8000");
    let (wanted, host) = text.split_once('=').ok_or_else(wrong)?;
    let number = |text: &str| text.parse().ok().filter(|port| *port > 0).ok_or_else(wrong);
    Ok((number(wanted)?, number(host)?))
}

fn copies(text: &str) -> Result<(ContainerName, u16), String> {
    let wrong = || format!("`{text}` is not NAME=COUNT, such as billing=2");
    let (name, count) = text.split_once('=').ok_or_else(wrong)?;
    let count = count.parse().map_err(|_| wrong())?;
    Ok((ContainerName::new(name)?, count))
}

impl Arguments {
    fn manner(&self) -> Manner {
        Manner {
            until: match (self.dry_run, self.no_wait) {
                (true, _) => Until::Planned,
                (false, true) => Until::Started,
                (false, false) => Until::Ready,
            },
            limit: self.timeout.duration(),
        }
    }

    fn addition(self) -> Addition {
        let environment = self.environment;
        let copied = self.replicas.iter().filter(|(_, count)| *count > 1);
        let copied = copied.map(|(name, _)| name.to_string());
        let fresh: Vec<String> = self.fresh.iter().map(ToString::to_string).collect();
        Addition {
            names: self.names.into_iter().chain(copied).chain(fresh).collect(),
            fresh: self.fresh,
            all: self.all,
            without: self.without,
            proxy: (self.proxy || self.no_proxy).then_some(self.proxy),
            versions: match (self.reference, self.as_of, environment) {
                (Some(number), _, environment) => Versions::Number(number, environment),
                (None, Some(time), environment) => Versions::AsOf(time, environment),
                (None, None, Some(environment)) => Versions::Environment(environment),
                (None, None, None) => Versions::Remembered,
            },
            unpromoted: self.unpromoted,
            over_newer_data: false,
            configuration: self.configuration,
            ports: self.port.into_iter().collect(),
            sources: BTreeMap::new(),
            replicas: self.replicas.into_iter().collect(),
            logs_to: match self.logs_to {
                Some(folder) => LogsTo::Folder(folder),
                None if self.no_logs_to => LogsTo::Volumes,
                None => LogsTo::Kept,
            },
        }
    }
}

/// Brings the instance up.
pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let flag = sources::Flag::of(arguments.local, arguments.release);
    let (manner, watch) = (arguments.manner(), arguments.watch);
    let mut addition = arguments.addition();
    addition.sources = sources::decide(session, &open, &mut addition.names, flag, manner)?;
    let intent = Intent::Add(Box::new(addition));
    if watch {
        return watch::run(ui, session, &open, intent, manner).await;
    }
    finish(ui, session, &open, &intent, manner).await
}
