//! Why a container is not ready: its probes and its last words.

use std::time::Duration;

use futures_util::StreamExt;
use futures_util::future::join;
use jiff::Timestamp;

use crate::converge::apply::{Failure, Stopped};
use crate::engine::Engine;
use crate::engine::docker::{Docker, LogOptions};
use crate::error::Error;
use crate::instance::logs::{self, Line, Place, Volume};
use crate::model::name::ContainerName;
use crate::model::observed::{ContainerDetails, ContainerState, Probe};
use crate::model::quantity::ByteSize;
use crate::model::reference::Reference;
use crate::model::visible::printable;

/// Lines of a log that are shown.
const LINES: u32 = 15;

/// How long a probe may take that is only for the user.
const PATIENCE: Duration = Duration::from_secs(5);

/// Probes that are shown.
const PROBES: usize = 3;

/// The error for the user, with what only the engine can tell.
pub(crate) async fn explain(engine: &Docker, reference: &Reference, failure: Failure) -> Error {
    let Failure::NotReady {
        container,
        id,
        stopped,
    } = failure
    else {
        return failure.into_error();
    };
    let (details, lines) = join(engine.inspect(&id), last_lines(engine, &id)).await;
    let limit = details.as_ref().map_or(0, |it| it.memory);
    let mut error = match stopped {
        Stopped::Exited { .. } if lines.iter().any(|line| line.contains(FOREIGN)) => {
            foreign(engine, &container, details.as_ref().ok()).await
        }
        Stopped::Exited { code: 137, .. } => killed(&container, limit),
        _ => Error::not_healthy(format!("{container} {stopped}")),
    };
    if let Ok(details) = &details {
        let probed = probed_now(engine, details).await;
        let all: Vec<&Probe> = details.probes.iter().chain(&probed).collect();
        let last = &all[all.len().saturating_sub(PROBES)..];
        let probes: Vec<String> = last.iter().map(|it| probe(it)).collect();
        if !probes.is_empty() {
            error = error.detail(format!("its last health probes:\n{}", probes.join("\n")));
        }
        if !details.error.is_empty() {
            error = error.detail(format!("the engine says: {}", details.error));
        }
    }
    if !lines.is_empty() {
        error = error.detail(format!("its last output:\n{}", lines.join("\n")));
    }
    let Some(place) = place(reference, &container, id) else {
        return error.hint(format!("`devenv logs {container}` shows more"));
    };
    let files = logs::last_lines(engine, &place, LINES as usize).await;
    if !files.is_empty() {
        let lines: Vec<_> = files.iter().map(file_line).collect();
        error = error.detail(format!("its log files end with:\n{}", lines.join("\n")));
    }
    error.hint(format!(
        "`devenv logs {container}` shows more, its files too"
    ))
}

/// A probe of now, where the engine made none although there is a check.
async fn probed_now(engine: &Docker, details: &ContainerDetails) -> Option<Probe> {
    let runs = details.state == ContainerState::Running && details.probes.is_empty();
    let command = details.check.as_ref().filter(|_| runs)?.command()?;
    let asked = engine.check(&details.id, &command);
    let (exit_code, output) = tokio::time::timeout(PATIENCE, asked).await.ok()?.ok()?;
    Some(Probe {
        at: Timestamp::now().to_string(),
        exit_code,
        output,
    })
}

/// The kernel's words for a program of another machine, which nothing on it emulates.
const FOREIGN: &str = "exec format error";

async fn foreign(
    engine: &Docker,
    container: &ContainerName,
    details: Option<&ContainerDetails>,
) -> Error {
    let image = match details.and_then(|it| it.image) {
        Some(id) => engine.image(&id).await.ok().flatten(),
        None => None,
    };
    let image = image.map_or_else(|| "another".to_owned(), |it| it.architecture);
    let own = engine.architecture().await.unwrap_or_default();
    Error::not_healthy(format!(
        "{container} cannot run here: its program is for {image} machines, this engine is {own} and does not emulate it"
    ))
    .hint("use an engine of that architecture, or install emulation where the engine runs (Debian: qemu-user-static)")
}

/// Exit code 137 at a limit is the evidence of a kill for memory: engines often do not set their
/// flag for it.
fn killed(container: &ContainerName, limit: u64) -> Error {
    if limit == 0 {
        return Error::not_healthy(format!("{container} was killed (exit code 137)"))
            .hint("the engine may have run out of memory: `docker info` shows how much it has");
    }
    let limit = ByteSize::bytes(limit);
    Error::not_healthy(format!(
        "{container} was killed for memory: exit code 137 at its limit of {limit}"
    ))
    .hint(format!(
        "`memory` of {container} in your overrides raises the limit; is the JVM's heap smaller than it?"
    ))
}

/// Where its log files are, if it has a log volume.
fn place(reference: &Reference, container: &ContainerName, id: String) -> Option<Place> {
    let run = &reference.containers.get(container)?.run;
    let path = run.volumes.get(logs::VOLUME)?.to_string();
    Some(Place {
        container: container.clone(),
        object: id.clone(),
        ids: Vec::new(),
        volume: Some(Volume::Mounted { id, path }),
    })
}

fn file_line(line: &Line) -> String {
    let text = String::from_utf8_lossy(&line.text);
    let file = line.source.file().unwrap_or_default();
    format!("  {}: {}", printable(file), printable(text.trim_end()))
}

fn probe(probe: &Probe) -> String {
    let output = printable(probe.output.trim());
    let last: Vec<&str> = output.lines().rev().take(3).collect();
    let last: Vec<&str> = last.into_iter().rev().collect();
    format!(
        "  {} exit {}: {}",
        probe.at,
        probe.exit_code,
        last.join(" | ")
    )
}

async fn last_lines(engine: &Docker, id: &str) -> Vec<String> {
    let options = LogOptions {
        tail: Some(LINES),
        ..LogOptions::default()
    };
    let lines: Vec<_> = engine.logs(id, options).collect().await;
    lines
        .into_iter()
        .filter_map(Result::ok)
        .map(|line| {
            format!(
                "  {}",
                printable(String::from_utf8_lossy(&line.bytes).trim_end())
            )
        })
        .collect()
}
