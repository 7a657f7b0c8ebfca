//! A server with a certificate that nobody knows, which answers every question with a page.

use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio_rustls::TlsAcceptor;

use super::second_engine::installed;

/// Listens until it is dropped, on a thread of its own; any number of clients at a time.
pub struct TlsServer {
    folder: tempfile::TempDir,
    runtime: Option<Runtime>,
    pub port: u16,
}

impl TlsServer {
    /// Its certificate is valid for `name` (`DNS:…`, `IP:…`) and for `days`; it listens at every address
    /// of this machine.
    pub fn start(name: &str, days: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = (folder.path().join("key"), folder.path().join("certificate"));
        installed("openssl", "openssl");
        let made = Command::new("openssl")
            .args(["req", "-x509", "-nodes", "-subj", "/CN=somebody"])
            .args(["-days", &days.to_string()])
            .args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1"])
            .args(["-addext", &format!("subjectAltName={name}")])
            .arg("-keyout")
            .arg(&key)
            .arg("-out")
            .arg(&certificate)
            .output()
            .unwrap();
        let errors = String::from_utf8_lossy(&made.stderr).into_owned();
        assert!(made.status.success(), "{errors}");
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let configuration = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(
                vec![CertificateDer::from_pem_file(&certificate).unwrap()],
                PrivateKeyDer::from_pem_file(&key).unwrap(),
            );
        let acceptor = TlsAcceptor::from(Arc::new(configuration.unwrap()));
        let listener = std::net::TcpListener::bind("0.0.0.0:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let port = listener.local_addr().unwrap().port();
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(page(acceptor.clone(), client));
            }
        });
        Self {
            folder,
            runtime: Some(runtime),
            port,
        }
    }

    /// The file of its certificate, which is its own authority.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }
}

async fn page(acceptor: TlsAcceptor, client: TcpStream) -> std::io::Result<()> {
    let mut client = acceptor.accept(client).await?;
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let page = "HTTP/1.0 200 ok\r\nContent-type: text/html\r\n\r\n<html></html>\n";
    client.write_all(page.as_bytes()).await?;
    client.shutdown().await
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        // A runtime may not be dropped within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// The address of the bridge of this machine's own engine, whichever one is tested: not loopback,
/// where registries may do without a certificate.
pub fn bridge_address() -> String {
    let mut command = Command::new("docker");
    for variable in ["DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH"] {
        command.env_remove(variable);
    }
    let output = command
        .args(["network", "inspect", "bridge", "--format"])
        .arg("{{(index .IPAM.Config 0).Subnet}}")
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    let subnet = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    subnet.replace(".0/16", ".1").replace(".0/24", ".1")
}
