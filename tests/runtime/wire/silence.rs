//! Engines that are not there, break off, hang or restart.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::*;

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
        silence: Duration::from_secs(2),
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
            // What waits on this thread goes on elsewhere.
            tokio::task::block_in_place(|| std::thread::sleep(Duration::from_secs(3)));
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

/// A broken connection: a question is asked again.
#[tokio::test]
async fn what_only_asks_is_asked_again_when_the_connection_breaks() {
    let script = &["200 OK", "break", "break", "200 OK"];
    let (_folder, docker, seen) = play(script);
    docker.containers().await.unwrap();
    docker.containers().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), ["GET"; 4]);
}

/// A change is never sent twice.
#[tokio::test]
async fn what_changes_something_is_never_sent_twice() {
    let (_folder, docker, seen) = play(&["200 OK", "break", "200 OK"]);
    docker.containers().await.unwrap();
    let fault = docker.start("x").await.unwrap_err();
    assert_eq!(fault.kind, FaultKind::Unreachable, "{fault}");
    assert_eq!(*seen.lock().unwrap(), ["GET", "POST"]);
}

/// A restart is waited for.
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
    assert!(begun.elapsed() < std::time::Duration::from_secs(5));
}

#[tokio::test]
async fn what_cannot_be_frozen_at_once_is_paused_again() {
    static REFUSALS: AtomicUsize = AtomicUsize::new(0);
    let engine = Scripted::new(|line| {
        if !line.contains("/pause") {
            return answer("200 OK", "1.41", "OK");
        }
        if REFUSALS.fetch_add(1, Ordering::Relaxed) < 2 {
            let text =
                "Cannot pause container x: OCI runtime pause failed: unable to freeze: unknown";
            let body = format!("{{\"message\":\"{text}\"}}");
            return answer("500 Internal Server Error", "1.41", &body);
        }
        answer("204 No Content", "1.41", "")
    });
    engine.docker().pause("x").await.unwrap();
    assert_eq!(REFUSALS.load(Ordering::Relaxed), 3);
}

#[tokio::test]
async fn images_are_listed_again_where_one_was_removed_meanwhile() {
    static ASKED: AtomicUsize = AtomicUsize::new(0);
    let engine = Scripted::new(|_| {
        if ASKED.fetch_add(1, Ordering::Relaxed) == 0 {
            let body = r#"{"message":"failed to read config content: content digest sha256:93: not found"}"#;
            return answer("404 Not Found", "1.41", body);
        }
        answer("200 OK", "1.41", "[]")
    });
    assert!(engine.docker().images().await.unwrap().is_empty());
    assert_eq!(ASKED.load(Ordering::Relaxed), 2);
}
