//! An engine in memory: records every call, fails where it is told to, and plays containers.
//!
//! A container plays by its create body: command `["/probe", "exit", "3"]` ends with 3 after start,
//! `["/probe", "eat"]` is killed for memory, anything else runs; a health check whose command ends in
//! `["exit", "0"]` turns healthy, in another number unhealthy. [`FakeEngine::behave`] overrides both.
//! `tests/contract.rs` holds it to what the real engine does.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use devenv::engine::{Engine, Fault, FaultKind, Labels, PullProgress, RegistryLogin};
use devenv::model::create_body::CreateBody;
use devenv::model::digest::Digest;
use devenv::model::image::Repository;
use devenv::model::observed::{
    ContainerDetails, ContainerEvent, ObservedContainer, ObservedImage, ObservedNetwork,
    ObservedVolume,
};
use devenv::model::secret::Secret;
use futures_util::StreamExt;
use futures_util::stream::BoxStream;
use tokio::sync::Notify;

use super::fake_state::{FakeContainer, Play, State, code};

/// The calls of the trait.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Operation {
    Containers,
    Networks,
    Volumes,
    Inspect,
    Image,
    Architecture,
    Pull,
    Tag,
    CreateNetwork,
    RemoveNetwork,
    CreateVolume,
    RemoveVolume,
    Create,
    Rename,
    Connect,
    Disconnect,
    Start,
    Stop,
    Remove,
    Pause,
    Unpause,
    Check,
    Events,
}

impl Operation {
    /// Whether it changes the engine.
    pub fn changes(self) -> bool {
        use Operation::{
            Architecture, Check, Containers, Events, Image, Inspect, Networks, Volumes,
        };
        !matches!(
            self,
            Containers | Networks | Volumes | Inspect | Image | Architecture | Check | Events
        )
    }
}

/// One recorded call: what, and on which object, by the name that the caller used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub operation: Operation,
    pub target: String,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:?} {}", self.operation, self.target)
    }
}

/// Which call fails.
#[derive(Debug, Clone)]
enum Trigger {
    /// The n-th of all, from 1.
    Call(usize),
    /// The n-th that changes something, from 1.
    Change(usize),
    /// Every one of this kind whose target contains the text, as often as told.
    Operation(Operation, String),
}

/// When a fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strike {
    /// The engine did nothing.
    Before,
    /// The engine did it, and the answer was lost.
    After,
}

#[derive(Debug, Clone)]
struct Planned {
    trigger: Trigger,
    strike: Strike,
    end: End,
    left: usize,
}

/// How a struck call ends.
#[derive(Debug, Clone)]
enum End {
    Fault(Fault),
    /// It never does.
    Never(Arc<Notify>),
}

#[derive(Default)]
struct Script {
    calls: Vec<Call>,
    changes: usize,
    planned: Vec<Planned>,
    jitter: Option<(u64, Duration)>,
    in_flight: usize,
    most_in_flight: usize,
    changes_in_flight: usize,
    most_changes_in_flight: usize,
}

/// The fake. Clones are the same engine.
#[derive(Clone, Default)]
pub struct FakeEngine {
    script: Arc<Mutex<Script>>,
    state: Arc<Mutex<State>>,
}

impl FakeEngine {
    /// An empty engine.
    pub fn new() -> Self {
        Self::default()
    }

    /// Every call so far.
    pub fn calls(&self) -> Vec<Call> {
        self.script().calls.clone()
    }

    /// The calls so far that change something, as text.
    pub fn changes(&self) -> Vec<String> {
        let calls = self.calls().into_iter();
        calls
            .filter(|call| call.operation.changes())
            .map(|call| call.to_string())
            .collect()
    }

    /// Forgets the calls; the objects stay.
    pub fn forget_calls(&self) {
        let mut script = self.script();
        script.calls.clear();
        script.changes = 0;
        script.most_in_flight = 0;
        script.most_changes_in_flight = 0;
    }

    /// How many calls were under way at once, at most.
    pub fn most_in_flight(&self) -> usize {
        self.script().most_in_flight
    }

    /// As [`Self::most_in_flight`], of calls that change something.
    pub fn most_changes_in_flight(&self) -> usize {
        self.script().most_changes_in_flight
    }

    /// The `n`-th call from now (1 is the next) fails once.
    pub fn fail_at(&self, n: usize, strike: Strike, fault: Fault) {
        let at = self.script().calls.len() + n;
        self.plan(Trigger::Call(at), strike, End::Fault(fault), 1);
    }

    /// The `n`-th call from now never answers; what is given back tells when it was made.
    pub fn hang_at(&self, n: usize, strike: Strike) -> Arc<Notify> {
        let (at, reached) = (self.script().calls.len() + n, Arc::new(Notify::new()));
        let end = End::Never(Arc::clone(&reached));
        self.plan(Trigger::Call(at), strike, end, 1);
        reached
    }

    /// The `n`-th call from now that changes something fails once.
    pub fn fail_at_change(&self, n: usize, strike: Strike, fault: Fault) {
        let at = self.script().changes + n;
        self.plan(Trigger::Change(at), strike, End::Fault(fault), 1);
    }

    /// The next `times` calls of `operation` on a target that contains `target` fail.
    pub fn fail_on(&self, operation: Operation, target: &str, times: usize, fault: Fault) {
        let trigger = Trigger::Operation(operation, target.to_owned());
        self.plan(trigger, Strike::Before, End::Fault(fault), times);
    }

    /// Every call from now on fails as if the engine had gone.
    pub fn vanish(&self) {
        let fault = Fault::new(FaultKind::Unreachable, "the engine is gone");
        let planned = Planned {
            trigger: Trigger::Call(0),
            strike: Strike::Before,
            end: End::Fault(fault),
            left: usize::MAX,
        };
        self.script().planned.insert(0, planned);
        self.end_events();
    }

    /// Forgets all planned faults.
    pub fn heal(&self) {
        self.script().planned.clear();
    }

    /// Each call takes up to `longest`, differently long by `seed`.
    pub fn jitter(&self, seed: u64, longest: Duration) {
        self.script().jitter = Some((seed | 1, longest));
    }

    /// How the container named `object` plays.
    pub fn behave(&self, object: &str, play: Play) {
        self.state().plays.insert(object.to_owned(), play);
    }

    /// Somebody else listens on this host port.
    pub fn take_port(&self, port: u16) {
        self.state().taken.insert(port);
    }

    /// Nobody else does any more.
    pub fn free_port(&self, port: u16) {
        self.state().taken.remove(&port);
    }

    /// Puts an image on the engine.
    pub fn add_image(&self, image: ObservedImage) {
        self.state().images.push(image);
    }

    /// What a pull of `repository@digest` brings.
    pub fn publish(&self, reference: &str, image: ObservedImage) {
        self.state().registry.insert(reference.to_owned(), image);
    }

    /// Ends all event streams, as an engine that restarts does.
    pub fn end_events(&self) {
        self.state().subscribers.clear();
    }

    /// Changes a container behind everybody's back; see [`State`].
    pub fn tamper<T>(&self, change: impl FnOnce(&mut State) -> T) -> T {
        change(&mut self.state())
    }

    /// The secrets that a container was created with.
    pub fn secrets_of(&self, object: &str) -> Vec<(String, Secret)> {
        self.state()
            .find(object)
            .map(|container| container.secrets.clone())
            .unwrap_or_default()
    }

    fn plan(&self, trigger: Trigger, strike: Strike, end: End, left: usize) {
        self.script().planned.push(Planned {
            trigger,
            strike,
            end,
            left,
        });
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.script.lock().unwrap()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap()
    }

    /// Records, delays, fails or does.
    async fn call<T>(
        &self,
        operation: Operation,
        target: &str,
        act: impl FnOnce(&mut State) -> Result<T, Fault>,
    ) -> Result<T, Fault> {
        let (strike, pause) = self.script().record(operation, target);
        let flight = Flight(Arc::clone(&self.script), operation);
        if let Some(pause) = pause {
            tokio::time::sleep(pause).await;
        }
        let mut answer = None;
        if !matches!(strike, Some((Strike::Before, _))) {
            answer = Some(act(&mut self.state()));
        }
        if let Some((_, End::Never(reached))) = &strike {
            reached.notify_one();
            std::future::pending::<()>().await;
        }
        drop(flight);
        match (answer, strike) {
            (Some(Ok(_)) | None, Some((_, End::Fault(fault)))) => Err(fault),
            (Some(answer), _) => answer,
            (None, _) => unreachable!("nothing struck"),
        }
    }

    /// Plays what a start sets in motion.
    fn play(&self, state: &State, id: &str) {
        for (after, act) in state.motions(id) {
            let (state, id) = (Arc::clone(&self.state), id.to_owned());
            tokio::spawn(async move {
                tokio::time::sleep(after).await;
                state.lock().unwrap().happen(&id, act);
            });
        }
    }
}

/// Counts a call as under way, also when its future is dropped.
struct Flight(Arc<Mutex<Script>>, Operation);

impl Drop for Flight {
    fn drop(&mut self) {
        let mut script = self.0.lock().unwrap();
        script.in_flight -= 1;
        script.changes_in_flight -= usize::from(self.1.changes());
    }
}

impl Script {
    fn record(
        &mut self,
        operation: Operation,
        target: &str,
    ) -> (Option<(Strike, End)>, Option<Duration>) {
        self.calls.push(Call {
            operation,
            target: target.to_owned(),
        });
        self.changes += usize::from(operation.changes());
        self.in_flight += 1;
        self.most_in_flight = self.most_in_flight.max(self.in_flight);
        self.changes_in_flight += usize::from(operation.changes());
        self.most_changes_in_flight = self.most_changes_in_flight.max(self.changes_in_flight);
        let (number, change) = (self.calls.len(), self.changes);
        let struck = self.planned.iter_mut().find(|planned| {
            planned.left > 0
                && match &planned.trigger {
                    Trigger::Call(at) => *at == 0 || *at == number,
                    Trigger::Change(at) => operation.changes() && *at == change,
                    Trigger::Operation(kind, text) => *kind == operation && target.contains(text),
                }
        });
        let strike = struck.map(|planned| {
            planned.left -= 1;
            (planned.strike, planned.end.clone())
        });
        let pause = self.jitter.as_mut().map(|(seed, longest)| {
            *seed ^= *seed << 13;
            *seed ^= *seed >> 7;
            *seed ^= *seed << 17;
            *longest * u32::try_from(*seed % 1000).unwrap() / 1000
        });
        (strike, pause)
    }
}

impl Engine for FakeEngine {
    async fn containers(&self) -> Result<Vec<ObservedContainer>, Fault> {
        let list =
            |state: &mut State| Ok(state.containers.iter().map(FakeContainer::listed).collect());
        self.call(Operation::Containers, "", list).await
    }

    async fn containers_with(&self, label: &str) -> Result<Vec<ObservedContainer>, Fault> {
        let list = |state: &mut State| Ok(state.containers_by(label));
        self.call(Operation::Containers, label, list).await
    }

    async fn networks(&self, label: &str) -> Result<Vec<ObservedNetwork>, Fault> {
        let list = |state: &mut State| Ok(state.networks_by(label));
        self.call(Operation::Networks, label, list).await
    }

    async fn volumes(&self, label: &str) -> Result<Vec<ObservedVolume>, Fault> {
        let list = |state: &mut State| Ok(state.volumes_by(label));
        self.call(Operation::Volumes, label, list).await
    }

    async fn inspect(&self, container: &str) -> Result<ContainerDetails, Fault> {
        let act = |state: &mut State| state.find(container).map(FakeContainer::details);
        self.call(Operation::Inspect, container, act).await
    }

    async fn image(&self, id: &Digest) -> Result<Option<ObservedImage>, Fault> {
        let act = |state: &mut State| Ok(state.image(id));
        self.call(Operation::Image, &id.to_string(), act).await
    }

    async fn architecture(&self) -> Result<String, Fault> {
        let act = |_: &mut State| Ok("amd64".to_owned());
        self.call(Operation::Architecture, "", act).await
    }

    async fn pull(
        &self,
        repository: &Repository,
        digest: &Digest,
        _platform: Option<&str>,
        _login: Option<&RegistryLogin>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), Fault> {
        let reference = repository.at(digest);
        let act = |state: &mut State| state.pull(&reference);
        let size = self.call(Operation::Pull, &reference, act).await?;
        for current in [0, size / 2, size] {
            progress(PullProgress {
                current,
                total: size,
            });
        }
        Ok(())
    }

    async fn tag(&self, image: &Digest, repository: &str, tag: &str) -> Result<(), Fault> {
        let name = format!("{repository}:{tag}");
        let act = |state: &mut State| state.tag(image, &name);
        self.call(Operation::Tag, &name, act).await
    }

    async fn create_network(
        &self,
        name: &str,
        labels: &Labels,
        _internal: bool,
    ) -> Result<String, Fault> {
        let act = |state: &mut State| Ok(state.create_network(name, labels));
        self.call(Operation::CreateNetwork, name, act).await
    }

    async fn remove_network(&self, id: &str) -> Result<(), Fault> {
        let act = |state: &mut State| state.remove_network(id);
        self.call(Operation::RemoveNetwork, id, act).await
    }

    async fn create_volume(&self, name: &str, labels: &Labels) -> Result<(), Fault> {
        let act = |state: &mut State| {
            state.create_volume(name, labels);
            Ok(())
        };
        self.call(Operation::CreateVolume, name, act).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), Fault> {
        let act = |state: &mut State| state.remove_volume(name);
        self.call(Operation::RemoveVolume, name, act).await
    }

    async fn create(
        &self,
        object: &str,
        body: &CreateBody,
        secrets: &[(String, Secret)],
    ) -> Result<String, Fault> {
        let act = |state: &mut State| state.create(object, body, secrets);
        self.call(Operation::Create, object, act).await
    }

    async fn check(&self, container: &str, command: &[String]) -> Result<(i64, String), Fault> {
        let code = code(command).unwrap_or(0);
        let act = |state: &mut State| state.find(container).map(|_| (code, String::new()));
        self.call(Operation::Check, container, act).await
    }

    async fn rename(&self, container: &str, object: &str) -> Result<(), Fault> {
        let act = |state: &mut State| state.rename(container, object);
        self.call(Operation::Rename, object, act).await
    }

    async fn connect(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), Fault> {
        let target = format!("{network} {container}");
        let act = |state: &mut State| state.connect(network, container, aliases);
        self.call(Operation::Connect, &target, act).await
    }

    async fn disconnect(&self, network: &str, container: &str) -> Result<(), Fault> {
        let target = format!("{network} {container}");
        let act = |state: &mut State| state.disconnect(network, container);
        self.call(Operation::Disconnect, &target, act).await
    }

    async fn start(&self, container: &str) -> Result<(), Fault> {
        // The container plays also where the answer to its start is lost.
        let act = |state: &mut State| {
            if let Some(id) = state.start(container)? {
                self.play(state, &id);
            }
            Ok(())
        };
        self.call(Operation::Start, container, act).await
    }

    async fn stop(&self, container: &str, _grace: Option<u32>) -> Result<(), Fault> {
        let act = |state: &mut State| state.stop(container);
        self.call(Operation::Stop, container, act).await
    }

    async fn remove(&self, container: &str) -> Result<(), Fault> {
        let act = |state: &mut State| {
            state.remove(container);
            Ok(())
        };
        self.call(Operation::Remove, container, act).await
    }

    async fn pause(&self, container: &str) -> Result<(), Fault> {
        let act = |state: &mut State| state.pause(container);
        self.call(Operation::Pause, container, act).await
    }

    async fn unpause(&self, container: &str) -> Result<(), Fault> {
        // The engine's next probe comes in its time.
        let act = |state: &mut State| {
            state.unpause(container)?;
            let id = state.find(container)?.id.clone();
            self.play(state, &id);
            Ok(())
        };
        self.call(Operation::Unpause, container, act).await
    }

    async fn events(
        &self,
        label: &str,
        since: Option<i64>,
    ) -> Result<BoxStream<'static, Result<ContainerEvent, Fault>>, Fault> {
        let act = |state: &mut State| Ok(state.subscribe(label, since));
        let receiver = self.call(Operation::Events, label, act).await?;
        Ok(
            futures_util::stream::unfold(receiver, |mut receiver| async {
                receiver.recv().await.map(|event| (Ok(event), receiver))
            })
            .boxed(),
        )
    }
}
