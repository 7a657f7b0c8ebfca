//! TLS to an engine: what is accepted, and what each refusal says. The engine is a server of this
//! test's own, its certificates are made as boot2docker makes them.

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use crate::support::certificates::Certificates;
use crate::support::second_engine::run;
use devenv::engine::connect::endpoint::parse_host;
use devenv::engine::{Docker, Engine, Fault, FaultKind, TlsMaterial};
use devenv::error::Error;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::TcpListener;

/// An engine that lists nothing, at an address; handshakes are counted.
struct TlsServer {
    address: String,
    handshakes: Arc<AtomicUsize>,
}

impl TlsServer {
    async fn start(certificates: &Certificates, asks_for_client: bool) -> Self {
        let acceptor = certificates.acceptor(asks_for_client);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let handshakes = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&handshakes);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (acceptor, counted) = (acceptor.clone(), Arc::clone(&counted));
                tokio::spawn(async move {
                    if let Ok(stream) = acceptor.accept(stream).await {
                        counted.fetch_add(1, Ordering::SeqCst);
                        serve(stream).await;
                    }
                });
            }
        });
        Self {
            address,
            handshakes,
        }
    }

    async fn ask(&self, material: TlsMaterial) -> Result<(), Refused> {
        ask(&self.address, Some(material)).await
    }
}

async fn serve(mut stream: impl AsyncRead + AsyncWrite + Unpin) {
    let answer = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n[]";
    let mut bytes = Vec::new();
    while stream.read_buf(&mut bytes).await.unwrap_or(0) > 0 {
        if bytes.ends_with(b"\r\n\r\n") {
            bytes.clear();
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

/// What the user is told.
#[derive(Debug)]
struct Refused {
    kind: Option<FaultKind>,
    text: String,
    hint: String,
}

impl Refused {
    #[track_caller]
    fn says(&self, words: &[&str], hint: &str) {
        for word in words {
            assert!(self.text.contains(word), "no {word:?} in {self:?}");
        }
        assert!(self.hint.contains(hint), "no {hint:?} in {self:?}");
    }
}

fn refused(kind: Option<FaultKind>, error: &Error) -> Refused {
    Refused {
        kind,
        text: error.chain().join(": "),
        hint: error.hints().join("\n"),
    }
}

async fn ask(address: &str, material: Option<TlsMaterial>) -> Result<(), Refused> {
    let endpoint = parse_host(&format!("tcp://{address}"), material).unwrap();
    let docker = Docker::new(&endpoint).map_err(|error| refused(None, &error))?;
    let listed = docker.containers().await;
    let told = |fault: Fault| refused(Some(fault.kind), &fault.into());
    listed.map(drop).map_err(told)
}

fn material(certificates: &Certificates) -> TlsMaterial {
    let file = |name: &str| Some(certificates.folder.join(name));
    TlsMaterial {
        ca: file("ca.pem"),
        certificate: file("cert.pem"),
        key: file("key.pem"),
        skip_verify: false,
    }
}

fn openssl(folder: &Path, command: &str) {
    let words = command.split(' ').map(|word| {
        let file = folder.join(word);
        match word.strip_prefix('@') {
            Some(name) => folder.join(name).display().to_string(),
            None if file.exists() => file.display().to_string(),
            None => word.to_owned(),
        }
    });
    let words: Vec<String> = words.collect();
    run(
        "openssl",
        &words.iter().map(String::as_str).collect::<Vec<_>>(),
    );
}

/// Boot2docker's certificates; PKCS#1, PKCS#8, SEC1 keys; locked and wrong keys.
#[tokio::test]
async fn boot2dockers_certificates_and_every_kind_of_key() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::boot2docker(folder.path(), "192.168.59.103");
    let server = TlsServer::start(&certificates, true).await;
    server.ask(material(&certificates)).await.unwrap();
    let key = |name: &str| TlsMaterial {
        key: Some(folder.path().join(name)),
        ..material(&certificates)
    };
    // It is PKCS#1; the same as PKCS#8.
    openssl(
        folder.path(),
        "pkcs8 -topk8 -nocrypt -in key.pem -out @pkcs8.pem",
    );
    server.ask(key("pkcs8.pem")).await.unwrap();

    openssl(
        folder.path(),
        "ecparam -name prime256v1 -genkey -noout -out @sec1.pem",
    );
    openssl(
        folder.path(),
        "req -new -key sec1.pem -subj /O=x -out @ec.csr",
    );
    std::fs::write(
        folder.path().join("ec.ext"),
        "extendedKeyUsage=clientAuth\n",
    )
    .unwrap();
    openssl(
        folder.path(),
        "x509 -req -in ec.csr -CA ca.pem -CAkey cakey.pem -CAcreateserial -extfile ec.ext -out @ec.pem",
    );
    let elliptic = TlsMaterial {
        certificate: Some(folder.path().join("ec.pem")),
        ..key("sec1.pem")
    };
    server.ask(elliptic).await.unwrap();

    let error = server.ask(key("sec1.pem")).await.unwrap_err();
    error.says(&["sec1.pem", "does not go with"], "made together");
    openssl(
        folder.path(),
        "pkcs8 -topk8 -passout pass:x -in key.pem -out @locked.pem",
    );
    let error = server.ask(key("locked.pem")).await.unwrap_err();
    error.says(&["locked.pem", "passphrase"], "openssl pkey");
    let error = server.ask(key("ca.pem")).await.unwrap_err();
    error.says(&["ca.pem", "holds no PEM key"], "openssl pkey");
}

/// TLS connections are pooled.
#[tokio::test]
async fn connections_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::boot2docker(folder.path(), "192.168.59.103");
    let server = TlsServer::start(&certificates, true).await;
    let endpoint = parse_host(
        &format!("tcp://{}", server.address),
        Some(material(&certificates)),
    );
    let docker = Docker::new(&endpoint.unwrap()).unwrap();
    for _ in 0..5 {
        docker.containers().await.unwrap();
    }
    assert_eq!(server.handshakes.load(Ordering::SeqCst), 1);
}

/// Wrong authority, either way; `SkipTLSVerify`.
#[tokio::test]
async fn another_authority_is_refused_unless_nothing_is_checked() {
    let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let certificates = Certificates::boot2docker(folder.path(), "192.168.59.103");
    let strange = Certificates::boot2docker(other.path(), "192.168.59.103");
    let server = TlsServer::start(&certificates, false).await;
    let error = server.ask(material(&strange)).await.unwrap_err();
    assert_eq!(error.kind, Some(FaultKind::Handshake));
    error.says(
        &[&server.address, "another authority than ca.pem"],
        "from its machine again",
    );
    let unchecked = TlsMaterial {
        skip_verify: true,
        ..material(&strange)
    };
    server.ask(unchecked.clone()).await.unwrap();

    // And the other way round: the client's is another's.
    let asking = TlsServer::start(&certificates, true).await;
    let error = asking.ask(unchecked).await.unwrap_err();
    assert_eq!(error.kind, Some(FaultKind::Handshake));
    error.says(
        &[&asking.address, "client's certificate"],
        "signed by the authority",
    );
}

/// A missing client certificate, a missing file.
#[tokio::test]
async fn a_client_without_a_certificate_is_told_which_file_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::boot2docker(folder.path(), "192.168.59.103");
    let server = TlsServer::start(&certificates, true).await;
    let file = |name: &str| Some(folder.path().join(name));
    // As docker: both may be missing, one may not.
    let without = TlsMaterial {
        certificate: file("none.pem"),
        key: file("none.key"),
        ..material(&certificates)
    };
    let error = server.ask(without).await.unwrap_err();
    error.says(
        &[&server.address, "certificate of the client"],
        "cert.pem and key.pem",
    );
    let half = TlsMaterial {
        key: file("none.key"),
        ..material(&certificates)
    };
    let error = server.ask(half).await.unwrap_err();
    error.says(&["none.key", "No such file"], "DOCKER_CERT_PATH");
    let half = TlsMaterial {
        key: None,
        ..material(&certificates)
    };
    let error = server.ask(half).await.unwrap_err();
    error.says(&["cert.pem", "no counterpart"], "together");
    let nowhere = TlsMaterial {
        ca: file("none.pem"),
        ..material(&certificates)
    };
    let error = server.ask(nowhere).await.unwrap_err();
    error.says(&["none.pem", "No such file"], "DOCKER_CERT_PATH");
}

/// Expired, another name.
#[tokio::test]
async fn certificates_that_do_not_fit_are_told_apart() {
    let server = "basicConstraints=critical,CA:FALSE\nsubjectAltName=";
    for (extensions, days, says, hint) in [
        (
            format!("{server}IP:10.0.0.1\n"),
            "9",
            "for another name",
            "for this address",
        ),
        (
            format!("{server}IP:127.0.0.1\n"),
            "0",
            "has ended",
            "have new ones made",
        ),
        (
            "basicConstraints=critical,CA:FALSE\n".to_owned(),
            "9",
            "for another name",
            "for this address",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let certificates = Certificates::make(folder.path(), &extensions, days);
        if days == "0" {
            tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
        }
        let server = TlsServer::start(&certificates, false).await;
        let error = server.ask(material(&certificates)).await.unwrap_err();
        assert_eq!(error.kind, Some(FaultKind::Handshake), "{error:?}");
        error.says(&[&server.address, says], hint);
    }
}

/// A self-signed engine.
#[tokio::test]
async fn a_self_signed_engine_is_known_by_its_own_certificate() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::boot2docker(folder.path(), "192.168.59.103");
    let extensions = folder.path().join("own.ext");
    std::fs::write(
        &extensions,
        "basicConstraints=critical,CA:TRUE\nsubjectAltName=IP:127.0.0.1\n",
    )
    .unwrap();
    openssl(
        folder.path(),
        "req -new -key serverkey.pem -subj /O=x -out @own.csr",
    );
    openssl(
        folder.path(),
        "x509 -req -in own.csr -signkey serverkey.pem -extfile own.ext -out server.pem",
    );
    let server = TlsServer::start(&certificates, false).await;
    let error = server.ask(material(&certificates)).await.unwrap_err();
    assert_eq!(error.kind, Some(FaultKind::Handshake), "{error:?}");
    let own = TlsMaterial {
        ca: Some(folder.path().join("server.pem")),
        ..material(&certificates)
    };
    server.ask(own).await.unwrap();
}

/// Http on a TLS port and the reverse.
#[tokio::test]
async fn tls_and_plain_http_are_not_mixed_up() {
    let folder = tempfile::tempdir().unwrap();
    let certificates = Certificates::boot2docker(folder.path(), "192.168.59.103");
    // Plain HTTP to an engine that wants TLS: Go's server says so, others answer with TLS alerts.
    let server = TlsServer::start(&certificates, true).await;
    let error = ask(&server.address, None).await.unwrap_err();
    assert_eq!(error.kind, Some(FaultKind::Handshake), "{error:?}");
    error.says(
        &[&server.address, "does not speak HTTP"],
        "DOCKER_TLS_VERIFY=1",
    );

    // TLS to an engine that has none.
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = [0; 100];
            let _ = stream.read(&mut bytes).await;
            let _ = stream
                .write_all(b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n")
                .await;
        }
    });
    let error = ask(&address, Some(material(&certificates)))
        .await
        .unwrap_err();
    assert_eq!(error.kind, Some(FaultKind::Handshake), "{error:?}");
    error.says(&[&address, "does not speak TLS"], "2375 without TLS");
}
