//! `devenv diff`

use clap::Args;

use crate::cli::commands::size;
use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::definitions::Changed;
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::name::ContainerName;
use crate::proposals::{Comparison, ImageComparison, PackageChange, Proposal};

/// Show what your proposal changes: files, how the container would run, its image, and the risks
///
/// Files are compared with the commit at which the proposal began. How the container runs, and the
/// size and packages of the image that was built last, are compared with what production runs now;
/// if that cannot be read, with the same commit, and a note says so. Risks are marked. The exit code
/// is 1 if anything differs.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Name of the container; without it, all proposals are compared
    #[arg(add = complete::names())]
    name: Option<ContainerName>,
}

pub async fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let open = session.open()?;
    let proposals = match &arguments.name {
        Some(name) => vec![Proposal::of(session, &open, name)?],
        None => Proposal::all(session, &open)?,
    };
    let mut all = Vec::new();
    for proposal in &proposals {
        all.push(Comparison::of(session, &open, proposal).await?);
    }
    ui.json(&all);
    if all.is_empty() {
        ui.data("no proposals; `devenv edit NAME` starts one");
    }
    for comparison in &all {
        show(ui, comparison);
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
        ui.note("  what production runs cannot be read: compared with the commit at which the proposal began");
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
