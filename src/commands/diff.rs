//! `devenv diff`

use clap::Args;

use crate::commands::size;
use crate::complete;
use crate::context::Context;
use crate::definitions::Changed;
use crate::error::Result;
use crate::exit::Exit;
use crate::model::name::ContainerName;
use crate::proposals::{Comparison, ImageComparison, PackageChange, Proposal};
use crate::ui::Ui;

/// Show what your proposal changes: files, how it would run, its image, what is risky
///
/// Files are compared with the commit that the proposal began at, the rest with what production
/// runs now: the run specification field by field; size and packages of the image that was built
/// last. Where production's side cannot be read, files and specification are compared with that
/// commit, and it says so. What an operator should look at twice is marked. Ends with 1 where anything differs.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The container; all proposals if none is named
    #[arg(add = complete::names())]
    name: Option<ContainerName>,
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
        all.push(Comparison::of(context, &open, proposal).await?);
    }
    context.ui.json(&all);
    if all.is_empty() {
        context
            .ui
            .data("no proposals; `devenv edit NAME` begins one");
    }
    for comparison in &all {
        show(&context.ui, comparison);
    }
    let same = all.iter().all(Comparison::is_empty);
    Ok(if same { Exit::Done } else { Exit::Difference })
}

fn show(ui: &Ui, comparison: &Comparison) {
    let style = ui.style();
    let local = comparison.local.as_ref();
    let local = local.map(|it| style.yellow(format!("  LOCAL {it}")));
    ui.data(&format!(
        "{}{}",
        style.bold(comparison.container.as_str()),
        local.unwrap_or_default()
    ));
    if comparison.files.is_empty() {
        ui.data("  no file differs");
    }
    for file in &comparison.files {
        let sign = match file.change {
            Changed::Added => "+",
            Changed::Removed => "-",
            Changed::Modified => "~",
        };
        ui.data(&format!("  {sign} {}", file.path));
    }
    if let Some(why) = &comparison.without_production {
        ui.note("  what production runs cannot be read; compared with where the proposal began");
        ui.note(&format!("  {why}"));
    }
    for difference in &comparison.effect.run {
        ui.data(&format!("  run: {difference}"));
    }
    if let Some(image) = &comparison.image {
        show_image(ui, image);
    }
    for risk in &comparison.effect.risks {
        let mark = style.yellow("look twice:");
        ui.data(&format!("  {mark} {risk}"));
    }
}

fn show_image(ui: &Ui, image: &ImageComparison) {
    let (before, after) = (image.released, image.local);
    let sign = if after < before { "-" } else { "+" };
    ui.data(&format!(
        "  image: {} → {} ({sign}{})",
        size::of(before),
        size::of(after),
        size::of(after.abs_diff(before))
    ));
    match image.packages.as_deref() {
        None => ui.note("  packages: one of the images has no package database"),
        Some(changes) => {
            for change in changes {
                ui.data(&format!("  package: {}", in_words(change)));
            }
        }
    }
}

fn in_words(change: &PackageChange) -> String {
    let name = &change.name;
    match (&change.before, &change.after) {
        (Some(before), Some(after)) => format!("{name}: {before} → {after}"),
        (None, Some(after)) => format!("{name}: added {after}"),
        (before, None) => format!("{name}: removed {}", before.as_deref().unwrap_or_default()),
    }
}
