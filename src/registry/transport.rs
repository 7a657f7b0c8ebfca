//! The HTTP clients, built when a host first needs them, and what their errors mean.

use std::collections::HashMap;
use std::error::Error as StdError;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use rustls::ClientConfig;
use rustls::client::danger::ServerCertVerifier;
use tokio::sync::Mutex;

use super::fault::{Fault, Lost};
use super::host::{Host, authority, is_loopback};
use crate::model::insecure_registries::InsecureRegistries;
use crate::model::proxies::{Proxies, Proxy};
use crate::model::visible::visible;
use crate::network::tls::verifier::{self, Presented};
use crate::network::tls::{self, Doubt, tls_error};

/// Connection pools. This machine is never reached through a proxy.
#[derive(Debug)]
pub(super) struct Transport {
    ca_file: Option<PathBuf>,
    connect_timeout: Duration,
    /// Who is carried by which proxy.
    proxies: Proxies,
    pub(super) insecure: InsecureRegistries,
    /// What servers showed of themselves.
    pub(super) presented: Presented,
    clients: Mutex<HashMap<Pool, Client>>,
}

/// What tells two pools apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Pool {
    judge: Judge,
    is_local: bool,
}

/// Who judges the certificates of servers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
enum Judge {
    /// The system's certificate authorities and the company's.
    Authorities,
    /// Nobody: plain HTTP, and the registries that the user calls insecure.
    Nobody,
}

impl Transport {
    pub(super) fn new(
        ca_file: Option<PathBuf>,
        proxies: Proxies,
        insecure: InsecureRegistries,
        connect_timeout: Duration,
    ) -> Self {
        Self {
            ca_file,
            connect_timeout,
            proxies,
            insecure,
            presented: Presented::default(),
            clients: Mutex::default(),
        }
    }

    /// The client for `url`.
    pub(super) async fn client(&self, url: &Url) -> Result<Client, Fault> {
        let host = authority(url);
        if let Some(text) = carrier(&self.proxies, url).and_then(Proxy::complaint) {
            let host = host.as_str().into();
            return Err(Fault::Proxy { host, text });
        }
        let unproven = url.scheme() == "http" || self.insecure.contains(&host);
        let pool = Pool {
            judge: if unproven {
                Judge::Nobody
            } else {
                Judge::Authorities
            },
            is_local: is_loopback(&host),
        };
        // Held while it is made: parallel requests wait for the one.
        let mut clients = self.clients.lock().await;
        if let Some(client) = clients.get(&pool) {
            return Ok(client.clone());
        }
        let failed = |error: &dyn StdError| Fault::Answer {
            what: host.clone(),
            text: format!("no HTTP client: {error}"),
        };
        let judge = match pool.judge {
            Judge::Authorities => self.authorities(&host).await?,
            Judge::Nobody => verifier::anyone(),
        };
        let config = tls::client(judge).map_err(|error| failed(&error))?;
        let client = self.build(config.with_no_client_auth(), pool.is_local);
        let client = client.map_err(|error| failed(&error))?;
        clients.insert(pool, client.clone());
        Ok(client)
    }

    /// Those of the system and of `extra_ca`.
    async fn authorities(&self, host: &str) -> Result<Arc<dyn ServerCertVerifier>, Fault> {
        let (ca_file, presented, name) = (
            self.ca_file.clone(),
            self.presented.clone(),
            host.to_owned(),
        );
        let load = move || {
            let own = match ca_file {
                Some(path) => {
                    tls::authorities(&path).map_err(|error| Fault::Authority { path, error })?
                }
                None => Vec::new(),
            };
            verifier::system(own, presented).map_err(|error| Fault::Certificate {
                host: name.as_str().into(),
                doubt: Doubt::of(&error),
                text: error.to_string(),
            })
        };
        let loaded = tokio::task::spawn_blocking(load).await;
        loaded.map_err(|error| Fault::Answer {
            what: host.to_owned(),
            text: error.to_string(),
        })?
    }

    fn build(&self, tls: ClientConfig, local: bool) -> reqwest::Result<Client> {
        let builder = Client::builder()
            .tls_backend_preconfigured(tls)
            .http1_only()
            .redirect(redirect::Policy::none())
            .referer(false)
            .connect_timeout(self.connect_timeout)
            .user_agent(concat!("devenv/", env!("CARGO_PKG_VERSION")));
        if local {
            return builder.no_proxy().build();
        }
        let proxies = self.proxies.clone();
        let proxy = reqwest::Proxy::custom(move |url| {
            carrier(&proxies, url).map(|proxy| proxy.expose().to_owned())
        });
        builder.proxy(proxy).build()
    }
}

/// The proxy that carries requests to `url`, if one does.
fn carrier<'a>(proxies: &'a Proxies, url: &Url) -> Option<&'a Proxy> {
    let (is_tls, host) = (url.scheme() == "https", url.host_str()?);
    proxies.carrier(is_tls, host, url.port_or_known_default())
}

/// What a failed exchange with `host` means.
pub(super) fn fault_of(host: &str, error: &reqwest::Error) -> Fault {
    let host = Host::from(host);
    if let Some(tls) = tls_error(error) {
        return tls_fault(host, tls);
    }
    let mut text = String::new();
    let mut refused = None;
    let mut next: Option<&(dyn StdError + 'static)> = error.source();
    while let Some(cause) = next {
        text = visible(&cause.to_string());
        if let Some(io) = cause.downcast_ref::<std::io::Error>() {
            refused = Some(io.kind());
        }
        next = cause.source();
    }
    // hyper-util says which step failed only in words.
    let lookup = format!("{error:?}").contains("dns error");
    let lost = match refused {
        _ if lookup => Lost::Lookup,
        _ if error.is_timeout() => Lost::TimedOut,
        Some(std::io::ErrorKind::TimedOut) => Lost::TimedOut,
        _ if error.is_connect() => Lost::Connect,
        _ => Lost::Broken,
    };
    Fault::Unreachable { host, lost, text }
}

/// What a server that answers without TLS is told by.
pub(super) const NO_TLS: &str = "it does not speak TLS, and plain HTTP is for this machine and for \
                                 `insecure_registries` of the settings";

fn tls_fault(host: Host, error: &rustls::Error) -> Fault {
    use rustls::Error as Tls;
    let text = visible(&error.to_string());
    match error {
        Tls::InvalidMessage(_) => Fault::Unreachable {
            host,
            lost: Lost::Connect,
            text: NO_TLS.to_owned(),
        },
        _ => Fault::Certificate {
            host,
            doubt: Doubt::of(error),
            text,
        },
    }
}
