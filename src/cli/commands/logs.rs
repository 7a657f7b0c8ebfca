//! `devenv logs`

use std::ops::ControlFlow;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use futures_util::StreamExt;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, civil};

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::engine::Docker;
use crate::error::{Exit, Result};
use crate::home::environment::Environment;
use crate::home::paths::Paths;
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance;
use crate::instance::logs::{self, Line, Place, Query};
use crate::instance::running::Running;
use crate::model::name::ContainerName;
use crate::model::visible::printable;
use crate::server::log_places;

/// Show what containers print and what is in their log volumes, merged by time
///
/// The files are those that production has too (of Tomcat: catalina, access and application logs).
/// They stay when their container is removed: name the container to read them. A line without a time,
/// as in a stack trace, follows the line before it. On a server, the logs of all generations.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, all containers of the instance
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Keep showing new lines, also after restarts, until Ctrl-C
    #[arg(long, short)]
    follow: bool,
    /// Only lines written since: 90s, 10m, 2h, 1d, 2026-03-01, 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Timestamp>,
    /// Only the last lines of each container
    #[arg(long, short = 'n', value_name = "N")]
    tail: Option<usize>,
    /// Which logs to read
    #[arg(long, value_enum, default_value_t = Sources::All)]
    source: Sources,
    /// Copy the files to this folder instead of showing them, one folder a container
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath, conflicts_with_all = ["follow", "since", "tail", "source"])]
    to: Option<PathBuf>,
    /// Print control characters, such as colours, unchanged
    #[arg(long)]
    raw: bool,
}

/// Which logs are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Sources {
    /// What containers print (stdout and stderr)
    Stdout,
    /// The files in their log volumes
    Files,
    /// Both, merged by time
    All,
}

/// A time, or how long ago it is.
pub(super) fn since(text: &str) -> Result<Timestamp, String> {
    let units = [("s", 1), ("m", 60), ("h", 3600), ("d", 86_400)];
    let span = units.iter().find_map(|(unit, seconds)| {
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        Some(SignedDuration::from_secs(number.checked_mul(*seconds)?))
    });
    if let Some(span) = span {
        return (Timestamp::now().checked_sub(span)).map_err(|error| error.to_string());
    }
    let local = |time: civil::DateTime| time.to_zoned(TimeZone::system()).ok();
    let date = |text: &str| Some(text.parse::<civil::Date>().ok()?.at(0, 0, 0, 0));
    text.parse()
        .ok()
        .or_else(|| Some(local(date(text).or_else(|| text.parse().ok())?)?.timestamp()))
        .ok_or_else(|| {
            "it is neither a duration (10m, 2h) nor a time (2026-03-01T12:00:00Z)".to_owned()
        })
}

/// Those of the server that this machine is; else the user's.
pub(super) fn paths(environment: &Environment) -> Result<Paths> {
    let machine = Paths::of_machine(environment)?;
    if machine.server().exists() {
        return Ok(machine);
    }
    Paths::locate(environment)
}

/// Where the logs that are asked for are.
async fn look(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<(Docker, Vec<Place>)> {
    if session.home.paths.server().exists() {
        return log_places(session, &arguments.names).await;
    }
    let open = session.open()?;
    let running = Running::look(session, &open).await?;
    let names = running.names(&arguments.names)?;
    let places = logs::places(&running.identity, &running.observation.observed, &names);
    say_what_is_not_there(ui, &running, arguments, &names, &places);
    if arguments.to.is_none() {
        let (identity, record) = (&running.identity, running.record.as_ref());
        instance::copy_out(&running.engine, identity, record).await?;
    }
    Ok((running.engine, places))
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let (engine, places) = look(ui, session, &arguments).await?;
    if let Some(folder) = &arguments.to {
        let copied = logs::copy(&engine, &places, folder).await?;
        for note in &copied.notes {
            ui.warn(note);
        }
        let copied = copied.files;
        ui.note(&format!("copied: {copied} new or changed files"));
        ui.json(&serde_json::json!({ "folder": folder, "copied": copied }));
        return Ok(Exit::Done);
    }
    let query = Query {
        since: arguments.since,
        tail: arguments.tail,
        no_output: arguments.source == Sources::Files,
        no_files: arguments.source == Sources::Stdout,
    };
    let printer = Printer::new(ui, arguments.raw, &places);
    let mut backlog = logs::backlog(&engine, &places, query).await?;
    for note in &backlog.notes {
        ui.note(note);
    }
    while let Some(line) = backlog.lines.next().await {
        if printer.print(&line?).is_break() {
            return Ok(Exit::Done);
        }
    }
    if arguments.follow && !places.is_empty() {
        let mut lines = logs::follow(&engine, &places, query, backlog.reached);
        while let Some(line) = lines.recv().await {
            if printer.print(&line).is_break() {
                break;
            }
        }
    }
    Ok(Exit::Done)
}

fn say_what_is_not_there(
    ui: &Ui,
    running: &Running,
    arguments: &Arguments,
    names: &[ContainerName],
    places: &[Place],
) {
    let without = |name: &&ContainerName| !places.iter().any(|place| place.container == **name);
    for name in names.iter().filter(without) {
        ui.note(&format!("{name} never ran here: it has no logs"));
    }
    if arguments.names.is_empty() && places.is_empty() {
        let left = logs::left(&running.identity, &running.observation.observed);
        let left: Vec<_> = left.iter().map(ContainerName::as_str).collect();
        ui.note("nothing runs");
        if !left.is_empty() {
            let list = left.join(" ");
            ui.note(&format!(
                "log files of removed containers exist: `devenv logs {list}` shows them"
            ));
        }
    }
}

/// Shows lines with the name of their container.
struct Printer<'a> {
    ui: &'a Ui,
    raw: bool,
    width: usize,
}

impl<'a> Printer<'a> {
    fn new(ui: &'a Ui, raw: bool, places: &[Place]) -> Self {
        let width = places.iter().map(|it| it.container.as_str().len()).max();
        Self {
            ui,
            raw,
            width: width.unwrap_or(0),
        }
    }

    fn print(&self, line: &Line) -> ControlFlow<()> {
        let shown = if self.ui.is_json() {
            serde_json::to_vec(&serde_json::json!({
                "time": line.time, "container": line.container, "source": line.source.as_str(),
                "file": line.source.file(), "line": String::from_utf8_lossy(&line.text),
            }))
            .unwrap_or_default()
        } else {
            self.for_people(line)
        };
        if self.ui.stream(&shown) {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    }

    fn for_people(&self, line: &Line) -> Vec<u8> {
        let (style, name) = (self.ui.style(), line.container.as_str());
        let name = style.named(name, format!("{name:width$} |", width = self.width));
        let file = line
            .source
            .file()
            .map(|file| style.dim(printable(file) + ":"));
        let mut shown = name.into_bytes();
        shown.push(b' ');
        if let Some(file) = file {
            shown.extend_from_slice(file.as_bytes());
            shown.push(b' ');
        }
        if self.raw {
            shown.extend_from_slice(&line.text);
        } else {
            let text = String::from_utf8_lossy(&line.text);
            shown.extend_from_slice(printable(&text).as_bytes());
        }
        shown
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_and_times() {
        let now = Timestamp::now();
        let ago = |text| now.as_second() - since(text).unwrap().as_second();
        assert!((595..=600).contains(&ago("10m")), "{}", ago("10m"));
        assert!((86_390..=86_400).contains(&ago("1d")));
        let time = since("2026-03-01T12:00:00Z").unwrap();
        assert_eq!(time.to_string(), "2026-03-01T12:00:00Z");
        assert!(since("2026-03-01").is_ok() && since("2026-03-01 12:00").is_ok());
        assert!(since("yesterday").is_err());
    }
}
