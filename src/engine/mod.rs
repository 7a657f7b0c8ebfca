//! The Docker engine: one trait for what converging needs, implemented on bollard and by a fake.

mod busy;
pub mod connect;
pub mod docker;
mod facts;
pub mod fault;
pub mod terminal;

use std::future::Future;

use futures_util::stream::BoxStream;
use ipnet::{Ipv4Net, Ipv6Net};

use crate::model::create_body::CreateBody;
use crate::model::credentials::Credentials;
use crate::model::digest::Digest;
use crate::model::image::Repository;
use crate::model::observed::{
    ContainerDetails, ContainerEvent, ObservedContainer, ObservedImage, ObservedNetwork,
    ObservedVolume,
};
use crate::model::secret::Secret;

pub use busy::while_busy;
pub use connect::choice::{Choice, ChosenBy, EngineEnvironment, choose};
pub use connect::endpoint::{Endpoint, TlsMaterial};
pub use docker::Docker;
pub use facts::facts;
pub use fault::{BUSY, Fault, FaultKind};

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

/// A file that a container has in memory.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SecretFile {
    /// Where, in a volume of memory.
    pub path: String,
    /// Its content.
    pub value: Secret,
}

impl SecretFile {
    /// The folder that it is in.
    pub fn folder(&self) -> &str {
        self.path.rsplit_once('/').map_or("", |(folder, _)| folder)
    }
}

/// What a bridge network is like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKind {
    /// With a way out, its addresses of the engine's choice.
    Open,
    /// Without a way out.
    Internal,
    /// With a way out, its addresses of these: the engine gives those of the lower half, the upper
    /// half is for containers that ask for one. With these of IPv6 too, where they are given.
    Of(Ipv4Net, Option<Ipv6Net>),
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
        kind: NetworkKind,
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
    /// Starts one that does not run, with these files there from its first moment on, of its user and
    /// readable for it alone. Several requests.
    fn start_with(
        &self,
        container: &str,
        files: &[SecretFile],
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Copies what a folder of one container holds into the same folder of another; neither runs.
    fn carry(
        &self,
        from: &str,
        to: &str,
        path: &str,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Whether a folder of a container has anything in it.
    fn has_entries(
        &self,
        container: &str,
        folder: &str,
    ) -> impl Future<Output = Result<bool, Fault>> + Send;
    /// Whether a container, running or not, has something at a path.
    fn has_file(
        &self,
        container: &str,
        path: &str,
    ) -> impl Future<Output = Result<bool, Fault>> + Send;
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
    /// Whether the engine starts it again when it ends by itself, and when the engine is started.
    fn restart_by_itself(
        &self,
        container: &str,
        restarts: bool,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
    /// Unpacks a tar archive into a folder of a container, whether it runs or not. What is there and
    /// is of another kind (a file, a folder) is replaced.
    fn unpack(
        &self,
        container: &str,
        folder: &str,
        archive: Vec<u8>,
    ) -> impl Future<Output = Result<(), Fault>> + Send;
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
