//! `devenv status`

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use crate::context::{Context, OpenPlatform};
use crate::engine::docker::Docker;
use crate::engine::{Choice, Engine, Fault};
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::forward;
use crate::hosts;
use crate::model::identity;
use crate::model::observed::ObservedContainer;
use crate::plan::Observed;
use crate::running;
use crate::state::InstanceRecord;
use crate::status::{self, ContainerStatus, EngineStatus, FailedPort, ForwarderStatus, Status};
use crate::ui::Ui;
use crate::ui::table::{Cell, table};

/// Show what runs, at which version, in which state and where it is reached
#[derive(Debug, Args)]
pub struct Arguments {}

/// Prints the instance's status; exit code 0 whatever the state is.
pub async fn run(context: &Context, _: Arguments) -> Result<Exit> {
    let (engine, choice) = context.engine()?;
    let listed = list(context, &engine);
    let open = context.open()?;
    let status = with(context, &open, &engine, &choice, listed).await?;
    context.ui.json(&status);
    show(&context.ui, &status);
    Ok(Exit::Done)
}

/// Looks at an instance; the reference comes from the cache alone.
pub async fn of(
    context: &Context,
    open: &OpenPlatform,
    engine: &Docker,
    choice: &Choice,
) -> Result<Status> {
    with(context, open, engine, choice, list(context, engine)).await
}

type Listed = tokio::task::JoinHandle<Result<Vec<ObservedContainer>, Fault>>;

/// Asks the engine for the instance's containers, while other things are read. Networks and volumes
/// are not shown: only a part of an `Observation` is asked for.
fn list(context: &Context, engine: &Docker) -> Listed {
    let label = format!("{}={}", identity::INSTANCE, context.instance);
    let engine = engine.clone();
    tokio::spawn(async move { engine.containers_with(&label).await })
}

async fn with(
    context: &Context,
    open: &OpenPlatform,
    engine: &Docker,
    choice: &Choice,
    listed: Listed,
) -> Result<Status> {
    let identity = running::identity(context, open)?;
    let record = InstanceRecord::load(&context.paths, &open.name, &context.instance)?;
    let reference = match &record {
        Some(record) => running::cached_reference(context, open, record).await,
        None => None,
    };
    let listed = listed
        .await
        .map_err(|error| Error::bug("the engine could not be asked").because(error))?;
    let observed = Observed::collect(&identity, &listed?, Vec::new(), &[])?;
    let host = hosts::host(context, engine, choice).await?;
    let engine = EngineStatus {
        profile: host.profile.name.clone(),
        version: engine.version(),
        forwarder: forwarder(context, open)?,
    };
    Ok(status::status(
        &identity,
        (&host, engine),
        record.as_ref(),
        reference.as_ref(),
        &observed,
    ))
}

/// The forwarder of the instance: the one that runs, else the one that should.
fn forwarder(context: &Context, open: &OpenPlatform) -> Result<Option<ForwarderStatus>> {
    let files = forward::Files::new(&context.paths, &open.name, &context.instance);
    let (pid, ports, failed, wanted) = match files.serving()? {
        Some(it) => (Some(it.pid), it.ports(), it.failed, Some(it.wanted)),
        None => (None, BTreeSet::new(), BTreeMap::new(), files.wanted()?),
    };
    let failed = failed.into_iter();
    Ok(wanted.map(|wanted| ForwarderStatus {
        pid,
        ports: pid.map_or(wanted.ports, |_| ports),
        failed: failed.map(|(port, why)| FailedPort { port, why }).collect(),
        to: wanted.to,
        through: wanted.through.map(|it| it.host),
    }))
}

/// Prints a status for people.
pub fn show(ui: &Ui, status: &Status) {
    if status.containers.is_empty() {
        ui.data(&format!(
            "nothing runs of {} (instance {})",
            status.platform, status.instance
        ));
        return;
    }
    let reference = status
        .reference
        .map_or_else(|| "?".to_owned(), |it| it.number.to_string());
    ui.data(&format!(
        "{} · instance {} · reference {reference} ({}) · configuration {}",
        ui.style().bold(&status.platform),
        status.instance,
        status.environment.as_deref().unwrap_or("?"),
        status.configuration.as_deref().unwrap_or("?"),
    ));
    let rows: Vec<Vec<Cell>> = status.containers.iter().map(row).collect();
    ui.data(&table(
        ui.style(),
        &["NAME", "KIND", "VERSION", "STATE", "HEALTH", "URL"],
        &rows,
    ));
    if let Some(logs_to) = &status.logs_to {
        ui.data(&logs_to.to_string());
    }
    if let Some(forwarder) = &status.engine.forwarder {
        ui.data(&carried(forwarder));
        for FailedPort { port, why } in &forwarder.failed {
            let text = format!("forwarder: port {port} of this machine leads nowhere: {why}");
            ui.data(&ui.style().red(text));
        }
    }
}

/// What the forwarder carries.
fn carried(forwarder: &ForwarderStatus) -> String {
    let ports: Vec<String> = forwarder.ports.iter().map(ToString::to_string).collect();
    let ports = if ports.is_empty() {
        "no port".to_owned()
    } else {
        format!("port {}", ports.join(" "))
    };
    let through = forwarder.through.as_ref();
    let through = through.map_or_else(String::new, |it| format!(" through ssh to {it}"));
    let process = match forwarder.pid {
        Some(pid) => format!("process {pid}"),
        None => "it does not run: `devenv up` starts it".to_owned(),
    };
    let to = forwarder.to;
    format!("forwarder: localhost → {to}{through}, {ports} ({process})")
}

fn row(container: &ContainerStatus) -> Vec<Cell> {
    let state = match (container.state, container.exit_code) {
        ("exited", Some(0)) => Cell::from("completed"),
        ("exited", code) => {
            let code = code.map_or_else(String::new, |code| format!(" ({code})"));
            Cell::painted(format!("exited{code}"), |style, text| style.red(text))
        }
        ("running", _) => Cell::painted("running", |style, text| style.green(text)),
        (state, _) => Cell::painted(state, |style, text| style.yellow(text)),
    };
    let health = match container.health {
        Some("healthy") => Cell::painted("healthy", |style, text| style.green(text)),
        Some("unhealthy") => Cell::painted("unhealthy", |style, text| style.red(text)),
        Some(other) => Cell::painted(other, |style, text| style.yellow(text)),
        None => Cell::from("-"),
    };
    let version = if container.source == "local" {
        Cell::painted(format!("LOCAL {}", container.version), |style, text| {
            style.yellow(text)
        })
    } else {
        Cell::from(container.version.clone())
    };
    let place = container.urls.first().cloned().or_else(|| {
        let port = container.ports.first()?;
        Some(format!(
            "{}:{} → {}",
            port.address, port.host, port.container
        ))
    });
    vec![
        Cell::from(container.name.clone()),
        Cell::from(container.kind),
        version,
        state,
        health,
        Cell::painted(place.unwrap_or_default(), |style, text| style.cyan(text)),
    ]
}
