//! TLS in front of the machine's own engine: the same containers behind both.

use std::sync::Arc;

use tokio::net::{TcpListener, UnixStream};
use tokio::runtime::Runtime;

use super::certificates::Certificates;

/// Listens until it is dropped, on threads of its own.
pub struct TlsProxy {
    _folder: tempfile::TempDir,
    certificates: Certificates,
    address: String,
    runtime: Option<Runtime>,
}

impl TlsProxy {
    /// Takes clients with a certificate only, as boot2docker's engine does.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::boot2docker(&folder.path().join("certs"), "127.0.0.1");
        let acceptor = certificates.acceptor(true);
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        listener.set_nonblocking(true).unwrap();
        let acceptor = Arc::new(acceptor);
        runtime.spawn(async move {
            let listener = TcpListener::from_std(listener).unwrap();
            while let Ok((stream, _)) = listener.accept().await {
                let acceptor = Arc::clone(&acceptor);
                tokio::spawn(async move {
                    stream.set_nodelay(true)?;
                    let mut client = acceptor.accept(stream).await?;
                    let mut engine = UnixStream::connect("/var/run/docker.sock").await?;
                    tokio::io::copy_bidirectional(&mut client, &mut engine).await
                });
            }
        });
        Self {
            _folder: folder,
            certificates,
            address,
            runtime: Some(runtime),
        }
    }

    /// What makes a program use it.
    pub fn environment(&self) -> Vec<(&'static str, String)> {
        let folder = self.certificates.folder.display().to_string();
        vec![
            ("DOCKER_HOST", format!("tcp://{}", self.address)),
            ("DOCKER_TLS_VERIFY", "1".to_owned()),
            ("DOCKER_CERT_PATH", folder),
        ]
    }
}

impl Drop for TlsProxy {
    fn drop(&mut self) {
        // A runtime may not be dropped within another.
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}
