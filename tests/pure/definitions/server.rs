//! A real git server for tests: git's own `http-backend` behind a few lines of HTTP, which can be
//! told to ask for a password, to fall silent or to break off.

use std::collections::BTreeMap;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use base64::Engine;

use crate::support::forge::http::{Request, read_request};

#[derive(Clone, Default, PartialEq)]
pub(crate) enum Mood {
    #[default]
    Honest,
    /// Asks for this `user:password`.
    Password(String),
    /// Takes connections and says nothing.
    Silent,
    /// Breaks off in the middle of a pack.
    Breaking,
    /// Takes the push and breaks off before the answer.
    Forgetful,
}

#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) port: u16,
    pub(crate) requests: Arc<AtomicUsize>,
    mood: Arc<Mutex<Mood>>,
    root: PathBuf,
    environment: BTreeMap<String, String>,
}

impl Server {
    pub(crate) fn start(root: &Path, environment: BTreeMap<String, String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let server = Self {
            port: listener.local_addr().unwrap().port(),
            requests: Arc::default(),
            mood: Arc::default(),
            root: root.to_owned(),
            environment,
        };
        let accepting = server.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let server = accepting.clone();
                std::thread::spawn(move || server.serve(stream));
            }
        });
        server
    }

    pub(crate) fn mood(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn serve(&self, mut stream: TcpStream) -> Option<()> {
        let mood = self.mood.lock().unwrap().clone();
        let request = read_request(&mut stream)?;
        self.requests.fetch_add(1, Ordering::Relaxed);
        match mood {
            Mood::Silent => {
                let _ = stream.read(&mut [0]);
                return None;
            }
            Mood::Password(expected) if !authorized(&request, &expected) => {
                let head = "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"git\"\r\n\
                            Content-Length: 0\r\nConnection: close\r\n\r\n";
                return stream.write_all(head.as_bytes()).ok();
            }
            _ => {}
        }
        let mut answer = self.backend(&request);
        if mood == Mood::Forgetful && request.target.ends_with("/git-receive-pack") {
            return None;
        }
        if mood == Mood::Breaking
            && request.target.ends_with("/git-upload-pack")
            && answer.len() > 3000
        {
            answer.truncate(answer.len() / 2);
        }
        stream.write_all(&answer).ok()
    }

    fn backend(&self, request: &Request) -> Vec<u8> {
        let (path, query) = request
            .target
            .split_once('?')
            .unwrap_or((&request.target, ""));
        let header = |name: &str| request.headers.get(name).cloned().unwrap_or_default();
        let mut child = Command::new("git")
            .arg("http-backend")
            .env_clear()
            .envs(&self.environment)
            .env("GIT_PROJECT_ROOT", &self.root)
            .env("GIT_HTTP_EXPORT_ALL", "1")
            .env("REMOTE_USER", "tester")
            .env("REMOTE_ADDR", "127.0.0.1")
            .env("PATH_INFO", path)
            .env("QUERY_STRING", query)
            .env("REQUEST_METHOD", &request.method)
            .env("CONTENT_TYPE", header("content-type"))
            .env("CONTENT_LENGTH", request.body.len().to_string())
            .env("HTTP_CONTENT_ENCODING", header("content-encoding"))
            .env("GIT_PROTOCOL", header("git-protocol"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let body = request.body.clone();
        let writer = std::thread::spawn(move || stdin.write_all(&body));
        let output = child.wait_with_output().unwrap().stdout;
        let _ = writer.join().unwrap();
        let end = output
            .windows(4)
            .position(|part| part == b"\r\n\r\n")
            .unwrap_or(output.len());
        let head = String::from_utf8_lossy(&output[..end]).into_owned();
        let status = head
            .lines()
            .find_map(|line| line.strip_prefix("Status: "))
            .unwrap_or("200 OK");
        let body = output.get(end + 4..).unwrap_or_default();
        let mut answer = format!(
            "HTTP/1.1 {status}\r\n{head}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
            body.len()
        )
        .into_bytes();
        answer.extend_from_slice(body);
        answer
    }
}

fn authorized(request: &Request, expected: &str) -> bool {
    let value = base64::engine::general_purpose::STANDARD.encode(expected);
    request.headers.get("authorization") == Some(&format!("Basic {value}"))
}
