//! What a goal is made of, besides the reference: evidence, secrets, overrides, and the questions.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use crate::context::{Context, OpenPlatform};
use crate::converge::{Goal, Planned};
use crate::desired::budget::Budget;
use crate::desired::{Image, Secrets};
use crate::engine::RegistryLogin;
use crate::error::{Error, Kind, PathContext, Result};
use crate::evidence::{VerifiedImage, Wanted};
use crate::hosts;
use crate::model::mirrors::Mirrors;
use crate::model::name::{ConfigurationName, ContainerName, EnvironmentName};
use crate::model::overrides::Overrides;
use crate::model::secret::Secret;
use crate::plan::{Plan, Step};
use crate::prepare::{Chosen, Preparation};
use crate::proposals::Locals;
use crate::registry::Registry;
use crate::secrets;
use crate::select::Selection;
use crate::state::InstanceRecord;

/// Images that are verified at the same time.
const AT_ONCE: usize = 16;

/// Verifies the images of the selected containers; those of proposals are nobody's to verify.
pub(super) async fn images(
    preparation: &Preparation<'_>,
    chosen: &Chosen,
    locals: &Locals,
    selection: &Selection,
) -> Result<BTreeMap<ContainerName, VerifiedImage>> {
    let verifier = preparation.verifier();
    let reference = &chosen.verified.reference;
    let verify = |name: &ContainerName| {
        let name = name.clone();
        async move {
            if let Some(image) = locals.images.get(&name) {
                return Ok((name, image.clone()));
            }
            let entry = &reference.containers[&name];
            let (Some(version), Some(digest)) = (&entry.version, entry.digest) else {
                return Ok((name, chosen.verified.proxy.clone()));
            };
            let wanted = Wanted {
                container: &name,
                version,
                repository: &entry.repository,
                digest,
            };
            let image = verifier.image(&wanted).await?;
            Ok::<_, Error>((name, image))
        }
    };
    stream::iter(selection.order.iter().map(verify))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

/// The images as the engine's side needs them.
pub(super) fn for_engine(
    images: &BTreeMap<ContainerName, VerifiedImage>,
) -> BTreeMap<ContainerName, Image> {
    images
        .iter()
        .map(|(name, verified)| (name.clone(), verified.image.clone()))
        .collect()
}

/// Values of the secrets that the selected containers name.
pub(super) async fn secrets(
    context: &Context,
    open: &OpenPlatform,
    chosen: &Chosen,
    selection: &Selection,
    record: &InstanceRecord,
    key: Secret,
) -> Result<Secrets> {
    let containers = &chosen.verified.reference.containers;
    let wanted: BTreeSet<_> = selection
        .order
        .iter()
        .flat_map(|name| containers[name].run.secrets.iter().cloned())
        .collect();
    let values = secrets::values(context, &open.name, &record.configuration, &wanted).await?;
    Ok(Secrets { values, key })
}

/// The user's own changes, if there are any.
pub(super) fn overrides(
    context: &Context,
    open: &OpenPlatform,
    record: &InstanceRecord,
) -> Result<Overrides> {
    let mut overrides = own_overrides(context, open)?;
    let mirror = record.logs_to.as_ref();
    overrides.logs_to = mirror.and_then(|it| it.engine.clone());
    Ok(overrides)
}

/// What the user's file says.
pub(crate) fn own_overrides(context: &Context, open: &OpenPlatform) -> Result<Overrides> {
    let path = context.paths.overrides(&open.name);
    match std::fs::read(&path) {
        Ok(text) => Overrides::parse(&path.display().to_string(), &text),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Overrides::default()),
        Err(error) => Err(error).at(Kind::Usage, "read", &path),
    }
}

/// The login for pulls, only where the plan has any. Without a network a pull is refused: what is
/// verified is not lost with the engine's copy, but it cannot run.
pub(super) async fn login(
    registry: Option<&Registry>,
    mirrors: &Mirrors,
    images: &BTreeMap<ContainerName, Image>,
    plan: &Plan,
) -> Result<Option<RegistryLogin>> {
    let pulled: Vec<&ContainerName> = plan
        .nodes
        .iter()
        .filter_map(|node| match &node.step {
            Step::Pull(name) => Some(name),
            _ => None,
        })
        .collect();
    let Some(image) = pulled.first().and_then(|name| images.get(*name)) else {
        return Ok(None);
    };
    let Some(registry) = registry else {
        let names: Vec<&str> = pulled.iter().map(|name| name.as_str()).collect();
        let names = names.join(" ");
        return Err(Error::engine(format!(
            "verified, but the engine has lost the images of: {names}"
        ))
        .hint(format!("with a network: `devenv pull {names}`")));
    };
    let repository = mirrors.of(&image.repository);
    let host = repository.host();
    let stored = registry.credentials(host).await?;
    Ok(stored.map(|credentials| RegistryLogin::new(host, credentials)))
}

/// Running with the last environment's settings may reach what customers use.
pub(super) fn confirm_configuration(
    context: &Context,
    open: &OpenPlatform,
    configuration: &ConfigurationName,
) -> Result<()> {
    let last = open
        .platform
        .environments
        .last()
        .map(EnvironmentName::as_str);
    if last != Some(configuration.as_str()) {
        return Ok(());
    }
    let question = format!(
        "run with the configuration `{configuration}`, which may reach what customers use?"
    );
    if context.ui.confirm(&question, "--yes")? {
        return Ok(());
    }
    Err(Error::usage("nothing was started").hint("`--configuration NAME` chooses other settings"))
}

pub(super) fn say_what_is_missing(context: &Context, selection: &Selection) {
    for name in &selection.missing {
        context
            .ui
            .warn(&format!("{name} is needed, but left out as you asked"));
    }
}

pub(super) fn say_what_moved(context: &Context, planned: &Planned) {
    for moved in &planned.moved {
        context.ui.warn(&format!(
            "port {} is {}; {} is published on {} instead (`--port {}=PORT` chooses another)",
            moved.wanted, moved.why, moved.container, moved.given, moved.wanted
        ));
    }
}

/// Warns where more memory is declared than there is; only when something is about to be created.
pub(super) fn say_what_it_takes(context: &Context, goal: &Goal<'_>, planned: &Planned) {
    let creates = |step: &Step| matches!(step, Step::Create(_));
    if !planned.plan.nodes.iter().any(|node| creates(&node.step)) {
        return;
    }
    let Ok((_, choice)) = context.engine() else {
        return;
    };
    // Asked within a day, with what kind of host it is.
    let memory = hosts::remembered(&context.paths, &choice.endpoint).map_or(0, |it| it.memory);
    let budget = Budget::of(goal.reference, &goal.selection.order, goal.overrides);
    if let Some(text) = budget.exceeds(memory) {
        context.ui.warn(&format!(
            "{text}: the kernel will kill what does not fit (exit code 137)"
        ));
    }
}
