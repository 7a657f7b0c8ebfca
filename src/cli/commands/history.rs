//! `devenv history`

use std::collections::BTreeMap;

use clap::Args;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::model::digest::Digest;
use crate::model::ledger::{Freshness, LedgerEntry};
use crate::model::name::EnvironmentName;
use crate::model::reference::Reference;
use crate::model::version_change::{VersionChange, version_changes};
use crate::verify::choose::{Choice, Preparation};
use crate::verify::evidence::ledger::Look;
use crate::verify::evidence::packages::ContainerPackage;

/// References that are fetched at the same time.
const AT_ONCE: usize = 8;

/// Changes that one line shows.
const SHOWN: usize = 4;

/// Show what was promoted to an environment: when, by whom, why, and which versions it changed
///
/// The record (the ledger) is signed by production. `devenv up --as-of TIME` and `devenv up
/// --reference N` run what it shows.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the environment; without it, the one that workstations follow
    #[arg(add = complete::environments())]
    environment: Option<EnvironmentName>,
    /// How many promotions to show, newest first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,
    /// Show the packages that each promotion changed in its containers
    #[arg(long)]
    packages: bool,
}

/// One promotion, as it is shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct Promotion {
    number: u64,
    digest: Digest,
    at: jiff::Timestamp,
    by: String,
    reason: String,
    /// Whether the environment runs it now.
    current: bool,
    /// Whether this instance runs the same reference.
    here: bool,
    /// Against the promotion before; `None` where one of the two references cannot be fetched.
    changes: Option<Vec<VersionChange>>,
    /// Where they are asked for: the same of packages.
    #[serde(skip_serializing_if = "Option::is_none")]
    packages: Option<Packages>,
}

/// The packages that a promotion changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(untagged)]
enum Packages {
    Known(Vec<ContainerPackage>),
    /// Those before or after were not listed.
    Unknown,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let registry = session.registry();
    let preparation = Preparation::new(session, &open, registry.as_ref());
    let default = &open.workstation.environment;
    let environment = arguments.environment.as_ref().unwrap_or(default);
    let look = preparation.ledger(environment).await?;
    for warning in preparation.warnings(&look, environment) {
        ui.warn(&warning);
    }
    let entries = &look.ledger.predicate.entries;
    // One more than is shown: what the oldest of them changed is told against it.
    let from = entries.len().saturating_sub(arguments.limit);
    let references = references(&preparation, &entries[from.saturating_sub(1)..]).await;
    let here = here(session, &open)?;
    let mut promotions = promotions(entries, from, &references, here);
    if arguments.packages {
        add_packages(&preparation, entries, &references, &mut promotions).await?;
    }
    let ledger = &look.ledger.predicate;
    ui.json(&serde_json::json!({
        "platform": open.name, "environment": environment, "sequence": ledger.sequence,
        "issued": ledger.issued, "expires": ledger.expires, "signers": look.ledger.signers,
        "confirmed": look.confirmed, "promotions": promotions, "total": entries.len(),
    }));
    show(ui, session, environment, &look, &promotions);
    Ok(Exit::Done)
}

/// Those that can be fetched, each verified.
async fn references(
    preparation: &Preparation<'_>,
    entries: &[LedgerEntry],
) -> BTreeMap<Digest, Reference> {
    let wanted: BTreeMap<Digest, u64> = entries.iter().map(|it| (it.digest, it.number)).collect();
    let fetch = |(digest, number): (Digest, u64)| async move {
        let chosen = preparation.choose(&Choice::Pinned(number, digest)).await;
        Some((digest, chosen.ok()?.verified.reference))
    };
    stream::iter(wanted.into_iter().map(fetch))
        .buffer_unordered(AT_ONCE)
        .filter_map(std::future::ready)
        .collect()
        .await
}

/// Newest first, as the promotions are.
async fn add_packages(
    preparation: &Preparation<'_>,
    entries: &[LedgerEntry],
    references: &BTreeMap<Digest, Reference>,
    promotions: &mut [Promotion],
) -> Result<()> {
    let verifier = preparation.verifier();
    for (promotion, index) in promotions.iter_mut().zip((0..entries.len()).rev()) {
        let before = index.checked_sub(1).map(|before| &entries[before].digest);
        let before = before.and_then(|digest| references.get(digest));
        let packages = match before.zip(references.get(&entries[index].digest)) {
            Some((before, after)) => {
                let found = verifier.packages_between(before, after).await?;
                if found.unknown.is_empty() {
                    Packages::Known(found.changes)
                } else {
                    Packages::Unknown
                }
            }
            None => Packages::Unknown,
        };
        promotion.packages = Some(packages);
    }
    Ok(())
}

fn here(session: &Session, open: &OpenPlatform) -> Result<Option<Digest>> {
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance)?;
    Ok(record.map(|record| record.reference.digest))
}

/// Newest first, from the end of the ledger back to the entry at `from`.
fn promotions(
    entries: &[LedgerEntry],
    from: usize,
    references: &BTreeMap<Digest, Reference>,
    here: Option<Digest>,
) -> Vec<Promotion> {
    let versions = |entry: &LedgerEntry| Some(references.get(&entry.digest)?.versions());
    let promotion = |(index, entry): (usize, &LedgerEntry)| {
        let before = match index.checked_sub(1) {
            Some(before) => versions(&entries[before]),
            None => Some(BTreeMap::new()),
        };
        let changes = before
            .zip(versions(entry))
            .map(|(before, after)| version_changes(&before, &after));
        Promotion {
            number: entry.number,
            digest: entry.digest,
            at: entry.at,
            by: entry.by.clone(),
            reason: entry.reason.clone(),
            current: index + 1 == entries.len(),
            here: here == Some(entry.digest),
            changes,
            packages: None,
        }
    };
    let numbered = entries.iter().enumerate().skip(from);
    numbered.rev().map(promotion).collect()
}

fn show(
    ui: &Ui,
    session: &Session,
    environment: &EnvironmentName,
    look: &Look,
    promotions: &[Promotion],
) {
    let (ui, ledger) = (ui, &look.ledger.predicate);
    let vouched = match ledger.freshness(session.home.now()) {
        Freshness::Current { until } => format!("vouched for until {}", until.strftime("%Y-%m-%d")),
        Freshness::Expired { since } => format!("expired on {}", since.strftime("%Y-%m-%d")),
    };
    ui.data(&format!(
        "{} · sequence {} of {} · signed by {} · {vouched}",
        ui.style().bold(environment),
        ledger.sequence,
        ledger.issued.strftime("%Y-%m-%d %H:%M UTC"),
        look.ledger.signers.join(", "),
    ));
    let rows: Vec<Vec<Cell>> = promotions
        .iter()
        .map(|it| row(it, environment, session.instance.as_str()))
        .collect();
    let header = ["REFERENCE", "RUNS", "SINCE", "BY", "REASON", "CHANGED"];
    ui.data(&ui.fitted(&table(ui.style(), &header, &rows)));
    for promotion in promotions {
        let number = promotion.number;
        match &promotion.packages {
            None => {}
            Some(Packages::Unknown) => ui.data(&format!(
                "{number}: the packages before or now are not known"
            )),
            Some(Packages::Known(changes)) => {
                for change in changes {
                    ui.data(&format!("{number}: package {change}"));
                }
            }
        }
    }
    let more = ledger.entries.len() - promotions.len();
    if more > 0 {
        ui.note(&format!("{more} older ones: `--limit N` shows more"));
    }
}

fn row(promotion: &Promotion, environment: &EnvironmentName, instance: &str) -> Vec<Cell> {
    let mut runs = Vec::new();
    if promotion.current {
        runs.push(environment.to_string());
    }
    if promotion.here {
        runs.push(format!("instance {instance}"));
    }
    vec![
        Cell::from(promotion.number.to_string()),
        Cell::painted(runs.join(", "), |style, text| style.green(text)),
        Cell::from(promotion.at.strftime("%Y-%m-%d %H:%M UTC").to_string()),
        Cell::from(promotion.by.clone()),
        Cell::from(promotion.reason.clone()),
        Cell::from(changed(promotion)),
    ]
}

fn changed(promotion: &Promotion) -> String {
    let Some(changes) = &promotion.changes else {
        return "?".to_owned();
    };
    if changes.is_empty() {
        return "no version".to_owned();
    }
    let first: Vec<String> = changes
        .iter()
        .take(SHOWN)
        .map(ToString::to_string)
        .collect();
    match changes.len() - first.len() {
        0 => first.join(", "),
        more => format!("{} and {more} more", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::name::Version;
    use crate::model::reference::tests::{container, reference};
    use crate::model::testing::time;

    fn entry(number: u64, text: &str) -> LedgerEntry {
        LedgerEntry {
            number,
            digest: Digest::of(text.as_bytes()),
            at: time(i64::try_from(number).unwrap()),
            by: "anna".to_owned(),
            reason: String::new(),
        }
    }

    #[test]
    fn each_promotion_is_told_against_the_one_before() {
        let first = reference(&[container("billing", &[], &[])]);
        let mut second = first.clone();
        second.containers.get_mut("billing").unwrap().version = Some(Version::new("1.1").unwrap());
        let entries = [entry(1, "a"), entry(2, "b"), entry(1, "a"), entry(3, "c")];
        let references = [(Digest::of(b"a"), first), (Digest::of(b"b"), second)].into();
        let told = |from| -> Vec<String> {
            let promotions = promotions(&entries, from, &references, Some(Digest::of(b"b")));
            assert!(promotions[0].current && !promotions[0].here);
            promotions.iter().map(changed).collect()
        };
        assert_eq!(
            told(0),
            [
                "?",
                "billing 1.1 → 1.0",
                "billing 1.0 → 1.1",
                "billing 1.0 (new)"
            ]
        );
        assert_eq!(told(2), ["?", "billing 1.1 → 1.0"]);
    }

    #[test]
    fn many_changes_are_cut() {
        let names = ["a", "b", "c", "d", "e", "f"];
        let all: Vec<_> = names.iter().map(|name| container(name, &[], &[])).collect();
        let references = [(Digest::of(b"a"), reference(&all))].into();
        let promotions = promotions(&[entry(1, "a")], 0, &references, None);
        assert_eq!(
            changed(&promotions[0]),
            "a 1.0 (new), b 1.0 (new), c 1.0 (new), d 1.0 (new) and 2 more"
        );
    }
}
