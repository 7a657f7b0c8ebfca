//! From names to a page: choose the reference, select, verify, plan, apply, wait.

use std::collections::BTreeMap;

use super::filling::{Emptied, Feeder};
use super::forwarding::Forwarding;
use super::intent::{Intent, Manner, Until};
use super::meanwhile::Meanwhile;
use super::pin::{Pin, VersionPin};
use super::told;
use super::tried::note;
use super::{Instance, defaults, gather, mirror, written};
use crate::converge::desired::{Placement, Secrets};
use crate::converge::goal::{Goal, Planned};
use crate::converge::observe::Observation;
use crate::converge::ready::{Ready, touched};
use crate::converge::select::{self, Request, Selection, Why};
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::home::hosts;
use crate::home::state::{InstanceRecord, LogMirror};
use crate::model::host_profile::Host;
use crate::model::identity::Identity;
use crate::model::name::ContainerName;
use crate::model::platform::Workstation;
use crate::proposals::{Building, Overlay, RunImage};
use crate::registry::Registry;
use crate::release::mixed::Mixed;
use crate::verify::choose::{self, Chosen, Preparation};

/// What an instance was brought to, or would be.
#[derive(Debug)]
pub struct Brought {
    /// Which containers, and why.
    pub selection: Selection,
    /// Their images, verified or local.
    pub images: BTreeMap<ContainerName, RunImage>,
    /// The verified reference that decided.
    pub chosen: Chosen,
    /// The same with what runs from proposals.
    pub overlay: Overlay,
    /// Which kind of host it is on.
    pub host: Host,
    /// What was done, or would be.
    pub planned: Planned,
    /// How each container is known to be ready; empty without waiting.
    pub ready: BTreeMap<ContainerName, Ready>,
    /// What it is pinned to.
    pub pin: Option<Pin>,
    /// Containers on versions of their own.
    pub versions: Vec<VersionPin>,
    /// Where log files go, where that is a folder of this machine.
    pub logs_to: Option<LogMirror>,
}

impl Instance<'_> {
    /// Brings the instance to what is intended.
    ///
    /// # Errors
    /// Whatever stands in the way, by its kind; what was begun is completed by the same command.
    pub async fn up(&self, intent: &Intent, manner: Manner) -> Result<Brought> {
        let _lock = match manner.until {
            Until::Planned => None,
            Until::Started | Until::Ready => Some(self.lock().await?),
        };
        match intent {
            Intent::Add(it) if !it.fresh.is_empty() => {
                Box::pin(self.up_afresh(&it.fresh, intent, manner)).await
            }
            _ => {
                let emptied = Emptied::Nothing;
                self.up_under_lock(intent, manner, emptied).await
            }
        }
    }

    /// The same for a command that holds the instance's lock.
    pub(super) async fn up_under_lock(
        &self,
        intent: &Intent,
        manner: Manner,
        emptied: Emptied<'_>,
    ) -> Result<Brought> {
        let session = self.session;
        let record = self.record()?;
        let registry = session.registry();
        let preparation = Preparation::new(session, self.open, registry.as_ref());
        let workstation = self.workstation(record.as_ref(), intent, manner)?;
        let (environment, choice) =
            choose::choice(&workstation, record.as_ref(), intent.versions());
        let observing = observing(&self.engine, &self.identity);
        let chosen = gather::chosen(session, &preparation, &choice).await?;
        let looking = Meanwhile::look(&preparation, Some(intent), (&choice, &environment), &chosen);
        let (observation, meanwhile) = tokio::join!(observing, looking);
        let observation = observation
            .map_err(|error| Error::bug("the engine could not be asked").because(error))??;
        let host = self.host(&observation).await?;
        meanwhile.settle(session, &preparation, record.as_ref(), intent, manner)?;
        let verified = &chosen.verified.reference;
        if let Some(configuration) = intent.configuration() {
            gather::refuse_unknown_configuration(session, self.open, verified, configuration)?;
        }
        let named = gather::named_versions(&preparation, intent, record.as_ref()).await?;
        let mut next = intent.applied(&workstation, record.clone(), environment, &chosen, named)?;
        mirror::settle(self, &host, intent, manner, &mut next).await?;
        let (mixed, overlay) = self.overlay(&next, &preparation, &chosen, manner).await?;
        let selection = selection(&overlay, &next)?;
        if let Intent::Remove(names) = intent {
            self.say_what_stays(names, record.as_ref(), &overlay, &selection)?;
        }
        next.local.retain(|name| overlay.runs(name, &selection));
        next.versions
            .retain(|name, _| overlay.selects(name, &selection));
        let images = gather::images(&preparation, &chosen, &mixed, &overlay, &selection).await?;
        let up = Up {
            instance: self,
            manner,
            registry: registry.as_ref(),
            host,
            overlay,
            selection,
            images,
            emptied,
            before: record,
        };
        let (planned, ready) = Box::pin(up.carry_out(intent, observation, next.clone())).await?;
        Ok(Brought {
            pin: Pin::of(session, self.open, &next, Some(verified)).await,
            versions: VersionPin::all(&next, verified),
            selection: up.selection,
            images: up.images,
            chosen,
            overlay: up.overlay,
            host: up.host,
            planned,
            ready,
            logs_to: next.logs_to,
        })
    }

    /// Defaults count for an instance that is new, as far as the user does not say it all.
    fn workstation(
        &self,
        record: Option<&InstanceRecord>,
        intent: &Intent,
        manner: Manner,
    ) -> Result<Workstation> {
        if record.is_some() || intent.says_what_runs() {
            return Ok(self.open.workstation.clone());
        }
        defaults::settled(self.session, self.open, manner)
    }

    /// The reference with versions of the instance's own, and with its proposals over that.
    async fn overlay(
        &self,
        next: &InstanceRecord,
        preparation: &Preparation<'_>,
        chosen: &Chosen,
        manner: Manner,
    ) -> Result<(Mixed, Overlay)> {
        let (session, open, versions) = (self.session, self.open, &next.versions);
        let mixed = gather::mixed(session, open, preparation, chosen, versions).await?;
        let building = if manner.is_plan() {
            Building::AsLast
        } else {
            Building::Now
        };
        let below = &mixed.reference;
        let overlay = Overlay::new(session, open, &self.engine, next, below, building).await?;
        Ok((mixed, overlay))
    }

    /// What was to go, but is needed by what stays. What only a version of its own had is gone with it.
    fn say_what_stays(
        &self,
        names: &[String],
        before: Option<&InstanceRecord>,
        overlay: &Overlay,
        selection: &Selection,
    ) -> Result<()> {
        let known = &overlay.reference.containers;
        let had = |name: &str| before.is_some_and(|it| it.versions.contains_key(name));
        let names = names
            .iter()
            .filter(|it| known.contains_key(it.as_str()) || !had(it));
        let names: Vec<String> = names.cloned().collect();
        for name in select::expand(&overlay.reference, &names)? {
            if let Some(Why::NeededBy(other)) = selection.why.get(&name) {
                let text = format!("{name} stays: {other} needs it");
                self.session.reporter.warn(&text);
            }
        }
        Ok(())
    }

    /// What is remembered of the engine counts as long as it is the one that has the instance: where
    /// nothing of it is, another may have taken its place. Where it is to publish is checked.
    async fn host(&self, observation: &Observation) -> Result<Host> {
        let (session, engine, choice) = (self.session, &self.engine, &self.choice);
        let host = if observation.observed.containers.is_empty() {
            hosts::ask_host(session, engine, choice).await?.0
        } else {
            hosts::host(session, engine, choice).await?
        };
        hosts::check_publishing(session, &host, choice)?;
        Ok(host)
    }
}

/// Looks at the engine apart, so that neither waits for what the other computes.
fn observing(engine: &Docker, identity: &Identity) -> tokio::task::JoinHandle<Result<Observation>> {
    let (engine, identity) = (engine.clone(), identity.clone());
    tokio::spawn(async move { Observation::settled(&engine, &identity).await })
}

fn selection(overlay: &Overlay, next: &InstanceRecord) -> Result<Selection> {
    if !next.asks_for_something() {
        return Err(Error::usage(
            "nothing to start: no container was ever asked for in this instance",
        )
        .hint(
            "`devenv up NAME` starts a container with what it needs; `devenv list` shows the names",
        ));
    }
    select::select(&overlay.reference, &Request::from(next))
}

/// Everything that was gathered, on its way to the engine.
pub(super) struct Up<'a> {
    pub(super) instance: &'a Instance<'a>,
    pub(super) manner: Manner,
    pub(super) registry: Option<&'a Registry>,
    pub(super) host: Host,
    overlay: Overlay,
    selection: Selection,
    images: BTreeMap<ContainerName, RunImage>,
    pub(super) emptied: Emptied<'a>,
    /// What the instance remembered until now.
    before: Option<InstanceRecord>,
}

/// What was planned at last, and how each container is known to be ready.
pub(super) type Done = (Planned, BTreeMap<ContainerName, Ready>);

impl Up<'_> {
    /// Asks, plans, remembers what is about to be done, and does it.
    async fn carry_out(
        &self,
        intent: &Intent,
        observation: Observation,
        mut record: InstanceRecord,
    ) -> Result<Done> {
        let Instance { session, open, .. } = *self.instance;
        let instance = self.instance;
        let secrets = self.ask(&record).await?;
        let next = written::next(&self.images, self.overlay.reference.number);
        written::ask(instance, &observation, &next, intent, self.manner)?;
        let forwarding = Forwarding::new(session, open, &self.host, &instance.choice);
        let (reference, order) = (&self.overlay.reference, &self.selection.order);
        let fillings = self.emptied.fillings(reference, order);
        let selected = (reference, &order[..]);
        let there = &observation.observed.volumes;
        let overrides = gather::overrides(session, open, &record, &self.host, selected, there)?;
        let goal = Goal {
            reference,
            selection: &self.selection,
            images: &gather::for_engine(&self.images),
            identity: &instance.identity,
            configuration: &record.configuration.clone(),
            host: &self.host,
            overrides: &overrides,
            secrets: &secrets,
            chosen_ports: intent.ports(),
            remembered_ports: &record.remembered(),
            forwarded_ports: &forwarding.ports()?,
            placement: &Placement::Published,
            fillings: &fillings,
        };
        let planned = goal.plan(&instance.engine, observation).await?;
        told::what_moved(session, &planned, intent.ports());
        told::what_is_overridden(session, open, &goal);
        told::what_it_takes(session, open, &goal, &planned);
        if self.manner.is_plan() {
            return Ok((planned, BTreeMap::new()));
        }
        let (overlay, images) = (&self.overlay, &self.images);
        let feeder = Feeder::new(instance, overlay, images, &planned, self.emptied)?;
        forwarding.give_way().await?;
        record.remember(&planned.ports, intent.ports());
        record.unproven.extend(touched(&planned.plan));
        if self.before.as_ref() != Some(&record) {
            instance.save(&record)?;
        }
        written::note(instance, &planned.desired, &next, written::When::Before)?;
        mirror::make_folders(&record, goal.reference, &self.selection.order)?;
        let (first, begun) = (planned.ports.clone(), session.home.now());
        let unproven = &record.unproven;
        let done = self.fill(&goal, &forwarding, planned, unproven, feeder);
        let done = done.await?;
        let took = session.home.now().duration_since(begun);
        note(session, open, &record, &self.overlay, &done, took)?;
        written::note(instance, &done.0.desired, &next, written::When::Done)?;
        if done.0.ports != first {
            told::what_moved(session, &done.0, intent.ports());
        }
        let record = self.remember(intent, &record, &done.0)?;
        mirror::copy_out(&instance.engine, &instance.identity, Some(&record)).await?;
        Ok(done)
    }

    /// What the user is told and asked before anything is planned.
    async fn ask(&self, record: &InstanceRecord) -> Result<Secrets> {
        let (instance, overlay, manner) = (self.instance, &self.overlay, self.manner);
        let session = instance.session;
        told::what_is_missing(session, &self.selection);
        gather::confirm_configuration(session, &overlay.reference, &record.configuration, manner)?;
        gather::secrets(instance, overlay, &self.selection, record, manner).await
    }

    /// Remembers what came of it: which ports were given at last, and whether the routes answered.
    fn remember(
        &self,
        intent: &Intent,
        before: &InstanceRecord,
        planned: &Planned,
    ) -> Result<InstanceRecord> {
        let mut record = before.clone();
        record.remember(&planned.ports, intent.ports());
        match self.manner.until {
            Until::Ready => record.unproven.clear(),
            Until::Planned | Until::Started => record.unproven.extend(touched(&planned.plan)),
        }
        if record != *before {
            self.instance.save(&record)?;
        }
        Ok(record)
    }
}
