//! `devenv replay`

mod report;

use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Error, Exit, Result};
use crate::home::file;
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::replay::{self, Wish};
use crate::instance::requests;
use crate::model::name::SnapshotName;
use crate::model::quantity::Span;
use crate::model::replay::outcome::Outcome;
use crate::model::requests::recorded::Recorded;
use crate::model::visible::visible;

/// Send recorded requests to two references side by side, and show what they answer differently
///
/// Three instances are made for it, beside the instance that is meant, and removed afterwards with their
/// volumes: the older reference, the same once more, and the newer one; each with the containers that the
/// requests reach, and with empty volumes or those of `--snapshot`. What differs between the two runs of the older reference is noise:
/// it is masked, and the mask is shown. Compared are status, header fields, cookies, JSON by path, HTML by
/// node, the cache's verdict, the time (a rank test, from 8 requests on) and kinds of log lines.
///
/// Only GET and HEAD are sent, with `--snapshot` all methods, with their bodies: each instance has that data for
/// itself. They are sent in their order; each session gets the cookies of the instance that answers.
/// The exit code is 1 if anything differs beyond the noise.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Requests, as `devenv requests` keeps them, or what it reads: a log, a HAR file
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// The references, the older one first
    #[arg(long, value_name = "OLD,NEW", value_parser = pair)]
    against: (u64, u64),
    /// Send all of it so many times: more requests tell noise better
    #[arg(long, value_name = "K", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=1000))]
    repeat: u32,
    /// Give each of the instances the data of this snapshot, and send what may change it, too
    #[arg(long, value_name = "NAME", add = complete::snapshots())]
    snapshot: Option<SnapshotName>,
    /// Longest time for one container to become ready (90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
    /// Write a page with the result to this file; it opens without a network
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    report: Option<PathBuf>,
    /// Leave the instances running, to look at them; the next replay removes them
    #[arg(long)]
    keep: bool,
}

fn pair(text: &str) -> Result<(u64, u64), String> {
    let both = text.split_once(',').and_then(|(old, new)| {
        let number = |it: &str| it.trim().parse().ok().filter(|it| *it > 0);
        Some((number(old)?, number(new)?))
    });
    match both {
        Some((old, new)) if old == new => Err("the two references are the same".to_owned()),
        Some(both) => Ok(both),
        None => Err("it takes the numbers of two references: 12,13".to_owned()),
    }
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let mut scrub = requests::scrub(session, &open)?;
    let reading = requests::of_file(&arguments.file, None, &[])?;
    for (why, count) in &reading.skipped {
        ui.note(&format!("left out: {count} × {why}"));
    }
    let cleaned = reading.requests.into_iter().map(|it| scrub.request(it));
    let requests: Vec<Recorded> = cleaned.collect();
    let (old, new) = arguments.against;
    let wish = Wish {
        requests,
        old,
        new,
        repeat: arguments.repeat,
        snapshot: arguments.snapshot,
        timeout: arguments.timeout,
        keep: arguments.keep,
    };
    let outcome = Box::pin(replay::replay(session, &open, wish, &scrub)).await?;
    if let Some(path) = &arguments.report {
        file::write(path, report::page(&outcome).as_bytes())?;
        ui.note(&format!("the report is in {}", path.display()));
    }
    let mut value = serde_json::to_value(&outcome)
        .map_err(|error| Error::bug("cannot write an outcome").because(error))?;
    value["event"] = "result".into();
    ui.json(&value);
    show(ui, &outcome);
    Ok(if outcome.differs() {
        Exit::Difference
    } else {
        Exit::Done
    })
}

/// Rows of a table that are shown; `--json` and the report have them all.
const SHOWN: usize = 40;

fn show(ui: &Ui, it: &Outcome) {
    let (old, new) = (it.old.reference, it.new.reference);
    ui.data(&format!(
        "{} · reference {old} against {new} · {} requests of {} sessions",
        ui.style().bold(&it.platform),
        it.requests,
        it.sessions
    ));
    for (why, count) in &it.skipped {
        ui.data(&format!("not sent: {count} × {why}"));
    }
    let (old, new) = (old.to_string(), new.to_string());
    let rows = it.differences.iter().map(|it| {
        let value = |it: &Option<String>| visible(it.as_deref().unwrap_or("-"));
        let often = format!("{} of {}", it.differs, it.of);
        let cells = [
            visible(&it.endpoint),
            visible(&it.place),
            value(&it.old),
            value(&it.new),
            often,
        ];
        cells.map(Cell::from).to_vec()
    });
    list(
        ui,
        &["ENDPOINT", "DIFFERS IN", &old, &new, "REQUESTS"],
        &rows.collect::<Vec<_>>(),
    );
    let rows = it.times.iter().map(|it| {
        let time = |it: f64| format!("{it:.1} ms");
        let chance = format!("{:.4}", it.chance);
        let cells = [visible(&it.endpoint), time(it.old), time(it.new), chance];
        cells.map(Cell::from).to_vec()
    });
    list(
        ui,
        &["MEDIAN TIME", &old, &new, "BY CHANCE"],
        &rows.collect::<Vec<_>>(),
    );
    show_logs_and_mask(ui, it);
    if !it.differs() {
        ui.data("nothing differs beyond the noise");
    }
}

fn show_logs_and_mask(ui: &Ui, it: &Outcome) {
    let rows = it.logs.iter().map(|it| {
        let cells = [
            it.container.to_string(),
            it.change.to_owned(),
            visible(&it.line),
        ];
        cells.map(Cell::from).to_vec()
    });
    list(ui, &["LOG", "LINE", ""], &rows.collect::<Vec<_>>());
    let rows = it.mask.iter().map(|it| {
        let often = format!("{} of {}", it.noise, it.of);
        let cells = [visible(&it.endpoint), visible(&it.place), often];
        cells.map(Cell::from).to_vec()
    });
    list(
        ui,
        &["MASK", "DIFFERS BY ITSELF IN", "REQUESTS"],
        &rows.collect::<Vec<_>>(),
    );
    ui.data(&format!("never compared: {}", it.never_compared.join(", ")));
}

fn list(ui: &Ui, header: &[&str], rows: &[Vec<Cell>]) {
    if rows.is_empty() {
        return;
    }
    let shown = if ui.is_verbose() {
        rows.len()
    } else {
        rows.len().min(SHOWN)
    };
    ui.data(&ui.fitted(&table(ui.style(), header, &rows[..shown])));
    let more = rows.len() - shown;
    if more > 0 {
        ui.data(&format!("and {more} more (`--verbose` shows them)"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_references_are_named() {
        assert_eq!(pair("12,13"), Ok((12, 13)));
        assert_eq!(pair("13, 12"), Ok((13, 12)));
        for wrong in ["12", "12,12", "12,13,14", "0,1", "a,b", ""] {
            assert!(pair(wrong).is_err(), "{wrong}");
        }
    }
}
