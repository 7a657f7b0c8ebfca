//! What the steps of one plan learn from each other, and how each step is done.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use tokio::sync::OnceCell;

use super::carry_over::carry_over;
use super::fill::fill;
use super::start::start;
use super::{Context, Event, Failure, wait_until};
use crate::converge::desired::{Desired, DesiredContainer, Image, Source};
use crate::converge::plan::{Network, Observed, Step};
use crate::engine::{BUSY, Engine, Fault, FaultKind, NetworkKind, while_busy};
use crate::error::Error;
use crate::model::digest::Digest;
use crate::model::identity::{self, Identity};
use crate::model::name::ContainerName;

/// Ids by name, as they become known.
pub(super) struct Runtime<'a> {
    desired: BTreeMap<&'a ContainerName, &'a DesiredContainer>,
    known: Mutex<Known>,
    architecture: OnceCell<String>,
}

#[derive(Default)]
struct Known {
    containers: BTreeMap<ContainerName, String>,
    networks: BTreeMap<Network, String>,
    images: BTreeMap<ContainerName, Digest>,
    /// Containers that the engine was told something of, and did not answer.
    unanswered: BTreeSet<String>,
}

impl<'a> Runtime<'a> {
    pub(super) fn new(identity: &Identity, desired: &'a Desired, observed: &Observed) -> Self {
        let mut known = Known::default();
        for name in observed.containers.keys() {
            if let Some(current) = observed.current(name, &identity.object(name)) {
                known.containers.insert(name.clone(), current.id.clone());
            }
        }
        let names = [
            (Network::Main, &desired.network),
            (Network::Absent, &desired.absent_network),
        ];
        for (network, name) in names {
            if let Some(id) = observed.network(name) {
                known.networks.insert(network, id.to_owned());
            }
        }
        Self {
            desired: desired
                .containers
                .iter()
                .map(|container| (&container.name, container))
                .collect(),
            known: Mutex::new(known),
            architecture: OnceCell::new(),
        }
    }

    fn known<T>(&self, look: impl FnOnce(&mut Known) -> T) -> T {
        look(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn container(&self, name: &ContainerName) -> Result<&'a DesiredContainer, Failure> {
        self.desired
            .get(name)
            .copied()
            .ok_or_else(|| bug(&format!("`{name}` is not in the plan's subset")))
    }

    fn id(&self, name: &ContainerName) -> Result<String, Failure> {
        self.known(|known| known.containers.get(name).cloned())
            .ok_or_else(|| bug(&format!("`{name}` was not created")))
    }

    fn network(&self, network: Network) -> Result<String, Failure> {
        self.known(|known| known.networks.get(&network).cloned())
            .ok_or_else(|| bug(&format!("the {network} was not created")))
    }

    fn told(&self, id: &str, answer: Result<(), Fault>) -> Result<(), Fault> {
        if answer.as_ref().is_err_and(Fault::is_silence) {
            self.known(|known| known.unanswered.insert(id.to_owned()));
        }
        answer
    }

    /// Whether the engine may still be at a step that failed.
    pub(super) fn goes_on(&self, step: &Step) -> bool {
        let (Step::Pause { id, .. } | Step::Stop { id, .. } | Step::Remove { id, .. }) = step
        else {
            return false;
        };
        self.known(|known| known.unanswered.contains(id))
    }

    pub(super) async fn perform<E: Engine>(
        &self,
        context: &Context<'_, E>,
        step: &Step,
    ) -> Result<(), Failure> {
        let engine = context.engine;
        match step {
            Step::CreateNetwork(network) => self.create_network(context, *network).await,
            Step::CreateVolume(name) => {
                done(engine.create_volume(name, &context.desired.labels).await)
            }
            Step::Pull(name) => self.pull(context, name).await,
            Step::Bind(name) => self.bind(context, name).await,
            Step::Rename { container, id } => {
                let object = format!(
                    "{}-old-{}",
                    context.identity.object(container),
                    &id[..id.len().min(12)]
                );
                done(engine.rename(id, &object).await)
            }
            Step::Create(name) => self.create(context, name).await,
            Step::CarryOver {
                container,
                id,
                path,
            } => carry_over(context, container, id, &self.id(container)?, path).await,
            Step::Connect(name) => self.connect(context, name).await,
            Step::Disconnect { id, .. } => {
                done(engine.disconnect(&self.network(Network::Absent)?, id).await)
            }
            Step::Start(name) => self
                .start(context, name)
                .await
                .map_err(|failure| within(failure, &format!("cannot start {name}"))),
            Step::Pause { id, .. } => done(self.told(id, engine.pause(id).await)),
            Step::Unpause(name) => done(engine.unpause(&self.id(name)?).await),
            Step::Wait(name, until) => {
                wait_until(
                    engine,
                    context.watch,
                    name,
                    &self.id(name)?,
                    *until,
                    context.options.wait,
                )
                .await
            }
            Step::Fill { container, .. } => fill(context, container, &self.id(container)?).await,
            Step::Stop { id, .. } => gone_is_fine(self.told(id, engine.stop(id, None).await)),
            Step::Remove { id, .. } => gone_is_fine(self.told(id, engine.remove(id).await)),
            Step::RemoveVolume(name) => gone_is_fine(engine.remove_volume(name).await),
            Step::RemoveNetwork { id, .. } => remove_network(engine, id).await,
        }
    }

    async fn create_network<E: Engine>(
        &self,
        context: &Context<'_, E>,
        network: Network,
    ) -> Result<(), Failure> {
        let name = match network {
            Network::Main => &context.desired.network,
            Network::Absent => &context.desired.absent_network,
        };
        let kind = match network {
            Network::Main => NetworkKind::Open,
            Network::Absent => NetworkKind::Internal,
        };
        let id = context
            .engine
            .create_network(name, &context.desired.labels, kind)
            .await;
        let id = id.map_err(Failure::from)?;
        self.known(|known| known.networks.insert(network, id));
        Ok(())
    }

    async fn pull<E: Engine>(
        &self,
        context: &Context<'_, E>,
        name: &ContainerName,
    ) -> Result<(), Failure> {
        let image = &self.container(name)?.image;
        let report = |progress| {
            context.reporter.event(Event::Pulling {
                container: name,
                progress,
            });
        };
        let login = context.options.login.as_ref();
        let repository = context.options.mirrors.of(&image.repository);
        let platform = self.foreign_platform(context, image).await?;
        let host = repository.host();
        let busy = |_: &str| {
            context.reporter.event(Event::Busy {
                container: name,
                registry: host,
            });
        };
        let platform = platform.as_deref();
        let pulled = while_busy(host, &busy, async || {
            let engine = context.engine;
            let (repository, digest) = (&repository, &image.digest);
            engine
                .pull(repository, digest, platform, login, &report)
                .await
        });
        pulled
            .await
            .map_err(|fault| pull_failure(name, &repository.at(&image.digest), fault))
    }

    /// What the engine's machine runs without emulation; asked once.
    async fn architecture<E: Engine>(&self, context: &Context<'_, E>) -> Result<&str, Failure> {
        let asked = self
            .architecture
            .get_or_try_init(|| context.engine.architecture());
        Ok(asked.await.map_err(Failure::from)?)
    }

    /// The platform to ask for, where an index has none for the engine's machine.
    async fn foreign_platform<E: Engine>(
        &self,
        context: &Context<'_, E>,
        image: &Image,
    ) -> Result<Option<String>, Failure> {
        let Some(first) = image.architectures.first() else {
            return Ok(None);
        };
        let own = self.architecture(context).await?;
        let foreign = !image.architectures.iter().any(|it| it == own);
        Ok(foreign.then(|| format!("linux/{first}")))
    }

    /// Finds the image by the Ids that may stand for the signed digest: tags and the engine's own
    /// record of digests prove nothing.
    async fn bind<E: Engine>(
        &self,
        context: &Context<'_, E>,
        name: &ContainerName,
    ) -> Result<(), Failure> {
        let image = &self.container(name)?.image;
        for id in &image.accepted {
            let Some(found) = context.engine.image(id).await.map_err(Failure::from)? else {
                continue;
            };
            if found.id != *id {
                continue;
            }
            let repository = format!("localhost/devenv/{}/{name}", context.identity.platform);
            let own = self.architecture(context).await?;
            if found.architecture != own {
                context.reporter.event(Event::Emulated {
                    container: name,
                    image: &found.architecture,
                    engine: own,
                });
            }
            // Only spares the image from `docker image prune`; a local one has its own name.
            if image.source != Source::Local {
                done(context.engine.tag(id, &repository, &image.version).await)?;
            }
            self.known(|known| known.images.insert(name.clone(), *id));
            return Ok(());
        }
        if image
            .accepted
            .iter()
            .any(|id| context.observed.images.contains(id))
        {
            let message = format!("the image of {name} was removed meanwhile");
            return Err(Failure::Stale(Fault::new(FaultKind::NotFound, message)));
        }
        Err(Failure::Other(Error::trust(format!(
            "the engine has no image that stands for {}",
            image.repository.at(&image.digest)
        ))
        .hint("it reported a successful pull: something between the registry and the engine exchanged the image")))
    }

    async fn create<E: Engine>(
        &self,
        context: &Context<'_, E>,
        name: &ContainerName,
    ) -> Result<(), Failure> {
        let container = self.container(name)?;
        let image = self
            .known(|known| known.images.get(name).copied())
            .ok_or_else(|| bug(&format!("the image of `{name}` was not bound")))?;
        let mut body = container.body.clone();
        body.image = image.to_string();
        let network = self.network(Network::Main)?;
        body.host_config.network_mode.clone_from(&network);
        body.networking_config.endpoints_config = body
            .networking_config
            .endpoints_config
            .into_values()
            .map(|endpoint| (network.clone(), endpoint))
            .collect();
        let created = context
            .engine
            .create(&container.object, &body, &container.secrets)
            .await;
        let id = created
            .map_err(Failure::from)
            .map_err(|failure| within(failure, &format!("cannot create {name}")))?;
        self.known(|known| known.containers.insert(name.clone(), id));
        Ok(())
    }
}

impl Runtime<'_> {
    async fn connect<E: Engine>(
        &self,
        context: &Context<'_, E>,
        name: &ContainerName,
    ) -> Result<(), Failure> {
        let names = self.container(name)?.absent.iter().flatten();
        let names: Vec<String> = names.cloned().collect();
        let (network, id) = (self.network(Network::Absent)?, self.id(name)?);
        done(context.engine.connect(&network, &id, &names).await)
    }

    /// Starts it, with the files that its label tells of.
    async fn start<E: Engine>(
        &self,
        context: &Context<'_, E>,
        name: &ContainerName,
    ) -> Result<(), Failure> {
        let id = self.id(name)?;
        let observed = context.observed.containers.get(name);
        let label = match self.desired.get(name) {
            Some(container) => container.body.labels.get(identity::SECRET_FILES),
            None => observed
                .and_then(|all| all.iter().find(|it| it.id == id))
                .and_then(|it| it.labels.get(identity::SECRET_FILES)),
        };
        let secrets = &context.options.secrets;
        start(context.engine, &id, label.map(String::as_str), secrets).await
    }
}

async fn remove_network<E: Engine>(engine: &E, id: &str) -> Result<(), Failure> {
    match engine.remove_network(id).await {
        // Engines sometimes claim endpoints that are gone (moby#42119); the network is reused.
        Err(fault) if matches!(fault.kind, FaultKind::Conflict | FaultKind::Denied) => Ok(()),
        other => gone_is_fine(other),
    }
}

fn done(result: Result<(), Fault>) -> Result<(), Failure> {
    result.map_err(Failure::from)
}

fn gone_is_fine(result: Result<(), Fault>) -> Result<(), Failure> {
    match result {
        Err(fault) if fault.kind == FaultKind::NotFound => Ok(()),
        other => done(other),
    }
}

fn within(failure: Failure, message: &str) -> Failure {
    match failure {
        Failure::Other(error) => Failure::Other(error.within(message)),
        other => other,
    }
}

/// A pull's failure is the registry's, unless the engine itself gave up.
fn pull_failure(name: &ContainerName, image: &str, fault: Fault) -> Failure {
    let error = match fault.kind {
        FaultKind::NoSpace | FaultKind::Unreachable | FaultKind::Hung | FaultKind::Handshake => {
            Error::from(fault)
        }
        _ => registrys(fault),
    };
    Failure::Other(error.within(format!("cannot pull {name} ({image})")))
}

fn registrys(fault: Fault) -> Error {
    let error = Error::registry(fault.to_string());
    match fault.hint {
        Some(hint) => error.hint(hint),
        None if fault.kind == FaultKind::Busy => error.hint(BUSY),
        None => error,
    }
}

fn bug(message: &str) -> Failure {
    Failure::Other(Error::bug(message))
}
