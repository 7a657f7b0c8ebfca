//! What is declared of containers: here by reference, proposals, overrides and host, there by the
//! reference alone.

use std::collections::{BTreeMap, BTreeSet};

use super::super::gather;
use super::Look;
use crate::converge::desired::ports::Ports;
use crate::converge::desired::{self, Desired, Image, Inputs, Placement, Secrets};
use crate::converge::select::{self, Request, Selection, Why};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::hosts;
use crate::home::session::{OpenPlatform, Session};
use crate::home::state::InstanceRecord;
use crate::instance::running::Running;
use crate::model::digest::Digest;
use crate::model::facets::asked::{Asked, ImageSettings, effective};
use crate::model::facets::facet::Source;
use crate::model::facets::record::{Place, Record};
use crate::model::facets::table::FACETS;
use crate::model::facets::value::{Facts, Hiding, Value, unknown};
use crate::model::host_profile::Host;
use crate::model::name::{ConfigurationName, ContainerName};
use crate::model::overrides::Overrides;
use crate::model::reference::{Reference, ReferenceContainer};
use crate::model::run_specification::RunSpecification;
use crate::model::secret::Secret;
use crate::proposals::{Building, Overlay};
use crate::release::mixed::Mixed;
use crate::verify::choose::{Choice, Preparation};

/// What an instance is declared to be, and what the other side is.
pub(super) struct Declared {
    /// Here: with proposals, overrides and this host's ports.
    pub here: Desired,
    /// There: the reference alone.
    pub there: Desired,
    /// Which settings there.
    pub configuration: ConfigurationName,
    /// What both run; `None`: the other side runs another reference, about which nothing is known.
    pub reference: Option<Reference>,
    /// Proposals here.
    pub overlay: Overlay,
    /// What runs here in a version of its own.
    pub versions: BTreeSet<ContainerName>,
    /// The user's own changes here.
    pub overrides: Overrides,
    /// Where it runs here.
    pub host: Host,
    /// Which settings here.
    pub own: ConfigurationName,
    /// Whether the other side was really looked at.
    pub is_record: bool,
}

/// The other side of a comparison.
#[derive(Clone, Copy)]
pub(super) enum Other<'a> {
    /// What the reference asks for in its environment.
    Reference,
    /// What was found elsewhere.
    Record(&'a Record),
}

impl Declared {
    /// Asks nobody but the caches and, for its kind, the engine.
    pub(super) async fn of(
        session: &Session,
        open: &OpenPlatform,
        running: &Running,
        record: &InstanceRecord,
        other: Other<'_>,
    ) -> Result<Self> {
        let registry = session.registry();
        let preparation = Preparation::new(session, open, registry.as_ref());
        let pinned = Choice::Pinned(record.reference.number, record.reference.digest);
        let chosen = preparation.choose(&pinned).await?;
        let verified = &chosen.verified.reference;
        let (engine, choice) = (&running.engine, &running.choice);
        let versions = &record.versions;
        let mixed = gather::mixed(session, open, &preparation, &chosen, versions).await?;
        let (below, building) = (&mixed.reference, Building::AsLast);
        let overlay = Overlay::new(session, open, engine, record, below, building).await?;
        let host = hosts::host(session, engine, choice).await?;
        let selection = select::select(&overlay.reference, &Request::from(record))?;
        let images = gather::images(&preparation, &chosen, &mixed, &overlay, &selection).await?;
        let selected = (&overlay.reference, &selection.order[..]);
        let there = &running.observation.observed.volumes;
        let overrides = gather::overrides(session, open, record, &host, selected, there)?;

        let theirs = Theirs::of(running, record, verified, other)?;
        let released = selection
            .order
            .iter()
            .map(|name| overlay.reference.origin(name));
        let released: BTreeSet<_> = released
            .filter(|it| verified.containers.contains_key(*it))
            .collect();
        let released = Selection {
            order: released.into_iter().cloned().collect(),
            ..Selection::default()
        };
        let unmixed = Mixed::unmixed(verified);
        let released = gather::released(&preparation, &chosen, &unmixed, &released).await?;
        let released = released.into_iter().map(|(name, it)| (name, it.image));
        let secrets = named(&[&overlay.reference, &theirs.reference]);
        let there = theirs.desired(running, &host, &secrets, &released.collect());
        let here = desired::desired(&Inputs {
            reference: &overlay.reference,
            selection: &selection,
            images: &gather::for_engine(&images),
            identity: &running.identity,
            configuration: &record.configuration,
            host: &host,
            overrides: &overrides,
            ports: &record.remembered(),
            secrets: &secrets,
            placement: &Placement::Published,
            fillings: &BTreeMap::new(),
        });
        Ok(Self {
            here,
            there,
            configuration: theirs.configuration,
            reference: is_same(record, other).then_some(theirs.reference),
            overlay,
            versions: versions.keys().cloned().collect(),
            overrides,
            host,
            own: record.configuration.clone(),
            is_record: matches!(other, Other::Record(_)),
        })
    }

    /// The container that this one is a copy of.
    pub(super) fn origin<'a>(&'a self, name: &'a ContainerName) -> &'a ContainerName {
        self.overlay.reference.origin(name)
    }

    /// How variables of a container are compared: those that either side calls secret are not.
    pub(super) fn hiding(&self, key: &str, name: &ContainerName) -> Hiding {
        let mut hiding = Hiding::new(key.as_bytes());
        let entries = [
            self.entry(name),
            self.overlay.reference.containers.get(name),
        ];
        let names = entries
            .into_iter()
            .flatten()
            .flat_map(|it| it.run.secret_names());
        hiding.secrets = names.map(ToString::to_string).collect();
        hiding
    }

    fn entry(&self, name: &ContainerName) -> Option<&ReferenceContainer> {
        let reference = self.reference.as_ref()?;
        let origin = self.origin(name);
        let mut copies = reference.members.iter();
        let copy = copies
            .find(|(_, it)| it.of == *origin)
            .map_or(name, |(name, _)| name);
        reference
            .containers
            .get(name)
            .or_else(|| reference.containers.get(copy))
    }

    /// The facets that a side is declared to have, of the image Id that is found here or there; none
    /// where it is declared to have none. What its image decides is unknown where that is not here.
    pub(super) async fn facts(
        engine: &Docker,
        side: &Desired,
        (name, hiding): (&ContainerName, &Hiding),
        look: &Look,
        found: Option<&Value>,
    ) -> Facts {
        let Some(container) = side.containers.iter().find(|it| it.name == *name) else {
            let facets = FACETS.iter().filter(|it| it.source != Source::Engine);
            return unknown(facets, &format!("the reference has no {name}"));
        };
        let accepted = &container.image.accepted;
        let is_it = |id: &Digest| found == Some(&Value::is(id.to_string()));
        let id = accepted.iter().find(|it| is_it(it)).or(accepted.first());
        let own: Option<Digest> = look.asked.image.parse().ok();
        let settings = match own.filter(|it| accepted.contains(it)) {
            Some(_) => look.image.clone(),
            None => settings(engine, accepted).await,
        };
        let image = id.map(ToString::to_string).unwrap_or_default();
        let known = settings.is_some();
        let mut asked = Asked::of(&container.body, &image, &settings.unwrap_or_default());
        let secrets = container.secrets.iter().map(|(name, _)| format!("{name}="));
        asked.environment.extend(secrets);
        let mut facts = asked.facts(hiding);
        facts.extend(effective(&container.body));
        if !known {
            let of_image =
                |key: &String| OF_IMAGE.contains(&key.split('/').next().unwrap_or_default());
            facts.retain(|key, _| !of_image(key));
            let why = "the reference's image is not on this engine: `devenv pull` gets it";
            facts.extend(OF_IMAGE.map(|it| (it.to_owned(), Value::Unknown(why.to_owned()))));
        }
        facts
    }
}

/// The facets that an image decides as well.
const OF_IMAGE: [&str; 7] = [
    "environment",
    "command",
    "entry-point",
    "user",
    "working-folder",
    "health",
    "stop-signal",
];

async fn settings(engine: &Docker, accepted: &[Digest]) -> Option<ImageSettings> {
    for id in accepted {
        if let Ok(settings) = engine.image_settings(id).await {
            return Some(settings);
        }
    }
    None
}

fn is_same(record: &InstanceRecord, other: Other<'_>) -> bool {
    match other {
        Other::Reference => true,
        Other::Record(it) => it
            .reference
            .is_some_and(|it| it.digest == record.reference.digest),
    }
}

/// What is declared of the other side: the reference, as its configuration and place have it.
struct Theirs {
    reference: Reference,
    selection: Selection,
    configuration: ConfigurationName,
    placement: Placement,
}

impl Theirs {
    fn of(
        running: &Running,
        record: &InstanceRecord,
        verified: &Reference,
        other: Other<'_>,
    ) -> Result<Self> {
        let Other::Record(other) = other else {
            let configuration = ConfigurationName::new(record.environment.as_str());
            let reference = record.spread(verified);
            return Ok(Self {
                selection: selected(&reference, |_| true),
                configuration: configuration.map_err(Error::usage)?,
                placement: Placement::Published,
                reference,
            });
        };
        let (reference, placement) = match other.place {
            Place::Workstation => (record.spread(verified), Placement::Published),
            Place::Server => {
                let copies = |run: &RunSpecification| run.replicas.get(&other.environment).copied();
                let placement = Placement::Addressed {
                    addresses: BTreeMap::new(),
                    volumes: running.identity.instance.clone(),
                };
                (
                    verified.spread(|_, run| copies(run).unwrap_or(1)),
                    placement,
                )
            }
        };
        Ok(Self {
            selection: selected(&reference, |name| other.containers.contains_key(name)),
            configuration: other.configuration.clone(),
            placement,
            reference,
        })
    }

    /// Images are by the container that each entry is a copy of.
    fn desired(
        &self,
        running: &Running,
        host: &Host,
        secrets: &Secrets,
        images: &BTreeMap<ContainerName, Image>,
    ) -> Desired {
        let images = self.reference.containers.keys().filter_map(|name| {
            let image = images.get(self.reference.origin(name))?;
            Some((name.clone(), image.clone()))
        });
        desired::desired(&Inputs {
            reference: &self.reference,
            selection: &self.selection,
            images: &images.collect(),
            identity: &running.identity,
            configuration: &self.configuration,
            host,
            overrides: &Overrides::default(),
            ports: &Ports::default(),
            secrets,
            placement: &self.placement,
            fillings: &BTreeMap::new(),
        })
    }
}

fn selected(reference: &Reference, runs: impl Fn(&ContainerName) -> bool) -> Selection {
    let (order, absent): (Vec<_>, Vec<_>) = reference
        .containers
        .keys()
        .cloned()
        .partition(|it| runs(it));
    Selection {
        why: order.iter().map(|it| (it.clone(), Why::Asked)).collect(),
        order,
        absent: absent.into_iter().collect(),
        missing: BTreeSet::new(),
    }
}

/// Every secret by name, its value nobody's business.
fn named(references: &[&Reference]) -> Secrets {
    let entries = references.iter().flat_map(|it| it.containers.values());
    let names = entries.flat_map(|it| it.run.secret_names());
    Secrets {
        values: names.map(|it| (it.to_string(), Secret::new(""))).collect(),
        key: Secret::new(""),
    }
}
