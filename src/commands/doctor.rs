//! `devenv doctor`

use clap::Args;
use serde_json::json;

use crate::context::Context;
use crate::doctor::{self, Finding, Mended, Mending, Options, Verdict};
use crate::error::Result;
use crate::exit::Exit;
use crate::model::quantity::Span;
use crate::ui::Ui;
use crate::ui::progress::Work;
use crate::ui::style::Style;

/// Check everything that devenv stands on, and say what to do
///
/// The engine, its clock and its resources, ports and forwarder, the registry with its certificate and
/// login, the git server, keys and ledger, DNS, certificate authorities, proxies, and what interrupted
/// commands left. All at once, each
/// within a time limit. Ends with 0 when nothing failed (warnings do not count), else with the code
/// of the first check that did: 4 engine, 5 trust, 6 git, 8 registry, 2 anything else.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Mend what is safe to mend (asks first): remove what is left over, start a forwarder that died;
    /// never a volume, never a work tree
    #[arg(long)]
    fix: bool,
    /// How long one check may take, at least 1s
    #[arg(long, value_name = "TIME", default_value = "10s", value_parser = limit)]
    timeout: Span,
}

/// The shortest time in which a check may be expected to say anything.
const SHORTEST: Span = Span::seconds(1);

fn limit(text: &str) -> Result<Span, String> {
    let limit: Span = text.parse()?;
    if limit < SHORTEST {
        return Err(format!("no check ends within {limit}: at least {SHORTEST}"));
    }
    Ok(limit)
}

/// Checks, shows, mends, checks again.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let options = Options {
        limit: arguments.timeout.duration(),
    };
    let mut findings = examine(context, options).await;
    show(&context.ui, &findings);
    let mut mended = Mended::default();
    if arguments.fix {
        let mendings = mendings(&findings);
        if mendings.is_empty() {
            context
                .ui
                .note("there is nothing that can be mended from here");
        } else if agreed(&context.ui, &mendings)? {
            mended = doctor::mend(context, mendings).await?;
            for text in &mended.left {
                context.ui.warn(&format!("left as it is: {text}"));
            }
            findings = examine(context, options).await;
            context.ui.data("");
            show(&context.ui, &findings);
        }
    }
    let verdict = findings.iter().map(|it| it.verdict).max();
    context.ui.json(&json!({
        "event": "result", "verdict": verdict, "checks": findings,
        "mended": mended.done, "left": mended.left,
    }));
    Ok(doctor::failed(&findings).map_or(Exit::Done, Exit::from))
}

async fn examine(context: &Context, options: Options) -> Vec<Finding> {
    let work = Work::begin(&context.ui, "checking");
    let pending = |names: &[&'static str]| work.update(&names.join(", "));
    doctor::examine(context, options, &pending).await
}

fn mendings(findings: &[Finding]) -> Vec<Mending> {
    let observations = findings.iter().flat_map(|it| &it.observations);
    observations.filter_map(|it| it.mending.clone()).collect()
}

fn agreed(ui: &Ui, mendings: &[Mending]) -> Result<bool> {
    let lines: Vec<String> = mendings.iter().map(|it| format!("  {it}")).collect();
    ui.note(&format!("this will be done:\n{}", lines.join("\n")));
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
