//! TLS with certificates made by `openssl`.

use std::io::{Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use super::super::{Fault, Options, Registry, Tag};
use crate::error::Error;

/// Makes `<name>.crt` and `<name>.key`: signed by `issuer`, or by itself.
fn certificate(folder: &Path, name: &str, extensions: &[&str], issuer: Option<&str>) {
    let mut openssl = Command::new("openssl");
    openssl
        .current_dir(folder)
        .args(["req", "-x509", "-nodes", "-days", "2"]);
    openssl.args(["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256"]);
    openssl.args([
        "-subj",
        &format!("/CN={name}"),
        "-keyout",
        &format!("{name}.key"),
    ]);
    openssl.args(["-out", &format!("{name}.crt")]);
    for extension in extensions {
        openssl.args(["-addext", extension]);
    }
    if let Some(issuer) = issuer {
        openssl.args([
            "-CA",
            &format!("{issuer}.crt"),
            "-CAkey",
            &format!("{issuer}.key"),
        ]);
    }
    let done = openssl.stderr(Stdio::piped()).output().unwrap();
    assert!(
        done.status.success(),
        "{}",
        String::from_utf8_lossy(&done.stderr)
    );
}

/// Serves one manifest over TLS for ever; gives `host:port`.
fn serve(folder: &Path, name: &str) -> String {
    let chain = CertificateDer::from_pem_file(folder.join(format!("{name}.crt"))).unwrap();
    let key = PrivateKeyDer::from_pem_file(folder.join(format!("{name}.key"))).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![chain], key)
        .unwrap();
    let config = Arc::new(config);
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let session = rustls::ServerConnection::new(Arc::clone(&config)).unwrap();
            let mut stream = rustls::StreamOwned::new(session, stream);
            let mut buffer = [0; 4096];
            if stream.read(&mut buffer).is_ok() {
                let body = r#"{"schemaVersion":2,"manifests":[]}"#;
                let head = format!(
                    "HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: {}\r\n\r\n",
                    body.len()
                );
                let _ = stream.write_all((head + body).as_bytes());
                stream.conn.send_close_notify();
                let _ = stream.flush();
            }
        }
    });
    format!("localhost:{port}")
}

async fn ask(host: &str, ca_file: Option<&Path>) -> Result<(), Fault> {
    let registry = Registry::new(Options {
        ca_file: ca_file.map(Path::to_path_buf),
        ..Options::default()
    });
    let repository = format!("{host}/acme/billing").parse().unwrap();
    let tag = Tag::new("1").unwrap();
    registry.manifest(&repository, &tag, 1000).await.map(drop)
}

#[tokio::test]
async fn the_companys_authority_is_trusted_when_named() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificate(folder, "ca", &[], None);
    certificate(folder, "other", &[], None);
    let leaf = [
        "subjectAltName=DNS:localhost",
        "basicConstraints=critical,CA:FALSE",
    ];
    certificate(folder, "leaf", &leaf, Some("ca"));
    let host = serve(folder, "leaf");
    ask(&host, Some(&folder.join("ca.crt"))).await.unwrap();
    for ca_file in [None, Some(folder.join("other.crt"))] {
        let fault = ask(&host, ca_file.as_deref()).await.unwrap_err();
        assert!(matches!(fault, Fault::Certificate { .. }), "{fault}");
        let error = Error::from(fault);
        assert_eq!(error.exit().code(), 8);
        assert!(error.hints()[0].contains("extra_ca"));
    }
    let wrong_name = host.replace("localhost", "127.0.0.1");
    let fault = ask(&wrong_name, Some(&folder.join("ca.crt")))
        .await
        .unwrap_err();
    assert!(matches!(fault, Fault::Certificate { .. }), "{fault}");
    assert!(
        fault.to_string().contains("is for other names: localhost"),
        "{fault}"
    );
    assert!(!fault.hint().unwrap().contains("extra_ca"), "{fault}");
    for useless in ["absent.crt", "leaf.key"] {
        let fault = ask(&host, Some(&folder.join(useless))).await.unwrap_err();
        assert!(matches!(fault, Fault::Authority { .. }), "{fault}");
        let said = fault.to_string();
        assert!(
            said.contains(useless) && said.contains("`extra_ca`"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn a_self_signed_certificate_is_trusted_when_named_for_its_name_only() {
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path();
    certificate(folder, "own", &["subjectAltName=DNS:localhost"], None);
    certificate(folder, "rival", &["subjectAltName=DNS:localhost"], None);
    let own = folder.join("own.crt");
    let host = serve(folder, "own");
    ask(&host, Some(&own)).await.unwrap();
    assert!(ask(&host, None).await.is_err());
    let wrong_name = host.replace("localhost", "127.0.0.1");
    assert!(ask(&wrong_name, Some(&own)).await.is_err());
    let rival = serve(folder, "rival");
    assert!(ask(&rival, Some(&own)).await.is_err());
}
