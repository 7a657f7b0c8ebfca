//! An instance compared with a record, or with what its reference asks for.

use std::path::Path;

use serde::Serialize;

use super::declared::{Declared, Other};
use super::says::Says;
use super::{Look, file, record, scene, unlike};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::ReferenceRecord;
use crate::instance::running::Running;
use crate::model::facets::compare::{Row, Side, Verdict, compare};
use crate::model::facets::facet::Source;
use crate::model::facets::record::{Container, Record, Reference, Runs};
use crate::model::facets::table::FACETS;
use crate::model::facets::value::{Facts, Value, unknown};
use crate::model::name::{ContainerName, InstanceName};
use crate::model::visible::visible;

/// What came of a comparison.
#[derive(Debug, Serialize)]
pub struct Comparison {
    /// Whose containers.
    pub platform: String,
    /// The copy that was compared.
    pub instance: String,
    /// What it runs.
    pub reference: ReferenceRecord,
    /// With what it was compared.
    pub with: With,
    /// Every facet, containers by name.
    pub facets: Vec<Found>,
    /// Containers of the record that do not run here.
    pub not_here: Vec<ContainerName>,
}

/// With what an instance was compared.
#[derive(Debug, Serialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum With {
    /// With what its reference asks for.
    Reference {
        /// Its number.
        number: u64,
        /// Which settings the reference's environment uses.
        configuration: String,
    },
    /// With a record.
    Record {
        /// The instance of this machine that it was taken of; `None`: it is a file.
        instance: Option<InstanceName>,
        /// The server that signed it; `None`: nobody.
        signed_by: Option<String>,
        /// The reference that ran there, where it was known.
        reference: Option<Reference>,
        /// Which settings were used there.
        configuration: String,
        /// When it was taken.
        taken: jiff::Timestamp,
    },
}

/// One facet of one container; without one, of the engine.
#[derive(Debug, Serialize)]
pub struct Found {
    /// The container; `None`: the engine.
    pub container: Option<ContainerName>,
    /// `memory`, `environment/PATH`.
    pub facet: String,
    /// What is here, in words.
    pub here: String,
    /// What is there.
    pub there: String,
    /// `equal`, `declared`, `different` or `unknown`.
    pub verdict: &'static str,
    /// Who declares it, what to do, or why it is unknown.
    pub because: Option<String>,
}

impl Found {
    fn new(container: Option<&ContainerName>, row: Row) -> Self {
        let (verdict, because) = match row.verdict {
            Verdict::Equal => ("equal", None),
            Verdict::Declared(by) => ("declared", Some(by)),
            Verdict::Different(advice) => ("different", Some(advice.to_owned())),
            Verdict::Unknown(why) => ("unknown", Some(why)),
        };
        let there = match (&row.here, &row.there) {
            (Some(Value::Hash(here)), Some(Value::Hash(there))) if here != there => {
                "another value".to_owned()
            }
            (_, there) => Value::shown(there.as_ref()),
        };
        Self {
            container: container.cloned(),
            here: Value::shown(row.here.as_ref()),
            there,
            facet: visible(&row.key),
            verdict,
            because: because.map(|it| visible(&it)),
        }
    }
}

impl Comparison {
    /// Compares these containers of an instance, or all, with the record in a file, with another
    /// instance that has the name, or with what its reference asks for.
    ///
    /// # Errors
    /// A file that is no record, or one of another platform; nothing that runs, here or there.
    pub async fn of(
        session: &Session,
        open: &OpenPlatform,
        names: &[String],
        with: Option<&Path>,
    ) -> Result<Self> {
        let theirs = match with {
            Some(with) => Some(Theirs::of(session, open, names, with).await?),
            None => None,
        };
        let record = theirs.as_ref().map(|it| &it.record);
        let running = Running::look(session, open).await?;
        let (scene, instance) = scene(&running, names).await?;
        let there = record.map_or(Other::Reference, Other::Record);
        let declared = Declared::of(session, open, &running, instance, there).await?;
        let engine = compared_engine(&scene.info.facts(), record, &declared);
        let mut facets: Vec<Found> = engine
            .into_iter()
            .map(|row| Found::new(None, row))
            .collect();
        for (name, look) in &scene.looks {
            let rows = one(&running.engine, &declared, name, look, record).await;
            facets.extend(rows.into_iter().map(|row| Found::new(Some(name), row)));
        }
        let runs_here = |it: &Container| {
            let mut here = running.observation.observed.containers.keys();
            here.any(|name| *declared.origin(name) == it.of)
        };
        let others = record.into_iter().flat_map(|it| &it.containers);
        Ok(Self {
            platform: open.name.to_string(),
            instance: running.identity.instance.to_string(),
            reference: instance.reference,
            not_here: others
                .filter(|(_, it)| !runs_here(it))
                .map(|(name, _)| name.clone())
                .collect(),
            with: match &theirs {
                None => With::Reference {
                    number: instance.reference.number,
                    configuration: declared.configuration.to_string(),
                },
                Some(it) => it.told(),
            },
            facets,
        })
    }

    /// How many facets have this verdict.
    pub fn count(&self, verdict: &str) -> usize {
        self.facets
            .iter()
            .filter(|it| it.verdict == verdict)
            .count()
    }
}

/// The record that an instance is compared with.
struct Theirs {
    record: Record,
    instance: Option<InstanceName>,
    signed_by: Option<String>,
}

impl Theirs {
    async fn of(
        session: &Session,
        open: &OpenPlatform,
        names: &[String],
        with: &Path,
    ) -> Result<Self> {
        if let Some(instance) = other_instance(session, open, with) {
            return Ok(Self {
                record: record(session, open, &instance, names).await?,
                instance: Some(instance),
                signed_by: None,
            });
        }
        let (record, signed_by) = file::read(with, &open.trust).map_err(|error| {
            if with.exists() {
                return error;
            }
            error.hint("it is neither a file nor an instance of this platform")
        })?;
        if record.platform != open.name {
            let (theirs, ours) = (&record.platform, &open.name);
            let text = format!("the record is of the platform {theirs}, not {ours}");
            return Err(Error::usage(text));
        }
        unlike::remember(session, open, &record)?;
        Ok(Self {
            record,
            instance: None,
            signed_by,
        })
    }

    fn told(&self) -> With {
        With::Record {
            instance: self.instance.clone(),
            signed_by: self.signed_by.clone(),
            reference: self.record.reference,
            configuration: self.record.configuration.to_string(),
            taken: self.record.taken,
        }
    }
}

/// The other instance that has this name, where no file has it.
fn other_instance(session: &Session, open: &OpenPlatform, with: &Path) -> Option<InstanceName> {
    let name = InstanceName::new(with.to_str()?).ok()?;
    let is_known = session.home.paths.instance(&open.name, &name).exists();
    (is_known && !with.exists()).then_some(name)
}

fn compared_engine(here: &Facts, record: Option<&Record>, declared: &Declared) -> Vec<Row> {
    let none = Facts::new();
    let there = record.map_or(&none, |it| &it.engine);
    let side = |found| Side {
        found,
        declared: &none,
    };
    compare(
        &[Source::Engine],
        side(here),
        side(there),
        &Says {
            declared,
            name: None,
            there: Runs::Reference,
        },
    )
}

async fn one(
    engine: &Docker,
    declared: &Declared,
    name: &ContainerName,
    look: &Look,
    record: Option<&Record>,
) -> Vec<Row> {
    let key = record.map_or("", |it| it.key.as_str());
    let hiding = declared.hiding(key, name);
    let here = look.facts(&hiding);
    let facts = async |side, name: &ContainerName, image: Option<&Value>| {
        Declared::facts(engine, side, (name, &hiding), look, image).await
    };
    let own = facts(&declared.here, name, here.get("image")).await;
    let sources = [Source::Asked, Source::Inside];
    let rows = |found: &Facts, theirs: &Facts, there: Runs| {
        let name = Some(name);
        let says = Says {
            declared,
            name,
            there,
        };
        let here = Side {
            found: &here,
            declared: &own,
        };
        let there = Side {
            found,
            declared: theirs,
        };
        compare(&sources, here, there, &says)
    };
    let Some(record) = record else {
        let theirs = facts(&declared.there, name, here.get("image")).await;
        return rows(&theirs, &theirs, Runs::Reference);
    };
    let Some((other, container)) = record.container(name, declared.origin(name)) else {
        let facets = FACETS.iter().filter(|it| sources.contains(&it.source));
        let nothing = unknown(facets, &format!("the record has no {name}"));
        return rows(&nothing, &Facts::new(), Runs::Reference);
    };
    let mut found = container.facets.clone();
    let mut theirs = Facts::new();
    if declared.reference.is_some() && container.runs == Runs::Reference {
        theirs = facts(&declared.there, other, found.get("image")).await;
        // One release has an Id on each kind of store: either stands for it.
        let same = facts(&declared.there, other, here.get("image")).await;
        let is_it = |facts: &Facts, found: &Facts| facts.get("image") == found.get("image");
        if is_it(&same, &here) && is_it(&theirs, &found) {
            found.extend(
                here.get_key_value("image")
                    .map(|(key, it)| (key.clone(), it.clone())),
            );
            theirs = same;
        }
    }
    rows(&found, &theirs, container.runs)
}
