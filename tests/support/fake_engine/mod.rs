//! An engine in memory: records every call, fails where it is told to, and plays containers.
//!
//! A container plays by its create body: command `["/probe", "exit", "3"]` ends with 3 after start,
//! `["/probe", "eat"]` is killed for memory, anything else runs; a health check whose command ends in
//! `["exit", "0"]` turns healthy, in another number unhealthy. [`FakeEngine::behave`] overrides both.
//! `tests/contract.rs` holds it to what the real engine does.

mod calls;
mod script;
pub use script::Strike;
use script::{End, Flight, Planned, Script, Trigger};

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use devenv::engine::{
    Engine, Fault, FaultKind, Labels, NetworkKind, PullProgress, RegistryLogin, SecretFile,
};
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
    RestartByItself,
    Unpack,
    Check,
    Events,
    Carry,
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

    /// The `n`-th call from now that changes something never answers; see [`Self::hang_at`].
    pub fn hang_at_change(&self, n: usize, strike: Strike) -> Arc<Notify> {
        let (at, reached) = (self.script().changes + n, Arc::new(Notify::new()));
        let end = End::Never(Arc::clone(&reached));
        self.plan(Trigger::Change(at), strike, end, 1);
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
