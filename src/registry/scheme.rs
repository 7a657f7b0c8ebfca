//! Which scheme a registry speaks: TLS, but on this machine plain HTTP first, as docker does, and
//! for insecure registries plain HTTP where there is no TLS.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use reqwest::{Method, Request, Url};

use super::call::Call;
use super::exchange::Wire;
use super::fault::{Fault, Lost};
use super::host::is_loopback;

/// Whether a host speaks TLS, by `host[:port]`, once it has answered.
#[derive(Debug, Default)]
pub(super) struct Schemes(Mutex<HashMap<String, bool>>);

impl Schemes {
    fn get(&self, host: &str) -> Option<bool> {
        let known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(host).copied()
    }

    fn note(&self, host: &str, tls: bool) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        known.insert(host.to_owned(), tls);
    }

    /// `https://host/`, or with `http` as far as is known.
    pub(super) fn base(&self, host: &str) -> Result<Url, Fault> {
        let address = if host == "docker.io" {
            "registry-1.docker.io"
        } else {
            host
        };
        let scheme = self.scheme(host);
        Url::parse(&format!("{scheme}://{address}/")).map_err(|error| Fault::Answer {
            what: host.to_owned(),
            text: error.to_string(),
        })
    }

    fn scheme(&self, host: &str) -> &'static str {
        let tls = self.get(host).unwrap_or(!is_loopback(host));
        if tls { "https" } else { "http" }
    }

    /// The call by the scheme that is known now; an insecure registry is asked for it first.
    pub(super) async fn choose(&self, wire: &Wire, call: &Call) -> Result<Call, Fault> {
        let host = &call.host.name;
        let insecure = wire.transport.insecure.contains(host) && !is_loopback(host);
        if insecure && self.get(host).is_none() {
            let tls = prefers_tls(wire, call).await?;
            self.note(host, tls);
        }
        Ok(call.with_scheme(self.scheme(host)))
    }

    /// Learns from this machine's first answer to plain HTTP whether it speaks TLS instead; true
    /// where the call is to be sent again.
    pub(super) async fn learn<T>(
        &self,
        wire: &Wire,
        call: &Call,
        answer: &Result<T, Fault>,
    ) -> Result<bool, Fault> {
        let host = &call.host.name;
        if call.home.scheme() != "http" || self.get(host).is_some() {
            return Ok(false);
        }
        let tls = match answer {
            // What Go and nginx say to plain HTTP on a TLS port.
            Err(
                Fault::Server { status: 400, .. }
                | Fault::Unreachable {
                    lost: Lost::Broken, ..
                },
            ) => match knock(wire, call, "https").await {
                Ok(()) | Err(Fault::Certificate { .. }) => true,
                Err(fault @ Fault::Authority { .. }) => return Err(fault),
                Err(_) => false,
            },
            Err(Fault::Unreachable { .. }) => return Ok(false),
            _ => false,
        };
        self.note(host, tls);
        Ok(tls)
    }
}

/// Whether an insecure registry is to be spoken to by TLS: wherever it speaks it.
async fn prefers_tls(wire: &Wire, call: &Call) -> Result<bool, Fault> {
    let refused = match knock(wire, call, "https").await {
        Err(fault @ Fault::Unreachable { .. }) => fault,
        Err(fault) => return Err(fault),
        Ok(()) => return Ok(true),
    };
    match knock(wire, call, "http").await {
        Ok(()) => Ok(false),
        Err(_) => Err(refused),
    }
}

async fn knock(wire: &Wire, call: &Call, scheme: &str) -> Result<(), Fault> {
    let mut address = call.with_scheme(scheme).home;
    address.set_path("/v2/");
    let answer = wire.exchange(Request::new(Method::GET, address)).await;
    answer.map(drop)
}
