//! One instance brought to what was asked: the flow from names to a page, step by step.

mod explain;
mod fetch;
mod forwarding;
mod gather;
mod mirror;
mod tried;

pub use fetch::{Fetched, fetch};
pub use forwarding::revive;
pub use mirror::copy_out;

use std::collections::{BTreeMap, BTreeSet};

use crate::apply::{self, Failure, Reliance, Watch};
use crate::context::{Context, OpenPlatform};
use crate::converge::observe::Observation;
use crate::converge::{Goal, Planned};
use crate::engine::Choice;
use crate::engine::docker::Docker;
use crate::error::{Error, Result};
use crate::evidence::VerifiedImage;
use crate::hosts;
use crate::model::host_profile::Host;
use crate::model::identity::Identity;
use crate::model::name::{ContainerName, EnvironmentName};
use crate::prepare::{self, Chosen, Preparation, Wish};
use crate::proposals::Locals;
use crate::ready::{Ready, Waiting};
use crate::registry::Registry;
use crate::select::{self, Request, Selection};
use crate::state::{InstanceRecord, Lock, LogMirror, Owner, ReferenceRecord};
use crate::ui::progress::Progress;

pub(crate) use explain::explain;
use forwarding::Forwarding;
pub(crate) use gather::own_overrides;
use tried::note;

/// What became of it.
#[derive(Debug)]
pub struct Outcome {
    /// The selected containers.
    pub selection: Selection,
    /// Their verified images.
    pub images: BTreeMap<ContainerName, VerifiedImage>,
    /// The reference that decided.
    pub chosen: Chosen,
    /// Where it was done.
    pub host: Host,
    /// What was done, or would be.
    pub planned: Planned,
    /// How each container is known to be ready; empty without waiting.
    pub ready: BTreeMap<ContainerName, Ready>,
    /// Where log files go, where that is a folder of this machine.
    pub logs_to: Option<LogMirror>,
}

/// Brings the instance to what is wished.
pub async fn bring(context: &Context, open: &OpenPlatform, wish: &Wish) -> Result<Outcome> {
    let owner = Owner::load(&context.paths)?;
    let identity = identity(context, open, &owner);
    let _lock = lock(context, open, wish).await?;
    let record = InstanceRecord::load(&context.paths, &open.name, &context.instance)?;
    let (engine, engine_choice) = context.engine()?;
    let registry = context.registry();
    let preparation = Preparation::new(context, open, registry.as_ref());
    let (environment, choice) = prepare::choice(open, record.as_ref(), wish);
    let observing = observing(&engine, &identity);
    let mut chosen = preparation.choose(&choice).await?;
    let observation = observing
        .await
        .map_err(|error| Error::bug("the engine could not be asked").because(error))??;
    let host = settled_host(context, &engine, &engine_choice, &observation).await?;
    let forwarding = Forwarding::new(context, open, &host, &engine_choice);
    chosen.warnings.iter().for_each(|it| context.ui.warn(it));
    let mut next = remembered(open, record.clone(), wish, environment, &chosen)?;
    mirror::settle(context, open, (&engine, &host), &identity, wish, &mut next).await?;
    let locals = Locals::of(context, open, &engine, &next, &mut chosen, !wish.dry_run).await?;
    let selection = selection(&chosen, &next)?;
    next.local.retain(|name| locals.runs(name, &selection));
    let images = gather::images(&preparation, &chosen, &locals, &selection).await?;
    let secrets = gather::secrets(context, open, &chosen, &selection, &next, owner.key).await?;
    let reference = &chosen.verified.reference;
    let goal = Goal {
        reference,
        selection: &selection,
        images: &gather::for_engine(&images),
        identity: &identity,
        configuration: &next.configuration,
        host: &host,
        overrides: &gather::overrides(context, open, &next)?,
        secrets: &secrets,
        chosen_ports: &wish.ports,
        remembered_ports: &next.remembered(),
        forwarded_ports: &forwarding.ports()?,
    };
    let bringing = Bringing {
        context,
        open,
        wish,
        before: record,
        engine: &engine,
        registry: registry.as_ref(),
        locals: &locals,
        goal,
        forwarding,
    };
    let (planned, ready) = bringing.carry_out(observation, next.clone()).await?;
    Ok(Outcome {
        selection,
        images,
        chosen,
        host,
        planned,
        ready,
        logs_to: next.logs_to,
    })
}

fn identity(context: &Context, open: &OpenPlatform, owner: &Owner) -> Identity {
    Identity {
        owner: owner.id.clone(),
        platform: open.name.clone(),
        instance: context.instance.clone(),
    }
}

/// Looks at the engine apart, so that neither waits for what the other computes.
fn observing(engine: &Docker, identity: &Identity) -> tokio::task::JoinHandle<Result<Observation>> {
    let (engine, identity) = (engine.clone(), identity.clone());
    tokio::spawn(async move { Observation::take(&engine, &identity).await })
}

/// What is remembered of the engine counts as long as it is the one that has the instance: where
/// nothing of it is, another may have taken its place. Where it is to publish is checked.
async fn settled_host(
    context: &Context,
    engine: &Docker,
    choice: &Choice,
    observation: &Observation,
) -> Result<Host> {
    let host = if observation.observed.containers.is_empty() {
        hosts::ask_host(context, engine, choice).await?.0
    } else {
        hosts::host(context, engine, choice).await?
    };
    hosts::check_publishing(context, &host, choice)?;
    Ok(host)
}

/// Commands on one instance take turns; one that only plans does not wait.
async fn lock(context: &Context, open: &OpenPlatform, wish: &Wish) -> Result<Option<Lock>> {
    if wish.dry_run {
        return Ok(None);
    }
    context.lock(&open.name).await.map(Some)
}

/// To what was never released nothing goes back.
fn refuse_unreleased(chosen: &Chosen, wish: &Wish) -> Result<()> {
    let reference = &chosen.verified.reference;
    let mut proposed = wish.released.iter().filter(|(_, begun)| begun.is_some());
    let Some((name, _)) = proposed.find(|(name, _)| !reference.containers.contains_key(*name))
    else {
        return Ok(());
    };
    let text = format!("reference {} has no {name} to go back to", reference.number);
    Err(Error::usage(text).hint(format!(
        "`devenv down {name}` ends the one from your proposal"
    )))
}

/// What the instance remembers from now on.
fn remembered(
    open: &OpenPlatform,
    record: Option<InstanceRecord>,
    wish: &Wish,
    environment: EnvironmentName,
    chosen: &Chosen,
) -> Result<InstanceRecord> {
    refuse_unreleased(chosen, wish)?;
    let reference = ReferenceRecord {
        number: chosen.verified.reference.number,
        digest: chosen.verified.proxy.image.digest,
    };
    let mut next = record.unwrap_or_else(|| InstanceRecord {
        asked: Vec::new(),
        all: false,
        without: Vec::new(),
        proxy: true,
        environment: environment.clone(),
        reference,
        pinned: false,
        configuration: open.platform.workstation.configuration.clone(),
        local: BTreeSet::new(),
        declined: BTreeMap::new(),
        logs_to: None,
        ports: BTreeMap::new(),
    });
    next.environment = environment;
    next.reference = reference;
    next.pinned = if wish.keep {
        next.pinned
    } else {
        chosen.pinned
    };
    if let Some(configuration) = &wish.configuration {
        next.configuration = configuration.clone();
    }
    next.all |= wish.all;
    if let Some(proxy) = wish.proxy {
        next.proxy = proxy;
    }
    next.asked.extend(wish.names.iter().cloned());
    next.without.extend(wish.without.iter().cloned());
    next.without.retain(|name| !wish.names.contains(name));
    next.asked.retain(|name| !wish.less.contains(name));
    for (name, begun) in &wish.released {
        next.local.remove(name);
        next.declined
            .extend(begun.map(|begun| (name.clone(), begun)));
    }
    next.declined.retain(|name, _| !wish.local.contains(name));
    next.local.extend(wish.local.iter().cloned());
    for list in [&mut next.asked, &mut next.without] {
        list.sort();
        list.dedup();
    }
    Ok(next)
}

fn selection(chosen: &Chosen, next: &InstanceRecord) -> Result<Selection> {
    if !next.asks_for_something() {
        return Err(Error::usage(
            "nothing to start: no container was ever asked for in this instance",
        )
        .hint(
            "`devenv up NAME` starts a container with what it needs; `devenv list` shows the names",
        ));
    }
    let request = Request {
        names: next.asked.clone(),
        all: next.all,
        without: next.without.clone(),
        proxy: next.proxy,
    };
    select::select(&chosen.verified.reference, &request)
}

/// Everything that was gathered, on its way to the engine.
struct Bringing<'a> {
    context: &'a Context,
    open: &'a OpenPlatform,
    wish: &'a Wish,
    /// What the instance remembered until now.
    before: Option<InstanceRecord>,
    engine: &'a Docker,
    registry: Option<&'a Registry>,
    locals: &'a Locals,
    goal: Goal<'a>,
    /// How ports get to this machine.
    forwarding: Forwarding<'a>,
}

type Done = (Planned, BTreeMap<ContainerName, Ready>);

impl Bringing<'_> {
    /// Says and asks what the user should know before anything is done.
    fn ask(&self) -> Result<()> {
        gather::say_what_is_missing(self.context, self.goal.selection);
        gather::confirm_configuration(self.context, self.open, self.goal.configuration)
    }

    /// Asks, plans, remembers what is about to be done, and does it.
    async fn carry_out(
        &self,
        observation: Observation,
        mut record: InstanceRecord,
    ) -> Result<Done> {
        self.ask()?;
        let planned = self.goal.plan(self.engine, observation).await?;
        gather::say_what_moved(self.context, &planned);
        gather::say_what_it_takes(self.context, &self.goal, &planned);
        if self.wish.dry_run {
            return Ok((planned, BTreeMap::new()));
        }
        self.forwarding.give_way().await?;
        let paths = &self.context.paths;
        record.remember(&planned.ports);
        if self.before.as_ref() != Some(&record) {
            record.save(paths, &self.open.name, &self.context.instance)?;
        }
        let names = &self.goal.selection.order;
        mirror::make_folders(&record, self.goal.reference, names)?;
        let (first, begun) = (planned.ports.clone(), self.context.now());
        let done = self.converge(planned).await?;
        let took = self.context.now().duration_since(begun);
        note(self.context, self.open, &record, self.locals, &done, took)?;
        if done.0.ports != first {
            gather::say_what_moved(self.context, &done.0);
            record.remember(&done.0.ports);
            record.save(paths, &self.open.name, &self.context.instance)?;
        }
        copy_out(self.engine, self.goal.identity, Some(&record)).await?;
        Ok(done)
    }

    /// Nothing is to be done but to look whether ports still get to this machine.
    async fn stays(&self, planned: &Planned) -> Result<()> {
        let mended = self.forwarding.settle(&planned.ports).await?;
        if self.wish.no_wait {
            return Ok(());
        }
        let reference = self.goal.reference;
        self.forwarding.prove(reference, planned, mended).await
    }

    async fn converge(&self, planned: Planned) -> Result<Done> {
        let (goal, wish) = (&self.goal, self.wish);
        let watch = Watch::new(Reliance::of(&goal.host.profile));
        let waiting = Waiting {
            engine: self.engine,
            watch: &watch,
            identity: goal.identity,
            reference: goal.reference,
            address: goal.host.address(),
            limit: wish.timeout,
        };
        if planned.plan.is_empty()
            && let Some(ready) = waiting.already(&planned)
        {
            self.stays(&planned).await?;
            return Ok((planned, ready));
        }
        let mirrors = &self.context.settings.registry_mirrors.value;
        let options = apply::Options {
            concurrency: self.context.settings.concurrency.value,
            wait: wish.timeout,
            login: gather::login(self.registry, mirrors, goal.images, &planned.plan).await?,
            mirrors: mirrors.clone(),
        };
        let label = apply::event_label(goal.identity);
        let following = watch.follow(self.engine, &label).await?;
        let work = async {
            let progress = Progress::new(&self.context.ui);
            let planned = goal
                .converge(self.engine, &progress, &options, &watch, planned)
                .await?;
            let forwarding = &self.forwarding;
            let settled = forwarding.settle(&planned.ports).await;
            settled.map_err(Failure::Other)?;
            let mut ready = waiting.untouched(&planned);
            if !wish.no_wait {
                ready = waiting.all(&planned).await?;
                let proven = forwarding.prove(goal.reference, &planned, true).await;
                proven.map_err(Failure::Other)?;
            }
            Ok((planned, ready))
        };
        let result: Result<_, Failure> = tokio::select! {
            result = work => result,
            never = following => match never {},
        };
        match result {
            Ok(done) => Ok(done),
            Err(failure) => Err(self.explained(failure, &watch).await),
        }
    }

    /// A container that an engine ended with itself is not to blame.
    async fn explained(&self, failure: Failure, watch: &Watch) -> Error {
        let blamed = matches!(failure, Failure::NotReady { .. });
        let error = explain(self.engine, self.goal.reference, failure).await;
        if blamed && watch.was_interrupted() {
            return error.within(
                "the engine was away while this waited: it was restarted, perhaps, which ends containers",
            );
        }
        error
    }
}
