//! What goes over the wire, against a scripted engine on a socket: versions, logins, faults.

mod silence;

use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::engine::general_purpose::URL_SAFE;
use devenv::engine::docker::Patience;
use devenv::engine::{Docker, Endpoint, Engine, FaultKind, RegistryLogin};
use devenv::error::{Error, Kind};
use devenv::model::digest::Digest;
use devenv::model::secret::Secret;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// An engine that answers what its script says, and remembers what it was asked.
struct Scripted {
    folder: tempfile::TempDir,
    heads: Arc<Mutex<Vec<String>>>,
}

/// What to answer to a request line; `None` closes the connection.
type Script = fn(&str) -> Option<String>;

impl Scripted {
    fn new(script: Script) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("s")).unwrap();
        let heads = Arc::new(Mutex::new(Vec::new()));
        let seen = Arc::clone(&heads);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, script, Arc::clone(&seen)));
            }
        });
        Self { folder, heads }
    }

    fn socket(&self) -> PathBuf {
        self.folder.path().join("s")
    }

    fn docker(&self) -> Docker {
        Docker::new(&Endpoint::Unix(self.socket())).unwrap()
    }

    /// `GET /path`, without the query.
    fn requests(&self) -> Vec<String> {
        let heads = self.heads.lock().unwrap();
        let line = |head: &String| {
            let line = head.lines().next().unwrap();
            let line = line.strip_suffix(" HTTP/1.1").unwrap();
            line.split('?').next().unwrap().to_owned()
        };
        heads.iter().map(line).collect()
    }
}

async fn serve(mut stream: UnixStream, script: Script, heads: Arc<Mutex<Vec<String>>>) {
    let mut bytes = Vec::new();
    loop {
        while !bytes.windows(4).any(|four| four == b"\r\n\r\n") {
            if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                return;
            }
        }
        let text = String::from_utf8(std::mem::take(&mut bytes)).unwrap();
        heads.lock().unwrap().push(text.clone());
        let Some(answer) = script(text.lines().next().unwrap()) else {
            return;
        };
        let written = stream.write_all(answer.as_bytes()).await;
        if written.is_err() || answer.contains("Connection: close") {
            return;
        }
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a script's answer")]
fn answer(status: &str, version: &str, body: &str) -> Option<String> {
    let version = if version.is_empty() {
        String::new()
    } else {
        format!("Api-Version: {version}\r\n")
    };
    let length = body.len();
    Some(format!(
        "HTTP/1.1 {status}\r\n{version}Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    ))
}

#[tokio::test]
async fn the_first_answer_settles_the_version_without_a_request_of_its_own() {
    let engine = Scripted::new(|_| answer("200 OK", "1.41", "[]"));
    let docker = engine.docker();
    assert_eq!(engine.requests(), [""; 0]);
    docker.containers().await.unwrap();
    docker.containers().await.unwrap();
    let wanted = ["GET /containers/json", "GET /v1.41/containers/json"];
    assert_eq!(engine.requests(), wanted);
    assert_eq!(docker.api_version().unwrap().to_string(), "1.41");
}

#[tokio::test]
async fn an_engine_newer_than_we_is_asked_again_at_our_version() {
    let engine = Scripted::new(|_| answer("200 OK", "1.99", "[]"));
    let docker = engine.docker();
    docker.containers().await.unwrap();
    let wanted = ["GET /containers/json", "GET /v1.53/containers/json"];
    assert_eq!(engine.requests(), wanted);
}

#[tokio::test]
async fn a_first_change_is_sent_at_a_known_version() {
    let engine = Scripted::new(|line| {
        if line.contains("_ping") {
            answer("200 OK", "1.30", "OK")
        } else {
            answer("204 No Content", "1.30", "")
        }
    });
    engine.docker().start("x").await.unwrap();
    let wanted = ["GET /_ping", "POST /v1.30/containers/x/start"];
    assert_eq!(engine.requests(), wanted);
}

#[tokio::test]
async fn an_engine_that_is_too_old_is_named_so() {
    let engine = Scripted::new(|_| answer("200 OK", "1.24", "[]"));
    let fault = engine.docker().containers().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed);
    assert!(fault.message.contains("speaks API 1.24"), "{fault}");
    assert!(fault.message.contains("1.25 (Docker 1.13)"), "{fault}");
}

#[tokio::test]
async fn an_engine_that_names_no_version_is_asked_without_one() {
    let engine = Scripted::new(|_| answer("200 OK", "", "[]"));
    let docker = engine.docker();
    docker.containers().await.unwrap();
    docker.containers().await.unwrap();
    assert_eq!(engine.requests(), ["GET /containers/json"; 2]);
}

/// A proxy before the engine, while the engine only starts.
#[tokio::test]
async fn only_an_engines_answer_settles_the_version() {
    static ASKED: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let engine = Scripted::new(|line| {
        if ASKED.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < 2 {
            return answer("502 Bad Gateway", "", "{}");
        }
        if line.contains("/start") {
            answer("204 No Content", "1.41", "")
        } else {
            answer("200 OK", "1.41", "[]")
        }
    });
    let docker = engine.docker();
    docker.containers().await.unwrap_err();
    let fault = docker.start("x").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    assert_eq!(docker.api_version(), None);
    docker.start("x").await.unwrap();
    let wanted = [
        "GET /containers/json",
        "GET /_ping",
        "GET /_ping",
        "POST /v1.41/containers/x/start",
    ];
    assert_eq!(engine.requests(), wanted);
}

#[tokio::test]
async fn a_pull_may_last_but_not_be_silent() {
    let engine = Scripted::new(|line| {
        if line.contains("_ping") {
            return answer("200 OK", "1.41", "OK");
        }
        // The first line of many, and then nothing.
        let line = r#"{"status":"Downloading","id":"a"}"#;
        let head = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 999";
        Some(format!("{head}\r\n\r\n{line}\n"))
    });
    let docker = engine.docker().with_limit(Duration::from_millis(200));
    let repository = "localhost:1/x".parse().unwrap();
    let digest = Digest::of(b"");
    let pulled = docker.pull(&repository, &digest, None, None, &|_| {});
    let pulled = tokio::time::timeout(Duration::from_secs(20), pulled).await;
    let fault = pulled.expect("an end").unwrap_err();
    assert_eq!(fault.kind, FaultKind::Hung);
}

#[tokio::test]
async fn a_login_is_sent_in_the_alphabet_that_engines_read() {
    let engine = Scripted::new(|_| answer("200 OK", "1.41", ""));
    let login = RegistryLogin {
        username: "me".to_owned(),
        // Both characters of the other alphabet appear in its encoding.
        secret: Secret::new("a~?>~?a~"),
        is_token: false,
        host: "localhost:1".to_owned(),
    };
    let repository = "localhost:1/x".parse().unwrap();
    let digest = Digest::of(b"");
    let docker = engine.docker();
    docker
        .pull(&repository, &digest, None, Some(&login), &|_| {})
        .await
        .unwrap();
    let heads = engine.heads.lock().unwrap();
    let pull = heads.last().unwrap();
    assert!(
        pull.contains(&format!("tag=sha256%3A{}", digest.hex())),
        "{pull}"
    );
    let header = pull.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("x-registry-auth")
            .then_some(value)
    });
    let header = header.unwrap();
    assert!(!header.contains(['+', '/']), "{header}");
    let bytes = base64::Engine::decode(&URL_SAFE, header);
    let text = String::from_utf8(bytes.unwrap()).unwrap();
    assert!(text.contains(r#""password":"a~?>~?a~""#), "{text}");
}

#[tokio::test]
async fn a_refusal_inside_a_stream_is_a_fault() {
    let refused = |says: &'static str| {
        let script: Script = match says {
            "space" => |_| {
                let line = r#"{"errorDetail":{"message":"write /x: no space left on device"},"error":"x"}"#;
                answer("200 OK", "1.41", line)
            },
            _ => |_| {
                let line = r#"{"errorDetail":{"message":"Get \"https://r/v2/\": dial tcp: connection refused"},"error":"x"}"#;
                answer("200 OK", "1.41", line)
            },
        };
        Scripted::new(script)
    };
    for (says, kind) in [("space", FaultKind::NoSpace), ("net", FaultKind::Failed)] {
        let engine = refused(says);
        let repository = "localhost:1/x".parse().unwrap();
        let docker = engine.docker();
        let digest = Digest::of(b"");
        let pulled = docker.pull(&repository, &digest, None, None, &|_| {}).await;
        assert_eq!(pulled.unwrap_err().kind, kind);
        let pushed = docker.push(&repository, "1", None, &|_| {}).await;
        assert_eq!(pushed.unwrap_err().kind, kind);
    }
}

#[tokio::test]
async fn events_are_subscribed_when_the_answer_is_there_and_not_before() {
    let engine = Scripted::new(|_| {
        Some(
            "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nTransfer-Encoding: chunked\r\n\r\n".to_owned(),
        )
    });
    let docker = engine.docker();
    let _events = docker.events("a=b", None).await.unwrap();
    assert_eq!(engine.requests(), ["GET /events"]);

    let refusing = Scripted::new(|_| answer("500 Error", "1.41", r#"{"message":"no"}"#));
    let answer = refusing.docker().events("a=b", None).await;
    assert_eq!(answer.err().unwrap().kind, FaultKind::Internal);
}

/// API 1.25, 1.24, Docker 29's floor.
#[tokio::test]
async fn the_floor_and_what_is_below_it() {
    let engine = Scripted::new(|_| answer("200 OK", "1.25", "[]"));
    let docker = engine.docker();
    docker.containers().await.unwrap();
    docker.containers().await.unwrap();
    let wanted = ["GET /containers/json", "GET /v1.25/containers/json"];
    assert_eq!(engine.requests(), wanted);

    // A change first: the version is asked for, and nothing is changed.
    let old = Scripted::new(|_| answer("200 OK", "1.24", "OK"));
    let fault = old.docker().start("x").await.unwrap_err();
    assert!(fault.message.contains("speaks API 1.24"), "{fault}");
    assert_eq!(old.requests(), ["GET /_ping"]);

    // Docker 29 refuses what is older than 1.44, and is asked for what both know.
    let new = Scripted::new(|line| {
        if line.contains("/v1.53/") || line.contains("GET /containers") {
            answer("200 OK", "1.53", "[]")
        } else {
            let text = "{\"message\":\"client version 1.41 is too old. Minimum supported API version is 1.44, please upgrade your client to a newer version\"}";
            answer("400 Bad Request", "1.53", text)
        }
    });
    let docker = new.docker();
    docker.containers().await.unwrap();
    docker.containers().await.unwrap();
}

/// Status 500 told from a refusal.
#[tokio::test]
async fn an_engine_that_fails_itself_is_told_from_one_that_refuses() {
    let failing = Scripted::new(|_| {
        answer(
            "500 Error",
            "1.41",
            "{\"message\":\"layer does not exist\"}",
        )
    });
    let fault = failing.docker().containers().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Internal);
    assert!(fault.may_pass());
    let error = Error::from(fault);
    let place = failing.socket();
    let about = format!(
        "the engine at unix://{} answered 500 to GET /containers/json: layer does not exist",
        place.display()
    );
    assert_eq!(error.to_string(), about);
    assert!(error.hints()[0].contains("journalctl"));
    let refusing = Scripted::new(|_| answer("400 Bad", "1.41", "{\"message\":\"bad parameter\"}"));
    let fault = refusing.docker().containers().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Failed);
    assert!(!fault.may_pass());
}
