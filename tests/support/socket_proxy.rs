//! A socket in front of the engine's, which can be told to fail: no engine is stopped for a test.

use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};

/// How the engine behaves from the next request on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Behaviour {
    /// As it does.
    Honest = 0,
    /// Every connection ends at once.
    Gone = 1,
    /// Every request is answered with 500.
    Failing = 2,
    /// The next build misses an image of its cache.
    Forgetful = 3,
}

/// The socket; requests that change something are counted.
pub struct SocketProxy {
    folder: tempfile::TempDir,
    shared: Arc<Shared>,
}

struct Shared {
    behaviour: AtomicU8,
    changes: AtomicUsize,
    gone_after: AtomicUsize,
}

impl SocketProxy {
    /// Listens; must be called within a runtime.
    pub fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        let shared = Arc::new(Shared {
            behaviour: AtomicU8::new(0),
            changes: AtomicUsize::new(0),
            gone_after: AtomicUsize::new(usize::MAX),
        });
        let serving = Arc::clone(&shared);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, Arc::clone(&serving)));
            }
        });
        Self { folder, shared }
    }

    /// `unix://…`
    pub fn host(&self) -> String {
        format!(
            "unix://{}",
            self.folder.path().join("docker.sock").display()
        )
    }

    /// From now on.
    pub fn behave(&self, behaviour: Behaviour) {
        self.shared
            .behaviour
            .store(behaviour as u8, Ordering::SeqCst);
    }

    /// Whether it does what the engine does.
    pub fn is_honest(&self) -> bool {
        self.shared.behaviour.load(Ordering::SeqCst) == Behaviour::Honest as u8
    }

    /// The engine is gone after so many requests that change something.
    pub fn gone_after(&self, changes: usize) {
        self.shared.changes.store(0, Ordering::SeqCst);
        self.shared.gone_after.store(changes, Ordering::SeqCst);
    }
}

async fn serve(mut client: UnixStream, shared: Arc<Shared>) {
    let Ok(mut engine) = UnixStream::connect(socket()).await else {
        return;
    };
    let (mut from_engine, mut to_engine) = (vec![0; 64 << 10], vec![0; 64 << 10]);
    loop {
        let read = tokio::select! {
            read = client.read(&mut to_engine) => {
                let Ok(count @ 1..) = read else { return };
                let request = &to_engine[..count];
                if request.starts_with(b"POST ") || request.starts_with(b"DELETE ") {
                    let changes = shared.changes.fetch_add(1, Ordering::SeqCst) + 1;
                    if changes > shared.gone_after.load(Ordering::SeqCst) {
                        shared.behaviour.store(Behaviour::Gone as u8, Ordering::SeqCst);
                    }
                }
                match shared.behaviour.load(Ordering::SeqCst) {
                    1 => return,
                    3 if is_build(request) => {
                        shared.behaviour.store(Behaviour::Honest as u8, Ordering::SeqCst);
                        let mut end = request.to_vec();
                        while !end.ends_with(b"0\r\n\r\n") {
                            let Ok(count @ 1..) = client.read(&mut to_engine).await else { return };
                            end.extend_from_slice(&to_engine[..count]);
                        }
                        let _ = client.write_all(FORGOTTEN.as_bytes()).await;
                        return;
                    }
                    0 | 3 => engine.write_all(request).await,
                    _ => {
                        let body = "{\"message\":\"something is wrong\"}";
                        let head = format!("HTTP/1.1 500 Internal Server Error\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}", body.len());
                        client.write_all(head.as_bytes()).await
                    }
                }
            }
            read = engine.read(&mut from_engine) => {
                let Ok(count @ 1..) = read else { return };
                client.write_all(&from_engine[..count]).await
            }
        };
        if read.is_err() {
            return;
        }
    }
}

/// What engine 20.10 says when another removes what its cache has just promised.
const FORGOTTEN: &str = "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Type: application/json\r\n\
     Connection: close\r\n\r\n{\"errorDetail\":{\"message\":\"unable to find image \\\"sha256:5541\\\"\"},\
     \"error\":\"unable to find image \\\"sha256:5541\\\"\"}\r\n";

fn is_build(request: &[u8]) -> bool {
    let line = request
        .split(|byte| *byte == b'?')
        .next()
        .unwrap_or_default();
    line.starts_with(b"POST ") && line.ends_with(b"/build")
}

/// The socket that docker itself would take.
#[expect(clippy::disallowed_methods, reason = "a test has no settings")]
fn socket() -> String {
    let host = std::env::var("DOCKER_HOST").unwrap_or_default();
    let path = host.strip_prefix("unix://");
    path.unwrap_or("/var/run/docker.sock").to_owned()
}
