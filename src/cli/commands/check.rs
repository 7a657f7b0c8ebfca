//! `devenv check`

use std::path::PathBuf;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::ui::Ui;
use crate::definitions::{Changed, Definitions};
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::norms::{Judgement, Ruling};
use crate::proposals::{Merge, Review, review};

/// Check a clone of the definitions: every fault with file and line, and what a merge would change
///
/// It needs neither an engine nor a registry nor `devenv init`: run it in a clone, or in the CI of
/// the definitions. What stands in the work tree counts, committed or not. The exit code is 3 if
/// anything is wrong.
#[derive(Debug, Args)]
pub struct Arguments {
    /// The clone; without it, the one that the current folder lies in
    #[arg(
        long,
        value_name = "DIR",
        default_value = ".",
        hide_default_value = true
    )]
    definitions: PathBuf,
    /// The branch or commit that it is to be merged into; without it, the server's default branch
    #[arg(long, value_name = "BRANCH")]
    against: Option<String>,
}

pub fn run(ui: &Ui, session: &Session, arguments: &Arguments) -> Result<Exit> {
    let (definitions, head) = Definitions::elsewhere(&arguments.definitions, &session.git())?;
    let now = session.home.now();
    let review = review(&definitions, head, arguments.against.as_deref(), now)?;
    ui.json(&json!({
        "platform": review.platform,
        "faults": review.faults.iter().map(fault).collect::<Vec<_>>(),
        "policy": review.policy.iter().map(judgement).collect::<Vec<_>>(),
        "idle_waivers": review.idle_waivers,
        "merge": review.merge,
        "not_looked_at": review.not_looked_at,
    }));
    show(ui, &review);
    Ok(if review.is_refused() {
        Exit::Definitions
    } else {
        Exit::Done
    })
}

fn fault(fault: &Error) -> Value {
    let place = fault.place();
    let text = fault.to_string();
    let message = place
        .and_then(|place| text.strip_prefix(&format!("{place}: ")))
        .unwrap_or(&text);
    json!({
        "file": place.map(|it| &it.file), "line": place.and_then(|it| it.line),
        "column": place.and_then(|it| it.column), "message": message, "hints": fault.hints(),
    })
}

fn judgement(judgement: &Judgement) -> Value {
    let finding = &judgement.finding;
    let place = finding.place.as_ref();
    let (ruling, waiver) = match &judgement.ruling {
        Ruling::Refused => ("refused", None),
        Ruling::Warned => ("warned", None),
        Ruling::Waived(waiver) => ("waived", Some(waiver)),
    };
    json!({
        "rule": finding.rule, "container": finding.container, "finding": finding.text,
        "file": place.map(|it| &it.file), "line": place.and_then(|it| it.line), "ruling": ruling,
        "waiver": waiver.map(|it| json!({ "until": it.until, "name": it.name, "reason": it.reason })),
    })
}

fn show(ui: &Ui, review: &Review) {
    let style = ui.style();
    for fault in &review.faults {
        ui.data(&format!("{} {fault}", style.red("fault:")));
        for line in fault.details().iter().flat_map(|it| it.lines()) {
            ui.data(&format!("  {line}"));
        }
        for hint in fault.hints() {
            ui.data(&format!("  {} {hint}", style.cyan("hint:")));
        }
    }
    for judgement in &review.policy {
        let mark = match judgement.ruling {
            Ruling::Refused => style.red("refused:"),
            Ruling::Warned | Ruling::Waived(_) => style.yellow("policy:"),
        };
        ui.data(&format!("{mark} {judgement}"));
    }
    for waiver in &review.idle_waivers {
        let mark = style.yellow("policy:");
        ui.data(&format!("{mark} this waiver lets nothing pass: {waiver}"));
    }
    if let Some(merge) = &review.merge {
        show_merge(ui, merge);
    }
    for text in &review.not_looked_at {
        ui.note(&format!("not looked at: {text}"));
    }
    let refused = |it: &&Judgement| it.ruling == Ruling::Refused;
    match review.faults.len() + review.policy.iter().filter(refused).count() {
        0 => ui.data(&style.green("no faults")),
        1 => ui.data("1 fault"),
        many => ui.data(&format!("{many} faults")),
    }
}

fn show_merge(ui: &Ui, merge: &Merge) {
    let style = ui.style();
    if merge.files.is_empty() {
        ui.data(&format!("a merge into {} changes no file", merge.target));
        return;
    }
    ui.data(&format!("a merge into {} changes:", merge.target));
    for file in &merge.files {
        let sign = match file.change {
            Changed::Added => "+",
            Changed::Removed => "-",
            Changed::Modified => "~",
        };
        ui.data(&format!("  {sign} {}", file.path));
    }
    for difference in &merge.platform {
        ui.data(&format!("  {difference}"));
    }
    for change in &merge.containers {
        let when = match &change.released {
            Some(version) if *version.as_str() == *change.against => {
                format!("its next release, against {version}")
            }
            Some(_) => format!("its next release, against {}", change.against),
            None => "its first release".to_owned(),
        };
        let name = style.bold(change.container.as_str());
        ui.data(&format!("{name}: {when}"));
        for difference in &change.effect.run {
            ui.data(&format!("  run: {difference}"));
        }
        if change.effect.run.is_empty() {
            ui.data("  another image, run as before");
        }
        for risk in &change.effect.risks {
            let mark = style.yellow("look twice:");
            ui.data(&format!("  {mark} {risk}"));
        }
    }
}
