//! The Docker engine: one trait for what converging needs, implemented on bollard and by a fake.

mod context;
pub mod docker;
pub mod endpoint;
mod facts;
pub mod fault;
pub mod find;
pub mod host;
pub mod ssh;
pub mod terminal;

use std::future::Future;

use futures_util::stream::BoxStream;

use crate::model::create_body::CreateBody;
use crate::model::credentials::Credentials;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::observed::{
    ContainerDetails, ContainerEvent, ObservedContainer, ObservedImage, ObservedNetwork,
    ObservedVolume,
};
use crate::model::secret::Secret;

pub use docker::Docker;
pub use endpoint::{Endpoint, TlsMaterial};
pub use facts::facts;
pub use fault::{Fault, FaultKind};
pub use host::{Choice, ChosenBy, EngineEnvironment, choose};

/// Labels to put on an object.
pub type Labels = std::collections::BTreeMap<String, String>;

/// How far a pull got, in bytes over all layers as far as they are known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct PullProgress {
    /// Fetched.
    pub current: u64,
    /// Expected; grows while layers are announced.
    pub total: u64,
}

/// User and password, or an identity token, for a registry.
#[derive(Debug, Clone)]
pub struct RegistryLogin {
    /// Empty with a token.
    pub username: String,
    /// Password, or the token.
    pub secret: Secret,
    /// Whether `secret` is an identity token.
    pub is_token: bool,
    /// The registry's host.
    pub host: String,
}

impl RegistryLogin {
    /// What is stored for the host, in the engine's words.
    pub fn new(host: &str, credentials: Credentials) -> Self {
        let (username, secret, is_token) = match credentials {
            Credentials::Password { user, password } => (user, password, false),
            Credentials::IdentityToken(token) => (String::new(), token, true),
        };
        Self {
            username,
            secret,
            is_token,
            host: host.to_owned(),
        }
    }
}

/// What converging asks of an engine. Every call is one request.
pub trait Engine: Send + Sync {
    /// All containers, running or not, of everybody.
    fn containers(&self) -> impl Future<Output = Result<Vec<ObservedContainer>, Fault>> + Send;
    /// Those of the containers that carry `label` (`key=value`): quicker where there are many.
    fn containers_with(
        &self,
        label: &str,
    ) -> impl Future<Output = Result<Vec<ObservedContainer>, Fault>> + Send;
    /// The networks that carry `label` (`key=value`).
    fn networks(
        &self,
        label: &str,
    ) -> impl Future<Output = Result<Vec<ObservedNetwork>, Fault>> + Send;
    /// The volumes that carry `label` (`key=value`).
    fn volumes(
        &self,
        label: &str,
    ) -> impl Future<Output = Result<Vec<ObservedVolume>, Fault>> + Send;
    /// Details of one container.
    fn inspect(
        &self,
        container: &str,
    ) -> impl Future<Output = Result<ContainerDetails, Fault>> + Send;
    /// The image with this very Id, never by tag.
    fn image(
        &self,
        id: &Digest,
    ) -> impl Future<Output = Result<Option<ObservedImage>, Fault>> + Send;
    /// What its machine runs without emulation, in images' words: `amd64`, `arm64`, …
    fn architecture(&self) -> impl Future<Output = Result<String, Fault>> + Send;
    /// Pulls `repository@digest`, of an index the image for `platform` (`linux/arm64`) or for the
    /// engine's own; success proves nothing about what is there afterwards.
    fn pull(
        &self,
        repository: &Repository,
        digest: &Digest,
        platform: Option<&str>,
        login: Option<&RegistryLogin>,
        progress: &(dyn Fn(PullProgress) + Send + Sync),
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Gives an image one more name, `repository:tag`.
    fn tag(
        &self,
        image: &Digest,
        repository: &str,
        tag: &str,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Creates a bridge network and gives its Id. The engine does not check that the name is free.
    fn create_network(
        &self,
        name: &str,
        labels: &Labels,
        internal: bool,
    ) -> impl Future<Output = Result<String, Fault>> + Send;
    /// Removes a network by Id.
    fn remove_network(&self, id: &str) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Creates a named volume.
    fn create_volume(
        &self,
        name: &str,
        labels: &Labels,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Removes a volume and what is in it.
    fn remove_volume(&self, name: &str) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Creates a container and gives its Id; `secrets` are added to its environment.
    fn create(
        &self,
        object: &str,
        body: &CreateBody,
        secrets: &[(String, Secret)],
    ) -> impl Future<Output = Result<String, Fault>> + Send;
    /// Runs a command in a container and gives its exit code and the end of what it printed.
    fn check(
        &self,
        container: &str,
        command: &[String],
    ) -> impl Future<Output = Result<(i64, String), Fault>> + Send;
    /// Gives a container another name.
    fn rename(
        &self,
        container: &str,
        object: &str,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Attaches a container to a network under these names.
    fn connect(
        &self,
        network: &str,
        container: &str,
        aliases: &[String],
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Detaches a container from a network, by force.
    fn disconnect(
        &self,
        network: &str,
        container: &str,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Starts; starting a running one is no error.
    fn start(&self, container: &str) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Stops with the container's own signal and grace (`None`) or within `grace` seconds.
    fn stop(
        &self,
        container: &str,
        grace: Option<u32>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Removes a container, killing it if it runs; its named volumes stay. Absent is no error.
    fn remove(&self, container: &str) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Freezes.
    fn pause(&self, container: &str) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Thaws.
    fn unpause(&self, container: &str) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Container events from now on (or from `since`, seconds), of objects that carry `label`.
    /// The request has reached the engine when this returns.
    fn events(
        &self,
        label: &str,
        since: Option<i64>,
    ) -> impl Future<Output = Result<BoxStream<'static, Result<ContainerEvent, Fault>>, Fault>> + Send;
}
