//! `devenv up`

mod sources;
mod watch;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueHint};
use jiff::Timestamp;

use crate::commands::status;
use crate::complete;
use crate::context::{Context, OpenPlatform};
use crate::desired::{Image, Source};
use crate::error::Result;
use crate::exit::Exit;
use crate::instance::{self, Outcome};
use crate::model::name::{ConfigurationName, EnvironmentName};
use crate::model::quantity::Span;
use crate::model::urls;
use crate::prepare::{LogsTo, Wish};
use crate::select::Why;
use crate::status::LogFolder;
use crate::ui::Ui;
use crate::ui::table::{Cell, table};

/// Start containers with what they need, behind production's own proxy
///
/// What runs is what production released: image and specification of every container come from a
/// signed reference, by default the one that production runs now. Names are added to what the
/// instance runs already; without names it is brought back to what was asked before.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Everything but one-shots that nobody needs
    #[arg(long)]
    all: bool,
    /// Leave a container out although others need it (repeatable)
    #[arg(long, value_name = "NAME", add = complete::names())]
    without: Vec<String>,
    /// Run what this environment runs now
    #[arg(long, short, value_name = "NAME", add = complete::environments())]
    environment: Option<EnvironmentName>,
    /// Run this reference, until another environment is asked for
    #[arg(long, value_name = "N", conflicts_with = "as_of", add = complete::references())]
    reference: Option<u64>,
    /// Run what the environment ran at this time (2026-03-01T12:00:00Z)
    #[arg(long, value_name = "TIME")]
    as_of: Option<Timestamp>,
    /// Use these settings of the images
    #[arg(long, short, value_name = "NAME", add = complete::configurations())]
    configuration: Option<ConfigurationName>,
    /// Publish a port elsewhere on this machine (repeatable)
    #[arg(long, value_name = "PORT=HOSTPORT", value_parser = port)]
    port: Vec<(u16, u16)>,
    /// Run the named containers from their proposals (`devenv edit`), until `--release`
    #[arg(long, requires = "names", conflicts_with = "release")]
    local: bool,
    /// Build and replace what runs from a proposal whenever its files or artifacts change, until
    /// Ctrl-C
    #[arg(long, conflicts_with_all = ["release", "dry_run", "no_wait"])]
    watch: bool,
    /// Run the named containers as production released them again
    #[arg(long, requires = "names")]
    release: bool,
    /// Run without the proxy, until `--proxy` brings it back
    #[arg(long, conflicts_with = "proxy")]
    no_proxy: bool,
    /// Run the proxy again
    #[arg(long)]
    proxy: bool,
    /// Have the log files in this folder of this machine, one folder a container, until
    /// `--no-logs-to`
    #[arg(long, value_name = "DIR", value_hint = ValueHint::DirPath)]
    logs_to: Option<PathBuf>,
    /// Have the log files in volumes again
    #[arg(long, conflicts_with = "logs_to")]
    no_logs_to: bool,
    /// Show what would be done and on which evidence, and do nothing
    #[arg(long)]
    dry_run: bool,
    /// Return once everything is started
    #[arg(long)]
    no_wait: bool,
    /// How long one container may take to be ready (90s, 5m)
    #[arg(long, value_name = "TIME", default_value = "3m")]
    timeout: Span,
}

fn port(text: &str) -> Result<(u16, u16), String> {
    let wrong = || format!("`{text}` is not PORT=HOSTPORT, such as 80=8000");
    let (wanted, host) = text.split_once('=').ok_or_else(wrong)?;
    let number = |text: &str| text.parse().ok().filter(|port| *port > 0).ok_or_else(wrong);
    Ok((number(wanted)?, number(host)?))
}

/// Brings the instance up.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let open = context.open()?;
    let (local, release, watch) = (arguments.local, arguments.release, arguments.watch);
    let mut wish = Wish {
        names: arguments.names,
        all: arguments.all,
        without: arguments.without,
        environment: arguments.environment,
        reference: arguments.reference,
        as_of: arguments.as_of,
        configuration: arguments.configuration,
        ports: arguments.port.into_iter().collect::<BTreeMap<_, _>>(),
        proxy: (arguments.proxy || arguments.no_proxy).then_some(arguments.proxy),
        logs_to: match arguments.logs_to {
            Some(folder) => LogsTo::Folder(folder),
            None if arguments.no_logs_to => LogsTo::Volumes,
            None => LogsTo::Kept,
        },
        dry_run: arguments.dry_run,
        no_wait: arguments.no_wait,
        timeout: arguments.timeout.duration(),
        ..Wish::default()
    };
    sources::decide(context, &open, local, release, &mut wish)?;
    if watch {
        return watch::run(context, &open, wish).await;
    }
    finish(context, &open, &wish).await
}

/// Takes containers away from an instance, and what only they needed.
pub async fn less(
    context: &Context,
    open: &OpenPlatform,
    names: &[String],
    dry_run: bool,
) -> Result<Exit> {
    let wish = Wish {
        less: names.to_vec(),
        dry_run,
        no_wait: true,
        timeout: Duration::from_secs(60),
        ..Wish::default()
    };
    finish(context, open, &wish).await
}

async fn finish(context: &Context, open: &OpenPlatform, wish: &Wish) -> Result<Exit> {
    let outcome = instance::bring(context, open, wish).await?;
    if wish.dry_run {
        show_plan(&context.ui, &outcome, wish);
        return Ok(Exit::Done);
    }
    if context.ui.is_json() {
        show_json(context, open).await?;
    } else {
        show(&context.ui, &outcome);
    }
    Ok(Exit::Done)
}

/// What runs now, as `status` tells it.
async fn show_json(context: &Context, open: &OpenPlatform) -> Result<()> {
    let (engine, choice) = context.engine()?;
    let status = status::of(context, open, &engine, &choice).await?;
    let mut value = serde_json::to_value(&status).unwrap_or_default();
    value["event"] = "result".into();
    context.ui.json(&value);
    Ok(())
}

/// The version; in yellow what nobody released.
fn version(image: &Image) -> Cell {
    match image.source {
        Source::Reference => Cell::from(image.version.clone()),
        Source::Local => Cell::painted(format!("LOCAL {}", image.version), |style, text| {
            style.yellow(text)
        }),
    }
}

fn show_plan(ui: &Ui, outcome: &Outcome, wish: &Wish) {
    let reference = &outcome.chosen.verified.reference;
    let rows: Vec<Vec<Cell>> = outcome
        .selection
        .order
        .iter()
        .map(|name| {
            let verified = &outcome.images[name];
            let why = match &outcome.selection.why[name] {
                Why::Asked => "asked for".to_owned(),
                Why::NeededBy(other) => format!("needed by {other}"),
                Why::Proxy => "the proxy".to_owned(),
            };
            vec![
                Cell::from(name.as_str()),
                version(&verified.image),
                Cell::from(verified.image.digest.short()),
                Cell::from(verified.signers.join(", ")),
                Cell::from(verified.commit.chars().take(10).collect::<String>()),
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
    if outcome.planned.plan.is_empty() {
        ui.data("nothing to do");
    } else {
        ui.data(&outcome.planned.plan.to_string());
    }
    let logs_to = outcome.logs_to.as_ref().map(LogFolder::from);
    if let Some(logs_to) = &logs_to {
        let is_new = matches!(wish.logs_to, LogsTo::Folder(_));
        let first =
            (is_new && logs_to.shared).then_some(": `up` proves first that the engine sees it");
        ui.data(&format!("{logs_to}{}", first.unwrap_or_default()));
    }
    let steps: Vec<_> = outcome.planned.plan.nodes.iter().map(|node| {
        serde_json::json!({ "step": node.step.to_string(), "cause": node.cause.to_string(), "after": node.after })
    }).collect();
    ui.json(
        &serde_json::json!({ "reference": reference.number, "steps": steps, "logs_to": logs_to }),
    );
}

fn show(ui: &Ui, outcome: &Outcome) {
    let reference = &outcome.chosen.verified.reference;
    let port = outcome
        .planned
        .ports
        .proxy(reference)
        .filter(|_| outcome.selection.why.contains_key(&reference.proxy));
    let rows: Vec<Vec<Cell>> = outcome
        .selection
        .order
        .iter()
        .map(|name| {
            let state = outcome
                .ready
                .get(name)
                .map_or("started", |ready| ready.as_str());
            let urls = urls::urls(reference, name, port, &outcome.host);
            vec![
                Cell::from(name.as_str()),
                version(&outcome.images[name].image),
                Cell::painted(state, |style, text| style.green(text)),
                Cell::painted(urls.join("  "), |style, text| style.cyan(text)),
            ]
        })
        .collect();
    if outcome.planned.plan.is_empty() {
        ui.note("nothing to do");
    }
    ui.data(&table(
        ui.style(),
        &["NAME", "VERSION", "STATE", "URL"],
        &rows,
    ));
    if let Some(logs_to) = &outcome.logs_to {
        ui.note(&LogFolder::from(logs_to).to_string());
    }
    let absent: Vec<_> = outcome
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
