//! An OCI distribution client (distribution-spec 1.1): manifests, blobs, tags, referrers, logins.
//!
//! On reqwest rather than `oci-client`, which asks for referrers without a login and turns every
//! error into "none", knows no refresh tokens, no size limits, and reports all failures alike.
//!
//! What is fetched is hashed here; a registry's word on a digest is never taken. Requests may run
//! in parallel on one [`Registry`]; its connections are kept alive and shared.

mod auth;
mod blobs;
mod call;
mod challenge;
mod client;
mod content;
mod credentials;
mod exchange;
mod fault;
mod greeting;
mod host;
mod manifests;
mod patience;
mod referrers;
mod scheme;
mod tags;
mod transport;

#[cfg(test)]
mod tests;

use std::path::PathBuf;
use std::time::Duration;

pub use content::{
    By, Content, DOCKER_INDEX, DOCKER_MANIFEST, Descriptor, EMPTY, ImageIndex, ImageManifest,
    Manifest, OCI_INDEX, OCI_MANIFEST, Platform, Tag,
};
pub use exchange::Progress;
pub use fault::{Fault, Lost};
pub use greeting::Greeting;
pub use host::Host;
pub use manifests::{Artifact, MANIFEST_LIMIT};
pub use patience::Patience;
pub use referrers::{Attachment, Listing, Way};

use crate::model::credentials::Credentials;
use crate::model::insecure_registries::InsecureRegistries;
use crate::model::mirrors::Mirrors;
use crate::model::proxies::Proxies;
use credentials::CredentialStore;

/// What a [`Registry`] is made from.
#[derive(Debug, Clone)]
pub struct Options {
    /// The folder of docker's `config.json`; without it, everything is anonymous.
    pub docker_config: Option<PathBuf>,
    /// Certificate authorities (PEM) beside the system's.
    pub ca_file: Option<PathBuf>,
    /// Where content is read from instead; what is written goes to the registry itself.
    pub mirrors: Mirrors,
    /// Who is carried by which proxy; hosts of this machine never are.
    pub proxies: Proxies,
    /// Who is spoken to although nothing proves who it is.
    pub insecure: InsecureRegistries,
    /// How long a registry is waited for that has too much to do.
    pub patience: Patience,
    /// For a connection, TLS included.
    pub connect_timeout: Duration,
    /// For an answer to begin, between two pieces of it, and for how far it may fall behind the
    /// least rate.
    pub response_timeout: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            docker_config: None,
            ca_file: None,
            mirrors: Mirrors::default(),
            proxies: Proxies::default(),
            insecure: InsecureRegistries::default(),
            patience: Patience::default(),
            connect_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(30),
        }
    }
}

/// A client for any number of registries. Cheap to make: what costs time is made on first use.
#[derive(Debug)]
pub struct Registry {
    wire: exchange::Wire,
    mirrors: Mirrors,
    auth: auth::Auth,
    schemes: scheme::Schemes,
    patience: Patience,
    told: patience::Told,
}

impl Registry {
    /// Makes a client; nothing is read or connected yet.
    pub fn new(options: Options) -> Self {
        Self {
            wire: exchange::Wire {
                transport: transport::Transport::new(
                    options.ca_file,
                    options.proxies,
                    options.insecure,
                    options.connect_timeout,
                ),
                patience: options.response_timeout,
            },
            mirrors: options.mirrors,
            auth: auth::Auth::new(CredentialStore::new(options.docker_config)),
            schemes: scheme::Schemes::default(),
            patience: options.patience,
            told: patience::Told::default(),
        }
    }

    /// The login that docker has stored for `host[:port]`; none where there is none.
    pub async fn credentials(&self, host: &str) -> Result<Option<Credentials>, Fault> {
        self.auth.store.get(host).await
    }
}

/// A client for another web server than a registry, by the same rules: no redirects, certificates
/// of the system and of `ca_file`, these proxies except for this machine.
pub async fn web_client(
    ca_file: Option<PathBuf>,
    proxies: Proxies,
    url: &reqwest::Url,
) -> Result<reqwest::Client, Fault> {
    let timeout = Options::default().connect_timeout;
    let insecure = InsecureRegistries::default();
    let transport = transport::Transport::new(ca_file, proxies, insecure, timeout);
    transport.client(url).await
}
