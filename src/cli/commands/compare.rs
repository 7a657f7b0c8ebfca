//! `devenv compare`

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use clap::{Args, ValueHint};

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::instance::facets::comparison::{Comparison, Found, With};
use crate::model::name::ContainerName;

/// Compare how containers run here with what the reference asks for, or with a record of a server
///
/// Each facet is equal, declared (an override, the configuration, a secret or the like says that it
/// differs), different, or unknown. The exit code is 1 if anything is different. `devenv facts
/// --output FILE` writes a record; `devenv help facets` lists what is compared, and why.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers and bundles; without any, all that run
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Compare with this record, or with another instance here, instead of the reference
    #[arg(long, value_name = "FILE|INSTANCE", value_hint = ValueHint::FilePath)]
    with: Option<PathBuf>,
}

pub async fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let file = arguments.with.as_deref();
    let comparison = Box::pin(Comparison::of(session, &open, &arguments.names, file)).await?;
    ui.json(&comparison);
    show(ui, &comparison);
    Ok(match comparison.count("different") {
        0 => Exit::Done,
        _ => Exit::Difference,
    })
}

/// Characters of a value; `--json` has them all.
const WIDEST: usize = 48;

fn show(ui: &Ui, comparison: &Comparison) {
    let style = ui.style();
    ui.data(&format!(
        "{} · instance {} · reference {} · compared with {}",
        style.bold(&comparison.platform),
        comparison.instance,
        comparison.reference.number,
        other(&comparison.with)
    ));
    if let With::Record { reference, .. } = &comparison.with
        && reference.map(|it| it.digest) != Some(comparison.reference.digest)
    {
        ui.warn(
            "the record is not of the reference that runs here: no difference counts as declared",
        );
    }
    let of = |verdict| {
        let all = comparison.facets.iter();
        all.filter(move |it| it.verdict == verdict)
    };
    let rows: Vec<Vec<Cell>> = of("different").map(row).collect();
    if !rows.is_empty() {
        let header = ["DIFFERENT", "FACET", "HERE", "THERE", "WHAT TO DO"];
        ui.data(&table(style, &header, &rows));
    }
    for (verdict, painted) in [
        ("declared", style.yellow("declared")),
        ("unknown", style.dim("unknown")),
    ] {
        for (because, found) in grouped(of(verdict)) {
            let facets = several(
                found.iter().map(|it| it.facet.as_str()),
                "facets",
                ui.is_verbose(),
            );
            let containers = found.iter().map(|it| it.container.as_ref());
            let containers = containers.map(|it| it.map_or("the engine", ContainerName::as_str));
            let containers = several(containers, "containers", ui.is_verbose());
            ui.data(&format!("{painted}: {because}: {facets} of {containers}"));
        }
    }
    if !comparison.not_here.is_empty() {
        let names = comparison.not_here.iter().map(ContainerName::as_str);
        ui.note(&format!(
            "not compared, for they do not run here: {}",
            several(names, "containers", true)
        ));
    }
    let counts = ["equal", "declared", "different", "unknown"];
    let counts = counts.map(|it| format!("{} {it}", comparison.count(it)));
    ui.data(&counts.join(" · "));
}

fn other(with: &With) -> String {
    match with {
        With::Reference { configuration, .. } => {
            format!("what it asks for with the configuration {configuration}")
        }
        With::Record {
            instance,
            signed_by,
            reference,
            configuration,
            taken,
        } => {
            let reference = reference.map_or_else(|| "?".to_owned(), |it| it.number.to_string());
            let taken = taken.strftime("%Y-%m-%d %H:%M UTC");
            let what = match (instance, signed_by) {
                (Some(instance), _) => format!("the instance {instance}"),
                (None, Some(server)) => format!("the server {server}'s record of {taken}"),
                (None, None) => format!("a record of {taken} that nobody signed"),
            };
            format!("{what}: reference {reference}, configuration {configuration}")
        }
    }
}

fn row(found: &Found) -> Vec<Cell> {
    let container = found
        .container
        .as_ref()
        .map_or("(engine)", ContainerName::as_str);
    vec![
        Cell::painted(container, |style, text| style.red(text)),
        Cell::from(found.facet.clone()),
        Cell::from(cut(&found.here)),
        Cell::from(cut(&found.there)),
        Cell::painted(found.because.clone().unwrap_or_default(), |style, text| {
            style.cyan(text)
        }),
    ]
}

fn cut(text: &str) -> String {
    match text.chars().count() {
        ..=WIDEST => text.to_owned(),
        _ => text.chars().take(WIDEST - 1).chain(['…']).collect(),
    }
}

fn grouped<'a>(found: impl Iterator<Item = &'a Found>) -> BTreeMap<&'a str, Vec<&'a Found>> {
    let mut groups: BTreeMap<&str, Vec<&Found>> = BTreeMap::new();
    for it in found {
        let because = it.because.as_deref().unwrap_or_default();
        groups.entry(because).or_default().push(it);
    }
    groups
}

/// The names, or how many there are where they are many.
fn several<'a>(names: impl Iterator<Item = &'a str>, what: &str, all: bool) -> String {
    let names: BTreeSet<&str> = names.collect();
    match names.len() {
        ..=4 => Vec::from_iter(names).join(", "),
        _ if all => Vec::from_iter(names).join(", "),
        count => format!("{count} {what}"),
    }
}
