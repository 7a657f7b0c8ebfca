//! `devenv history`

use std::collections::BTreeMap;

use clap::Args;
use futures_util::stream::{self, StreamExt};
use serde::Serialize;

use crate::complete;
use crate::context::{Context, OpenPlatform};
use crate::error::Result;
use crate::evidence::ledger::Look;
use crate::exit::Exit;
use crate::model::digest::Digest;
use crate::model::ledger::{Freshness, LedgerEntry};
use crate::model::name::EnvironmentName;
use crate::model::reference::Reference;
use crate::model::version_change::{VersionChange, version_changes};
use crate::prepare::{Choice, Preparation};
use crate::state::InstanceRecord;
use crate::ui::table::{Cell, table};

/// References that are fetched at the same time.
const AT_ONCE: usize = 8;

/// Changes that one line shows.
const SHOWN: usize = 4;

/// Show what was promoted to an environment: when, by whom, why, and which versions it changed
///
/// The record is signed by production. `devenv up --as-of TIME` and `devenv up --reference N` run
/// what it shows.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The environment; without, the one that workstations follow
    #[arg(add = complete::environments())]
    environment: Option<EnvironmentName>,
    /// How many promotions to show, newest first
    #[arg(long, short = 'n', value_name = "N", default_value_t = 20)]
    limit: usize,
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
    /// Against the promotion before; `None` where one of the two references is not to be had.
    changes: Option<Vec<VersionChange>>,
}

/// Prints the ledger.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let open = context.open()?;
    let registry = context.registry();
    let preparation = Preparation::new(context, &open, registry.as_ref());
    let default = &open.platform.workstation.environment;
    let environment = arguments.environment.as_ref().unwrap_or(default);
    let look = preparation.ledger(environment).await?;
    for warning in preparation.warnings(&look, environment) {
        context.ui.warn(&warning);
    }
    let entries = &look.ledger.predicate.entries;
    // One more than is shown: what the oldest of them changed is told against it.
    let from = entries.len().saturating_sub(arguments.limit);
    let references = references(&preparation, &entries[from.saturating_sub(1)..]).await;
    let here = here(context, &open)?;
    let promotions = promotions(entries, from, &references, here);
    let ledger = &look.ledger.predicate;
    context.ui.json(&serde_json::json!({
        "platform": open.name, "environment": environment, "sequence": ledger.sequence,
        "issued": ledger.issued, "expires": ledger.expires, "signers": look.ledger.signers,
        "confirmed": look.confirmed, "promotions": promotions, "total": entries.len(),
    }));
    show(context, environment, &look, &promotions);
    Ok(Exit::Done)
}

/// Those that can be had, each verified.
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

fn here(context: &Context, open: &OpenPlatform) -> Result<Option<Digest>> {
    let record = InstanceRecord::load(&context.paths, &open.name, &context.instance)?;
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
        }
    };
    let numbered = entries.iter().enumerate().skip(from);
    numbered.rev().map(promotion).collect()
}

fn show(context: &Context, environment: &EnvironmentName, look: &Look, promotions: &[Promotion]) {
    let (ui, ledger) = (&context.ui, &look.ledger.predicate);
    let vouched = match ledger.freshness(context.now()) {
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
        .map(|it| row(it, environment, context.instance.as_str()))
        .collect();
    let header = ["REFERENCE", "RUNS", "SINCE", "BY", "REASON", "CHANGED"];
    ui.data(&ui.fitted(&table(ui.style(), &header, &rows)));
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
