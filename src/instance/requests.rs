//! Requests that were made, from a file or from an instance's own proxy: read, and without secrets.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;

use futures_util::StreamExt as _;

use crate::error::{Error, Kind, PathContext as _, Result};
use crate::home::secrets;
use crate::home::session::{OpenPlatform, Session};
use crate::instance::logs::{self, Query};
use crate::instance::running::Running;
use crate::model::redaction::SHORTEST;
use crate::model::requests::access_log;
use crate::model::requests::recorded::{LARGEST, Reading, skipped};
use crate::model::requests::scrub::Scrub;
use crate::model::requests::source::Source;

/// Reads a file that anybody may have written.
///
/// # Errors
/// One that cannot be read, is too large, or is not of its kind.
pub fn of_file(path: &Path, source: Option<Source>, sites: &[String]) -> Result<Reading> {
    let file = File::open(path).at(Kind::Usage, "read", path)?;
    let mut bytes = Vec::new();
    let mut limited = file.take(LARGEST + 1);
    limited
        .read_to_end(&mut bytes)
        .at(Kind::Usage, "read", path)?;
    let name = path.display();
    if bytes.len() as u64 > LARGEST {
        let text = format!("{name} is larger than {} MiB", LARGEST >> 20);
        return Err(Error::usage(text).hint("cut it into several files"));
    }
    // Logs may hold any bytes.
    let text = String::from_utf8_lossy(&bytes);
    let source = source.unwrap_or_else(|| Source::of(&text));
    let read = source.read(&name.to_string(), &text, sites);
    read.map_err(|error| {
        error.hint("`--from` says which kind of file it is: access, forensic, audit, har, lines")
    })
}

/// What the proxy of an instance wrote into its access log.
///
/// # Errors
/// A proxy that never ran here; an engine that does not answer.
pub async fn of_instance(session: &Session, open: &OpenPlatform) -> Result<Reading> {
    let running = Running::look(session, open).await?;
    let proxy = &open.platform.proxy;
    let names = std::slice::from_ref(proxy);
    let places = logs::places(&running.identity, &running.observation.observed, names);
    if places.is_empty() {
        let text = format!("{proxy} never ran in the instance {}", session.instance);
        return Err(
            Error::usage(text).hint("`devenv up NAME` starts it; a FILE is read without it")
        );
    }
    let mut backlog = logs::backlog(&running.engine, &places, Query::default()).await?;
    let mut reading = Reading::default();
    while let Some(line) = backlog.lines.next().await {
        let line = line?;
        match access_log::line(&String::from_utf8_lossy(&line.text)) {
            Some(entry) => access_log::take(&mut reading, entry),
            None => reading.skip(skipped::OTHER),
        }
    }
    Ok(reading)
}

/// One that knows the secrets of the platform, of all configurations. Those that commands give are not known:
/// no command is run for it, which is said.
///
/// # Errors
/// A file of secrets that cannot be read or others may read.
pub fn scrub(session: &Session, open: &OpenPlatform) -> Result<Scrub> {
    let known = secrets::known(session, &open.name)?;
    if !known.of_commands.is_empty() {
        session.reporter.warn(&format!(
            "secrets that commands give are not searched by their values: {}",
            known.of_commands.join(", ")
        ));
    }
    let short = known
        .values
        .iter()
        .filter(|it| it.expose().len() < SHORTEST)
        .count();
    if short > 0 {
        session.reporter.warn(&format!(
            "secrets shorter than {SHORTEST} characters are not searched by their values: {short}"
        ));
    }
    Ok(Scrub::new(known.values))
}
