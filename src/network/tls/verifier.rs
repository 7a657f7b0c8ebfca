//! Who judges a server's certificate: this machine's certificate authorities, own ones, or nobody.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{WebPkiServerVerifier, verify_server_name};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::{ParsedCertificate, VerifierBuilderError};
use rustls::{CertificateError, DigitallySignedStruct, Error, RootCertStore, SignatureScheme};
use rustls_platform_verifier::Verifier as Platform;

use super::provider;

/// The last certificate that each server showed, trusted or not, by its name.
#[derive(Debug, Clone, Default)]
pub struct Presented(Arc<Mutex<BTreeMap<String, Vec<u8>>>>);

impl Presented {
    /// DER; `None` where no server of this name showed one.
    pub fn of(&self, name: &str) -> Option<Vec<u8>> {
        let all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.get(name).cloned()
    }

    fn note(&self, name: &ServerName<'_>, certificate: &CertificateDer<'_>) {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.insert(name.to_str().into_owned(), certificate.to_vec());
    }
}

/// Judges by the system's certificate authorities and `own` ones. Takes 10–30 ms: it reads the
/// system's store.
pub fn system(
    own: Vec<CertificateDer<'static>>,
    presented: Presented,
) -> Result<Arc<dyn ServerCertVerifier>, Error> {
    let inner = Platform::new_with_extra_roots(own.clone(), provider())?;
    Ok(Arc::new(OwnToo {
        inner: Arc::new(inner),
        own,
        presented,
    }))
}

/// Judges by `own` certificate authorities alone.
pub fn only(
    own: Vec<CertificateDer<'static>>,
) -> Result<Arc<dyn ServerCertVerifier>, VerifierBuilderError> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(own.iter().cloned());
    let inner = WebPkiServerVerifier::builder_with_provider(roots.into(), provider()).build()?;
    Ok(Arc::new(OwnToo {
        inner,
        own,
        presented: Presented::default(),
    }))
}

/// Takes every certificate; that the server holds its key is checked. For those whom the user asked
/// not to check: `DOCKER_TLS`, `SkipTLSVerify`, `insecure_registries`.
pub fn anyone() -> Arc<dyn ServerCertVerifier> {
    Arc::new(Anyone(provider()))
}

/// Another verifier; besides, a self-signed server certificate that is itself among the own ones, as
/// docker's instructions for private registries and engines make it (rustls refuses an authority's
/// certificate as a server's, the docker client does not).
#[derive(Debug)]
struct OwnToo {
    inner: Arc<dyn ServerCertVerifier>,
    own: Vec<CertificateDer<'static>>,
    presented: Presented,
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

#[derive(Debug)]
struct Anyone(Arc<CryptoProvider>);

impl ServerCertVerifier for Anyone {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, certificate, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, certificate, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
