//! What TLS to registries, forges and engines has in common: rustls with ring, no process-wide
//! provider; certificates are read here and nowhere else.

mod certificate;
mod doubt;
pub mod verifier;

use std::io;
use std::path::Path;
use std::sync::Arc;

use rustls::client::danger::ServerCertVerifier;
use rustls::crypto::{CryptoProvider, ring};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, ConfigBuilder, Error, WantsVerifier, client::WantsClientCert};

pub use self::certificate::ServerCertificate;
pub use self::doubt::{Doubt, tls_error};

/// The one provider of cryptography.
pub fn provider() -> Arc<CryptoProvider> {
    Arc::new(ring::default_provider())
}

/// A client's configuration for servers that `verifier` judges, up to the client's own certificate.
pub fn client(
    verifier: Arc<dyn ServerCertVerifier>,
) -> Result<ConfigBuilder<ClientConfig, WantsClientCert>, Error> {
    let builder: ConfigBuilder<ClientConfig, WantsVerifier> =
        ClientConfig::builder_with_provider(provider()).with_safe_default_protocol_versions()?;
    Ok(builder
        .dangerous()
        .with_custom_certificate_verifier(verifier))
}

/// The certificates in a PEM file: at least one.
///
/// # Errors
/// A file that cannot be read, or without a certificate in PEM.
pub fn authorities(file: &Path) -> io::Result<Vec<CertificateDer<'static>>> {
    let pem = std::fs::read(file)?;
    let found: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&pem).collect();
    let found = found.map_err(io::Error::other)?;
    if found.is_empty() {
        return Err(io::Error::other("there is no PEM certificate in it"));
    }
    Ok(found)
}
