//! `devenv diff`

use clap::Args;

use crate::complete;
use crate::context::{Context, OpenPlatform};
use crate::definitions::Changed;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::model::difference::{Difference, differences};
use crate::model::name::ContainerName;
use crate::model::run_specification::RunSpecification;
use crate::prepare::{Choice, Preparation};
use crate::proposals::Proposal;
use crate::ui::Ui;

/// Show what your proposal changes: files, and how it would run, field by field
///
/// Compared with what production runs now. Ends with 1 where anything differs.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The container; all proposals if none is named
    #[arg(add = complete::names())]
    name: Option<ContainerName>,
}

/// What one proposal changes.
#[derive(serde::Serialize)]
struct Changes {
    container: ContainerName,
    files: Vec<crate::definitions::FileChange>,
    run: Vec<Difference>,
    risks: Vec<String>,
    local: Option<String>,
}

/// Compares and prints.
pub async fn run(context: &Context, arguments: &Arguments) -> Result<Exit> {
    let open = context.open()?;
    let proposals = match &arguments.name {
        Some(name) => vec![Proposal::of(context, &open, name)?],
        None => Proposal::all(context, &open)?,
    };
    let mut all = Vec::new();
    for proposal in &proposals {
        all.push(changes(context, &open, proposal).await?);
    }
    context.ui.json(&all);
    for changes in &all {
        show(&context.ui, changes);
    }
    let same = all
        .iter()
        .all(|it| it.files.is_empty() && it.run.is_empty());
    Ok(if same { Exit::Done } else { Exit::Difference })
}

async fn changes(context: &Context, open: &OpenPlatform, proposal: &Proposal) -> Result<Changes> {
    let name = &proposal.container;
    let definitions = context.definitions(&open.name)?;
    let now = proposal.snapshot(context, open, &definitions)?;
    let files = definitions.changed_files(proposal.base, now)?;
    let catalogue = definitions.catalogue(now)?;
    let run = match catalogue.definitions.get(name) {
        Some(definition) => {
            let after = RunSpecification::resolve(definition, &catalogue.platform.defaults);
            let after = value(&after, &definition.routes, &definition.uses)?;
            let before = released(context, open, name).await?;
            differences(&before, &after)
        }
        None => Vec::new(),
    };
    Ok(Changes {
        container: name.clone(),
        files,
        risks: run.iter().filter_map(risk).collect(),
        run,
        local: proposal.built.map(|built| built.version()),
    })
}

/// How production runs it now; nothing where it does not.
async fn released(
    context: &Context,
    open: &OpenPlatform,
    name: &ContainerName,
) -> Result<serde_json::Value> {
    let registry = context.registry();
    let preparation = Preparation::new(context, open, registry.as_ref());
    let environment = &open.platform.workstation.environment;
    let chosen = preparation
        .choose(&Choice::Environment(environment.clone()))
        .await?;
    match chosen.verified.reference.containers.get(name) {
        Some(entry) => value(&entry.run, &entry.routes, &entry.uses),
        None => Ok(serde_json::json!({})),
    }
}

fn value(
    run: &RunSpecification,
    routes: &[crate::model::container::Route],
    uses: &[ContainerName],
) -> Result<serde_json::Value> {
    let bug = |error| Error::bug("cannot compare run specifications").because(error);
    let mut value = serde_json::to_value(run).map_err(bug)?;
    value["routes"] = serde_json::to_value(routes).map_err(bug)?;
    value["uses"] = serde_json::to_value(uses).map_err(bug)?;
    Ok(value)
}

/// What an operator should look at twice.
fn risk(difference: &Difference) -> Option<String> {
    let field = difference.path.split('.').next().unwrap_or_default();
    let gone = difference.after.is_none();
    Some(match field {
        "publish" => "a port is published on the host, or no longer".to_owned(),
        "secrets" => "it wants other secrets: production has to have them first".to_owned(),
        "volumes" if gone => format!("{} goes: what is in it stays behind", difference.path),
        "volumes" => format!("{} moves: what is in it does not", difference.path),
        "user" => "it runs as another user: files in its volumes keep their owner".to_owned(),
        "routes" => "the proxy shows it elsewhere".to_owned(),
        _ => return None,
    })
}

fn show(ui: &Ui, changes: &Changes) {
    let style = ui.style();
    let local = changes.local.as_ref();
    let local = local.map(|it| style.yellow(format!("  LOCAL {it}")));
    ui.data(&format!(
        "{}{}",
        style.bold(changes.container.as_str()),
        local.unwrap_or_default()
    ));
    if changes.files.is_empty() {
        ui.data("  no file differs");
    }
    for file in &changes.files {
        let sign = match file.change {
            Changed::Added => "+",
            Changed::Removed => "-",
            Changed::Modified => "~",
        };
        ui.data(&format!("  {sign} {}", file.path));
    }
    for difference in &changes.run {
        ui.data(&format!("  run: {difference}"));
    }
    for risk in &changes.risks {
        ui.data(&format!("  {} {risk}", style.yellow("look twice:")));
    }
}
