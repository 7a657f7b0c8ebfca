//! `devenv status`

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::converge::plan::Observed;
use crate::engine::docker::Docker;
use crate::engine::{Choice, Engine, Fault};
use crate::error::{Error, Exit, Result};
use crate::home::hosts;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::instance::forward;
use crate::instance::pin::Pin;
use crate::instance::running;
use crate::instance::status::{
    self, ContainerStatus, EngineStatus, FailedPort, ForwarderStatus, Status,
};
use crate::model::identity;
use crate::model::observed::ObservedContainer;

/// Show what runs, at which version, in which state and where it is reached
#[derive(Debug, Args)]
pub struct Arguments {}

/// Prints the instance's status; exit code 0 whatever the state is.
pub async fn run(ui: &Ui, session: &Session, _: Arguments) -> Result<Exit> {
    let (engine, choice) = session.engine()?;
    let listed = list(session, &engine);
    let open = session.open()?;
    let status = with(session, &open, &engine, &choice, listed).await?;
    ui.json(&status);
    show(ui, &status);
    Ok(Exit::Done)
}

/// Looks at an instance; the reference comes from the cache alone.
pub async fn of(
    session: &Session,
    open: &OpenPlatform,
    engine: &Docker,
    choice: &Choice,
) -> Result<Status> {
    with(session, open, engine, choice, list(session, engine)).await
}

type Listed = tokio::task::JoinHandle<Result<Vec<ObservedContainer>, Fault>>;

/// Asks the engine for the instance's containers, while other things are read. Networks and volumes
/// are not shown: only a part of an `Observation` is asked for.
fn list(session: &Session, engine: &Docker) -> Listed {
    let label = format!("{}={}", identity::INSTANCE, session.instance);
    let engine = engine.clone();
    tokio::spawn(async move { engine.containers_with(&label).await })
}

async fn with(
    session: &Session,
    open: &OpenPlatform,
    engine: &Docker,
    choice: &Choice,
    listed: Listed,
) -> Result<Status> {
    let identity = running::identity(session, open)?;
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    let reference = match &record {
        Some(record) => running::cached_reference(session, open, record).await,
        None => None,
    };
    let listed = listed
        .await
        .map_err(|error| Error::bug("the engine could not be asked").because(error))?;
    let observed = Observed::collect(&identity, &listed?, Vec::new(), &[])?;
    let host = hosts::host(session, engine, choice).await?;
    let engine = EngineStatus {
        profile: host.profile.name.clone(),
        version: engine.version(),
        forwarder: forwarder(session, open)?,
    };
    let mut status = status::status(
        &identity,
        (&host, engine),
        record.as_ref(),
        reference.as_ref(),
        &observed,
    );
    if let Some(record) = &record {
        status.pinned = Pin::of(session, open, record, reference.as_ref()).await;
    }
    Ok(status)
}

/// The forwarder of the instance: the one that runs, else the one that should.
fn forwarder(session: &Session, open: &OpenPlatform) -> Result<Option<ForwarderStatus>> {
    let files = forward::Files::new(&session.home.paths, &open.name, &session.instance);
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
            "no container of {} is running (instance {})",
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
    if let Some(pin) = &status.pinned {
        ui.data(&pin.to_string());
    }
    for pin in &status.mixed {
        ui.data(&pin.to_string());
    }
    let rows: Vec<Vec<Cell>> = status.containers.iter().map(row).collect();
    ui.data(&table(
        ui.style(),
        &["NAME", "KIND", "VERSION", "STATE", "HEALTH", "URL"],
        &rows,
    ));
    for container in &status.containers {
        if let Some(text) = container.overridden() {
            ui.data(&text);
        }
    }
    if let Some(logs_to) = &status.logs_to {
        ui.data(&logs_to.to_string());
    }
    if let Some(forwarder) = &status.engine.forwarder {
        ui.data(&carried(forwarder));
        for FailedPort { port, why } in &forwarder.failed {
            let text = format!("forwarder: cannot forward port {port} of this machine: {why}");
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
        None => "not running: `devenv up` starts it".to_owned(),
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
    let version = version(&container.source, &container.version);
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

/// A version; in yellow where it is not the reference's.
pub fn version(source: &str, version: &str) -> Cell {
    match source {
        "local" | "pinned" => {
            let source = source.to_uppercase();
            Cell::painted(format!("{source} {version}"), |style, text| {
                style.yellow(text)
            })
        }
        _ => Cell::from(version.to_owned()),
    }
}
