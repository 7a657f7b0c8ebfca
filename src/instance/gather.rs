//! What a goal is made of, besides the reference: evidence, secrets, overrides, and the questions.

use std::collections::{BTreeMap, BTreeSet};

use futures_util::stream::{self, StreamExt, TryStreamExt};

use super::Instance;
use super::intent::{Intent, Manner};
use crate::converge::desired::{Image, Secrets};
use crate::converge::plan::{Plan, Step};
use crate::converge::select::Selection;
use crate::engine::RegistryLogin;
use crate::error::{Error, Kind, Result};
use crate::home::data::DataRecord;
use crate::home::file;
use crate::home::secrets::{self, Missing};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, VersionRecord};
use crate::model::catalogue::WORKSTATION;
use crate::model::host_profile::Host;
use crate::model::mirrors::Mirrors;
use crate::model::name::{ConfigurationName, ContainerName, EnvironmentName};
use crate::model::nearest::nearest;
use crate::model::overrides::Overrides;
use crate::model::reference::Reference;
use crate::proposals::{Overlay, RunImage};
use crate::registry::Registry;
use crate::release::mixed::Mixed;
use crate::verify::choose::{Choice, Chosen, Preparation};
use crate::verify::evidence::VerifiedImage;

/// Images that are verified at the same time.
const AT_ONCE: usize = 16;

/// Verifies the images of the selected containers; those of proposals are nobody's to verify.
pub(super) async fn images(
    preparation: &Preparation<'_>,
    chosen: &Chosen,
    mixed: &Mixed,
    overlay: &Overlay,
    selection: &Selection,
) -> Result<BTreeMap<ContainerName, RunImage>> {
    let image = async |name: &ContainerName| {
        let name = overlay.reference.origin(name);
        if let Some(local) = overlay.locals.get(name) {
            return Ok(RunImage::Local(local.clone()));
        }
        let image = one(preparation, chosen, mixed, name).await;
        image.map(RunImage::Released)
    };
    at_once(selection, image).await
}

/// Verifies the images of the selected containers as production released them.
pub(super) async fn released(
    preparation: &Preparation<'_>,
    chosen: &Chosen,
    mixed: &Mixed,
    selection: &Selection,
) -> Result<BTreeMap<ContainerName, VerifiedImage>> {
    at_once(selection, async |name| {
        one(preparation, chosen, mixed, name).await
    })
    .await
}

async fn at_once<T>(
    selection: &Selection,
    image: impl AsyncFn(&ContainerName) -> Result<T>,
) -> Result<BTreeMap<ContainerName, T>> {
    let named = async |name: &ContainerName| Ok((name.clone(), image(name).await?));
    stream::iter(selection.order.iter().map(named))
        .buffer_unordered(AT_ONCE)
        .try_collect()
        .await
}

async fn one(
    preparation: &Preparation<'_>,
    chosen: &Chosen,
    mixed: &Mixed,
    name: &ContainerName,
) -> Result<VerifiedImage> {
    if let Some(pinned) = mixed.images.get(name) {
        return Ok(pinned.clone());
    }
    preparation
        .verifier()
        .image_of(&chosen.verified, name)
        .await
}

/// The wanted reference, verified; what the user should know of its ledger is said.
pub(super) async fn chosen(
    session: &Session,
    preparation: &Preparation<'_>,
    choice: &Choice,
) -> Result<Chosen> {
    let chosen = preparation.choose(choice).await?;
    for warning in &chosen.warnings {
        session.reporter.warn(warning);
    }
    Ok(chosen)
}

/// The reference with the versions that the instance has of its own.
pub(super) async fn mixed(
    session: &Session,
    open: &OpenPlatform,
    preparation: &Preparation<'_>,
    chosen: &Chosen,
    versions: &BTreeMap<ContainerName, VersionRecord>,
) -> Result<Mixed> {
    let verified = &chosen.verified.reference;
    if versions.is_empty() {
        return Ok(Mixed::unmixed(verified));
    }
    let definitions = session.definitions(&open.name)?;
    let mixed = Mixed::new(preparation, &definitions, verified, versions).await?;
    for warning in &mixed.warnings {
        session.reporter.warn(warning);
    }
    Ok(mixed)
}

/// The digests of the versions that are named; what the instance has already is not looked up.
pub(super) async fn named_versions(
    preparation: &Preparation<'_>,
    intent: &Intent,
    record: Option<&InstanceRecord>,
) -> Result<BTreeMap<ContainerName, VersionRecord>> {
    let mut found = BTreeMap::new();
    for (name, version, exactly) in intent.named_versions() {
        let own = record.and_then(|it| it.versions.get(name));
        let record = match exactly.or(own.filter(|it| it.version == *version)) {
            Some(known) => known.clone(),
            None => VersionRecord {
                version: version.clone(),
                digest: preparation.published(name, version).await?.1,
            },
        };
        found.insert(name.clone(), record);
    }
    Ok(found)
}

/// The images as the engine's side needs them.
pub(super) fn for_engine(
    images: &BTreeMap<ContainerName, RunImage>,
) -> BTreeMap<ContainerName, Image> {
    images
        .iter()
        .map(|(name, image)| (name.clone(), image.image().clone()))
        .collect()
}

/// Values of the secrets that the selected containers name.
pub(super) async fn secrets(
    instance: &Instance<'_>,
    overlay: &Overlay,
    selection: &Selection,
    record: &InstanceRecord,
    manner: Manner,
) -> Result<Secrets> {
    let containers = &overlay.reference.containers;
    let wanted: BTreeSet<_> = selection
        .order
        .iter()
        .flat_map(|name| containers[name].run.secret_names().cloned())
        .collect();
    let Instance { session, open, .. } = *instance;
    let missing = if manner.is_plan() {
        Missing::Told
    } else {
        Missing::Asked
    };
    let configuration = &record.configuration;
    let values = secrets::values(session, &open.name, configuration, &wanted, missing).await?;
    Ok(Secrets {
        values,
        key: instance.owner.key.clone(),
    })
}

/// The user's own changes, if there are any, with folders as the engine sees them.
pub(super) fn overrides(
    session: &Session,
    open: &OpenPlatform,
    record: &InstanceRecord,
    host: &Host,
    (reference, selection): (&Reference, &[ContainerName]),
    volumes: &BTreeSet<String>,
) -> Result<Overrides> {
    let mut overrides = own_overrides(session, open)?;
    overrides.spread(&reference.members);
    let source = session
        .home
        .paths
        .overrides(&open.name)
        .display()
        .to_string();
    let home = session.home.folder().display().to_string();
    if let Some(fault) = overrides.missing_folder(&source, &home, |name| selection.contains(name)) {
        return Err(fault);
    }
    overrides.share(&source, &host.profile, &home)?;
    let mirror = record.logs_to.as_ref();
    overrides.logs_to = mirror.and_then(|it| it.engine.clone());
    let data = DataRecord::load(&session.home.paths, &open.name, &session.instance)?;
    overrides.volumes = data.places_on(volumes);
    Ok(overrides)
}

/// What the user's file says.
pub(crate) fn own_overrides(session: &Session, open: &OpenPlatform) -> Result<Overrides> {
    let path = session.home.paths.overrides(&open.name);
    match file::read_trusted(Kind::Usage, &session.home.paths, &path)? {
        Some(text) => Overrides::parse(&path.display().to_string(), &text),
        None => Ok(Overrides::default()),
    }
}

/// The login for pulls, only where the plan has any. Without a network a pull is refused: what is
/// verified is not lost with the engine's copy, but it cannot run.
pub(crate) async fn login(
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

/// A configuration that nothing is known of is refused: images begin with it and fail. Known are the
/// environments, the workstation's own, and the folders `configuration/<name>` of the definitions.
pub(super) fn refuse_unknown_configuration(
    session: &Session,
    open: &OpenPlatform,
    reference: &Reference,
    name: &ConfigurationName,
) -> Result<()> {
    let (name, platform) = (name.as_str(), &open.platform);
    let environments = reference.environments.iter().chain(&platform.environments);
    let own = [WORKSTATION, open.workstation.configuration.as_str()];
    let of_run = reference.containers.values();
    let of_run = of_run.flat_map(|it| it.run.configurations.keys());
    let known: BTreeSet<&str> = environments
        .map(EnvironmentName::as_str)
        .chain(own)
        .chain(of_run.map(ConfigurationName::as_str))
        .collect();
    if known.contains(name) || has_folder(session, open, name)? {
        return Ok(());
    }
    let text = format!("no container has a configuration called `{name}`");
    let near = nearest(name, known.iter().copied());
    let near = near.map(|near| format!("did you mean `{near}`?"));
    let all = || format!("there are: {}", Vec::from_iter(known.clone()).join(", "));
    Err(Error::usage(text).hint(near.unwrap_or_else(all)))
}

fn has_folder(session: &Session, open: &OpenPlatform, configuration: &str) -> Result<bool> {
    let definitions = session.definitions(&open.name)?;
    for container in &open.containers {
        let folder = format!(
            "containers/{}/configuration/{configuration}",
            container.name
        );
        if !definitions.folder(open.commit, &folder)?.is_empty() {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Running with the last environment's settings may reach what customers use. Which one that is
/// comes from the signed reference, never from git.
pub(super) fn confirm_configuration(
    session: &Session,
    reference: &Reference,
    configuration: &ConfigurationName,
    manner: Manner,
) -> Result<()> {
    let last = reference.environments.last().map(EnvironmentName::as_str);
    if last != Some(configuration.as_str()) {
        return Ok(());
    }
    if manner.is_plan() {
        session.reporter.warn(&format!(
            "`up` asks before it runs with the configuration `{configuration}`"
        ));
        return Ok(());
    }
    let question = format!(
        "run with the configuration `{configuration}`, which may reach what customers use?"
    );
    if session.reporter.confirm(&question, "--yes")? {
        return Ok(());
    }
    Err(Error::usage("nothing was started").hint("`--configuration NAME` chooses other settings"))
}
