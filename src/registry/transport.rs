//! The HTTP clients, built when a host first needs them, and what their errors mean.

use std::error::Error as StdError;
use std::path::PathBuf;
use std::time::Duration;

use reqwest::{Client, Url, redirect};
use tokio::sync::OnceCell;

use super::fault::{Fault, Lost, visible};
use super::host::{authority, is_loopback};
use super::tls;
use crate::model::proxies::{Proxies, Proxy};
use crate::tls::{Doubt, tls_error};

/// Connection pools: plain HTTP and TLS to this machine (never through a proxy), TLS to others.
#[derive(Debug)]
pub(super) struct Transport {
    ca_file: Option<PathBuf>,
    connect_timeout: Duration,
    /// Who is carried by which proxy.
    proxies: Proxies,
    /// What servers showed of themselves.
    pub(super) presented: tls::Presented,
    plain: OnceCell<Client>,
    tls: OnceCell<(Client, Client)>,
}

impl Transport {
    pub(super) fn new(
        ca_file: Option<PathBuf>,
        proxies: Proxies,
        connect_timeout: Duration,
    ) -> Self {
        Self {
            ca_file,
            connect_timeout,
            proxies,
            presented: tls::Presented::default(),
            plain: OnceCell::new(),
            tls: OnceCell::new(),
        }
    }

    /// The client for `url`.
    pub(super) async fn client(&self, url: &Url) -> Result<&Client, Fault> {
        let host = authority(url);
        let local = is_loopback(&host);
        let failed = |error: &dyn StdError| Fault::Answer {
            what: host.clone(),
            text: format!("no HTTP client: {error}"),
        };
        if let Some(text) = carrier(&self.proxies, url).and_then(Proxy::complaint) {
            return Err(Fault::Proxy { host, text });
        }
        if url.scheme() == "http" {
            let build = async || {
                let nobody = tls::nobody().map_err(|error| failed(&error))?;
                self.build(nobody, local).map_err(|error| failed(&error))
            };
            return self.plain.get_or_try_init(build).await;
        }
        let build = async || {
            let (ca_file, name) = (self.ca_file.clone(), host.clone());
            let presented = self.presented.clone();
            let load = move || tls::system(&name, ca_file.as_deref(), presented);
            let config = tokio::task::spawn_blocking(load)
                .await
                .map_err(|error| failed(&error))??;
            let near = self.build(config.clone(), true);
            let far = self.build(config, false);
            near.and_then(|near| Ok((near, far?)))
                .map_err(|error| failed(&error))
        };
        let (near, far) = self.tls.get_or_try_init(build).await?;
        Ok(if local { near } else { far })
    }

    fn build(&self, tls: rustls::ClientConfig, local: bool) -> reqwest::Result<Client> {
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
    let host = host.to_owned();
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

fn tls_fault(host: String, error: &rustls::Error) -> Fault {
    use rustls::Error as Tls;
    let text = visible(&error.to_string());
    match error {
        Tls::InvalidMessage(_) => Fault::Unreachable {
            host,
            lost: Lost::Connect,
            text: "it does not speak TLS, and plain HTTP is for this machine only".to_owned(),
        },
        _ => Fault::Certificate {
            host,
            doubt: Doubt::of(error),
            text,
        },
    }
}
