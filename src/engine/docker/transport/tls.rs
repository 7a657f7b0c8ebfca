//! TLS to an engine by rustls with ring: its authority, the client's certificate, the handshake.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName, UnixTime};
use rustls::{ClientConfig, DigitallySignedStruct, Error as Tls, RootCertStore, SignatureScheme};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::dial::Dialler;
use super::lost::Lost;
use super::{CONNECT_LIMIT, KEEPALIVE, KEEPALIVE_PAUSE};
use crate::engine::endpoint::TlsMaterial;
use crate::error::{Error, Kind, PathContext, Result};
use crate::system::Duplex;
use crate::tls::{self, OwnToo};

/// Connections to `host:port`; the files of `material` are read now.
pub(super) fn dialler(host: &str, port: u16, material: &TlsMaterial) -> Result<Dialler> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::engine(format!("`{}` is no host name", host.escape_default())))?;
    let connector = TlsConnector::from(Arc::new(configuration(material)?));
    let host = host.to_owned();
    Ok(Dialler::new(move || {
        let (connector, host, name) = (connector.clone(), host.clone(), name.clone());
        async move {
            let connecting = connect(&connector, &host, port, name);
            match tokio::time::timeout(CONNECT_LIMIT, connecting).await {
                Ok(made) => made,
                Err(_) => Err(Lost::unreachable(format!(
                    "no TLS connection to {host}:{port} within {CONNECT_LIMIT:?}"
                ))
                .into_io()),
            }
        }
        .boxed()
    }))
}

async fn connect(
    connector: &TlsConnector,
    host: &str,
    port: u16,
    name: ServerName<'static>,
) -> io::Result<Box<dyn Duplex>> {
    let stream = TcpStream::connect((host, port)).await?;
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new()
        .with_time(KEEPALIVE)
        .with_interval(KEEPALIVE_PAUSE);
    SockRef::from(&stream).set_tcp_keepalive(&keepalive)?;
    Ok(Box::new(connector.connect(name, stream).await?))
}

fn configuration(material: &TlsMaterial) -> Result<ClientConfig> {
    let provider = tls::provider();
    let failed = |error: Tls| Error::engine("TLS cannot be set up").because(error);
    let verifier = verifier(material, &provider)?;
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(failed)?
        .dangerous()
        .with_custom_certificate_verifier(verifier);
    let Some((certificate, key)) = client_files(material)? else {
        return Ok(builder.with_no_client_auth());
    };
    let chain = certificates(certificate)?;
    let private = private_key(key)?;
    builder
        .with_client_auth_cert(chain, private)
        .map_err(|error| {
            Error::engine(format!(
                "{} does not go with {}",
                key.display(),
                certificate.display()
            ))
            .because(error)
            .hint("both are made together: take them from the engine's machine again")
        })
}

/// The client's certificate and key; as docker, neither is needed, and one alone is an error.
fn client_files(material: &TlsMaterial) -> Result<Option<(&Path, &Path)>> {
    let (certificate, key) = match (&material.certificate, &material.key) {
        (Some(certificate), Some(key)) => (certificate, key),
        (None, None) => return Ok(None),
        (Some(one), None) | (None, Some(one)) => {
            return Err(Error::engine(format!(
                "{} has no counterpart: certificate and key belong together",
                one.display()
            ))
            .hint("cert.pem and key.pem come from the engine's machine together"));
        }
    };
    if !certificate.exists() && !key.exists() {
        return Ok(None);
    }
    Ok(Some((certificate, key)))
}

fn verifier(
    material: &TlsMaterial,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ServerCertVerifier>> {
    if material.skip_verify {
        return Ok(Arc::new(Anyone(Arc::clone(provider))));
    }
    let Some(file) = &material.ca else {
        let system = rustls_platform_verifier::Verifier::new(Arc::clone(provider));
        let system = system.map_err(|error| {
            Error::engine("the system's certificate authorities cannot be read").because(error)
        })?;
        return Ok(Arc::new(system));
    };
    let own = certificates(file)?;
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(own.iter().cloned());
    let inner = WebPkiServerVerifier::builder_with_provider(roots.into(), Arc::clone(provider))
        .build()
        .map_err(|error| {
            Error::engine(format!("{} is no certificate authority", file.display())).because(error)
        })?;
    Ok(Arc::new(OwnToo {
        inner,
        own,
        witness: None,
    }))
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    let bytes = read(file)?;
    let wrong = || Error::engine(format!("{} holds no PEM certificate", file.display()));
    let found = tls::certificates(&bytes).map_err(|error| wrong().because(error))?;
    if found.is_empty() {
        Err(wrong())
    } else {
        Ok(found)
    }
}

fn private_key(file: &Path) -> Result<PrivateKeyDer<'static>> {
    let bytes = read(file)?;
    PrivateKeyDer::from_pem_slice(&bytes).map_err(|error| {
        let text = String::from_utf8_lossy(&bytes);
        let locked = text.contains("ENCRYPTED");
        let what = if locked {
            "is locked with a passphrase"
        } else {
            "holds no PEM key (PKCS#1, PKCS#8 or SEC1)"
        };
        Error::engine(format!("{} {what}", file.display()))
            .because(error)
            .hint("`openssl pkey -in key.pem -out plain.pem` shows whether it is one, and opens a locked one")
    })
}

fn read(file: &Path) -> Result<Vec<u8>> {
    std::fs::read(file).at(Kind::Engine, "read", file).map_err(|error| {
        error.hint("TLS is asked for (DOCKER_TLS_VERIFY, DOCKER_TLS or a docker context): DOCKER_CERT_PATH names the folder of ca.pem, cert.pem and key.pem")
    })
}

/// Whoever answers, as `DOCKER_TLS` and `SkipTLSVerify` ask for; that it holds its key is checked.
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
    ) -> Result<ServerCertVerified, Tls> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Tls> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls12_signature(message, cert, dss, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Tls> {
        let algorithms = &self.0.signature_verification_algorithms;
        rustls::crypto::verify_tls13_signature(message, cert, dss, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.signature_verification_algorithms.supported_schemes()
    }
}
