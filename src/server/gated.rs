//! An engine whose changes can be held up: one that is under way ends first, the next waits.

use futures_util::stream::BoxStream;
use tokio::sync::RwLock;

use crate::engine::{Engine, Fault, Labels, NetworkKind, PullProgress, RegistryLogin, SecretFile};
use crate::model::create_body::CreateBody;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::observed::{
    ContainerDetails, ContainerEvent, ObservedContainer, ObservedImage, ObservedNetwork,
    ObservedVolume,
};
use crate::model::secret::Secret;

/// Every call that changes containers, networks or volumes passes a gate. Looks, health checks and pulls do not: what
/// is given up of them leaves nothing half done.
pub struct Gated<'a, E> {
    pub(super) engine: &'a E,
    pub(super) gate: &'a RwLock<()>,
}

impl<E: Engine> Gated<'_, E> {
    async fn pass<T>(&self, change: impl Future<Output = T>) -> T {
        let _turn = self.gate.read().await;
        change.await
    }
}

impl<E: Engine> Engine for Gated<'_, E> {
    async fn containers(&self) -> Result<Vec<ObservedContainer>, Fault> {
        self.engine.containers().await
    }

    async fn containers_with(&self, label: &str) -> Result<Vec<ObservedContainer>, Fault> {
        self.engine.containers_with(label).await
    }

    async fn networks(&self, label: &str) -> Result<Vec<ObservedNetwork>, Fault> {
        self.engine.networks(label).await
    }

    async fn volumes(&self, label: &str) -> Result<Vec<ObservedVolume>, Fault> {
        self.engine.volumes(label).await
    }

    async fn inspect(&self, container: &str) -> Result<ContainerDetails, Fault> {
        self.engine.inspect(container).await
    }

    async fn image(&self, id: &Digest) -> Result<Option<ObservedImage>, Fault> {
        self.engine.image(id).await
    }

    async fn architecture(&self) -> Result<String, Fault> {
        self.engine.architecture().await
    }

    async fn pull(
        &self,
        repository: &Repository,
        digest: &Digest,
        platform: Option<&str>,
        login: Option<&RegistryLogin>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> Result<(), Fault> {
        let pulled = self
            .engine
            .pull(repository, digest, platform, login, progress);
        pulled.await
    }

    async fn tag(&self, image: &Digest, repository: &str, tag: &str) -> Result<(), Fault> {
        self.pass(self.engine.tag(image, repository, tag)).await
    }

    async fn create_network(
        &self,
        name: &str,
        labels: &Labels,
        kind: NetworkKind,
    ) -> Result<String, Fault> {
        let made = self.engine.create_network(name, labels, kind);
        self.pass(made).await
    }

    async fn remove_network(&self, id: &str) -> Result<(), Fault> {
        self.pass(self.engine.remove_network(id)).await
    }

    async fn create_volume(&self, name: &str, labels: &Labels) -> Result<(), Fault> {
        self.pass(self.engine.create_volume(name, labels)).await
    }

    async fn remove_volume(&self, name: &str) -> Result<(), Fault> {
        self.pass(self.engine.remove_volume(name)).await
    }

    async fn create(
        &self,
        object: &str,
        body: &CreateBody,
        secrets: &[(String, Secret)],
    ) -> Result<String, Fault> {
        self.pass(self.engine.create(object, body, secrets)).await
    }

    async fn check(&self, container: &str, command: &[String]) -> Result<(i64, String), Fault> {
        self.engine.check(container, command).await
    }

    async fn rename(&self, container: &str, object: &str) -> Result<(), Fault> {
        self.pass(self.engine.rename(container, object)).await
    }

    async fn connect(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> Result<(), Fault> {
        let connected = self.engine.connect(network, container, aliases);
        self.pass(connected).await
    }

    async fn disconnect(&self, network: &str, container: &str) -> Result<(), Fault> {
        self.pass(self.engine.disconnect(network, container)).await
    }

    async fn start(&self, container: &str) -> Result<(), Fault> {
        self.pass(self.engine.start(container)).await
    }

    async fn start_with(&self, container: &str, files: &[SecretFile]) -> Result<(), Fault> {
        self.pass(self.engine.start_with(container, files)).await
    }

    async fn carry(&self, from: &str, to: &str, path: &str) -> Result<(), Fault> {
        self.pass(self.engine.carry(from, to, path)).await
    }

    async fn has_entries(&self, container: &str, folder: &str) -> Result<bool, Fault> {
        self.engine.has_entries(container, folder).await
    }

    async fn has_file(&self, container: &str, path: &str) -> Result<bool, Fault> {
        self.engine.has_file(container, path).await
    }

    async fn stop(&self, container: &str, grace: Option<u32>) -> Result<(), Fault> {
        self.pass(self.engine.stop(container, grace)).await
    }

    async fn remove(&self, container: &str) -> Result<(), Fault> {
        self.pass(self.engine.remove(container)).await
    }

    async fn pause(&self, container: &str) -> Result<(), Fault> {
        self.pass(self.engine.pause(container)).await
    }

    async fn restart_by_itself(&self, container: &str, restarts: bool) -> Result<(), Fault> {
        let told = self.engine.restart_by_itself(container, restarts);
        self.pass(told).await
    }

    async fn unpack(&self, container: &str, folder: &str, archive: Vec<u8>) -> Result<(), Fault> {
        self.pass(self.engine.unpack(container, folder, archive))
            .await
    }

    async fn unpause(&self, container: &str) -> Result<(), Fault> {
        self.pass(self.engine.unpause(container)).await
    }

    async fn events(
        &self,
        label: &str,
        since: Option<i64>,
    ) -> Result<BoxStream<'static, Result<ContainerEvent, Fault>>, Fault> {
        self.engine.events(label, since).await
    }
}
