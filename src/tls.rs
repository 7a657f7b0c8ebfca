//! What TLS to registries, forges and engines has in common: rustls with ring, no process-wide provider.

mod doubt;

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::verify_server_name;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::pem::{self, PemObject as _};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, Error, SignatureScheme};

pub use self::doubt::{Doubt, tls_error};

/// The one provider of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// The certificates in a PEM text; none is fine.
pub fn certificates(pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, pem::Error> {
    CertificateDer::pem_slice_iter(pem).collect()
}

/// The certificates in a file that the user names for its authorities: at least one.
///
/// # Errors
/// A file that cannot be read, or without a certificate in PEM.
pub fn authorities(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let found = certificates(&std::fs::read(file)?);
    let found = found.map_err(|error| io::Error::other(error.to_string()))?;
    if found.is_empty() {
        return Err(io::Error::other("there is no PEM certificate in it"));
    }
    Ok(found)
}

/// Told of every certificate that a server shows, before it is judged.
pub type Witness = Box<dyn Fn(&ServerName<'_>, &CertificateDer<'_>) + Send + Sync>;

/// Another verifier; besides, a self-signed server certificate that is itself among the own ones, as
/// docker's instructions for private registries and engines make it (rustls refuses an authority's
/// certificate as a server's, the docker client does not).
pub struct OwnToo {
    /// Who judges first.
    pub inner: Arc<dyn ServerCertVerifier>,
    /// The own ones.
    pub own: Vec<CertificateDer<'static>>,
    /// Who is told.
    pub witness: Option<Witness>,
}

impl fmt::Debug for OwnToo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OwnToo").finish_non_exhaustive()
    }
}

impl ServerCertVerifier for OwnToo {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        name: &ServerName<'_>,
        ocsp: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if let Some(witness) = &self.witness {
            witness(name, end_entity);
        }
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
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.inner
            .verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.inner.supported_verify_schemes()
    }
}
