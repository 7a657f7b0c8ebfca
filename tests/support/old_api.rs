//! A socket in front of the machine's engine that speaks an older version of its API and no other: what that version
//! did not know is refused, where its engines would have passed over it in silence.
//!
//! Source: moby's `docs/api/version-history.md`.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::Runtime;

/// The minor version that a part of the API came with, and how its requests' paths end or contain.
const PATHS: &[(u32, &str)] = &[
    (30, "/distribution/"),
    (31, "/session"),
    (31, "/build/prune"),
    (39, "/grpc"),
];

/// The same of a parameter: minor version, method, end of the path, name.
const PARAMETERS: &[(u32, &str, &str, &str)] = &[
    (28, "GET", "/networks", "verbose"),
    (28, "POST", "/build", "extrahosts"),
    (29, "POST", "/build", "target"),
    (30, "POST", "/wait", "condition"),
    (30, "PUT", "/archive", "copyUIDGID"),
    (32, "POST", "/images/create", "platform"),
    (32, "POST", "/build", "platform"),
    (35, "GET", "/logs", "until"),
    (39, "POST", "/build", "version"),
    (40, "POST", "/build", "outputs"),
    (41, "POST", "/containers/create", "platform"),
    (41, "GET", "/stats", "one-shot"),
    (42, "POST", "/stop", "signal"),
    (42, "POST", "/restart", "signal"),
    (42, "GET", "/images/json", "shared-size"),
    (42, "GET", "/system/df", "type"),
    (46, "POST", "/push", "platform"),
    (48, "GET", "/json", "manifests"),
];

/// The same of a filter: minor version, end of the path, name.
const FILTERS: &[(u32, &str, &str)] = &[
    (28, "/containers/json", "publish"),
    (28, "/containers/json", "expose"),
    (29, "/networks", "scope"),
    (29, "/prune", "label"),
    (30, "/events", "scope"),
    (40, "/networks", "dangling"),
];

/// The same of a field of a body: minor version, end of the path, where it is (`*` is every entry).
const FIELDS: &[(u32, &str, &str)] = &[
    (28, "/containers/create", "HostConfig/DeviceCgroupRules"),
    (28, "/containers/create", "HostConfig/Mounts/*/Consistency"),
    (35, "/exec", "WorkingDir"),
    (40, "/containers/create", "HostConfig/DeviceRequests"),
    (40, "/containers/create", "HostConfig/KernelMemoryTCP"),
    (
        40,
        "/containers/create",
        "HostConfig/Mounts/*/BindOptions/NonRecursive",
    ),
    (41, "/containers/create", "HostConfig/CgroupnsMode"),
    (
        42,
        "/containers/create",
        "HostConfig/Mounts/*/BindOptions/CreateMountpoint",
    ),
    (42, "/exec", "ConsoleSize"),
    (43, "/containers/create", "HostConfig/Annotations"),
    (
        44,
        "/containers/create",
        "NetworkingConfig/EndpointsConfig/*/MacAddress",
    ),
    (
        45,
        "/containers/create",
        "HostConfig/Mounts/*/VolumeOptions/Subpath",
    ),
];

/// What is sent to every engine on purpose, and passed over by those that do not know it.
const PASSED_OVER: &[(u32, &str, &str)] = &[
    (29, "/containers/create", "Healthcheck/StartPeriod"),
    (44, "/containers/create", "Healthcheck/StartInterval"),
];

/// Listens until it is dropped, on a thread of its own.
pub struct OldApi {
    folder: tempfile::TempDir,
    refused: Arc<Mutex<Vec<String>>>,
    runtime: Option<Runtime>,
}

impl OldApi {
    /// Speaks 1.`minor`.
    pub fn start(minor: u32) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let refused = Arc::new(Mutex::new(Vec::new()));
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()
            .unwrap();
        let entered = runtime.enter();
        let listener = UnixListener::bind(folder.path().join("docker.sock")).unwrap();
        drop(entered);
        let told = Arc::clone(&refused);
        runtime.spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(serve(client, minor, Arc::clone(&told)));
            }
        });
        Self {
            folder,
            refused,
            runtime: Some(runtime),
        }
    }

    /// `unix://…`
    pub fn host(&self) -> String {
        let socket = self.folder.path().join("docker.sock");
        format!("unix://{}", socket.display())
    }

    /// What was asked for that this version does not know.
    pub fn refused(&self) -> Vec<String> {
        let refused = self.refused.lock();
        refused.unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for OldApi {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

/// One request; the connection ends with its answer, so that no other passes unseen.
async fn serve(mut client: UnixStream, minor: u32, refused: Arc<Mutex<Vec<String>>>) -> Option<()> {
    let mut request = Request::read(&mut client).await?;
    if let Err(what) = request.translate(minor) {
        let message = format!("API 1.{minor} does not know {what}");
        refused
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .push(format!("{}: {message}", request.line()));
        let body = serde_json::json!({ "message": message }).to_string();
        let head = format!(
            "HTTP/1.1 400 Bad Request\r\nApi-Version: 1.{minor}\r\nContent-Type: application/json\r\nConnection: close\r\n\
             Content-Length: {}\r\n\r\n{body}",
            body.len()
        );
        client.write_all(head.as_bytes()).await.ok()?;
        return None;
    }
    let mut engine = UnixStream::connect("/var/run/docker.sock").await.ok()?;
    engine.write_all(&request.bytes()).await.ok()?;
    let (mut from_client, mut to_engine) = client.split();
    let (mut from_engine, mut to_client) = engine.split();
    let up = async {
        let _ = tokio::io::copy(&mut from_client, &mut to_client).await;
        let _ = to_client.shutdown().await;
    };
    let down = async {
        let answer = Head::read(&mut from_engine).await?;
        let lines = answer.lines.iter().map(|line| {
            let is_version = line.to_ascii_lowercase().starts_with("api-version:");
            if is_version {
                format!("Api-Version: 1.{minor}")
            } else {
                line.clone()
            }
        });
        let head = Head {
            lines: lines.collect(),
            rest: answer.rest,
        };
        to_engine.write_all(&head.bytes()).await.ok()?;
        let _ = tokio::io::copy(&mut from_engine, &mut to_engine).await;
        let _ = to_engine.shutdown().await;
        Some(())
    };
    tokio::join!(up, down).1
}

/// The first lines of a message, and what came with them.
struct Head {
    lines: Vec<String>,
    rest: Vec<u8>,
}

impl Head {
    async fn read(stream: &mut (impl AsyncReadExt + Unpin)) -> Option<Self> {
        let mut bytes = Vec::new();
        loop {
            if let Some(end) = bytes.windows(4).position(|four| four == b"\r\n\r\n") {
                let text = String::from_utf8_lossy(&bytes[..end]).into_owned();
                let lines = text.split("\r\n").map(ToOwned::to_owned).collect();
                return Some(Self {
                    lines,
                    rest: bytes.split_off(end + 4),
                });
            }
            if stream.read_buf(&mut bytes).await.ok()? == 0 {
                return None;
            }
        }
    }

    fn header(&self, name: &str) -> Option<&str> {
        self.lines.iter().skip(1).find_map(|line| {
            let (key, value) = line.split_once(':')?;
            key.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    fn without(&mut self, name: &str) {
        self.lines.retain(|line| {
            line.split_once(':')
                .is_none_or(|(key, _)| !key.eq_ignore_ascii_case(name))
        });
    }

    fn bytes(&self) -> Vec<u8> {
        let head = self.lines.join("\r\n") + "\r\n\r\n";
        [head.as_bytes(), &self.rest].concat()
    }
}

/// A request's head, and its body where that is JSON.
struct Request {
    head: Head,
    body: Option<Value>,
}

impl Request {
    async fn read(client: &mut UnixStream) -> Option<Self> {
        let mut head = Head::read(client).await?;
        let is_json = head
            .header("content-type")
            .is_some_and(|it| it.starts_with("application/json"));
        let length = head.header("content-length").and_then(|it| it.parse().ok());
        let mut body = None;
        if let (true, Some(length)) = (is_json, length) {
            while head.rest.len() < length {
                if client.read_buf(&mut head.rest).await.ok()? == 0 {
                    return None;
                }
            }
            body = serde_json::from_slice(&head.rest).ok();
        }
        Some(Self { head, body })
    }

    fn line(&self) -> &str {
        self.head.lines[0].as_str()
    }

    /// Makes it one of this version; an error names what that does not know.
    fn translate(&mut self, minor: u32) -> Result<(), String> {
        let line = self.line().to_owned();
        let mut words = line.split(' ');
        let (method, target) = (
            words.next().unwrap_or_default(),
            words.next().unwrap_or_default(),
        );
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let versioned = path.strip_prefix("/v1.").and_then(|it| it.split_once('/'));
        let path = match versioned {
            Some((theirs, _)) if theirs.parse::<u32>().is_ok_and(|theirs| theirs > minor) => {
                return Err(format!("version 1.{theirs}"));
            }
            Some((_, path)) => format!("/{path}"),
            None => path.to_owned(),
        };
        self.known(minor, method, &path, query)?;
        if let Some(body) = &mut self.body {
            for (since, end, place) in PASSED_OVER {
                if minor < *since && path.ends_with(end) {
                    take(body, place);
                }
            }
            self.head.rest = body.to_string().into_bytes();
            self.head.without("content-length");
            self.head
                .lines
                .push(format!("Content-Length: {}", self.head.rest.len()));
        }
        // What names no version is answered by the newest that an engine speaks.
        if versioned.is_none() {
            self.head.lines[0] = line.replacen(&path, &format!("/v1.{minor}{path}"), 1);
        }
        if self.head.header("upgrade").is_none() {
            self.head.without("connection");
            self.head.lines.push("Connection: close".to_owned());
        }
        Ok(())
    }

    fn known(&self, minor: u32, method: &str, path: &str, query: &str) -> Result<(), String> {
        let given: Vec<(String, String)> = url::form_urlencoded::parse(query.as_bytes())
            .into_owned()
            .collect();
        let newer = |since: u32| minor < since;
        if let Some((_, part)) = PATHS
            .iter()
            .find(|(since, part)| newer(*since) && path.contains(part))
        {
            return Err((*part).to_owned());
        }
        for (since, its, end, name) in PARAMETERS {
            let has = given
                .iter()
                .any(|(key, value)| key == name && !["", "0", "false"].contains(&value.as_str()));
            if newer(*since) && method == *its && path.ends_with(end) && has {
                return Err(format!("the parameter {name}"));
            }
        }
        let filters = given.iter().find(|(key, _)| key == "filters");
        let filters: Value = filters.map_or(Value::Null, |(_, text)| {
            serde_json::from_str(text).unwrap_or_default()
        });
        for (since, end, name) in FILTERS {
            if newer(*since) && path.ends_with(end) && !filters[*name].is_null() {
                return Err(format!("the filter {name}"));
            }
        }
        for (since, end, place) in FIELDS {
            let body = self
                .body
                .clone()
                .as_mut()
                .and_then(|body| take(body, place));
            if newer(*since) && path.ends_with(end) && body.is_some() {
                return Err(format!("the field {place}"));
            }
        }
        Ok(())
    }

    fn bytes(&self) -> Vec<u8> {
        self.head.bytes()
    }
}

/// Takes what is at a place out of a body; `None` where there is nothing, or nothing is said by it.
fn take(body: &mut Value, place: &str) -> Option<Value> {
    let (first, rest) = place.split_once('/').unwrap_or((place, ""));
    if first == "*" {
        return match body {
            Value::Array(entries) => entries.iter_mut().find_map(|it| take(it, rest)),
            Value::Object(entries) => entries.values_mut().find_map(|it| take(it, rest)),
            _ => None,
        };
    }
    if !rest.is_empty() {
        return take(body.get_mut(first)?, rest);
    }
    let found = body.as_object_mut()?.remove(first)?;
    let says_nothing = [
        Value::Null,
        Value::from(""),
        Value::from(0),
        Value::from(false),
        Value::Array(Vec::new()),
    ];
    (!says_nothing.contains(&found)).then_some(found)
}
