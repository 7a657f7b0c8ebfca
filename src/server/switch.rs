//! Requests are led to another generation; the connections of the one before end by themselves.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use futures_util::future::{join_all, try_join_all};

use super::Server;
use super::machine::Machine;
use super::ruleset::{self, Change};
use super::state::{Generation, Place, Stage, State};
use crate::converge::apply::{self, Failure, Watch, wait_thawed, wait_until};
use crate::converge::desired::budget::rounded;
use crate::converge::desired::secret_files;
use crate::engine::{Engine, Fault, FaultKind};
use crate::error::{Error, Result};
use crate::model::container::Until;
use crate::model::identity;
use crate::model::name::{ContainerName, VariableName};
use crate::model::observed::ContainerState;

/// The folder of the file whose presence tells a proxy to close kept connections, and its name.
const DRAIN: (&str, &str) = ("/run", "drain");

/// Between two looks at connections.
const BETWEEN_LOOKS: Duration = Duration::from_millis(20);

/// So many looks in a row have to see no connection.
const LOOKS: u32 = 10;

impl<E: Engine, M: Machine> Server<'_, E, M> {
    /// Leads all ports to a generation that is proven. Nothing else changes.
    pub(super) async fn lead(&self, generation: &Generation) -> Result<()> {
        let table = ruleset::table(&self.file.name);
        let wanted = generation.led();
        let led = self.machine.led(&table).await?;
        match &led {
            Some(led) if *led == wanted => return Ok(()),
            Some(_) => self.machine.load(&table, Change::Switch(&wanted)).await?,
            None => {
                self.machine.let_through(self.file.addresses, true).await?;
                self.machine.load(&table, Change::Install(&wanted)).await?;
            }
        }
        if self.machine.led(&table).await?.as_ref() == Some(&wanted) {
            return Ok(());
        }
        Err(Error::engine(format!(
            "the kernel does not lead ports as it was told to (table {table})"
        )))
    }

    /// Leads requests to a generation that is proven, and lets the one before end.
    pub async fn switch(&self, state: &mut State, number: u64) -> Result<()> {
        self.mark(state, number, Stage::Switching)?;
        self.lead(&state.generations[&number]).await?;
        // Before the journal calls it done: what is killed here is completed.
        let kept = state.generations[&number].containers.iter();
        let kept = kept.filter(|(_, place)| !place.once && !place.filled);
        let kept = kept.map(async |(name, place)| {
            let object = self.object(name, place);
            self.engine.restart_by_itself(&object, true).await
        });
        try_join_all(kept).await?;
        let before = state.serving.filter(|before| *before != number);
        if let Some(before) = before.and_then(|it| state.generations.get_mut(&it)) {
            before.stage = Stage::Draining;
        }
        if let Some(generation) = state.generations.get_mut(&number) {
            generation.stage = Stage::Serving;
            generation.since = Some((self.now)());
            generation.stopped.clear();
            if std::mem::take(&mut generation.ends_hold) {
                state.held = None;
            }
        }
        state.serving = Some(number);
        state.failed = None;
        self.save(state)
    }

    /// Waits until no connection leads to generations that do not serve any more, then freezes them.
    pub async fn retire(&self, state: &mut State) -> Result<()> {
        let draining: Vec<u64> = state
            .generations
            .iter()
            .filter(|(_, it)| it.stage == Stage::Draining)
            .map(|(number, _)| *number)
            .collect();
        for number in draining {
            let cut = self.drain(state, number).await;
            let held = self.memory_of(state, number).await;
            if let (Some(held), Some(free)) = (held, self.machine.memory())
                && free < held
            {
                self.reporter.note(&format!(
                    "generation {number} is stopped, not paused: it would keep {} of memory, and {} are left",
                    rounded(held),
                    rounded(free)
                ));
                self.stop(state, number).await?;
                continue;
            }
            self.freeze(state, number, &cut).await?;
            self.mark(state, number, Stage::Paused((self.now)()))?;
            // What replaced it is the same: it does not stay.
            let generation = &state.generations[&number];
            let is_replaced = state.current().is_some_and(|(_, it)| {
                it.reference == generation.reference && it.inputs == generation.inputs
            });
            if let Some(held) = held.filter(|_| !is_replaced) {
                self.reporter.note(&format!(
                    "generation {number} stays paused for {}, to serve again at once: it keeps {} of memory",
                    self.file.keep,
                    rounded(held)
                ));
            }
        }
        Ok(())
    }

    /// Lets connections end; gives the containers that had some left at the deadline.
    async fn drain(&self, state: &State, number: u64) -> BTreeSet<ContainerName> {
        let own = state.own(number, &serving(state));
        let generation = &state.generations[&number];
        let reached = own.iter().filter(|(name, _)| {
            let mut ports = generation.ports.iter();
            ports.any(|port| port.of == ***name)
        });
        let ending = reached.map(async |(name, place)| {
            let object = self.object(name, place);
            if **name == generation.proxy
                && let Err(fault) = self.tell_drain(&object, true).await
                && fault.kind != FaultKind::NotFound
            {
                let text = format!("{name} cannot be told to close kept connections: {fault}");
                self.reporter.warn(&text);
            }
            let ports = generation.ports.iter().filter(|port| port.of == **name);
            let ports: Vec<u16> = ports.map(|port| port.container).collect();
            let left = self.connections_end(&object, &ports).await;
            (left > 0).then(|| {
                let after = self.file.drain;
                self.reporter.warn(&format!(
                    "{left} connections to {name} of generation {number} had not ended after {after} and were cut"
                ));
                (*name).clone()
            })
        });
        join_all(ending).await.into_iter().flatten().collect()
    }

    /// Tells a proxy to close kept connections, or not to, without a shell in it: by a file, which a
    /// folder of the same name replaces.
    pub(super) async fn tell_drain(&self, object: &str, drains: bool) -> Result<(), Fault> {
        let (folder, name) = DRAIN;
        let mut header = tar::Header::new_gnu();
        header.set_size(0);
        header.set_mode(0o755);
        header.set_entry_type(if drains {
            tar::EntryType::Regular
        } else {
            tar::EntryType::Directory
        });
        let mut archive = tar::Builder::new(Vec::new());
        let made = archive
            .append_data(&mut header, name, &[][..])
            .and_then(|()| archive.into_inner());
        let made = made.map_err(|error| Fault::new(FaultKind::Failed, error.to_string()))?;
        self.engine.unpack(object, folder, made).await
    }

    /// How many connections are left, once there are none or time is up.
    async fn connections_end(&self, object: &str, ports: &[u16]) -> usize {
        let Ok(details) = self.engine.inspect(object).await else {
            return 0;
        };
        let Some(process) = details.process else {
            return 0;
        };
        let begun = Instant::now();
        let mut quiet = 0;
        loop {
            let counts = ports
                .iter()
                .map(|port| self.machine.connections(process, *port));
            let Some(left) = counts.sum::<Option<usize>>() else {
                return 0;
            };
            quiet = if left == 0 { quiet + 1 } else { 0 };
            if quiet == LOOKS {
                return 0;
            }
            if begun.elapsed() > self.file.drain.duration() {
                return left;
            }
            tokio::time::sleep(BETWEEN_LOOKS).await;
        }
    }

    /// Freezes a generation's own containers; those that are `cut`, and what the engine cannot freeze,
    /// end instead, and their connections with them. So do those with data of their own: frozen they
    /// would hold what is not written yet, while another may come to use their volume.
    async fn freeze(
        &self,
        state: &State,
        number: u64,
        cut: &BTreeSet<ContainerName>,
    ) -> Result<()> {
        let own = state.own(number, &serving(state)).into_iter();
        let freezing = own
            .filter(|(_, place)| !place.once)
            .map(async |(name, place)| {
                let object = self.object(name, place);
                gone_is_fine(self.engine.restart_by_itself(&object, false).await)?;
                if !cut.contains(name) && !place.single {
                    let frozen = gone_is_fine(self.engine.pause(&object).await);
                    if !frozen
                        .as_ref()
                        .is_err_and(|fault| fault.kind == FaultKind::Internal)
                    {
                        return frozen;
                    }
                }
                gone_is_fine(self.engine.stop(&object, None).await)
            });
        try_join_all(freezing).await?;
        Ok(())
    }

    /// Stops a generation's own containers: those that no other needs.
    pub(super) async fn stop(&self, state: &mut State, number: u64) -> Result<()> {
        self.stop_own(state, number).await?;
        self.mark(state, number, Stage::Stopped)
    }

    /// The same, and the journal does not say so yet. What has data of its own runs for what serves alone.
    pub(super) async fn stop_own(&self, state: &State, number: u64) -> Result<()> {
        let others = state.generations.iter();
        let others = others.filter(|(other, it)| **other != number && it.stage != Stage::Stopped);
        let others: Vec<u64> = others.map(|(other, _)| *other).collect();
        let mut own = state.own(number, &others);
        let alone = state.own(number, &serving(state)).into_iter();
        own.extend(alone.filter(|(_, place)| place.single));
        let stopping = own.into_iter().map(async |(name, place)| {
            let object = self.object(name, place);
            gone_is_fine(self.engine.restart_by_itself(&object, false).await)?;
            gone_is_fine(self.engine.stop(&object, None).await)
        });
        try_join_all(stopping).await?;
        Ok(())
    }

    /// Thaws or starts what a kept generation has of its own, and waits until it is ready.
    pub(super) async fn wake(&self, state: &State, number: u64) -> Result<()> {
        let generation = &state.generations[&number];
        let own = state.own(number, &serving(state));
        let objects: BTreeMap<&ContainerName, String> = own
            .iter()
            .filter(|(_, place)| !place.once)
            .map(|(name, place)| (*name, self.object(name, place)))
            .collect();
        let all = self.containers().await?;
        let frozen = all.iter().filter(|(origin, name, it)| {
            let ours = own.get(name).is_some_and(|place| place.origin == *origin);
            ours && it.state == ContainerState::Paused
        });
        let frozen: Vec<_> = frozen.collect();
        try_join_all(frozen.iter().map(|(_, _, it)| self.engine.unpause(&it.id))).await?;
        if let Some(proxy) = objects.get(&generation.proxy) {
            self.tell_drain(proxy, false).await?;
        }
        let thawed = frozen.into_iter().map(|(_, name, _)| name).collect();
        self.run(&generation.containers, &objects, &thawed).await
    }

    /// Starts those of these containers that do not run, each after what it reaches, and waits for
    /// those that the engine checks. Of those that were `thawed` a check may fail first.
    pub(super) async fn run(
        &self,
        places: &BTreeMap<ContainerName, Place>,
        objects: &BTreeMap<&ContainerName, String>,
        thawed: &BTreeSet<&ContainerName>,
    ) -> Result<()> {
        let labels = self.secret_files(objects).await?;
        let names = labels
            .values()
            .flat_map(|it| secret_files::places(Some(it)).into_keys());
        let wanted = names.filter_map(|it| VariableName::new(it).ok()).collect();
        let secrets = self.secrets.of(wanted).await?;
        let watch = Watch::default();
        let label = apply::event_label(&self.keeper());
        let following = watch.follow(self.engine, &label).await?;
        let work = async {
            let mut left: BTreeSet<&ContainerName> = objects.keys().copied().collect();
            while !left.is_empty() {
                let free = |name: &&ContainerName| {
                    let mut reaches = places[*name].reaches.iter();
                    !reaches.any(|other| other != *name && left.contains(other))
                };
                let mut now: BTreeSet<_> = left.iter().copied().filter(|it| free(it)).collect();
                if now.is_empty() {
                    // They use each other.
                    now.clone_from(&left);
                }
                let starting = now.iter().map(async |name| {
                    let object = &objects[*name];
                    let files = labels.get(*name).map(String::as_str);
                    apply::start(self.engine, object, files, &secrets)
                        .await
                        .map_err(Failure::into_error)?;
                    if !places[*name].checked {
                        return Ok(());
                    }
                    let (details, limit) = (self.engine.inspect(object).await?, self.options.wait);
                    let healthy = if thawed.contains(*name) {
                        wait_thawed(self.engine, &watch, name, &details, limit).await
                    } else {
                        let until = Until::Healthy;
                        wait_until(self.engine, &watch, name, &details.id, until, limit).await
                    };
                    healthy.map_err(Failure::into_error)
                });
                try_join_all(starting).await?;
                left.retain(|name| !now.contains(name));
            }
            Ok(())
        };
        tokio::select! {
            done = work => done,
            never = following => match never {},
        }
    }

    /// What these containers say of the files that they are to have.
    async fn secret_files(
        &self,
        objects: &BTreeMap<&ContainerName, String>,
    ) -> Result<BTreeMap<ContainerName, String>> {
        let all = self.containers().await?.into_iter();
        let ours = all.filter(|(_, name, it)| {
            let object = objects.get(name);
            object.is_some_and(|object| [&it.object, &it.id].contains(&object))
                && it.state != ContainerState::Running
        });
        let labelled = ours.filter_map(|(_, name, mut it)| {
            Some((name, it.labels.remove(identity::SECRET_FILES)?))
        });
        Ok(labelled.collect())
    }

    /// Writes how far a generation has come.
    pub(super) fn mark(&self, state: &mut State, number: u64, stage: Stage) -> Result<()> {
        if let Some(generation) = state.generations.get_mut(&number) {
            generation.stage = stage;
        }
        self.save(state)
    }
}

fn serving(state: &State) -> Vec<u64> {
    state.serving.into_iter().collect()
}

/// A container that is gone, or is so already, is what was wanted.
pub(super) fn gone_is_fine(answer: Result<(), Fault>) -> Result<(), Fault> {
    match answer {
        Err(fault) if matches!(fault.kind, FaultKind::NotFound | FaultKind::Conflict) => Ok(()),
        other => other,
    }
}
