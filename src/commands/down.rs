//! `devenv down`

use clap::Args;

use crate::apply::{self, Options, Watch};
use crate::commands::up;
use crate::complete;
use crate::context::{Context, OpenPlatform};
use crate::converge::observe::Observation;
use crate::desired::{self, Dependencies, Desired};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::exit::Exit;
use crate::forward;
use crate::instance;
use crate::model::identity::Identity;
use crate::plan::Plan;
use crate::plan::removal;
use crate::running;
use crate::state::InstanceRecord;
use crate::ui::progress::Progress;

/// Stop and remove containers; volumes stay unless `--volumes` says otherwise
///
/// Without names the whole instance goes. With names, those go and what only they needed.
#[derive(Debug, Args)]
pub struct Arguments {
    /// Containers or bundles; without any, the whole instance
    #[arg(add = complete::names())]
    names: Vec<String>,
    /// Remove volumes too, with all data in them (asks first)
    #[arg(long, conflicts_with = "names")]
    volumes: bool,
    /// Show what would be done, and do nothing
    #[arg(long)]
    dry_run: bool,
}

/// Removes containers.
pub async fn run(context: &Context, arguments: Arguments) -> Result<Exit> {
    let open = context.open()?;
    if !arguments.names.is_empty() {
        return up::less(context, &open, &arguments.names, arguments.dry_run).await;
    }
    let (engine, _) = context.engine()?;
    let identity = running::identity(context, &open)?;
    let _lock = context.lock(&open.name).await?;
    let observation = Observation::take(&engine, &identity).await?;
    let dependencies = dependencies(context, &open).await?;
    let plan = removal::instance(&observation.observed, &dependencies, arguments.volumes);
    if arguments.dry_run {
        context.ui.data(&plan.to_string());
        return Ok(Exit::Done);
    }
    if arguments.volumes && !observation.observed.volumes.is_empty() {
        let names: Vec<_> = observation.observed.volumes.iter().cloned().collect();
        context.ui.note(&format!(
            "these volumes and all data in them will be removed:\n  {}",
            names.join("\n  ")
        ));
        if !context.ui.confirm("remove them?", "--yes")? {
            return Err(Error::usage("nothing was removed"));
        }
    }
    if plan.is_empty() {
        context.ui.note("nothing runs");
    }
    let record = InstanceRecord::load(&context.paths, &open.name, &context.instance)?;
    instance::copy_out(&engine, &identity, record.as_ref()).await?;
    walk(context, &engine, &identity, &observation, &plan).await?;
    let files = forward::Files::new(&context.paths, &open.name, &context.instance);
    forward::Forwarder::new(files).stop().await?;
    forget(context, &open, arguments.volumes)?;
    context.ui.json(&serde_json::json!({ "event": "result", "removed": observation.observed.containers.keys().collect::<Vec<_>>() }));
    Ok(Exit::Done)
}

/// What stays remembered are the ports, until the volumes go too.
fn forget(context: &Context, open: &OpenPlatform, everything: bool) -> Result<()> {
    let Some(mut record) = InstanceRecord::load(&context.paths, &open.name, &context.instance)?
    else {
        return Ok(());
    };
    if everything {
        return InstanceRecord::remove(&context.paths, &open.name, &context.instance);
    }
    record.asked.clear();
    record.without.clear();
    record.local.clear();
    record.all = false;
    record.save(&context.paths, &open.name, &context.instance)
}

/// Who needs whom, from the reference that runs.
async fn dependencies(context: &Context, open: &OpenPlatform) -> Result<Dependencies> {
    let Some(record) = InstanceRecord::load(&context.paths, &open.name, &context.instance)? else {
        return Ok(Dependencies::new());
    };
    let reference = running::cached_reference(context, open, &record).await;
    Ok(reference
        .map(|it| desired::dependencies(&it, it.containers.keys()))
        .unwrap_or_default())
}

/// Walks a plan that only removes.
async fn walk(
    context: &Context,
    engine: &Docker,
    identity: &Identity,
    observation: &Observation,
    plan: &Plan,
) -> Result<()> {
    let progress = Progress::new(&context.ui);
    let options = Options {
        concurrency: context.settings.concurrency.value,
        wait: std::time::Duration::from_secs(60),
        ..Options::default()
    };
    let apply_context = apply::Context {
        engine,
        reporter: &progress,
        identity,
        desired: &Desired::default(),
        observed: &observation.observed,
        options: &options,
        watch: &Watch::default(),
    };
    apply::apply(&apply_context, plan)
        .await
        .map_err(apply::Failure::into_error)
}
