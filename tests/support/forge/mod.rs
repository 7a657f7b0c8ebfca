//! Forges for tests: real git behind a real web server, with hooks and an API that behave as the
//! vendors' own. Nothing of the vendors runs here; what the hooks and the API say is theirs, with the
//! address beside each message.

pub use self::server::Server;

pub mod answer;
pub mod apache;
pub mod gitea;
pub mod github;
pub mod gitlab;
pub mod hooks;
pub mod http;
pub mod merging;
pub mod people;
mod server;
pub mod sshd;
pub mod worker;

use std::fs;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::Value;

use self::answer::{Answer, respond};
use self::apache::Apache;
use self::hooks::{Push, Verdict};
use self::http::{Request, read_request};
use self::people::{Caller, of_token};
pub use self::people::{DEVELOPER, OPERATOR, token};
use self::sshd::Sshd;
use self::worker::Worker;

/// Whose manners the server has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Vendor {
    GitLab,
    Gitea,
    GitHub,
    /// No API and no hooks.
    Plain,
}

/// What is in the way of an honest answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mood {
    #[default]
    Honest,
    /// The hook refuses every push with this text.
    Refusing(String),
    /// The hook says this after every push, beside its own words.
    Saying(String),
    /// What the hook says of requests has this host instead of its own.
    Elsewhere(String),
    /// The API sends everybody to this address.
    Redirecting(String),
    /// Every answer of the API has this many bytes.
    Endless(usize),
    /// Push options are taken and nothing is done with them.
    Forgetting,
}

/// One merge or pull request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proposed {
    pub number: u64,
    pub author: String,
    pub title: String,
    pub description: String,
    pub draft: bool,
    pub source: String,
    pub target: String,
    /// `opened`, `closed`, `merged`: GitLab's words.
    pub state: &'static str,
    pub remove_source: bool,
    pub merged_as: Option<String>,
}

/// One question to the API.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    pub method: String,
    pub target: String,
    /// Whether it carried a token.
    pub token: Option<String>,
}

struct Memory {
    requests: Vec<Proposed>,
    calls: Vec<Call>,
    mood: Mood,
    protected: Vec<String>,
}

/// A forge with one repository, `acme/platform`. Cheap to clone; it ends with [`Server`].
#[derive(Clone)]
pub struct Forge {
    vendor: Vendor,
    bare: PathBuf,
    worker: Arc<Worker>,
    memory: Arc<Mutex<Memory>>,
    /// `http://127.0.0.1:PORT`, known once the web server runs.
    origin: Arc<Mutex<String>>,
}

/// The repository's path on every server.
pub const PROJECT: &str = "acme/platform";

impl Forge {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.memory.lock().unwrap()
    }

    pub fn vendor(&self) -> Vendor {
        self.vendor
    }

    pub fn bare(&self) -> &Path {
        &self.bare
    }

    /// `http://127.0.0.1:PORT`
    pub fn origin(&self) -> String {
        self.origin.lock().unwrap().clone()
    }

    pub fn mood(&self, mood: Mood) {
        self.memory().mood = mood;
    }

    /// Nobody pushes to branches that begin so.
    pub fn protect(&self, prefix: &str) {
        self.memory().protected.push(prefix.to_owned());
    }

    /// Whoever may push may push to them again.
    pub fn unprotect(&self, prefix: &str) {
        self.memory().protected.retain(|it| it != prefix);
    }

    /// All requests, in the order of their numbers.
    pub fn requests(&self) -> Vec<Proposed> {
        self.memory().requests.clone()
    }

    /// What was asked of the API until now.
    pub fn calls(&self) -> Vec<Call> {
        self.memory().calls.clone()
    }

    /// Its branches, `main` aside.
    pub fn branches(&self) -> Vec<String> {
        let listed = self.git(&["for-each-ref", "--format=%(refname:short)", "refs/heads"]);
        let branches = listed.lines().map(ToOwned::to_owned);
        branches.filter(|name| name != "main").collect()
    }

    /// Runs git in the repository, as the server does.
    #[track_caller]
    pub fn git(&self, arguments: &[&str]) -> String {
        let output = self.git_command(arguments).output().unwrap();
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "git {arguments:?}: {errors}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// The same, still to be run.
    pub fn git_command(&self, arguments: &[&str]) -> Command {
        let mut command = self.worker.command("git");
        command
            .args(arguments)
            .current_dir(&self.bare)
            .env("HOME", &self.bare)
            .env("GIT_CONFIG_GLOBAL", "/dev/null")
            .env("GIT_CONFIG_NOSYSTEM", "1");
        for role in ["AUTHOR", "COMMITTER"] {
            command
                .env(format!("GIT_{role}_NAME"), "the forge")
                .env(format!("GIT_{role}_EMAIL"), "forge@acme.example");
        }
        command
    }

    /// Before a push is taken.
    fn before(&self, push: &Push) -> Verdict {
        if let Mood::Refusing(text) = &self.memory().mood {
            return Verdict(1, format!("{text}\n"));
        }
        match self.vendor {
            Vendor::GitLab => gitlab::before(self, push),
            _ => Verdict(0, String::new()),
        }
    }

    /// After it.
    fn after(&self, push: &Push) -> Verdict {
        let mood = self.memory().mood.clone();
        let mut text = match self.vendor {
            Vendor::GitLab => gitlab::after(self, push),
            Vendor::Gitea => gitea::after(self, push),
            Vendor::GitHub => github::after(self, push),
            Vendor::Plain => String::new(),
        };
        match mood {
            Mood::Saying(more) => text.insert_str(0, &more),
            Mood::Elsewhere(host) => text = text.replace(&self.origin(), &host),
            _ => {}
        }
        Verdict(0, text)
    }

    /// A push to `refs/for/…`: the lines of `proc-receive`.
    fn receive(&self, push: &Push) -> Vec<String> {
        gitea::receive(self, push)
    }

    fn listen(&self, listener: TcpListener) {
        let forge = self.clone();
        std::thread::spawn(move || {
            for mut stream in listener.incoming().flatten() {
                let forge = forge.clone();
                std::thread::spawn(move || {
                    let request = read_request(&mut stream)?;
                    let Answer { status, head, body } = forge.answer(&request);
                    let head = format!("Content-Type: application/json\r\n{head}");
                    respond(&mut stream, status, &head, body.as_bytes())
                });
            }
        });
    }

    fn answer(&self, request: &Request) -> Answer {
        let header = |name: &str| request.headers.get(name).cloned();
        let bearer = header("authorization").and_then(|it| {
            let (kind, token) = it.split_once(' ')?;
            ["Bearer", "token"]
                .contains(&kind)
                .then(|| token.to_owned())
        });
        let token = header("private-token").or(bearer);
        self.memory().calls.push(Call {
            method: request.method.clone(),
            target: request.target.clone(),
            token: token.clone(),
        });
        match self.memory().mood.clone() {
            Mood::Redirecting(host) => {
                let head = format!("Location: {host}{}\r\n", request.target);
                return Answer {
                    head,
                    ..Answer::new("302 Found", "")
                };
            }
            Mood::Endless(size) => return Answer::new("200 OK", &"x".repeat(size)),
            _ => {}
        }
        let caller = match token.as_deref() {
            None => Caller::Nobody,
            Some(token) => of_token(token).map_or(Caller::Stranger, Caller::Known),
        };
        match self.vendor {
            Vendor::GitLab => gitlab::answer(self, request, caller),
            Vendor::Gitea => gitea::answer(self, request, caller),
            Vendor::GitHub => github::answer(self, request, caller),
            Vendor::Plain => Answer::new("404 Not Found", ""),
        }
    }

    /// Adds a request, with the next number.
    fn add(&self, new: Proposed) -> Proposed {
        let mut memory = self.memory();
        let number = memory.requests.len() as u64 + 1;
        let new = Proposed { number, ..new };
        memory.requests.push(new.clone());
        new
    }

    /// Changes a request, if there is one of that number.
    fn change(&self, number: u64, change: impl FnOnce(&mut Proposed)) -> Option<Proposed> {
        let mut memory = self.memory();
        let found = memory.requests.iter_mut().find(|it| it.number == number)?;
        change(found);
        Some(found.clone())
    }

    /// The open request from one branch to another.
    fn open(&self, source: &str, target: Option<&str>) -> Option<Proposed> {
        let memory = self.memory();
        let mut all = memory.requests.iter();
        all.find(|it| {
            it.state == "opened"
                && it.source == source
                && target.is_none_or(|name| it.target == name)
        })
        .cloned()
    }

    /// An operator presses the button of the web page: the request is squashed into its target.
    #[track_caller]
    pub fn merge(&self, number: u64) {
        let (status, body) = match self.vendor {
            Vendor::GitLab => self.ask(
                "PUT",
                &format!("/api/v4/projects/acme%2Fplatform/merge_requests/{number}/merge"),
                &serde_json::json!({ "squash": true, "should_remove_source_branch": true }),
            ),
            Vendor::Gitea => self.ask(
                "POST",
                &format!("/api/v1/repos/{PROJECT}/pulls/{number}/merge"),
                &serde_json::json!({ "Do": "squash", "delete_branch_after_merge": true }),
            ),
            Vendor::GitHub => self.ask(
                "PUT",
                &format!("/api/v3/repos/{PROJECT}/pulls/{number}/merge"),
                &serde_json::json!({ "merge_method": "squash" }),
            ),
            Vendor::Plain => panic!("a plain server merges nothing"),
        };
        assert!(status.starts_with("200"), "{status}: {body}");
    }

    /// Asks the API as the operator, through the web server.
    pub fn ask(&self, method: &str, target: &str, body: &Value) -> (String, String) {
        self.ask_as(Some(&token(OPERATOR.0)), method, target, body)
    }

    /// Asks the API with a token, through the web server.
    pub fn ask_as(
        &self,
        token: Option<&str>,
        method: &str,
        target: &str,
        body: &Value,
    ) -> (String, String) {
        let origin = self.origin();
        let mut stream = TcpStream::connect(origin.trim_start_matches("http://")).unwrap();
        let body = body.to_string();
        let length = body.len();
        let token = token.map_or(String::new(), |it| {
            format!("Authorization: Bearer {it}\r\n")
        });
        let text = format!(
            "{method} {target} HTTP/1.1\r\nHost: 127.0.0.1\r\nUser-Agent: tests\r\n{token}Connection: close\r\n\
             Content-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
        );
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_default();
        let status = head.lines().next().and_then(|line| line.split_once(' '));
        let status = status.map_or(String::new(), |(_, status)| status.to_owned());
        (status, body.to_owned())
    }
}

fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

#[expect(
    clippy::disallowed_methods,
    reason = "a test waits for a server to start"
)]
fn pause() {
    std::thread::sleep(std::time::Duration::from_millis(50));
}
