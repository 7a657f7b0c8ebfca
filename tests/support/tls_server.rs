//! A server with a certificate that nobody knows, which answers every question with a page.

use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use super::workstation::free_port;

/// `openssl s_server`, until dropped.
pub struct TlsServer {
    folder: tempfile::TempDir,
    server: Child,
    pub port: u16,
}

impl TlsServer {
    /// Its certificate is valid for `name` (`DNS:…`, `IP:…`) and for `days`.
    pub fn start(name: &str, days: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let (key, certificate) = (folder.path().join("key"), folder.path().join("certificate"));
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
        let port = free_port();
        let server = Command::new("openssl")
            .args(["s_server", "-quiet", "-www", "-accept", &port.to_string()])
            .arg("-key")
            .arg(&key)
            .arg("-cert")
            .arg(&certificate)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let server = Self {
            folder,
            server: server.unwrap(),
            port,
        };
        while std::net::TcpStream::connect(("127.0.0.1", port)).is_err() {
            std::thread::yield_now();
        }
        server
    }

    /// The file of its certificate, which is its own authority.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("certificate")
    }
}

impl Drop for TlsServer {
    fn drop(&mut self) {
        let _ = self.server.kill();
        let _ = self.server.wait();
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
