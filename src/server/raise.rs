//! A generation starts beside the one that serves, and is proven before a request is led to it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::time::Instant;

use futures_util::future::try_join_all;

use super::events::milliseconds;
use super::machine::Machine;
use super::plan::{Before, GenerationPlan, plan};
use super::route::RouteRecord;
use super::state::{Generation, Of, Port, Stage, State};
use super::{Server, Target, selection};
use crate::converge::apply::{self, Failure, Options, Watch};
use crate::converge::desired::Placement;
use crate::converge::desired::ports::Ports;
use crate::converge::goal::Goal;
use crate::converge::observe::{self, Observation};
use crate::converge::plan::{Observed, images};
use crate::converge::ready::Waiting;
use crate::engine::{Engine, NetworkKind};
use crate::error::{Error, Result};
use crate::instance::{explain, login};
use crate::model::ipv6;
use crate::model::name::ContainerName;
use crate::model::overrides::Overrides;

/// The last part of the address of the first container that is reached from outside; the others
/// count down from it. The engine gives addresses of the lower half only.
const FIRST_ADDRESS: u32 = 250;

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// What the next generation would be made of.
    /// `is_strict`: what somebody changed by hand is new as well.
    pub async fn plan(
        &self,
        state: &State,
        target: &Target,
        is_strict: bool,
    ) -> Result<GenerationPlan> {
        let alive = self.alive(state, is_strict).await?;
        let up = self.up().await?.into_iter().map(|(_, name, _)| name);
        let up = up.chain(alive.iter().cloned()).collect();
        let before = Before {
            serving: state.current().map(|(_, it)| it),
            alive: &alive,
            up: &up,
            completed: &state.completed,
            proxy: &target.reference.proxy,
        };
        Ok(plan(&self.wanted(target, state.last + 1), &before))
    }

    /// Starts a generation and proves it; gives its number. Where that fails, all is as it was.
    pub async fn raise(
        &self,
        state: &mut State,
        target: &Target,
        plan: &GenerationPlan,
    ) -> Result<u64> {
        self.make_room(state, target, plan).await?;
        self.check_room(state, target, plan).await?;
        let number = self.begin(state, target, plan)?;
        let starting = Box::pin(self.start(state, number, target, plan));
        match self.unless_away(starting).await {
            Ok(()) => Ok(number),
            Err(error) => {
                let undone = self.undo(state, number).await;
                Err(match undone {
                    Ok(()) => error.hint(match state.serving {
                        Some(_) => "what was begun is removed; what ran before goes on",
                        None => "what was begun is removed",
                    }),
                    Err(other) => {
                        let why = other.chain().join(": ");
                        error.hint(format!("what was begun is not removed yet: {why}"))
                    }
                })
            }
        }
    }

    /// Writes a new generation into the journal.
    fn begin(&self, state: &mut State, target: &Target, plan: &GenerationPlan) -> Result<u64> {
        let number = state.last + 1;
        let subnet = state
            .free_network(self.file)
            .ok_or_else(|| Error::usage("every network of `addresses` in server.yaml is in use"))?;
        let base = u32::from(subnet.network());
        let ipv6 = self.file.ipv6 && self.machine.leads_ipv6();
        let mut containers = plan.shared.clone();
        let mut ports = Vec::new();
        let mut next = FIRST_ADDRESS;
        for wanted in self.wanted(target, number) {
            if plan.fresh.contains(&wanted.name) {
                let publish = &target.reference.containers[&wanted.name].run.publish;
                let address = Ipv4Addr::from(base + next);
                next -= u32::from(!publish.is_empty());
                ports.extend(publish.iter().map(|publish| Port {
                    host: publish.host,
                    of: wanted.name.clone(),
                    address,
                    container: publish.container,
                    ipv6,
                }));
                containers.insert(wanted.name, wanted.place);
            }
        }
        let before = state.current();
        let shared = before.into_iter().flat_map(|(_, it)| &it.ports);
        let shared = shared.filter(|port| plan.shared.contains_key(&port.of));
        ports.extend(shared.cloned());
        let routes = target.reference.routes().into_iter();
        let generation = Generation {
            reference: target.record,
            proxy: target.reference.proxy.clone(),
            begun: (self.now)(),
            since: None,
            stage: Stage::Starting,
            containers,
            ports,
            stopped: BTreeSet::new(),
            routes: routes
                .map(|(name, route, _)| RouteRecord {
                    of: target.reference.origin(name).clone(),
                    route: route.clone(),
                })
                .collect(),
            inputs: target.inputs.clone(),
            drains: None,
            ends_hold: false,
        };
        state.last = number;
        state.of = Some(Of {
            platform: self.file.platform.clone(),
            name: self.file.name.clone(),
        });
        state.networks.insert(number, subnet);
        state.generations.insert(number, generation);
        self.save(state)?;
        Ok(number)
    }

    async fn start(
        &self,
        state: &mut State,
        number: u64,
        target: &Target,
        plan: &GenerationPlan,
    ) -> Result<()> {
        let generation = &state.generations[&number];
        let addresses = generation
            .ports
            .iter()
            .filter(|port| plan.fresh.contains(&port.of))
            .map(|port| (port.of.clone(), port.addresses()));
        let placement = Placement::Addressed {
            addresses: addresses.collect(),
            volumes: self.file.name.clone(),
        };
        let volumes = self.make_volumes(target, plan, &placement).await?;
        let network = self.make_network(state, number).await?;
        let shared = plan.shared.iter().map(async |(name, place)| {
            let object = self.object(name, place);
            self.engine
                .connect(&network, &object, &place.names(name))
                .await
        });
        try_join_all(shared).await?;
        self.pull(target, plan, number, &placement).await?;
        let once: Vec<ContainerName> = plan
            .fresh
            .iter()
            .filter(|name| target.reference.containers[*name].run.once)
            .cloned()
            .collect();
        let mut begun = Instant::now();
        if !once.is_empty() {
            let first = with_needs(target, &once, &plan.fresh);
            self.stop_for(state, number, &first, plan).await?;
            self.converge(target, number, &first, &placement, &volumes)
                .await?;
            for name in once {
                let spec = state.generations[&number].containers[&name].spec.clone();
                state.completed.entry(name).or_default().insert(spec);
            }
            self.save(state)?;
        }
        if state.generations[&number].stopped.is_empty() {
            begun = Instant::now();
        }
        self.stop_for(state, number, &plan.fresh, plan).await?;
        self.converge(target, number, &plan.fresh, &placement, &volumes)
            .await?;
        let took = milliseconds(begun);
        let stopped = state.generations[&number].stopped.iter();
        state.stops.extend(stopped.map(|name| (name.clone(), took)));
        self.learn_made(state, number, &plan.fresh).await?;
        self.prove(&state.generations[&number]).await?;
        self.learn_ipv6(state, number).await?;
        self.learn_drain(state, number).await
    }

    /// With addresses of IPv6 where a container is to be reached by them.
    async fn make_network(&self, state: &State, number: u64) -> Result<String> {
        let (identity, subnet) = (self.identity(number), state.networks[&number]);
        let mut ports = state.generations[&number].ports.iter();
        let ipv6 = ports.any(|port| port.ipv6 && subnet.contains(&port.address));
        let kind = NetworkKind::Of(subnet, ipv6.then(|| ipv6::network(subnet)));
        let (name, labels) = (identity.network(), identity.labels());
        let made = self.engine.create_network(&name, &labels, kind).await;
        made.map_err(|fault| {
            Error::from(fault).hint("`addresses` in server.yaml are to be nobody else's")
        })
    }

    /// Volumes outlive generations; another owner's data is not touched.
    async fn make_volumes(
        &self,
        target: &Target,
        plan: &GenerationPlan,
        placement: &Placement,
    ) -> Result<Vec<String>> {
        let keeper = self.keeper();
        let wanted = self
            .desired(target, &plan.fresh, &keeper, placement)
            .volumes;
        let observation = Observation::take(self.engine, &keeper).await?;
        observation.observed.refuse_foreign(&wanted, &keeper)?;
        let labels = keeper.labels();
        let missing = wanted.iter();
        let missing = missing.filter(|it| !observation.observed.volumes.contains(*it));
        try_join_all(missing.map(|name| self.engine.create_volume(name, &labels))).await?;
        Ok(wanted)
    }

    /// Everything is there before anything stops.
    async fn pull(
        &self,
        target: &Target,
        plan: &GenerationPlan,
        number: u64,
        placement: &Placement,
    ) -> Result<()> {
        let identity = self.identity(number);
        let desired = self.desired(target, &plan.fresh, &identity, placement);
        let present = observe::images(self.engine, &desired).await?;
        let pulls = images::images(&desired, &present);
        let mut options = self.options.clone();
        if let Some(registry) = self.registry {
            options.login = login(Some(registry), &options.mirrors, &target.images, &pulls).await?;
        }
        let reporter = self.reporter.plan();
        let context = apply::Context {
            engine: self.engine,
            reporter: &*reporter,
            identity: &identity,
            desired: &desired,
            observed: &Observed::default(),
            options: &options,
            watch: &Watch::default(),
        };
        let walked = apply::apply(&context, &pulls).await;
        walked.map_err(Failure::into_error)
    }

    /// Stops what runs, has data of its own, and is about to be replaced: whatever the journal says, and
    /// whichever other generation made it.
    pub(super) async fn stop_for(
        &self,
        state: &mut State,
        number: u64,
        names: &[ContainerName],
        plan: &GenerationPlan,
    ) -> Result<()> {
        let containers = &state.generations[&number].containers;
        let running = self.up().await?.into_iter().filter(|(origin, name, _)| {
            let own = containers.get(name);
            plan.stops.contains(name)
                && names.contains(name)
                && own.is_none_or(|place| place.origin != *origin)
        });
        let running: Vec<(u64, ContainerName, String)> = running.collect();
        if running.is_empty() {
            return Ok(());
        }
        if let Some(generation) = state.generations.get_mut(&number) {
            let names = running.iter().map(|(_, name, _)| name.clone());
            generation.stopped.extend(names);
        }
        self.save(state)?;
        let stopping = running.iter().map(async |(_, name, object)| {
            self.reporter.note(&format!(
                "stopping {name}: its data is for one container at a time"
            ));
            self.engine.restart_by_itself(object, false).await?;
            self.engine.stop(object, None).await
        });
        try_join_all(stopping).await?;
        Ok(())
    }

    /// Brings containers of a generation up, and waits until they are ready.
    async fn converge(
        &self,
        target: &Target,
        number: u64,
        order: &[ContainerName],
        placement: &Placement,
        volumes: &[String],
    ) -> Result<()> {
        let identity = self.identity(number);
        let goal = Goal {
            reference: &target.reference,
            selection: &selection(order, &target.reference.proxy),
            images: &target.images,
            identity: &identity,
            configuration: &target.configuration,
            host: self.host,
            overrides: &Overrides::default(),
            secrets: &target.secrets,
            chosen_ports: &BTreeMap::new(),
            remembered_ports: &Ports::default(),
            forwarded_ports: &BTreeSet::new(),
            placement,
            // What is in a server's volumes is production's data.
            fillings: &BTreeMap::new(),
        };
        let mut observation = Observation::settled(self.engine, &identity).await?;
        observation.observed.volumes.extend(volumes.iter().cloned());
        let planned = goal.plan(self.engine, observation).await?;
        let watch = Watch::default();
        let label = apply::event_label(&identity);
        let following = watch.follow(self.engine, &label).await?;
        let options = Options {
            secrets: target.secrets.values.clone(),
            ..self.options.clone()
        };
        let work = async {
            let reporter = self.reporter.plan();
            let planned = goal
                .converge(self.engine, &*reporter, &options, &watch, planned)
                .await?;
            let waiting = Waiting {
                engine: self.engine,
                watch: &watch,
                identity: &identity,
                reference: &target.reference,
                address: None,
                limit: self.options.wait,
            };
            waiting.all(&planned).await
        };
        let done = tokio::select! {
            done = work => done,
            never = following => match never {},
        };
        match (done, self.docker) {
            (Ok(_), _) => Ok(()),
            (Err(failure), None) => Err(failure.into_error()),
            (Err(failure), Some(docker)) => Err(explain(docker, &target.reference, failure).await),
        }
    }
}

/// Some of the new containers with those of them that they need, in start order.
fn with_needs(
    target: &Target,
    names: &[ContainerName],
    fresh: &[ContainerName],
) -> Vec<ContainerName> {
    let mut wanted: BTreeSet<&ContainerName> = BTreeSet::new();
    let mut todo: Vec<&ContainerName> = names.iter().collect();
    while let Some(name) = todo.pop() {
        if fresh.contains(name) && wanted.insert(name) {
            let needs = &target.reference.containers[name].needs;
            todo.extend(needs.iter().map(|need| &need.container));
        }
    }
    let order = fresh.iter().filter(|name| wanted.contains(name));
    order.cloned().collect()
}
