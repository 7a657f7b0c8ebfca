//! `devenv capsule save`

use std::collections::BTreeSet;
use std::path::PathBuf;

use clap::{Args, ValueEnum, ValueHint};
use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::shown::{self, Facts};
use super::unlock::Locking;
use crate::cli::commands::logs::since;
use crate::cli::commands::release::signing::opened;
use crate::cli::commands::size;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::capsule::{self, Wish};
use crate::model::capsule::part::Part;
use crate::model::name::SnapshotName;
use crate::model::quantity::Span;

/// Save what the instance runs, its logs and its requests as one file, without secrets
///
/// The platform's secrets are taken out of logs, requests and facts by their values, however they are written
/// there; logins and values of cookies become words. Data is saved only with `--with …,snapshot` or
/// `--snapshot`: its bytes stay as they are, and what it holds of secrets is told and asked about. For a new
/// snapshot what writes data is stopped for a moment, as by `devenv snapshot save`.
#[derive(Debug, Args)]
pub struct Arguments {
    /// A file that is not there yet
    #[arg(value_hint = ValueHint::FilePath)]
    file: PathBuf,
    /// Containers and bundles; without any, all of the instance
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Logs and requests since: 90s, 10m, 2h, 1d, 2026-03-01, 2026-03-01T12:00:00Z
    #[arg(long, value_name = "TIME", value_parser = since, default_value = "1h")]
    since: Timestamp,
    /// When what it is about happened; without it, now
    #[arg(long, value_name = "TIME", value_parser = since)]
    at: Option<Timestamp>,
    /// What goes into it
    #[arg(
        long,
        value_enum,
        value_name = "PART",
        value_delimiter = ',',
        default_value = "facts,logs,requests"
    )]
    with: Vec<PartName>,
    /// Take the data from this snapshot instead of the volumes as they are now
    #[arg(long, value_name = "NAME", add = complete::snapshots())]
    snapshot: Option<SnapshotName>,
    /// Take the requests of this file (a log, a HAR file, as `devenv requests` reads) instead of the proxy's log
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    requests: Option<PathBuf>,
    /// What it is about, for whoever opens it
    #[arg(long, value_name = "TEXT")]
    reason: Option<String>,
    /// How long it can be opened: 12h, 30d
    #[arg(long, value_name = "TIME", default_value = "30d", value_parser = lifetime)]
    expires: SignedDuration,
    /// Longest time for one container to become ready again (90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
    #[command(flatten)]
    locking: Locking,
    /// Sign it with this key, which the trust file lists under `keys` or `servers`
    #[arg(long, env = "DEVENV_KEY", value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Signing")]
    key: Option<PathBuf>,
    /// File with the passphrase of that key; without it, `DEVENV_KEY_PASSPHRASE`, else a prompt
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath, help_heading = "Signing")]
    key_passphrase_file: Option<PathBuf>,
}

/// Parts of a capsule.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
enum PartName {
    /// How the containers run (`devenv facts`)
    Facts,
    /// What they printed, and the files in their log volumes
    Logs,
    /// What was asked of the proxy
    Requests,
    /// The data
    Snapshot,
}

impl PartName {
    fn part(self) -> Part {
        match self {
            Self::Facts => Part::Facts,
            Self::Logs => Part::Logs,
            Self::Requests => Part::Requests,
            Self::Snapshot => Part::Snapshot,
        }
    }
}

/// Ten years: what never ends is no end.
const LONGEST: i64 = 3650 * 24;

fn lifetime(text: &str) -> Result<SignedDuration, String> {
    let hours = [("d", 24), ("h", 1)].iter().find_map(|(unit, hours)| {
        let number: i64 = text.strip_suffix(unit)?.parse().ok()?;
        number.checked_mul(*hours)
    });
    let hours = hours.filter(|it| (1..=LONGEST).contains(it));
    let hours = hours.ok_or_else(|| "it takes hours or days: 12h, 30d".to_owned())?;
    Ok(SignedDuration::from_hours(hours))
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let key = match &arguments.key {
        Some(path) => Some(opened(
            ui,
            session,
            path,
            arguments.key_passphrase_file.as_ref(),
        )?),
        None => None,
    };
    let mut parts: BTreeSet<Part> = arguments.with.into_iter().map(PartName::part).collect();
    if arguments.snapshot.is_some() {
        parts.insert(Part::Snapshot);
    }
    if arguments.requests.is_some() {
        parts.insert(Part::Requests);
    }
    let wish = Wish {
        names: arguments.names,
        parts,
        since: arguments.since,
        moment: arguments.at.unwrap_or_else(|| session.home.now()),
        requests: arguments.requests,
        snapshot: arguments.snapshot,
        reason: arguments.reason,
        lifetime: arguments.expires,
        key,
        lock: arguments.locking.lock(ui, session)?,
        timeout: arguments.timeout.duration(),
    };
    let file = &arguments.file;
    let saved = Box::pin(capsule::save(session, &open, file, wish)).await?;
    let facts = Facts {
        manifest: &saved.manifest,
        digest: saved.digest,
        signer: &saved.signer,
        parts: &saved.parts,
    };
    let mut value = facts.json();
    value["event"] = json!("result");
    value["file"] = json!(file);
    value["bytes"] = json!(saved.size);
    ui.json(&value);
    shown::manifest(ui, &facts);
    ui.data(&format!("{}: {}", file.display(), size::of(saved.size)));
    ui.note(&format!(
        "`devenv capsule open {}` opens it on another workstation",
        file.display()
    ));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_end_is_so_many_hours_or_days_away() {
        assert_eq!(lifetime("30d").unwrap(), SignedDuration::from_hours(720));
        assert_eq!(lifetime("12h").unwrap(), SignedDuration::from_hours(12));
        for wrong in ["", "0d", "-1d", "30", "9999999d", "1w"] {
            assert!(lifetime(wrong).is_err(), "{wrong}");
        }
    }
}
