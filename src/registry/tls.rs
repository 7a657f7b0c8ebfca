//! TLS by rustls with ring, for this module alone: no process-wide provider is installed.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, RootCertStore, SignatureScheme,
};
use rustls_platform_verifier::Verifier;

use super::fault::Fault;

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
        Some(path) => read(path)?,
        None => Vec::new(),
    };
    let failed = |error: Error| Fault::Certificate {
        host: host.to_owned(),
        text: error.to_string(),
    };
    let inner = Verifier::new_with_extra_roots(own.clone(), provider()).map_err(failed)?;
    Ok(builder()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(SystemOrOwn {
            inner,
            own,
            presented,
        }))
        .with_no_client_auth())
}

fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

fn builder() -> Result<rustls::ConfigBuilder<ClientConfig, rustls::WantsVerifier>, Error> {
    ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()
}

fn read(path: &Path) -> Result<Vec<CertificateDer<'static>>, Fault> {
    let fault = |error: std::io::Error| Fault::File {
        action: "read certificates from",
        path: PathBuf::from(path),
        error,
    };
    let bytes = std::fs::read(path).map_err(fault)?;
    let certificates: Vec<_> = CertificateDer::pem_slice_iter(&bytes)
        .collect::<Result<_, _>>()
        .map_err(|error| fault(std::io::Error::other(error.to_string())))?;
    if certificates.is_empty() {
        return Err(fault(std::io::Error::other("no PEM certificate in it")));
    }
    Ok(certificates)
}

/// The platform's verifier; besides, a self-signed server certificate that is itself in the own
/// file, as docker's instructions for a private registry make it (rustls refuses an authority's
/// certificate as a server's).
#[derive(Debug)]
struct SystemOrOwn {
    inner: Verifier,
    own: Vec<CertificateDer<'static>>,
    presented: Presented,
}

impl ServerCertVerifier for SystemOrOwn {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        self.presented.note(name, end_entity);
        let verdict = self
            .inner
            .verify_server_cert(end_entity, intermediates, name, ocsp, now);
        match verdict {
            Err(Error::InvalidCertificate(
                CertificateError::Other(_) | CertificateError::UnknownIssuer,
            )) if self.own.iter().any(|own| own == end_entity) => {
                verify_server_name(&ParsedCertificate::try_from(end_entity)?, name)?;
                Ok(ServerCertVerified::assertion())
            }
            verdict => verdict,
        }
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
