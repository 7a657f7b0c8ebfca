//! What goes over the wire, against a scripted engine on a socket: versions, logins, faults.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

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
async fn an_engine_that_breaks_off_is_unreachable() {
    for script in [
        (|_| None) as Script,
        |_| Some("HTTP/1.1 200 OK\r\nContent-Length: 100\r\nConnection: close\r\n\r\n[".to_owned()),
        |_| answer("503 Service Unavailable", "1.41", ""),
    ] {
        let engine = Scripted::new(script);
        let docker = engine.docker();
        let fault = docker.containers().await.unwrap_err();
        assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
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

#[tokio::test]
async fn nobody_at_the_address() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("none.sock");
    let docker = Docker::new(&Endpoint::Unix(socket.clone())).unwrap();
    let fault = docker.containers().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    let shown = socket.display().to_string();
    assert!(fault.message.contains(&shown), "{fault}");
    assert!(fault.message.contains("No such file"), "{fault}");
    let error = Error::from(fault);
    assert_eq!(error.kind(), Kind::Engine);
    assert_eq!(error.hints().len(), 1);

    // A socket file that nobody listens on any more.
    drop(std::os::unix::net::UnixListener::bind(&socket).unwrap());
    let fault = docker.containers().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);

    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let number = port.local_addr().unwrap().port();
    drop(port);
    let tcp = Endpoint::Tcp {
        host: "127.0.0.1".to_owned(),
        port: number,
    };
    let fault = Docker::new(&tcp).unwrap().containers().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    assert!(fault.message.contains(&tcp.to_string()), "{fault}");
}

#[tokio::test]
async fn a_socket_that_one_may_not_open_is_denied() {
    let engine = Scripted::new(|_| answer("200 OK", "1.41", "[]"));
    let closed = std::fs::Permissions::from_mode(0o000);
    std::fs::set_permissions(engine.socket(), closed).unwrap();
    match engine.docker().containers().await {
        // root may.
        Ok(_) => assert!(std::fs::read("/etc/shadow").is_ok()),
        Err(fault) => assert_eq!(fault.kind, FaultKind::Denied, "{fault}"),
    }
}

#[tokio::test]
async fn an_engine_that_hangs_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    // Connections are taken by the kernel, and nobody answers.
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let docker = Docker::new(&Endpoint::Unix(socket))
        .unwrap()
        .with_limit(std::time::Duration::from_millis(50));
    for fault in [
        docker.containers().await.err(),
        docker.events("a=b", None).await.err(),
        docker.start("x").await.err(),
    ] {
        let fault = fault.unwrap();
        assert_eq!(fault.kind, FaultKind::Hung);
        assert!(fault.message.contains("did not answer"), "{fault}");
    }
}

/// Short enough for a test; the places that were told.
fn patience() -> (Patience, Arc<Mutex<Vec<String>>>) {
    let told = Arc::new(Mutex::new(Vec::new()));
    let list = Arc::clone(&told);
    let patience = Patience {
        told: Duration::from_millis(50),
        silence: Duration::from_millis(200),
        tell: Arc::new(move |at| list.lock().unwrap().push(at.to_owned())),
    };
    (patience, told)
}

#[tokio::test]
async fn who_never_answered_is_told_of_and_soon_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let _listener = std::os::unix::net::UnixListener::bind(&socket).unwrap();
    let place = format!("unix://{}", socket.display());
    let (patience, told) = patience();
    let docker = Docker::patient(&Endpoint::Unix(socket), patience).unwrap();
    let begun = std::time::Instant::now();
    let (listed, started) = tokio::join!(docker.containers(), docker.start("x"));
    assert!(
        begun.elapsed() < Duration::from_secs(5),
        "{:?}",
        begun.elapsed()
    );
    for fault in [listed.unwrap_err(), started.unwrap_err()] {
        assert_eq!(fault.kind, FaultKind::Hung);
        assert!(fault.message.contains(&place), "{fault}");
        assert!(fault.hint.unwrap().contains("devenv doctor"));
    }
    assert_eq!(*told.lock().unwrap(), [place]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[expect(clippy::disallowed_methods, reason = "an engine that is slow")]
async fn a_first_question_that_takes_long_is_no_silence() {
    let engine = Scripted::new(|line| {
        if !line.contains("_ping") {
            std::thread::sleep(Duration::from_millis(600));
        }
        answer("200 OK", "1.41", "[]")
    });
    let (patience, told) = patience();
    let docker = Docker::patient(&Endpoint::Unix(engine.socket()), patience).unwrap();
    docker.containers().await.unwrap();
    assert_eq!(engine.requests(), ["GET /containers/json", "GET /_ping"]);
    assert_eq!(told.lock().unwrap().len(), 1);
    // Who has answered once has the usual limits.
    docker.containers().await.unwrap();
    assert_eq!(engine.requests().len(), 3);
}

/// A connection that is told what to do with each request.
fn play(script: &'static [&'static str]) -> (tempfile::TempDir, Docker, Arc<Mutex<Vec<String>>>) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("s");
    let listener = UnixListener::bind(&socket).unwrap();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let lines = Arc::clone(&seen);
    tokio::spawn(async move {
        let mut script = script.iter();
        'connections: while let Ok((mut stream, _)) = listener.accept().await {
            let mut bytes = Vec::new();
            loop {
                if stream.read_buf(&mut bytes).await.unwrap_or(0) == 0 {
                    continue 'connections;
                }
                if !bytes.ends_with(b"\r\n\r\n") {
                    continue;
                }
                let text = String::from_utf8(std::mem::take(&mut bytes)).unwrap();
                let line = text.lines().next().unwrap();
                lines
                    .lock()
                    .unwrap()
                    .push(line.split(' ').next().unwrap().to_owned());
                match *script.next().unwrap() {
                    "break" => continue 'connections,
                    status => {
                        let answer = answer(status, "1.41", "[]").unwrap();
                        stream.write_all(answer.as_bytes()).await.unwrap();
                    }
                }
            }
        }
    });
    let docker = Docker::new(&Endpoint::Unix(socket)).unwrap();
    (folder, docker, seen)
}

#[tokio::test]
async fn what_only_asks_is_asked_again_when_the_connection_breaks() {
    let script = &["200 OK", "break", "break", "200 OK"];
    let (_folder, docker, seen) = play(script);
    docker.containers().await.unwrap();
    docker.containers().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["GET"; 4]);
}

#[tokio::test]
async fn what_changes_something_is_never_sent_twice() {
    let (_folder, docker, seen) = play(&["200 OK", "break", "200 OK"]);
    docker.containers().await.unwrap();
    let fault = docker.start("x").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert_eq!(*seen.lock().unwrap(), ["GET", "POST"]);
}

#[tokio::test]
async fn an_engine_that_restarts_is_waited_for_by_who_knew_it() {
    let engine = Scripted::new(|line| {
        if line.starts_with("POST") {
            answer("204 No Content", "1.41", "")
        } else {
            let closing = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\nConnection: close\r\n\r\n[]";
            Some(closing.to_owned())
        }
    });
    let docker = engine.docker();
    docker.containers().await.unwrap();
    // Away: nobody listens at its place.
    let place = engine.socket();
    let aside = engine.folder.path().join("aside");
    std::fs::rename(&place, &aside).unwrap();
    let back = async {
        tokio::time::sleep(std::time::Duration::from_millis(700)).await;
        std::fs::rename(&aside, &place).unwrap();
    };
    let (listed, started, ()) = tokio::join!(docker.containers(), docker.start("x"), back);
    listed.unwrap();
    started.unwrap();

    // Who never knew it does not wait.
    std::fs::rename(&place, &aside).unwrap();
    let begun = std::time::Instant::now();
    let fault = engine.docker().containers().await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable);
    assert!(begun.elapsed() < std::time::Duration::from_secs(1));
}

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
