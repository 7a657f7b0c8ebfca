//! TLS to an engine by rustls with ring: its authority, the client's certificate, the handshake.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures_util::FutureExt;
use rustls::client::danger::ServerCertVerifier;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use rustls::{ClientConfig, Error as Tls};
use socket2::{SockRef, TcpKeepalive};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::dial::{CONNECT_LIMIT, Dialler, KEEPALIVE, KEEPALIVE_PAUSE};
use super::lost::Lost;
use crate::engine::connect::endpoint::TlsMaterial;
use crate::error::{Error, Kind, PathContext, Result};
use crate::model::visible::visible;
use crate::network::tls;
use crate::network::tls::verifier::{self, Presented};
use crate::system::Duplex;

/// Connections to `host:port`; the files of `material` are read now.
pub(super) fn dialler(host: &str, port: u16, material: &TlsMaterial) -> Result<Dialler> {
    let name = ServerName::try_from(host.to_owned())
        .map_err(|_| Error::engine(format!("`{}` is no host name", visible(host))))?;
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
    let failed = |error: Tls| Error::engine("TLS cannot be set up").because(error);
    let builder = tls::client(verifier(material)?).map_err(failed)?;
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

fn verifier(material: &TlsMaterial) -> Result<Arc<dyn ServerCertVerifier>> {
    if material.skip_verify {
        return Ok(verifier::anyone());
    }
    let Some(file) = &material.ca else {
        let system = verifier::system(Vec::new(), Presented::default());
        return system.map_err(|error| {
            Error::engine("the system's certificate authorities cannot be read").because(error)
        });
    };
    verifier::only(certificates(file)?).map_err(|error| {
        Error::engine(format!("{} is no certificate authority", file.display())).because(error)
    })
}

fn certificates(file: &Path) -> Result<Vec<CertificateDer<'static>>> {
    tls::authorities(file).map_err(|error| {
        Error::engine(format!("cannot read certificates from {}", file.display()))
            .because(error)
            .hint(MATERIAL)
    })
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

/// Where the files of a TLS connection are looked for.
const MATERIAL: &str = "TLS is asked for (DOCKER_TLS_VERIFY, DOCKER_TLS or a docker context): \
                        DOCKER_CERT_PATH names the folder of ca.pem, cert.pem and key.pem";

fn read(file: &Path) -> Result<Vec<u8>> {
    let bytes = std::fs::read(file).at(Kind::Engine, "read", file);
    bytes.map_err(|error| error.hint(MATERIAL))
}
