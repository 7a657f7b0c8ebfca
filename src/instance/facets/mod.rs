//! The facets of containers that run: one look at the engine, and one command in each of them. The same
//! for an instance and for a server.

pub mod comparison;
mod declared;
mod file;
mod says;
pub(super) mod unlike;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::stream::{self, StreamExt, TryStreamExt};
use jiff::Timestamp;

use crate::engine::docker::{Docker, EngineInfo};
use crate::engine::{Fault, FaultKind};
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::{InstanceRecord, ReferenceRecord, random_hex};
use crate::instance::running::Running;
use crate::model::digest::Digest;
use crate::model::facets::asked::{Asked, ImageSettings};
use crate::model::facets::facet::Source;
use crate::model::facets::inside;
use crate::model::facets::record::{self, Container, Place, Record, Runs, SCHEMA};
use crate::model::facets::table::FACETS;
use crate::model::facets::value::{Facts, Hiding, Value, Withheld, unknown};
use crate::model::identity;
use crate::model::name::{
    ConfigurationName, ContainerName, EnvironmentName, InstanceName, PlatformName,
};
use crate::model::observed::{ContainerState, ObservedContainer};
use crate::model::reference::{Reference, ReferenceContainer};

/// Containers that are looked at at the same time.
const AT_ONCE: usize = 8;

/// How long the command inside a container may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why nobody knows what an image says.
const NO_IMAGE: &str = "its image is not on the engine any more";

/// Containers, and the engine that they are on, at one moment.
#[derive(Debug)]
pub struct Scene {
    info: EngineInfo,
    looks: BTreeMap<ContainerName, Look>,
}

/// What was found of one container.
#[derive(Debug)]
struct Look {
    asked: Asked,
    /// What its image says; `None`: that is not on the engine any more.
    image: Option<ImageSettings>,
    inside: Facts,
    runs: Runs,
}

/// Whose containers they are.
#[derive(Debug)]
pub struct About<'a> {
    /// The platform.
    pub platform: &'a PlatformName,
    /// Where they run.
    pub place: Place,
    /// When.
    pub now: Timestamp,
    /// Whose versions they are to be.
    pub environment: &'a EnvironmentName,
    /// Which settings the images use.
    pub configuration: &'a ConfigurationName,
    /// What they are to run, with an entry for each copy; `None`: it is not known any more.
    pub reference: Option<(ReferenceRecord, &'a Reference)>,
}

impl Scene {
    /// Looks at the engine and these containers.
    pub async fn take<'c>(
        engine: &Docker,
        containers: impl IntoIterator<Item = (&'c ContainerName, &'c ObservedContainer)>,
    ) -> Result<Self> {
        let info = engine.info().await?;
        let looks = containers.into_iter().map(async |(name, container)| {
            let look = Look::at(engine, &info, container).await?;
            Ok::<_, Error>((name.clone(), look))
        });
        let looks = stream::iter(looks).buffer_unordered(AT_ONCE);
        let looks = looks.try_collect().await?;
        Ok(Self { info, looks })
    }

    /// What may be kept and shown to others.
    ///
    /// # Errors
    /// A system that gives no random numbers.
    pub fn record(&self, about: &About<'_>) -> Result<Record> {
        let key = random_hex(32)?;
        let container = |(name, look): (&ContainerName, &Look)| {
            let reference = about.reference.map(|(_, it)| it);
            let of = reference.map_or(name, |it| it.origin(name));
            let entry = reference.and_then(|it| Some((it, it.containers.get(name)?)));
            let hiding = look.hiding(&key, entry, about.configuration);
            let found = Container {
                of: of.clone(),
                runs: look.runs,
                facets: look.facts(&hiding),
            };
            (name.clone(), found)
        };
        Ok(Record {
            schema: SCHEMA,
            platform: about.platform.clone(),
            place: about.place,
            taken: about.now,
            devenv: env!("CARGO_PKG_VERSION").to_owned(),
            environment: about.environment.clone(),
            configuration: about.configuration.clone(),
            reference: about.reference.map(|(it, _)| record::Reference {
                number: it.number,
                digest: it.digest,
            }),
            engine: self.info.facts(),
            containers: self.looks.iter().map(container).collect(),
            key,
        })
    }
}

impl Look {
    async fn at(engine: &Docker, info: &EngineInfo, container: &ObservedContainer) -> Result<Self> {
        let mut asked = engine.asked(&container.id).await?;
        asked.rest.swap = asked.rest.swap.filter(|_| info.swap_limit);
        let image = match asked.image.parse::<Digest>() {
            Ok(id) => match engine.image_settings(&id).await {
                Ok(settings) => Some(settings),
                Err(fault) if fault.kind == FaultKind::NotFound => None,
                Err(fault) => return Err(fault.into()),
            },
            Err(_) => None,
        };
        let mut inside = look_inside(engine, container).await;
        let emulation = match &image {
            Some(it) if it.architecture == info.architecture => Value::is("none"),
            Some(it) => Value::is(format!("{} on {}", it.architecture, info.architecture)),
            None => Value::Unknown(NO_IMAGE.to_owned()),
        };
        inside.insert("emulation".to_owned(), emulation);
        Ok(Self {
            asked,
            image,
            inside,
            runs: Runs::of(container.labels.get(identity::SOURCE).map(String::as_str)),
        })
    }

    fn facts(&self, hiding: &Hiding) -> Facts {
        let mut facts = self.asked.facts(hiding);
        facts.extend(self.inside.clone());
        if self.image.is_none() {
            let unsaid = facts.values_mut();
            let unsaid = unsaid.filter(|it| **it == Value::Withheld(Withheld::Unsaid));
            unsaid.for_each(|it| *it = Value::Unknown(NO_IMAGE.to_owned()));
        }
        facts
    }

    /// How variables are told to others: those alone that the reference or the image says.
    fn hiding(
        &self,
        key: &str,
        entry: Option<(&Reference, &ReferenceContainer)>,
        configuration: &ConfigurationName,
    ) -> Hiding {
        let mut said: BTreeSet<String> = self
            .image
            .iter()
            .flat_map(|it| &it.environment)
            .cloned()
            .collect();
        let mut hiding = Hiding::new(key.as_bytes());
        if let Some((reference, entry)) = entry {
            let run = &entry.run;
            let own = run.configurations.values().map(|it| &it.environment);
            let all = own.chain([&run.environment]).flatten();
            said.extend(all.map(|(name, value)| format!("{name}={value}")));
            said.insert(format!(
                "{}={configuration}",
                reference.configuration_variable
            ));
            hiding.secrets = run.secret_names().map(ToString::to_string).collect();
        }
        hiding.said = Some(said);
        hiding
    }
}

async fn look_inside(engine: &Docker, container: &ObservedContainer) -> Facts {
    let all = || FACETS.iter().filter(|it| it.source == Source::Inside);
    if container.state != ContainerState::Running {
        return unknown(
            all(),
            &format!("it does not run ({})", container.state.as_str()),
        );
    }
    let now = || Timestamp::now().as_second();
    let begun = now();
    let command = ["/bin/sh", "-c", inside::SCRIPT];
    let asked = engine.exec_for(&container.id, &command, inside::LARGEST);
    match tokio::time::timeout(PATIENCE, asked).await {
        Ok(Ok(Some(printed))) => inside::facts(&printed, (begun, now())),
        Ok(Ok(None)) => unknown(all(), "there is no shell inside"),
        Ok(Err(fault)) => unknown(all(), &no_command(&fault)),
        Err(_) => unknown(
            all(),
            &format!("the command inside took longer than {PATIENCE:?}"),
        ),
    }
}

fn no_command(fault: &Fault) -> String {
    format!("no command can be run inside: {}", fault.message)
}

/// The record of an instance's containers: of these, or of all.
///
/// # Errors
/// Nothing that runs; an engine that does not answer.
pub async fn record(
    session: &Session,
    open: &OpenPlatform,
    instance: &InstanceName,
    names: &[String],
) -> Result<Record> {
    let running = Running::look_at(session, open, instance).await?;
    let (scene, instance) = scene(&running, names).await?;
    scene.record(&About {
        platform: &open.name,
        place: Place::Workstation,
        now: session.home.now(),
        environment: &instance.environment,
        configuration: &instance.configuration,
        reference: running
            .reference
            .as_ref()
            .map(|it| (instance.reference, it)),
    })
}

/// These containers of an instance as they are, or all, and what it remembers.
async fn scene<'r>(running: &'r Running, names: &[String]) -> Result<(Scene, &'r InstanceRecord)> {
    let names = running.present(&running.names(names)?)?;
    let (false, Some(record)) = (names.is_empty(), &running.record) else {
        let text = format!("nothing runs in the instance {}", running.identity.instance);
        return Err(Error::usage(text).hint("`devenv up NAME` starts a container"));
    };
    let containers = names
        .iter()
        .filter_map(|name| Some((name, running.current(name)?)));
    Ok((Scene::take(&running.engine, containers).await?, record))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What may be the image's own is not told to be set by hand.
    #[test]
    fn without_its_image_nobody_knows_who_set_a_variable() {
        let configuration = "production".parse().unwrap();
        let mut look = Look {
            asked: Asked {
                environment: vec!["PATH=/bin".to_owned(), "OWN=x".to_owned()],
                ..Asked::default()
            },
            image: Some(ImageSettings {
                environment: vec!["PATH=/bin".to_owned()],
                ..ImageSettings::default()
            }),
            inside: Facts::new(),
            runs: Runs::Reference,
        };
        let facts = |look: &Look| look.facts(&look.hiding("key", None, &configuration));
        let known = facts(&look);
        assert!(matches!(known["environment/PATH"], Value::Hash(_)));
        assert_eq!(known["environment/OWN"], Value::Withheld(Withheld::Unsaid));
        look.image = None;
        for name in ["environment/PATH", "environment/OWN"] {
            assert_eq!(facts(&look)[name], Value::Unknown(NO_IMAGE.to_owned()));
        }
    }
}
