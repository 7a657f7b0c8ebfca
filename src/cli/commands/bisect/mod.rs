//! `devenv bisect`

mod judge;

use clap::{Args, Subcommand};
use serde_json::{Map, Value, json};

use crate::cli::complete;
use crate::cli::ui::Ui;
use crate::definitions::History;
use crate::error::{Error, Exit, Result};
use crate::home::reporter::Reporter as _;
use crate::home::session::{OpenPlatform, Session};
use crate::instance::bisect::{self, Found, Guilty, Next, Promoted, Search, Trial, Tried, Wish};
use crate::instance::snapshot;
use crate::model::name::{EnvironmentName, SnapshotName};
use crate::model::quantity::Span;
use crate::release::layout::files::{FileChange, FileDifference};

/// Find the change that made something bad: over references, then within the guilty one
///
/// It starts one candidate after another and runs COMMAND on this machine for each. Exit code 0 means
/// good, 125 skip, any other up to 127 bad; a higher one stops the search, as with `git bisect run`.
/// Without COMMAND it asks. Both ends are tried first, then the references that the environment ran
/// between them, by halves; then the changes of the first bad one, container by container, among the
/// versions of the reference before it: mixes that never ran in production.
///
/// Data is not restored between steps: each candidate finds the volumes as the one before left them, but
/// with `--snapshot` that snapshot's data.
///
/// COMMAND gets `DEVENV_PLATFORM` and `DEVENV_INSTANCE` (and `DEVENV_HOST` with `--host`), so that devenv in it means the same instance.
/// Each verdict is kept: after Ctrl-C, `devenv bisect` goes on. `devenv bisect reset` brings the instance
/// back to what it ran before; `devenv --instance NAME bisect …` searches beside it.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub struct Arguments {
    #[command(subcommand)]
    action: Option<Action>,
    #[command(flatten)]
    start: Start,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Show what was tried, and what is next
    Log,
    /// End the search, and bring the instance back to what it ran before
    Reset,
}

#[derive(Debug, Args)]
struct Start {
    /// A reference without the fault
    #[arg(long, value_name = "N", requires = "bad", add = complete::references())]
    good: Option<u64>,
    /// A reference with the fault
    #[arg(long, value_name = "N", requires = "good", add = complete::references())]
    bad: Option<u64>,
    /// Containers or bundles to start; without any, what the instance runs
    #[arg(requires = "good", add = complete::names())]
    names: Vec<String>,
    /// Search what this environment ran
    #[arg(long, short, value_name = "NAME", requires = "good", add = complete::environments())]
    environment: Option<EnvironmentName>,
    /// Judge each candidate so many times; verdicts that differ stop the search
    #[arg(long, value_name = "K", requires = "good", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=100))]
    repeat: u32,
    /// Take a reference that does not become ready for bad, instead of skipping it
    #[arg(long, requires = "good")]
    unready_is_bad: bool,
    /// Longest time for one container to become ready (90s, 5m)
    #[arg(long, value_name = "TIME", requires = "good", default_value = "3m")]
    timeout: Span,
    /// Begin each step with the data of this snapshot (asks first: the data of now is gone then)
    #[arg(long, value_name = "NAME", requires = "good", add = complete::snapshots())]
    snapshot: Option<SnapshotName>,
    /// What judges a candidate: a program of this machine and its arguments
    #[arg(last = true, requires = "good")]
    command: Vec<String>,
}

/// Searches, or shows or ends a search.
pub async fn run(ui: &Ui, session: &Session, arguments: Arguments) -> Result<Exit> {
    let open = session.open()?;
    match arguments.action {
        Some(Action::Log) => log(ui, session, &open),
        Some(Action::Reset) => reset(ui, session, &open).await,
        None => search(ui, session, &open, arguments.start).await,
    }
}

async fn search(ui: &Ui, session: &Session, open: &OpenPlatform, start: Start) -> Result<Exit> {
    let _lock = Search::lock(session, open)?;
    let mut search = match start.good.zip(start.bad) {
        Some((good, bad)) => {
            judge::refuse_nobody(ui, &start.command)?;
            let wish = Wish {
                good,
                bad,
                names: start.names,
                environment: start.environment,
                command: start.command,
                repeat: start.repeat,
                timeout: start.timeout,
                unready_is_bad: start.unready_is_bad,
                snapshot: start.snapshot,
            };
            agree(ui, session, open, &wish)?;
            bisect::begin(session, open, &wish).await?
        }
        None => known(session, open)?,
    };
    judge::refuse_nobody(ui, &search.command)?;
    fetch(ui, session, open).await;
    ui.note(&search.to_string());
    let (command, repeat) = (search.command.clone(), search.repeat);
    let judge =
        async |trial: &Trial| judge::judge(ui, session, open, (&command, repeat), trial).await;
    let told = |tried: &Tried| {
        ui.note(&tried.to_string());
        ui.json(&tried_json(tried, Some("tried")));
    };
    let found = bisect::walk(session, open, &mut search, judge, told).await?;
    let (guilty, promoted) = bisect::guilty(session, open, &search, &found).await?;
    show(ui, &found, &guilty, promoted.as_ref());
    ui.note("`devenv bisect reset` brings the instance back to what it ran before");
    Ok(match found.skipped.as_slice() {
        [] => Exit::Done,
        _ => Exit::Difference,
    })
}

/// How a version runs is said by the commit that it was built from, which may be newer than the last `devenv sync`.
async fn fetch(ui: &Ui, session: &Session, open: &OpenPlatform) {
    if session.offline {
        return;
    }
    let work = ui.work("definitions");
    let fetched = async {
        let mut definitions = session.definitions(&open.name)?;
        definitions.fetch(History::Forward, work.clone()).await
    };
    match fetched.await {
        Ok(_) => work.finish("fetched"),
        Err(error) => ui.warn(&format!("the definitions are as they were: {error}")),
    }
}

/// A search that goes on was agreed to already.
fn agree(ui: &Ui, session: &Session, open: &OpenPlatform, wish: &Wish) -> Result<()> {
    let Some(name) = &wish.snapshot else {
        return Ok(());
    };
    snapshot::load(session, open, name)?;
    let instance = &session.instance;
    let question =
        format!("replace the data of the instance {instance} by that of {name}, in each step?");
    if Search::load(session, open)?.is_some() || ui.confirm(&question, "--yes")? {
        return Ok(());
    }
    Err(Error::usage("nothing was searched")
        .hint("`devenv --instance NAME bisect …` searches beside it"))
}

fn known(session: &Session, open: &OpenPlatform) -> Result<Search> {
    Search::load(session, open)?.ok_or_else(|| {
        let text = format!("no search goes on in the instance {}", session.instance);
        Error::usage(text).hint("`devenv bisect --good N --bad N NAME -- COMMAND` begins one")
    })
}

fn show(ui: &Ui, found: &Found, guilty: &[Guilty], promoted: Option<&Promoted>) {
    let (good, bad) = (found.good, found.bad);
    let changes: Vec<String> = found.changes.iter().map(ToString::to_string).collect();
    let changes = ui.style().bold(changes.join("; "));
    ui.data(&format!(
        "reference {good} is good; what makes reference {bad} bad{}: {changes}",
        how(found)
    ));
    if !found.skipped.is_empty() {
        ui.data(
            "it cannot be narrowed further: these were skipped (`devenv bisect log` shows why)",
        );
    }
    for trial in &found.skipped {
        ui.data(&format!("  {trial}"));
    }
    for it in guilty {
        ui.data(&format!("{}:", it.container));
        for difference in &it.differences {
            ui.data(&format!("  {difference}"));
        }
        show_files(ui, it.files.as_deref().unwrap_or_default());
    }
    if let Some(it) = promoted {
        let reason = if it.reason.is_empty() { "" } else { ": " };
        ui.data(&format!(
            "reference {bad} was promoted to {} at {} by {}{reason}{}",
            it.environment,
            it.at.strftime("%Y-%m-%d %H:%M UTC"),
            it.by,
            it.reason
        ));
    }
    let skipped: Vec<Value> = found.skipped.iter().map(trial_json).collect();
    ui.json(&json!({
        "event": "result", "good": good, "bad": bad, "complete": skipped.is_empty(),
        "skipped": skipped, "guilty": guilty, "promoted": promoted,
    }));
}

/// Lines of files that are shown of a container; `--verbose` and `--json` have all.
const FILES: usize = 20;

fn show_files(ui: &Ui, files: &[FileDifference]) {
    let shown = if ui.is_verbose() { files.len() } else { FILES };
    for it in files.iter().take(shown) {
        let change = match it.change {
            FileChange::Added => '+',
            FileChange::Removed => '-',
            FileChange::Changed => '~',
        };
        ui.data(&format!("  {change} {}", it.path));
    }
    if let more @ 1.. = files.len().saturating_sub(shown) {
        ui.data(&format!("  and {more} more files (`--verbose` shows them)"));
    }
}

/// How the changes make it bad.
fn how(found: &Found) -> &'static str {
    match (found.skipped.is_empty(), found.changes.len()) {
        (false, _) => " is among these",
        (true, 2..) => " together",
        (true, _) => "",
    }
}

fn trial_json(trial: &Trial) -> Value {
    let versions = trial.versions.iter();
    let versions: Map<String, Value> = versions
        .map(|(name, it)| (name.to_string(), json!(it.version)))
        .collect();
    json!({ "reference": trial.reference, "versions": versions })
}

fn tried_json(tried: &Tried, event: Option<&str>) -> Value {
    let mut value = trial_json(&tried.trial);
    value["verdict"] = json!(tried.verdict);
    value["codes"] = json!(tried.codes);
    value["why"] = json!(tried.why);
    if let Some(event) = event {
        value["event"] = event.into();
    }
    value
}

fn log(ui: &Ui, session: &Session, open: &OpenPlatform) -> Result<Exit> {
    let search = known(session, open)?;
    let next = match search.next() {
        Ok(Next::Try(trial)) => trial.to_string(),
        Ok(Next::Compare(good, bad)) => format!("what changed from reference {good} to {bad}"),
        Ok(Next::Found(found)) => {
            format!("found between reference {} and {}", found.good, found.bad)
        }
        Err(error) => error.to_string(),
    };
    ui.data(&search.to_string());
    for tried in &search.tried {
        ui.data(&format!("  {tried}"));
    }
    ui.data(&format!("next: {next}"));
    let tried: Vec<Value> = search.tried.iter().map(|it| tried_json(it, None)).collect();
    let references: Vec<u64> = search.references.iter().map(|it| it.number).collect();
    ui.json(&json!({
        "environment": search.environment, "references": references, "names": search.names,
        "command": search.command, "repeat": search.repeat, "timeout": search.timeout,
        "unready_is_bad": search.unready_is_bad, "snapshot": search.snapshot, "tried": tried, "next": next,
    }));
    Ok(Exit::Done)
}

async fn reset(ui: &Ui, session: &Session, open: &OpenPlatform) -> Result<Exit> {
    let _lock = Search::lock(session, open)?;
    let search = known(session, open)?;
    bisect::end(session, open, &search).await?;
    ui.note("the search is over; the instance is what it was before");
    ui.json(&json!({ "event": "result", "tried": search.tried.len() }));
    Ok(Exit::Done)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_not_narrowed_further_is_not_bad_together() {
        use crate::instance::bisect::Change;
        use crate::model::name::ContainerName;
        let change = |name| Change {
            container: ContainerName::new(name).unwrap(),
            versions: None,
        };
        let found = |changes: &[&'static str], skipped| Found {
            good: 1,
            bad: 2,
            changes: changes.iter().map(|name| change(*name)).collect(),
            skipped,
        };
        assert_eq!(how(&found(&["audit"], vec![])), "");
        assert_eq!(how(&found(&["audit", "billing"], vec![])), " together");
        let open = found(&["audit", "billing"], vec![Trial::of(2)]);
        assert_eq!(how(&open), " is among these");
    }
}
