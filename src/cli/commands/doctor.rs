//! `devenv doctor`

use clap::Args;
use serde_json::json;

use crate::cli::ui::Ui;
use crate::cli::ui::style::Style;
use crate::doctor::{self, Finding, Mended, Mending, Options, Verdict};
use crate::error::{Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::Session;
use crate::model::quantity::Span;

/// Check the engine, the registry, git and this machine, and say what to do about each problem
///
/// It checks the engine with its clock and resources, ports and the forwarder, the registry with its
/// certificate and login, the git server, keys and ledger, DNS, certificate authorities, proxies, and
/// leftovers of interrupted commands. All checks run at the same time, each with a time limit. The
/// exit code is 0 if none failed (warnings do not count), else that of the first one that failed:
/// 4 engine, 5 trust, 6 git, 8 registry, 2 anything else.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Repair what is safe to repair (asks first): remove leftovers, restart a forwarder that ended;
    /// volumes and work trees are never removed
    #[arg(long)]
    fix: bool,
    /// How long one check may take, at least 1s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = limit)]
    timeout: Span,
}

/// No check can answer in less time.
const SHORTEST: Span = Span::seconds(1);

fn limit(text: &str) -> Result<Span, String> {
    let limit: Span = text.parse()?;
    if limit < SHORTEST {
        return Err(format!(
            "{limit} is too short for a check: at least {SHORTEST}"
        ));
    }
    Ok(limit)
}

pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let options = Options {
        limit: arguments.timeout.duration(),
    };
    let mut findings = examine(ui, session, options).await;
    show(ui, &findings);
    let mut mended = Mended::default();
    if arguments.fix {
        let mendings = mendings(&findings);
        if mendings.is_empty() {
            ui.note("there is nothing that devenv can repair");
        } else if agreed(ui, &mendings)? {
            mended = doctor::mend(session, mendings).await?;
            for text in &mended.left {
                ui.warn(&format!("not changed: {text}"));
            }
            findings = examine(ui, session, options).await;
            ui.data("");
            show(ui, &findings);
        }
    }
    let verdict = findings.iter().map(|it| it.verdict).max();
    ui.json(&json!({
        "event": "result", "verdict": verdict, "checks": findings,
        "mended": mended.done, "left": mended.left,
    }));
    Ok(doctor::failed(&findings).map_or(Exit::Done, Exit::from))
}

async fn examine(ui: &Ui, session: &Session, options: Options) -> Vec<Finding> {
    let work = ui.work("checking");
    let pending = |names: &[&'static str]| work.update(&names.join(", "));
    doctor::examine(session, options, &pending).await
}

fn mendings(findings: &[Finding]) -> Vec<Mending> {
    let observations = findings.iter().flat_map(|it| &it.observations);
    observations.filter_map(|it| it.mending.clone()).collect()
}

fn agreed(ui: &Ui, mendings: &[Mending]) -> Result<bool> {
    let lines: Vec<String> = mendings.iter().map(|it| format!("  {it}")).collect();
    ui.note(&format!("devenv will do this:\n{}", lines.join("\n")));
    ui.confirm("do it?", "--yes")
}

fn painted(style: Style, verdict: Verdict) -> String {
    let text = format!("{:7}", verdict.as_str());
    match verdict {
        Verdict::Ok => style.green(text),
        Verdict::Warn => style.yellow(text),
        Verdict::Fail => style.red(text),
        Verdict::Skipped => style.dim(text),
    }
}

fn show(ui: &Ui, findings: &[Finding]) {
    let style = ui.style();
    let mut lines = Vec::new();
    for finding in findings {
        let mut name = finding.name;
        for seen in &finding.observations {
            let text = crate::model::visible::printable(&seen.seen);
            lines.push(format!("{} {name:15} {text}", painted(style, seen.verdict)));
            name = "";
            let indent = " ".repeat(24);
            let advice = seen.advice.iter();
            lines.extend(advice.map(|it| {
                let it = crate::model::visible::printable(it);
                format!("{indent}{} {it}", style.cyan("do:"))
            }));
        }
        if finding.verdict >= Verdict::Warn {
            lines.push(format!(
                "{}{}",
                " ".repeat(24),
                style.dim(format!("why: {}", finding.why))
            ));
        }
    }
    ui.data(&lines.join("\n"));
}
