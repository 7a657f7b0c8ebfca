//! `devenv list`

use clap::Args;
use futures_util::future::{join, join_all};

use crate::cli::commands::status;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::error::{Error, Exit, Kind, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::instance::listing::{Entry, Environment, Inputs, Listing, listing};
use crate::instance::status::Status;
use crate::model::catalogue::Catalogue;
use crate::model::name::{BundleName, EnvironmentName};
use crate::model::nearest::nearest;
use crate::model::visible::visible;
use crate::verify::choose::{Chosen, Preparation};

mod details;

/// Show the containers of the platform, their versions per environment and what runs here
///
/// The containers come from the definitions as last fetched (`devenv sync`), the versions from the
/// signed ledger of each environment: `-` means that it does not run the container, `?` that its
/// ledger could not be read.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Show only this container, with all details, or the containers of this bundle
    #[arg(add = complete::names())]
    name: Option<String>,
    /// Show what containers need and use
    #[arg(long, short)]
    long: bool,
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    let catalogue = session.definitions(&open.name)?.catalogue(open.commit)?;
    let (environments, status) =
        join(environments(ui, session, &open), status(ui, session, &open)).await;
    let mut listing = listing(&Inputs {
        catalogue: &catalogue,
        commit: open.commit.to_string(),
        environments: &environments,
        instance: session.instance.to_string(),
        status: status.as_ref(),
    });
    let Some(name) = &arguments.name else {
        ui.json(&listing);
        show(ui, &listing, arguments.long);
        for pin in status.iter().flat_map(|it| &it.mixed) {
            ui.data(&pin.to_string());
        }
        return Ok(Exit::Done);
    };
    if let Some((bundle, members)) = listing.bundles.remove_entry(name.as_str()) {
        listing.containers.retain(|it| members.contains(&it.name));
        listing.bundles = [(bundle, members)].into();
        ui.json(&listing);
        show(ui, &listing, arguments.long);
    } else if let Some(entry) = listing
        .containers
        .iter()
        .find(|it| it.name.as_str() == name)
    {
        one(ui, &listing, entry, &catalogue);
    } else {
        return Err(unknown(&listing, name));
    }
    Ok(Exit::Done)
}

/// What each environment runs, looked at side by side.
async fn environments(
    ui: &Ui,
    session: &Session,
    open: &OpenPlatform,
) -> Vec<(EnvironmentName, Environment)> {
    let registry = session.registry();
    let preparation = Preparation::new(session, open, registry.as_ref());
    let looks = open
        .platform
        .environments
        .iter()
        .map(|name| preparation.current(name));
    let found: Vec<_> = open
        .platform
        .environments
        .iter()
        .zip(join_all(looks).await)
        .collect();
    tell(ui, &found);
    found
        .into_iter()
        .map(|(name, found)| (name.clone(), environment(found)))
        .collect()
}

fn environment(found: Result<Option<Chosen>>) -> Environment {
    match found {
        Ok(Some(chosen)) => Environment::Runs(Box::new(chosen.verified.reference)),
        Ok(None) => Environment::Nothing,
        Err(error) => Environment::Unknown(error.chain().join(": ")),
    }
}

/// Says what the table cannot: each reason once, for all environments that it holds for. A failed
/// check is worth a warning, a registry that is away only a word.
fn tell(ui: &Ui, found: &[(&EnvironmentName, Result<Option<Chosen>>)]) {
    let mut reasons: Vec<(String, Kind, Vec<&str>)> = Vec::new();
    for (name, found) in found {
        match found {
            Ok(chosen) => chosen
                .iter()
                .flat_map(|it| &it.warnings)
                .for_each(|it| ui.note(it)),
            Err(error) => {
                let why = error.chain().join(": ");
                match reasons.iter_mut().find(|(known, ..)| *known == why) {
                    Some((_, _, names)) => names.push(name.as_str()),
                    None => reasons.push((why, error.kind(), vec![name.as_str()])),
                }
            }
        }
    }
    for (why, kind, names) in reasons {
        let text = format!("cannot tell what runs in {}: {why}", names.join(", "));
        if kind == Kind::Trust {
            ui.warn(&text);
        } else {
            ui.note(&text);
        }
    }
}

/// What the instance does; nothing where it never ran, or where no engine answers.
async fn status(ui: &Ui, session: &Session, open: &OpenPlatform) -> Option<Status> {
    let record = InstanceRecord::load(&session.home.paths, &open.name, &session.instance);
    if matches!(record, Ok(None)) {
        return None;
    }
    let found = async {
        let (engine, choice) = session.engine()?;
        status::of(session, open, &engine, &choice).await
    };
    match found.await {
        Ok(status) => Some(status),
        Err(error) => {
            let why = error.chain().join(": ");
            ui.note(&format!("cannot tell what runs here: {why}"));
            None
        }
    }
}

fn show(ui: &Ui, listing: &Listing, long: bool) {
    let mut header = vec!["NAME", "KIND", "RELEASED"];
    header.extend(listing.environments.iter().map(|it| it.name.as_str()));
    let runs = listing.containers.iter().any(|it| it.running.is_some());
    header.extend(runs.then_some("HERE"));
    header.extend(["ROUTES"]);
    header.extend(long.then_some(["NEEDS", "USES"]).into_iter().flatten());
    header.push("DESCRIPTION");
    let rows: Vec<Vec<Cell>> = listing
        .containers
        .iter()
        .map(|entry| row(listing, entry, runs, long))
        .collect();
    ui.data(&ui.fitted(&table(ui.style(), &header, &rows)));
    for entry in &listing.containers {
        let overrides = overrides(entry);
        if !overrides.is_empty() {
            let name = &entry.name;
            ui.data(&format!("{name} runs with your overrides: {overrides}"));
        }
    }
    for (bundle, members) in &listing.bundles {
        ui.data(&bundle_line(bundle, members));
    }
}

fn bundle_line<T: ToString>(bundle: &BundleName, members: &[T]) -> String {
    format!("bundle {bundle}: {}", joined(members))
}

fn row(listing: &Listing, entry: &Entry, runs: bool, long: bool) -> Vec<Cell> {
    let released = entry.released.clone().unwrap_or_default();
    let mut cells = vec![
        Cell::from(entry.name.as_str()),
        Cell::from(entry.kind),
        Cell::from(released),
    ];
    for environment in &listing.environments {
        cells.push(match entry.versions.get(&environment.name) {
            Some(version) => Cell::from(version.clone()),
            None if !entry.runs() => Cell::from(""),
            None if environment.error.is_some() => {
                Cell::painted("?", |style, text| style.yellow(text))
            }
            None => Cell::from("-"),
        });
    }
    if runs {
        cells.push(here(entry));
    }
    cells.push(Cell::from(joined(&entry.routes)));
    if long {
        let needs: Vec<_> = entry.needs.iter().map(|it| &it.container).collect();
        cells.extend([Cell::from(joined(&needs)), Cell::from(joined(&entry.uses))]);
    }
    let description = entry.description.clone().unwrap_or_default();
    cells.push(if entry.defined {
        Cell::from(description)
    } else {
        Cell::painted(
            format!("(not in the definitions any more) {description}"),
            |style, text| style.dim(text),
        )
    });
    cells
}

/// The keys of the user's own changes that run here.
fn overrides(entry: &Entry) -> String {
    let running = entry.running.as_ref();
    running.map_or_else(String::new, |it| joined(&it.overrides))
}

/// What runs in this instance.
fn here(entry: &Entry) -> Cell {
    match &entry.running {
        None => Cell::from(""),
        Some(it) if it.source != "reference" => status::version(&it.source, &it.version),
        Some(it) if it.state == "running" => {
            Cell::painted(it.version.clone(), |style, text| style.green(text))
        }
        Some(it) => Cell::painted(format!("{} {}", it.version, it.state), |style, text| {
            style.dim(text)
        }),
    }
}

fn one(ui: &Ui, listing: &Listing, entry: &Entry, catalogue: &Catalogue) {
    let definition = catalogue.definitions.get(&entry.name);
    let details = definition.map(|it| details::of(it, &catalogue.platform.defaults));
    let mut value = serde_json::to_value(entry).unwrap_or_default();
    value["run"] = details
        .as_ref()
        .and_then(|it| serde_json::to_value(&it.run).ok())
        .unwrap_or_default();
    ui.json(&value);
    let kind = if entry.defined {
        entry.kind.to_owned()
    } else {
        format!("{}, not in the definitions any more", entry.kind)
    };
    ui.data(&format!("{} ({kind})", ui.style().bold(&entry.name)));
    let mut lines = entry_lines(listing, entry);
    lines.extend(details.map(|it| it.lines()).unwrap_or_default());
    if let Some(description) = &entry.description {
        ui.data(&crate::model::visible::printable(description));
    }
    for (title, text) in lines.iter().filter(|(_, text)| !text.is_empty()) {
        let text = crate::model::visible::printable(text);
        ui.data(&format!("  {title:<16}{text}"));
    }
}

fn entry_lines(listing: &Listing, entry: &Entry) -> Vec<(String, String)> {
    let mut lines = Vec::new();
    for environment in listing.environments.iter().filter(|_| entry.runs()) {
        let unknown = if environment.error.is_some() {
            "?"
        } else {
            "-"
        };
        let version = entry.versions.get(&environment.name).cloned();
        lines.push((
            environment.name.to_string(),
            version.unwrap_or_else(|| unknown.to_owned()),
        ));
    }
    let needs: Vec<_> = entry
        .needs
        .iter()
        .map(|it| format!("{} (until {})", it.container, it.until.as_str()))
        .collect();
    let here = entry.running.as_ref().map(|it| {
        let version = match it.source.as_str() {
            "reference" => it.version.clone(),
            source => format!("{} {}", source.to_uppercase(), it.version),
        };
        format!("{version} {} {}", it.state, it.urls.join(" "))
    });
    for (title, text) in [
        ("released", entry.released.clone().unwrap_or_default()),
        ("here", here.unwrap_or_default().trim_end().to_owned()),
        ("overrides", overrides(entry)),
        ("routes", joined(&entry.routes)),
        ("needs", needs.join(", ")),
        ("needed by", joined(&entry.needed_by)),
        ("uses", joined(&entry.uses)),
        ("bundles", joined(&entry.bundles)),
    ] {
        lines.push((title.to_owned(), text));
    }
    lines
}

fn joined<T: ToString>(items: &[T]) -> String {
    let items: Vec<String> = items.iter().map(ToString::to_string).collect();
    items.join(", ")
}

fn unknown(listing: &Listing, name: &str) -> Error {
    let containers = listing.containers.iter().map(|it| it.name.as_str());
    let bundles = listing.bundles.keys().map(BundleName::as_str);
    let error = Error::usage(format!(
        "no container or bundle is called `{}`",
        visible(name)
    ));
    match nearest(name, containers.chain(bundles)) {
        Some(near) => error.hint(format!("did you mean `{near}`?")),
        None => error.hint("`devenv list` shows the names"),
    }
}
