//! A server on an engine and a machine in memory.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use devenv::converge::apply::Options;
use devenv::converge::desired::Secrets;
use devenv::converge::select::{Request, select};
use devenv::error::Result;
use devenv::home::reporter::{Reporter, Work};
use devenv::home::state::{Owner, ReferenceRecord};
use devenv::model::digest::Digest;
use devenv::model::host_profile::Host;
use devenv::model::name::VariableName;
use devenv::model::observed::{ContainerState, Health};
use devenv::model::secret::Secret;
use devenv::model::server::ServerFile;
use devenv::server::state::{Stage, State};
use devenv::server::{Applied, Back, Due, Manner, SecretValues, Server, Target};
use futures_util::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};

use super::machine::FakeMachine;
use crate::executor::world::{SOON, World};
use crate::support::fake_engine::{FakeEngine, Operation};
use crate::support::fake_state::Play;

/// Hears nothing, and is not asked.
#[derive(Debug)]
struct Silent;

impl Reporter for Silent {
    fn note(&self, _: &str) {}
    fn warn(&self, _: &str) {}
    fn is_interactive(&self) -> bool {
        false
    }
    fn confirm(&self, _: &str, _: &str) -> Result<bool> {
        unreachable!("nothing is asked")
    }
    fn confirm_alone(&self, question: &str, flag: &str) -> Result<bool> {
        self.confirm(question, flag)
    }

    fn ask_secret(&self, _: &str, _: &str) -> Result<Secret> {
        unreachable!("nothing is asked")
    }
    fn plan(&self) -> Box<dyn devenv::converge::apply::Reporter + '_> {
        Box::new(crate::executor::world::Silent)
    }
    fn work(&self, _: &str) -> Arc<dyn Work> {
        unreachable!("nothing is worked on")
    }
}

/// One server with its engine, machine and journal.
pub struct Room {
    pub world: World,
    pub engine: FakeEngine,
    pub machine: FakeMachine,
    pub folder: tempfile::TempDir,
    pub file: ServerFile,
    pub owner: Owner,
    pub host: Host,
    /// What the ledger says, where it is not what is brought.
    pub ledger: Option<ReferenceRecord>,
    /// How much later than now it is.
    pub later: Mutex<SignedDuration>,
}

const FILE: &str = "schema: 1\nplatform: acme\nregistry: localhost:5000/acme\nenvironment: production\n\
                    keep: 1h\nready: 10s\nallow_stop: [ledger-db]\n";

impl Room {
    pub fn new() -> Self {
        let world = World::asking_for(&[]);
        let room = Self {
            engine: FakeEngine::new(),
            machine: FakeMachine::default(),
            folder: tempfile::tempdir().unwrap(),
            file: ServerFile::parse("server.yaml", FILE.as_bytes()).unwrap(),
            owner: serde_json::from_str(r#"{"id":"me","key":"key"}"#).unwrap(),
            host: Host::unknown().unwrap(),
            ledger: None,
            later: Mutex::default(),
            world,
        };
        room.publish();
        room
    }

    /// Images of this reference can be pulled, and the containers of every generation play.
    pub fn publish(&self) {
        self.world.publish(&self.engine);
        for generation in 1..8 {
            for (name, entry) in &self.world.reference.containers {
                let play = Play {
                    health: entry
                        .run
                        .health
                        .is_some()
                        .then_some((SOON, Health::Healthy)),
                    exit: entry.run.once.then_some((SOON, 0)),
                    out_of_memory: None,
                };
                let object = format!("devenv-acme-server_{generation}-{name}");
                self.engine.behave(&object, play);
            }
        }
    }

    pub fn release(&mut self, container: &str, version: &str) {
        self.world.release(container, version);
        self.publish();
    }

    pub fn journal(&self) -> PathBuf {
        self.folder.path().join("journal.json")
    }

    fn now(&self) -> Timestamp {
        Timestamp::now() + *self.later.lock().unwrap()
    }

    pub fn state(&self) -> State {
        devenv::home::file::load(&self.journal())
            .unwrap()
            .unwrap_or_default()
    }

    pub fn target(&self) -> Target {
        let reference = self.world.reference.clone();
        let request = Request {
            all: true,
            names: vec!["migration".to_owned()],
            proxy: true,
            without: Vec::new(),
        };
        let order = select(&reference, &request).unwrap().order;
        let images = order.iter().map(|it| (it.clone(), self.world.image(it)));
        Target {
            record: ReferenceRecord {
                number: reference.number,
                digest: Digest::of(reference.number.to_string().as_bytes()),
            },
            images: images.collect(),
            secrets: Secrets {
                values: BTreeMap::from([("DB_PASSWORD".to_owned(), Secret::new("hunter2"))]),
                key: Secret::new("key"),
            },
            configuration: "production".parse().unwrap(),
            inputs: String::new(),
            order,
            reference,
        }
    }

    /// `server rollback`: to the reference that served before.
    pub async fn back(&self) -> Result<()> {
        let now = || self.now();
        let server = self.server(&now);
        let mut state = self.state();
        let back = Back::default();
        server.go_back(&mut state, &back, "me").await?;
        self.assert_serves(&[]);
        self.assert_data_is_alone();
        server.end_changes(&mut state).await
    }

    /// Somebody removes a container.
    pub fn remove(&self, object: &str) {
        let object = format!("devenv-acme-server_{object}");
        self.engine.tamper(|state| {
            let before = state.containers.len();
            state.containers.retain(|it| it.object != object);
            assert_eq!(state.containers.len() + 1, before, "{object}");
        });
    }

    /// `server apply`, from a verified reference on.
    pub async fn apply(&self) -> Result<Applied> {
        self.apply_as(&Manner::default()).await
    }

    pub async fn apply_as(&self, manner: &Manner) -> Result<Applied> {
        let now = || self.now();
        let server = self.server(&now);
        let mut state = self.state();
        let (before, changes) = (state.clone(), self.engine.changes());
        let calm = server.is_calm(&state).await?;
        let settled = server.settle(&mut state).await?;
        if calm {
            let changed = self.engine.changes() != changes || state != before;
            assert!(!changed, "not calm: {before:?} {state:?}");
        }
        let target = self.target();
        let ledger = self.ledger.unwrap_or(target.record);
        let due = server.due(&mut state, ledger, &target.inputs, manner, calm);
        let due = due.await?;
        if let (Some(error), Due::Nothing | Due::Waits { .. }) = (settled.failed, &due) {
            return Err(error);
        }
        match due {
            Due::Nothing => {
                assert!(server.is_calm(&state).await?, "{state:?}");
                return Ok(Applied::Nothing {
                    reference: ledger.number,
                });
            }
            Due::Waits { why } => return Ok(Applied::Waits { why }),
            Due::Bring(wanted)
            | Due::Mend {
                reference: wanted, ..
            } => assert_eq!(wanted, target.record),
        }
        let done = server.bring(&mut state, &target, manner).await?;
        server.end_changes(&mut state).await?;
        Ok(done)
    }

    pub fn server<'a>(
        &'a self,
        now: &'a (dyn Fn() -> Timestamp + Sync),
    ) -> Server<'a, FakeEngine, FakeMachine> {
        Server {
            file: &self.file,
            owner: &self.owner,
            engine: &self.engine,
            docker: None,
            machine: &self.machine,
            host: &self.host,
            registry: None,
            options: Options {
                concurrency: 4,
                wait: std::time::Duration::from_secs(10),
                ..Options::default()
            },
            secrets: self,
            data: None,
            reporter: &Silent,
            journal: Box::leak(Box::new(self.journal())),
            now,
            zone: jiff::tz::TimeZone::UTC,
        }
    }

    /// Every container, by generation, name and state.
    pub fn containers(&self) -> Vec<String> {
        self.engine.tamper(|state| {
            let mut lines: Vec<String> = state
                .containers
                .iter()
                .map(|it| {
                    let object = it.object.strip_prefix("devenv-acme-server_").unwrap();
                    let state = match it.state {
                        ContainerState::Running => "running",
                        ContainerState::Paused => "paused",
                        ContainerState::Exited(_) => "exited",
                        _ => "other",
                    };
                    format!("{object} {state}")
                })
                .collect();
            lines.sort();
            lines
        })
    }

    /// The proxy that port 28080 leads to runs, with all that its generation has; a database that was
    /// stopped to be replaced is what only the changes of it may lack.
    pub fn assert_serves(&self, but: &[&str]) {
        let led = self.machine.led.lock().unwrap().clone();
        let Some(address) = led.and_then(|it| Some(it.get(&28080)?.address)) else {
            return;
        };
        let state = self.state();
        let serving = state
            .generations
            .values()
            .find(|it| it.ports.iter().any(|port| port.address == address))
            .unwrap_or_else(|| panic!("{address} is nobody's: {state:?}"));
        let running = self.containers();
        for (name, place) in serving.containers.iter().filter(|(_, it)| !it.once) {
            let line = format!("{}-{name} running", place.origin);
            let fine = running.contains(&line) || but.contains(&name.as_str());
            assert!(fine, "{line}: {running:?}");
        }
    }

    /// In the calls that were made, one container was stopped before the other was started.
    pub fn assert_stops_before_it_starts(&self, old: &str, new: &str) {
        let calls = self.engine.calls();
        let at = |operation, name: &str| {
            let wanted = format!("devenv-acme-server_{name}");
            let id = self.engine.tamper(|state| {
                let mut all = state.containers.iter();
                all.find(|it| it.object == wanted).map(|it| it.id.clone())
            });
            let is = |target: &String| *target == wanted || Some(target) == id.as_ref();
            let mut calls = calls.iter();
            calls.position(|it| it.operation == operation && is(&it.target))
        };
        let (stop, start) = (at(Operation::Stop, old), at(Operation::Start, new));
        assert!(
            stop.is_some() && start.is_some() && stop < start,
            "{calls:?}"
        );
    }

    /// No two databases run at once: their data is one volume's.
    pub fn assert_data_is_alone(&self) {
        let lines = self.containers();
        let databases = lines.iter().filter(|it| it.contains("-ledger-db "));
        let up = databases.filter(|it| !it.ends_with(" exited") && !it.ends_with(" other"));
        assert!(up.count() <= 1, "{lines:?}");
    }

    /// What the journal says is what the engine has: nothing more, nothing less.
    pub fn assert_settled(&self) {
        let state = self.state();
        let settled = |it: &Stage| matches!(it, Stage::Serving | Stage::Paused(_) | Stage::Stopped);
        assert!(
            state.generations.values().all(|it| settled(&it.stage)),
            "{state:?}"
        );
        let wanted: BTreeSet<String> = state
            .generations
            .values()
            .flat_map(|it| &it.containers)
            .map(|(name, place)| format!("{}-{name}", place.origin))
            .collect();
        let there: BTreeSet<String> = self
            .containers()
            .iter()
            .map(|it| it.split(' ').next().unwrap().to_owned())
            .collect();
        assert_eq!(there, wanted);
        let networks = self.engine.tamper(|state| state.networks.len());
        assert_eq!(networks, state.networks.len());
        assert!(state.networks.keys().all(|it| state.needs_network(*it)));
        self.assert_data_is_alone();
        self.assert_serves(&[]);
    }
}

impl SecretValues for Room {
    fn of(&self, _: BTreeSet<VariableName>) -> BoxFuture<'_, Result<BTreeMap<String, Secret>>> {
        let all = BTreeMap::from([("DB_PASSWORD".to_owned(), Secret::new("hunter2"))]);
        Box::pin(std::future::ready(Ok(all)))
    }
}
