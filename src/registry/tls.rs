//! TLS to web servers: the system's certificate authorities and the company's own.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, Error, RootCertStore};
use rustls_platform_verifier::Verifier;

use super::fault::Fault;
use crate::tls::{self, Doubt, OwnToo};

/// The certificates that servers presented, by name, whatever came of it.
#[derive(Debug, Clone, Default)]
pub(super) struct Presented(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Presented {
    /// The last one of a server, DER.
    pub(super) fn of(&self, name: &str) -> Option<Vec<u8>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned()
    }

    fn note(&self, name: &ServerName<'_>, certificate: &CertificateDer<'_>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_str().into_owned(), certificate.to_vec());
    }
}

/// A configuration that trusts nobody, for the client that speaks plain HTTP.
pub(super) fn nobody() -> Result<ClientConfig, Error> {
    Ok(builder()?
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth())
}

/// A configuration with the system's certificate authorities and those of `ca_file` (PEM).
/// Takes 10–30 ms: it reads the system's store.
pub(super) fn system(
    host: &str,
    ca_file: Option<&Path>,
    presented: Presented,
) -> Result<ClientConfig, Fault> {
    let own = match ca_file {
        Some(path) => tls::authorities(path).map_err(|error| Fault::Authority {
            path: path.to_owned(),
            error,
        })?,
        None => Vec::new(),
    };
    let failed = |error: Error| Fault::Certificate {
        host: host.to_owned(),
        doubt: Doubt::of(&error),
        text: error.to_string(),
    };
    let inner = Verifier::new_with_extra_roots(own.clone(), tls::provider()).map_err(failed)?;
    Ok(builder()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(OwnToo {
            inner: Arc::new(inner),
            own,
            witness: Some(Box::new(move |name, shown| presented.note(name, shown))),
        }))
        .with_no_client_auth())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(tls::provider()).with_safe_default_protocol_versions()
}
