//! What `up` and `down NAME` end with: what was done or would be, in a table or as JSON.

use crate::cli::commands::status;
use crate::cli::ui::Ui;
use crate::cli::ui::table::{Cell, table};
use crate::converge::desired::Image;
use crate::converge::plan::Plan;
use crate::converge::select::Why;
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::{OpenPlatform, Session};
use crate::instance::intent::{Intent, LogsTo, Manner};
use crate::instance::status::LogFolder;
use crate::instance::{Brought, Instance};
use crate::model::{identity, urls};

/// Carries an intent out and shows what became of it.
pub(in crate::cli::commands) async fn finish(
    ui: &Ui,
    session: &Session,
    open: &OpenPlatform,
    intent: &Intent,
    manner: Manner,
) -> Result<Exit> {
    let instance = if manner.is_plan() {
        Instance::to_plan(session, open)?
    } else {
        Instance::new(session, open)?
    };
    let brought = instance.up(intent, manner).await?;
    if manner.is_plan() {
        let is_new = matches!(intent, Intent::Add(it) if matches!(it.logs_to, LogsTo::Folder(_)));
        show_plan(ui, &brought, is_new);
    } else if ui.is_json() {
        show_json(ui, session, open).await?;
    } else {
        show(ui, &brought);
    }
    Ok(Exit::Done)
}

/// What runs now, as `status` tells it.
pub(super) async fn show_json(ui: &Ui, session: &Session, open: &OpenPlatform) -> Result<()> {
    let (engine, choice) = session.engine()?;
    let status = status::of(session, open, &engine, &choice).await?;
    let mut value = serde_json::to_value(&status).unwrap_or_default();
    value["event"] = "result".into();
    ui.json(&value);
    Ok(())
}

fn version(image: &Image) -> Cell {
    status::version(image.source.as_str(), &image.version)
}

fn show_plan(ui: &Ui, brought: &Brought, is_new_folder: bool) {
    let reference = &brought.overlay.reference;
    let rows: Vec<Vec<Cell>> = brought
        .selection
        .order
        .iter()
        .map(|name| {
            let image = &brought.images[name];
            let (signers, commit) = match image.released() {
                Some(it) => (it.signers.join(", "), it.commit.chars().take(10).collect()),
                None => (String::new(), String::new()),
            };
            let why = match &brought.selection.why[name] {
                Why::Asked => "asked for".to_owned(),
                Why::NeededBy(other) => format!("needed by {other}"),
                Why::Proxy => "the proxy".to_owned(),
            };
            vec![
                Cell::from(name.as_str()),
                version(image.image()),
                Cell::from(image.image().digest.short()),
                Cell::from(signers),
                Cell::from(commit),
                Cell::from(why),
            ]
        })
        .collect();
    ui.data(&format!(
        "reference {} of {}",
        reference.number,
        reference.created.strftime("%Y-%m-%d %H:%M UTC")
    ));
    ui.data(&table(
        ui.style(),
        &["NAME", "VERSION", "DIGEST", "SIGNED BY", "COMMIT", "WHY"],
        &rows,
    ));
    if brought.planned.plan.is_empty() {
        ui.data("nothing to do");
    } else {
        ui.data(&brought.planned.plan.to_string());
    }
    show_pins(ui, brought);
    let logs_to = brought.logs_to.as_ref().map(LogFolder::from);
    if let Some(logs_to) = &logs_to {
        let first = (is_new_folder && logs_to.shared)
            .then_some(": `devenv up` first checks that the engine sees it");
        ui.data(&format!("{logs_to}{}", first.unwrap_or_default()));
    }
    let plan = &brought.planned.plan;
    let mut plan = plan_json(plan, Some(reference.number), logs_to.as_ref());
    if let Some(pin) = &brought.pin {
        plan["pinned"] = serde_json::json!(pin);
    }
    if !brought.versions.is_empty() {
        plan["mixed"] = serde_json::json!(brought.versions);
    }
    plan["overrides"] = overridden(brought).collect();
    ui.json(&plan);
}

/// What stays whatever is released.
fn show_pins(ui: &Ui, brought: &Brought) {
    if let Some(pin) = &brought.pin {
        ui.note(&pin.to_string());
    }
    for pin in &brought.versions {
        ui.warn(&pin.to_string());
    }
}

/// The keys of the user's own changes, by container.
fn overridden(brought: &Brought) -> impl Iterator<Item = (String, Vec<&str>)> {
    let containers = brought.planned.desired.containers.iter();
    containers.filter_map(|container| {
        let keys = container.body.labels.get(identity::OVERRIDES)?;
        let keys: Vec<&str> = keys.split_terminator(',').collect();
        (!keys.is_empty()).then(|| (container.name.to_string(), keys))
    })
}

/// A plan as `--dry-run --json` prints it. `reference`: its number, where the plan brings one.
pub(in crate::cli::commands) fn plan_json(
    plan: &Plan,
    reference: Option<u64>,
    logs_to: Option<&LogFolder>,
) -> serde_json::Value {
    let steps = plan.nodes.iter().map(|node| {
        serde_json::json!({
            "step": node.step.to_string(), "cause": node.cause.to_string(), "after": node.after,
        })
    });
    let steps: Vec<_> = steps.collect();
    serde_json::json!({ "reference": reference, "steps": steps, "logs_to": logs_to })
}

fn show(ui: &Ui, brought: &Brought) {
    let reference = &brought.overlay.reference;
    let port = brought
        .planned
        .ports
        .proxy(reference)
        .filter(|_| brought.selection.why.contains_key(&reference.proxy));
    let rows: Vec<Vec<Cell>> = brought
        .selection
        .order
        .iter()
        .map(|name| {
            let state = brought
                .ready
                .get(name)
                .map_or("started", |ready| ready.as_str());
            let urls = urls::urls(reference, name, port, &brought.host);
            vec![
                Cell::from(name.as_str()),
                version(brought.images[name].image()),
                Cell::painted(state, |style, text| style.green(text)),
                Cell::painted(urls.join("  "), |style, text| style.cyan(text)),
            ]
        })
        .collect();
    if brought.planned.plan.is_empty() {
        ui.note("nothing to do");
    }
    ui.data(&table(
        ui.style(),
        &["NAME", "VERSION", "STATE", "URL"],
        &rows,
    ));
    show_pins(ui, brought);
    if let Some(logs_to) = &brought.logs_to {
        ui.note(&LogFolder::from(logs_to).to_string());
    }
    let absent: Vec<_> = brought
        .selection
        .absent
        .iter()
        .flat_map(|name| {
            reference.containers[name]
                .routes
                .iter()
                .map(ToString::to_string)
        })
        .collect();
    if port.is_some() && !absent.is_empty() {
        ui.note(&format!(
            "not part of this subset (they answer 503): {}",
            absent.join(" ")
        ));
    }
}
